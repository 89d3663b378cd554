"""How many queries a call costs. Switches of path and role ride on the connection and are not counted."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django import DjangoAssertNumQueries

from tests.client import Api
from tests.world import World


@pytest.fixture
def warm(world: World, api: Api) -> Callable[[Api], Api]:
    """A client whose key was used a moment ago, so that no last use is due."""

    def call_once(client: Api) -> Api:
        assert client.get("/v1/whoami").status == 200
        return client

    return call_once


@pytest.mark.parametrize("who", ["agent_key", "service_key", "person_key"])
def test_an_authenticated_list_costs_four_queries(
    world: World,
    api: Api,
    warm: Callable[[Api], Api],
    django_assert_num_queries: DjangoAssertNumQueries,
    who: str,
) -> None:
    client = warm(api.using(getattr(world.builders, who)))
    with django_assert_num_queries(4):  # key and tenant, rate limit, key's row and principal, the list
        assert client.get("/v1/agents").status == 200


def test_on_a_tenants_own_host_it_costs_no_more(
    world: World, api: Api, warm: Callable[[Api], Api], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = warm(api.using(world.acorn.root_key).on(world.acorn.host))
    with django_assert_num_queries(4):
        assert len(client.get("/v1/agents")["data"]) == 2


def test_inside_an_environment_it_costs_no_more(
    world: World, api: Api, warm: Callable[[Api], Api], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = warm(api.using(world.builders.agent_key)).sending(packmule_environment="acorn/production")
    with django_assert_num_queries(4):
        assert len(client.get("/v1/agents")["data"]) == 2


def test_naming_an_organization_there_costs_one_more(
    world: World, api: Api, warm: Callable[[Api], Api], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = warm(api.using(world.builders.agent_key)).sending(
        packmule_environment="acorn/production", packmule_organization=world.acorn.parties["north"].id
    )
    with django_assert_num_queries(5):
        assert len(client.get("/v1/agents")["data"]) == 1


def test_a_list_of_keys_costs_one_more_for_their_index(
    world: World, api: Api, warm: Callable[[Api], Api], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = warm(api.using(world.builders.agent_key))
    with django_assert_num_queries(5):
        assert client.get("/v1/keys?limit=5").status == 200


def test_a_malformed_key_costs_only_its_count(
    world: World, api: Api, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assert api.using(world.builders.agent_key[:-1]).get("/v1/agents").status == 401


def test_a_path_that_needs_no_tenant_asks_nothing(
    world: World, api: Api, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert api.get("/healthz").status == 200
        assert api.get("/nothing/here").status == 404

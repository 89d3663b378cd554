"""Tickets of streams as credentials: each lets in to what it names, at its own tenant, and is good for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from apps.core.problems import Problem
from apps.tenancy.models import Tenant
from apps.tenancy.provisioning import soft_delete
from apps.tenancy.streaming import tickets
from apps.tenancy.streaming.door import admitted
from apps.tenancy.walls import outside, registry
from tests.client import Api
from tests.sweep.stage import Stage, raised, undone


@pytest.fixture(scope="module")
def stage(django_db_setup: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    """One stage for all of them, in a transaction that ends with the module."""
    with raised(django_db_setup, django_db_blocker) as made:
        yield made


@pytest.fixture(scope="module")
def tokens(stage: Stage) -> dict[str, str]:
    """A ticket for the log of each tenant."""
    return {name: _token(Api(space.root_key)) for name, space in stage.spaces.items()}


def _token(me: Api) -> str:
    answer = me.post("/v1/events/stream")
    assert answer.status == 201, answer.body
    return str(answer["url"]).rpartition("/")[2]


def entered(token: str, host: str = "127.0.0.1:8421") -> str:
    """The tenant in which `token` lets its holder in, or the code of the refusal."""
    try:
        with outside():
            return str(admitted(tickets.read(token), host).tenant.name)
    except Problem as refusal:
        return refusal.code


def test_each_lets_in_to_its_own_tenant(stage: Stage, tokens: dict[str, str]) -> None:
    for name, space in stage.spaces.items():
        assert entered(tokens[name]) == space.ref.name


def test_it_opens_nothing_on_a_host_of_another_tenant(stage: Stage, tokens: dict[str, str]) -> None:
    for name, token in tokens.items():
        for other, space in stage.spaces.items():
            if other != "console":
                wanted = space.ref.name if other == name else "stream_ticket_invalid"
                assert entered(token, f"{space.host}:8421") == wanted, f"{name} on the host of {other}"


def test_it_is_no_credential_of_the_api(stage: Stage, tokens: dict[str, str]) -> None:
    for token in tokens.values():
        assert Api(token).get("/v1/whoami").status == 401
        assert Api().get(f"/storage/{token}").status == 403
        assert Api().get(f"/streams/{token}").status == 404


def test_another_signed_text_is_no_ticket(stage: Stage) -> None:
    """What is signed for something else under the same key does not let in."""
    me = Api(stage.spaces["acorn"].root_key)
    cursor = me.get("/v1/events?after=latest")["next_cursor"]
    assert entered(cursor) == "stream_ticket_invalid"


def test_it_says_within_which_organization_it_is_good(stage: Stage) -> None:
    for space in stage.spaces.values():
        for party in space.parties.values():
            ticket = tickets.read(_token(Api(party.agent_key)))
            assert (ticket.tenant_id, ticket.organization_id) == (space.ref.id, party.uuid)


def test_a_deleted_tenant_lets_nobody_in(stage: Stage, tokens: dict[str, str]) -> None:
    with undone():
        with registry():
            soft_delete(Tenant.objects.get(pk=stage.spaces["acorn"].ref.id))
        assert entered(tokens["acorn"]) == "stream_ticket_invalid"
        assert entered(tokens["birch"]) == stage.spaces["birch"].ref.name

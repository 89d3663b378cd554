"""Where a key may act: hosts of tenants, environments of the console's organizations, the tenant that was expected."""

from __future__ import annotations

import pytest

from apps.apikeys.tests.making import machine_key, publishable_key, seat_in_another
from apps.apikeys.tests.test_credentials import WHOAMI, refused
from apps.tenancy.models import Tenant
from apps.tenancy.provisioning import soft_delete
from apps.tenancy.walls import registry
from tests.client import Api
from tests.world import World


def test_a_tenants_own_host_takes_its_own_keys(world: World, api: Api) -> None:
    answer = api.on(world.acorn.host).using(world.acorn.root_key).get(WHOAMI)

    assert answer.status == 200
    assert answer.headers["Packmule-Tenant"] == "acorn/production"


def test_a_port_and_capitals_in_the_host_make_no_difference(world: World, api: Api) -> None:
    host = world.acorn.host.upper() + ":8443"

    assert api.on(host).using(world.acorn.root_key).get(WHOAMI).status == 200


def test_another_tenants_key_is_refused_on_it(world: World, api: Api) -> None:
    on_acorn = api.on(world.acorn.host)
    for key in (world.birch.root_key, world.birch.publishable_key, world.builders.agent_key):
        answer = refused(on_acorn.using(key).get(WHOAMI), 401, "wrong_tenant")
        assert "Packmule-Tenant" not in answer.headers


def test_a_console_key_acts_on_the_host_of_the_environment_that_it_names(world: World, api: Api) -> None:
    builder = api.on(world.acorn.host).using(world.builders.agent_key)

    assert builder.get(WHOAMI, packmule_environment="acorn/production")["tenant"] == "acorn/production"
    refused(builder.get(WHOAMI, packmule_environment="birch/production"), 401, "wrong_tenant")
    refused(builder.get(WHOAMI, packmule_environment="nobody/production"), 401, "wrong_tenant")


def test_a_rivals_console_key_learns_nothing_there(world: World, api: Api) -> None:
    rival = api.on(world.acorn.host).using(world.rivals.agent_key)

    for environment in ("acorn/production", "acorn/nowhere"):
        refused(rival.get(WHOAMI, packmule_environment=environment), 401, "wrong_tenant")


def test_on_the_consoles_host_a_console_key_may_name_an_environment(world: World, api: Api) -> None:
    builder = api.on(world.console.host).using(world.builders.agent_key)

    assert builder.get(WHOAMI)["tenant"] == "console"
    assert builder.get(WHOAMI, packmule_environment="acorn/production")["tenant"] == "acorn/production"


@pytest.mark.parametrize(
    "host", ["nobody.example.com", "127.0.0.1.nip.io", "production--acorn.localhost.evil.test"]
)
def test_an_unknown_host_is_refused_with_and_without_a_key(world: World, api: Api, host: str) -> None:
    refused(api.on(host).get(WHOAMI), 400, "host_refused")
    refused(api.on(host).using(world.acorn.root_key).get(WHOAMI), 400, "host_refused")


@pytest.mark.parametrize("host", ["", "exa mple.com", "a/b"])
def test_a_malformed_host_is_refused(world: World, api: Api, host: str) -> None:
    assert api.on(host).using(world.acorn.root_key).get(WHOAMI).code in ("host_refused", "malformed_request")


def test_a_deleted_tenants_host_is_unknown(world: World, api: Api) -> None:
    soft_delete(Tenant.objects.get(pk=world.acorn.ref.id))

    refused(api.on(world.acorn.host).get(WHOAMI), 400, "host_refused")


# Environments


@pytest.mark.parametrize("who", ["agent_key", "service_key", "person_key"])
def test_a_builder_acts_in_an_environment_of_their_organization(world: World, api: Api, who: str) -> None:
    answer = api.using(getattr(world.builders, who)).get(WHOAMI, packmule_environment="acorn/production")

    assert answer.status == 200
    assert answer["tenant"] == "acorn/production"
    assert answer["organization"] is None
    assert answer.headers["Packmule-Tenant"] == "acorn/production"


def test_a_builder_keeps_their_role_there(world: World, api: Api) -> None:
    viewer = api.using(world.builders.viewer_key).sending(packmule_environment="acorn/production")

    assert viewer.get(WHOAMI)["role"] == "viewer"
    refused(viewer.post("/v1/agents", {"name": "helper"}), 403, "role_missing")


def test_a_builder_sees_every_customer_there_or_one(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key).sending(packmule_environment="acorn/production")
    north = world.acorn.parties["north"]

    assert len(builder.get("/v1/agents")["data"]) == 2
    one = builder.get("/v1/agents", packmule_organization=north.id)["data"]
    assert [agent["id"] for agent in one] == [north.agent]
    refused(builder.get(WHOAMI, packmule_organization=world.builders.id), 404, "not_found")


def test_anothers_environment_and_one_that_is_not_read_the_same(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key)

    theirs = refused(builder.get(WHOAMI, packmule_environment="birch/production"), 404, "not_found")
    nobodys = refused(builder.get(WHOAMI, packmule_environment="other/production"), 404, "not_found")

    assert theirs["detail"].replace("birch", "other") == nobodys["detail"]


def test_who_belongs_to_no_organization_of_the_console_enters_none(world: World, api: Api) -> None:
    for key in (world.console.root_key, world.console.stranger_key):
        answer = api.using(key).get(WHOAMI, packmule_environment="acorn/production")
        assert answer.code in ("not_found", "organization_required"), answer
        assert answer.status != 200


def test_an_environments_key_enters_no_other(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)

    refused(root.get(WHOAMI, packmule_environment="birch/production"), 404, "not_found")
    refused(root.get(WHOAMI, packmule_environment="console"), 404, "not_found")
    assert root.get(WHOAMI, packmule_environment="acorn/production").status == 200


def test_a_person_of_several_companies_enters_by_the_one_that_owns_it(world: World, api: Api) -> None:
    seat_in_another(world.console, world.builders)
    person = api.using(world.builders.person_key)

    answer = person.get(WHOAMI, packmule_environment="acorn/production")

    assert (answer.status, answer["role"]) == (200, "owner")


def test_a_publishable_key_of_the_console_enters_no_environment(world: World, api: Api) -> None:
    key = publishable_key(world.console, party=world.builders)

    refused(api.using(key).get(WHOAMI, packmule_environment="acorn/production"), 404, "not_found")


def test_a_deleted_environment_is_not_found(world: World, api: Api) -> None:
    soft_delete(Tenant.objects.get(pk=world.acorn.ref.id))
    builder = api.using(world.builders.agent_key)

    refused(builder.get(WHOAMI, packmule_environment="acorn/production"), 404, "not_found")


def test_an_environment_that_is_behind_says_so(world: World, api: Api) -> None:
    with registry():
        Tenant.objects.filter(pk=world.acorn.ref.id).update(fingerprint="of another age")
    builder = api.using(world.builders.agent_key)

    refused(builder.get(WHOAMI, packmule_environment="acorn/production"), 503, "tenant_behind")
    assert builder.get(WHOAMI).status == 200


# Expectations


def test_another_tenant_than_expected_is_refused_before_anything_happens(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key).sending(packmule_expect_tenant="birch/production")

    answer = refused(root.post("/v1/agents", {"name": "helper"}), 409, "tenant_mismatch")

    assert "acorn/production" in answer["detail"]
    assert (
        api.using(world.acorn.root_key).get(WHOAMI, packmule_expect_tenant="acorn/production").status == 200
    )


def test_the_expectation_is_about_the_tenant_that_is_acted_on(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key).sending(packmule_environment="acorn/production")

    assert builder.get(WHOAMI, packmule_expect_tenant="acorn/production").status == 200
    refused(builder.get(WHOAMI, packmule_expect_tenant="console"), 409, "tenant_mismatch")


def test_the_rows_of_the_world_are_walled(world: World, api: Api) -> None:
    """The ids are the same in both tenants: only the wall decides whose row is read."""
    made = machine_key(world.acorn, world.acorn.parties["north"])

    assert api.using(made.secret).get(f"/v1/agents/{world.acorn.parties['north'].agent}").status == 200
    refused(api.using(made.secret).get(f"/v1/agents/{world.acorn.parties['south'].agent}"), 404, "not_found")

"""A person's own memberships, and what people in several organizations do without naming one."""

from __future__ import annotations

import pytest

from apps.accounts.models import User
from apps.core.ids import decode
from apps.orgs.tests.post import joined
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World


def both(world: World) -> str:
    """A key of somebody in north and in south."""
    joined(world.acorn, world.acorn.parties["north"], "both@far.test", "viewer")
    return joined(world.acorn, world.acorn.parties["south"], "both@far.test", "admin")[1]


def test_they_are_listed_without_naming_an_organization(world: World, api: Api) -> None:
    me = api.using(both(world))
    found = me.get("/v1/memberships")["data"]
    assert [(one["organization"]["slug"], one["role"]) for one in found] == [
        ("north", "viewer"),
        ("south", "admin"),
    ]
    inside = me.sending(packmule_organization=found[0]["organization"]["id"])
    assert inside.get("/v1/memberships")["data"] == found


def test_only_ones_own(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    for key, slugs in ((north.viewer_key, ["north"]), (world.acorn.stranger_key, [])):
        found = api.using(key).get("/v1/memberships")
        assert (found["next_cursor"], [one["organization"]["slug"] for one in found["data"]]) == (None, slugs)


@pytest.mark.parametrize("who", ["agent_key", "service_key"])
def test_a_machine_has_none(world: World, api: Api, who: str) -> None:
    key = str(getattr(world.acorn.parties["north"], who))
    assert api.using(key).get("/v1/memberships").code == "person_needed"


def test_a_builder_away_has_none_there(world: World, api: Api) -> None:
    away = api.using(world.builders.person_key).sending(packmule_environment=world.acorn.name)
    assert away.get("/v1/memberships").code == "person_needed"


def test_a_key_that_is_bound_to_one_organization_tells_of_that_one(world: World, api: Api) -> None:
    me, north = api.using(both(world)), world.acorn.parties["north"]
    with enter(world.acorn.ref):
        User.objects.get(email="both@far.test")
    south = world.acorn.parties["south"]
    bound = me.sending(packmule_organization=south.id).post("/v1/keys", {"name": "k", "scopes": ["*"]})[
        "secret"
    ]
    found = api.using(bound).get("/v1/memberships")["data"]
    assert [one["organization"]["slug"] for one in found] == ["south"]
    assert api.using(bound).post(f"/v1/organizations/{north.id}/leave").code == "not_found"
    assert me.post(f"/v1/organizations/{north.id}/leave").status == 204


def test_who_am_i_names_no_organization_where_none_was_named(world: World, api: Api) -> None:
    shown = api.using(both(world)).get("/v1/whoami")
    assert (shown["organization"], shown["role"]) == (None, "none")


def test_founding_another_one_takes_no_organization(world: World, api: Api) -> None:
    me = api.using(both(world))
    made = me.post("/v1/organizations", {"name": "Third"}, idempotency_key="once")
    assert made.status == 201
    assert me.post("/v1/organizations", {"name": "Third"}, idempotency_key="once")["id"] == made["id"]
    assert me.get("/v1/memberships")["data"][-1]["role"] == "owner"


def test_a_viewer_everywhere_founds_nothing(world: World, api: Api) -> None:
    joined(world.acorn, world.acorn.parties["north"], "both@far.test", "viewer")
    _, key = joined(world.acorn, world.acorn.parties["south"], "both@far.test", "viewer")
    assert api.using(key).post("/v1/organizations", {"name": "Mine"}).code == "role_missing"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/users"), ("GET", "/v1/organizations"), ("POST", "/v1/agents")]
)
def test_everything_else_takes_one(world: World, api: Api, method: str, path: str) -> None:
    refused = api.using(both(world)).call(method, path, {"name": "x"} if method == "POST" else None)
    assert (refused.status, refused.code) == (400, "organization_required")
    named = {one["slug"] for one in refused["organizations"]}
    assert named == {"north", "south"}


def test_the_stranger_is_who_they_are(world: World, api: Api) -> None:
    with enter(world.acorn.ref):
        assert User.objects.filter(pk=decode(world.acorn.stranger, "usr")).exists()
    assert api.using(world.acorn.stranger_key).get("/v1/whoami")["role"] == "none"

"""Teams: members of one organization under one name, which gives nobody any right."""

from __future__ import annotations

from apps.orgs.models import TeamMember
from apps.orgs.tests.post import joined, one
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import Party, World

KITCHEN = {"slug": "kitchen", "name": "Kitchen", "description": "Who cooks"}


def kitchen(api: Api, party: Party) -> str:
    return f"{one(party)}/teams/{api.post(f'{one(party)}/teams', KITCHEN)['id']}"


def test_a_team_from_founding_to_its_end(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    made = owner.post(f"{one(north)}/teams", KITCHEN)
    assert (made.status, made["slug"], made["organization"]) == (201, "kitchen", north.id)
    team = f"{one(north)}/teams/{made['id']}"
    assert owner.post(f"{one(north)}/teams", KITCHEN).code == "team_slug_taken"
    assert owner.patch(team, {"slug": "bar", "name": "Bar"}, if_match='"v1"')["version"] == 2
    assert owner.patch(team, {"name": "x"}, if_match='"v1"').code == "version_mismatch"
    assert [row["slug"] for row in api.using(north.viewer_key).get(f"{one(north)}/teams")["data"]] == ["bar"]
    assert owner.delete(team).status == 204
    assert owner.get(team).code == "not_found"


def test_who_is_in_a_team(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    team = kitchen(owner, north)
    seat, _ = joined(world.acorn, north, "cook@north.test", "viewer")
    added = owner.post(f"{team}/members", {"membership": seat})
    assert (added.status, added["user"]["email"], added["role"]) == (201, "cook@north.test", "viewer")
    assert owner.post(f"{team}/members", {"membership": seat}).code == "already_in_team"
    assert [row["membership"] for row in owner.get(f"{team}/members")["data"]] == [seat]
    assert owner.delete(f"{team}/members/{seat}").status == 204
    assert owner.delete(f"{team}/members/{seat}").code == "not_found"
    assert owner.get(f"{one(north)}/members/{seat}").status == 200


def test_who_leaves_the_organization_leaves_its_teams(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    team = kitchen(owner, north)
    seat, _ = joined(world.acorn, north, "cook@north.test", "viewer")
    owner.post(f"{team}/members", {"membership": seat})
    assert owner.delete(f"{one(north)}/members/{seat}").status == 204
    assert owner.get(f"{team}/members")["data"] == []


def test_a_team_goes_with_its_organization(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    path = f"/v1/organizations/{root.post('/v1/organizations', {'name': 'East'})['id']}"
    team = root.post(f"{path}/teams", KITCHEN)["id"]
    seat = root.post(f"{path}/members", {"user": world.acorn.stranger})["id"]
    root.post(f"{path}/teams/{team}/members", {"membership": seat})
    assert root.delete(path).status == 204
    with enter(world.acorn.ref):
        assert not TeamMember.objects.exists()


def test_a_team_gives_no_right(world: World, api: Api) -> None:
    """In every team of the house, a viewer does what a viewer does."""
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    team = kitchen(owner, north)
    seat, key = joined(world.acorn, north, "cook@north.test", "viewer")
    me = api.using(key)
    owner.post(f"{team}/members", {"membership": seat})
    for refused in (
        me.post("/v1/agents", {"name": "x"}),
        me.patch(team, {"name": "Mine"}),
        me.post(f"{team}/members", {"membership": north.membership}),
        me.delete(f"{team}/members/{seat}"),
    ):
        assert (refused.status, refused.code) == (403, "role_missing")


def test_nobody_of_another_organization_is_in_a_team(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    for caller in (api.using(north.person_key), api.using(world.acorn.root_key)):
        team = caller.post(f"{one(north)}/teams", {**KITCHEN, "slug": f"t{len(caller.key or '')}"})["id"]
        path = f"{one(north)}/teams/{team}"
        assert caller.post(f"{path}/members", {"membership": south.membership}).code == "not_found"
        assert caller.get(f"{one(south)}/teams/{team}").code == "not_found"
        assert caller.delete(f"{one(south)}/teams/{team}").code == "not_found"
        assert caller.delete(path).status == 204

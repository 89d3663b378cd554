"""Members: who may add, change and remove whom, and that an organization keeps an owner."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from apps.orgs.tests.post import joined
from tests.client import Api
from tests.world import Party, World


def members_path(party: Party) -> str:
    return f"/v1/organizations/{party.id}/members"


def seat_of(api: Api, party: Party, email: str) -> str:
    return str(next(m["id"] for m in api.get(members_path(party))["data"] if m["user"]["email"] == email))


def test_a_member_as_others_see_it(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    seat = api.using(north.viewer_key).get(f"{members_path(north)}/{north.membership}")
    assert seat.headers["ETag"] == '"v1"'
    assert (seat["role"], seat["organization"]) == ("owner", north.id)
    assert seat["user"] == {"id": north.person, "email": north.email, "name": "owner", "status": "active"}


def test_adding_an_existing_person_by_email_is_for_the_whole_tenant(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    me = api.using(world.acorn.root_key)
    added = me.post(members_path(north), {"email": "Stranger@nowhere.test", "role": "viewer"})
    assert (added.status, added["user"]["id"], added["role"]) == (201, world.acorn.stranger, "viewer")
    again = me.post(members_path(north), {"email": "stranger@nowhere.test"})
    assert (again.status, again.code) == (409, "already_member")
    assert api.using(world.acorn.stranger_key).get("/v1/whoami")["organization"]["slug"] == "north"


def test_an_organization_invites_whom_it_knows_by_email(world: World, api: Api) -> None:
    """Whether there is such a person is not told: the refusal is the same, and its remedy goes through."""
    north = world.acorn.parties["north"]
    me = api.using(north.person_key)
    for email in ("stranger@nowhere.test", "who@nowhere.test"):
        refused = me.post(members_path(north), {"email": email, "role": "viewer"})
        assert (refused.status, refused.code) == (403, "invitation_needed")
        call = refused["remedy"]["api"]
        assert me.post(call["path"], call["body"])["email"] == email


def test_by_id_only_whom_one_sees(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    body = {"user": world.acorn.stranger}
    assert api.using(north.person_key).post(members_path(north), body).code == "not_found"
    assert api.using(world.acorn.root_key).post(members_path(north), body)["role"] == "developer"


@pytest.mark.parametrize("body", [{}, {"user": None}, "both"])
def test_by_one_of_the_two(world: World, api: Api, body: Any) -> None:
    north = world.acorn.parties["north"]
    body = {"user": north.person, "email": north.email} if body == "both" else body
    refused = api.using(north.person_key).post(members_path(north), body)
    assert (refused.status, refused["errors"][0]["code"]) == (422, "one_of")


def test_nobody_unknown(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    refused = api.using(world.acorn.root_key).post(members_path(north), {"email": "who@nowhere.test"})
    assert (refused.status, refused.code) == (404, "not_found")


def test_another_organizations_members_are_nowhere(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    me, theirs = api.using(north.person_key), members_path(south)
    for answer in (
        me.get(theirs),
        me.post(theirs, {"email": north.email, "role": "owner"}),
        me.get(f"{theirs}/{south.membership}"),
        me.patch(f"{theirs}/{south.membership}", {"role": "viewer"}),
        me.delete(f"{theirs}/{south.membership}"),
        me.get(f"{members_path(north)}/{south.membership}"),
        me.delete(f"{members_path(north)}/{south.membership}"),
    ):
        assert answer.code == "not_found"
    assert api.using(world.acorn.root_key).get(f"{theirs}/{south.membership}")["role"] == "owner"


def test_nobody_decides_about_a_role_above_their_own(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    admin, owners_seat = api.using(north.agent_key), f"{members_path(north)}/{north.membership}"
    assert (
        admin.post(members_path(north), {"email": "stranger@nowhere.test", "role": "owner"}).code
        == "role_exceeds_own"
    )
    assert admin.patch(owners_seat, {"role": "viewer"}).code == "role_exceeds_own"
    assert admin.delete(owners_seat).code == "role_exceeds_own"
    viewers_seat = f"{members_path(north)}/{seat_of(admin, north, 'viewer@north.test')}"
    assert admin.patch(viewers_seat, {"role": "owner"}).code == "role_exceeds_own"
    assert admin.patch(viewers_seat, {"role": "admin"}, if_match='"v1"')["version"] == 2
    assert admin.patch(viewers_seat, {"role": "viewer"}, if_match='"v1"').code == "version_mismatch"


def test_a_backend_names_the_first_owner_of_what_it_founded_and_no_further_one(
    world: World, api: Api
) -> None:
    root = api.using(world.acorn.root_key)
    backend = root.post("/v1/service-accounts", {"name": "Backend", "role": "admin"})
    key = {"name": "backend", "scopes": ["*"], "expires_in_days": 1}
    me = api.using(root.post(f"/v1/service-accounts/{backend['id']}/keys", key)["secret"])
    path = f"/v1/organizations/{me.post('/v1/organizations', {'name': 'East'})['id']}/members"
    assert me.post(path, {"user": world.acorn.stranger, "role": "owner"}).status == 201
    second = me.post(path, {"user": world.acorn.parties["north"].person, "role": "owner"})
    assert second.code == "role_exceeds_own"


def test_the_last_owner_stays(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    me, seat = api.using(north.person_key), f"{members_path(north)}/{north.membership}"
    for refused in (me.patch(seat, {"role": "admin"}), me.delete(seat)):
        assert (refused.status, refused.code) == (409, "last_owner")
    assert me.patch(seat, {"role": "owner"}).status == 200
    second = {"email": "stranger@nowhere.test", "role": "owner"}
    assert api.using(world.acorn.root_key).post(members_path(north), second).status == 201
    assert me.delete(seat).status == 204
    assert api.using(world.acorn.root_key).get(seat).code == "not_found"


def test_a_suspended_owner_is_no_owner_to_leave_behind(world: World, api: Api) -> None:
    north, root = world.acorn.parties["north"], api.using(world.acorn.root_key)
    root.post(members_path(north), {"user": world.acorn.stranger, "role": "owner"})
    root.post(f"/v1/users/{world.acorn.stranger}/suspend", {"reason": "away"})
    assert root.delete(f"{members_path(north)}/{north.membership}").code == "last_owner"


def test_who_was_removed_is_out_at_the_next_call(world: World, api: Api) -> None:
    north, root = world.acorn.parties["north"], api.using(world.acorn.root_key)
    seat = seat_of(root, north, "viewer@north.test")
    viewer = api.using(north.viewer_key)
    assert viewer.get("/v1/agents").status == 200
    assert root.delete(f"{members_path(north)}/{seat}").status == 204
    assert viewer.get("/v1/agents").status in (401, 403)


def test_a_list_costs_the_same_however_long_it_is(
    world: World, api: Api, django_assert_max_num_queries: Any
) -> None:
    north = world.acorn.parties["north"]
    me = api.using(north.person_key)
    for number in range(4):
        joined(world.acorn, north, f"member{number}@north.test", "viewer")
    me.get(members_path(north))
    with django_assert_max_num_queries(4):
        assert len(me.get(members_path(north))["data"]) == 6


def test_two_owners_who_leave_at_once_leave_one(committing: World) -> None:
    """Both transactions really commit, so that the locks decide. The organization is this test's own."""
    space, root = committing.acorn, Api(committing.acorn.root_key)
    path = f"/v1/organizations/{root.post('/v1/organizations', {'name': 'Two owners'})['id']}"
    people = (space.stranger, space.parties["north"].person)
    seats = [root.post(f"{path}/members", {"user": one, "role": "owner"})["id"] for one in people]
    started = Barrier(2)

    def leave(seat: str) -> str:
        try:
            started.wait(5)
            return root.delete(f"{path}/members/{seat}").code
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(leave, seats)) == ["", "last_owner"]
    finally:
        assert root.delete(path).status == 204

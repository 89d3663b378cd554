"""Owning: transfer, leaving, and that an organization keeps an owner who can act."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from apps.accounts.models import User
from apps.apikeys.models import KeyIndex
from apps.core.ids import decode
from apps.orgs.founding import personal_organization
from apps.orgs.tests.post import joined, key_of, one
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import Space, World


def role_of(api: Api, path: str) -> str:
    return str(api.get(path)["role"])


def test_an_owner_hands_the_organization_over(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    seat, key = joined(world.acorn, north, "heir@north.test", "viewer")
    body = {"membership": seat, "reason": "I retire"}
    handed = owner.post(f"{one(north)}/transfer", body, idempotency_key="once")
    assert (handed.status, handed["id"], handed["role"]) == (200, seat, "owner")
    assert role_of(api.using(key), f"{one(north)}/members/{north.membership}") == "admin"
    again = owner.post(f"{one(north)}/transfer", body, idempotency_key="once")
    assert (again.status, again.headers["Idempotency-Replayed"]) == (200, "true")
    told = api.using(key).get(f"/v1/audit?resource={seat}")["data"][0]
    assert (told["operation"], told["reason"]) == ("organizations.transfer", "I retire")


@pytest.mark.parametrize("who", ["agent_key", "service_key", "viewer_key", "root", "puppet", "narrow"])
def test_only_an_owner_in_person_does(world: World, api: Api, who: str) -> None:
    north = world.acorn.parties["north"]
    seat, _ = joined(world.acorn, north, "heir@north.test", "owner")
    keys = {"root": world.acorn.root_key, "narrow": key_of(world.acorn, north.person, ("self:write",))}
    if who == "puppet":
        machine = api.using(north.agent_key).post("/v1/service-accounts", {"name": "p", "role": "admin"})[
            "id"
        ]
        minted = api.using(north.agent_key).post(
            "/v1/keys", {"name": "p", "scopes": ["*"], "service_account": machine}
        )
        keys["puppet"] = minted["secret"]
    me = api.using(keys.get(who) or str(getattr(north, who)))
    refused = me.post(f"{one(north)}/transfer", {"membership": seat, "reason": "mine now"})
    wanted = {"viewer_key": "owner_needed", "narrow": "credential_too_narrow"}.get(who, "person_needed")
    assert (refused.status, refused.code) == (403, wanted)


def test_an_admin_is_no_owner(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    seat, key = joined(world.acorn, north, "admin@north.test", "admin")
    refused = api.using(key).post(f"{one(north)}/transfer", {"membership": seat, "reason": "mine now"})
    assert refused.code in ("owner_needed", "new_owner_unfit")
    assert role_of(api.using(key), f"{one(north)}/members/{north.membership}") == "owner"


def test_to_whom_it_cannot_go(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    owner = api.using(north.person_key)
    seat, _ = joined(world.acorn, north, "gone@north.test", "viewer")
    with enter(world.acorn.ref):
        User.objects.filter(email="gone@north.test").update(status="suspended")
    for membership, code in (
        (seat, "new_owner_unfit"),
        (north.membership, "new_owner_unfit"),
        (south.membership, "not_found"),
    ):
        refused = owner.post(f"{one(north)}/transfer", {"membership": membership, "reason": "x"})
        assert refused.code == code
    assert owner.post(f"{one(south)}/transfer", {"membership": seat, "reason": "x"}).code == "not_found"


def test_a_personal_organization_stays_with_its_person(world: World, api: Api) -> None:
    with enter(world.acorn.ref):
        person = User.objects.get(pk=decode(world.acorn.stranger, "usr"))
        own = personal_organization(person)
        guest = User.objects.create_user("guest@far.test")
        seat = own.memberships.create(user=guest, role="viewer").public_id
    me = api.using(world.acorn.stranger_key)
    path = f"/v1/organizations/{own.public_id}"
    for refused in (
        me.post(f"{path}/leave"),
        me.post(f"{path}/transfer", {"membership": seat, "reason": "x"}),
    ):
        assert (refused.status, refused.code) == (409, "personal_organization_stays")


def test_a_member_leaves_and_is_out(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    _, key = joined(world.acorn, north, "tired@north.test", "developer")
    me = api.using(key)
    agent = me.post("/v1/agents", {"name": "Left behind", "role": "viewer"})["id"]
    left = api.using(me.post(f"/v1/agents/{agent}/keys", {"name": "k", "scopes": ["*"]})["secret"])
    assert left.get("/v1/users").status == 200
    assert me.post(f"{one(north)}/leave").status == 204
    assert left.get("/v1/users").status == 401, "what a leaver minted for the organization's machines ends"
    assert me.get("/v1/memberships")["data"] == []
    assert me.get(f"{one(north)}/members").status == 403
    assert me.post(f"{one(north)}/leave").code == "not_found"


def test_leaving_one_of_several_without_naming_any(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    joined(world.acorn, north, "both@far.test", "viewer")
    _, key = joined(world.acorn, south, "both@far.test", "viewer")
    me = api.using(key)
    assert me.get("/v1/users").code == "organization_required"
    assert me.post(f"{one(north)}/leave").status == 204
    assert me.get("/v1/whoami")["organization"]["slug"] == "south"


@pytest.mark.parametrize("who", ["agent_key", "service_key"])
def test_a_machine_does_not_leave(world: World, api: Api, who: str) -> None:
    north = world.acorn.parties["north"]
    assert api.using(str(getattr(north, who))).post(f"{one(north)}/leave").code == "person_needed"


def test_the_last_owner_does_not_leave(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    me = api.using(north.person_key)
    assert me.post(f"{one(north)}/leave").code == "last_owner"
    joined(world.acorn, north, "second@north.test", "owner")
    assert me.post(f"{one(north)}/leave").status == 204


def test_the_last_owners_account_is_not_suspended_over_other_members(world: World, api: Api) -> None:
    north, root = world.acorn.parties["north"], api.using(world.acorn.root_key)
    path, body = f"/v1/users/{north.person}/suspend", {"reason": "stolen laptop"}
    refused = root.post(path, body)
    assert (refused.status, refused.code) == (409, "last_owner")
    assert api.using(north.person_key).get("/v1/whoami").status == 200
    joined(world.acorn, north, "second@north.test", "owner")
    assert root.post(path, body)["status"] == "suspended"


def test_who_is_alone_in_an_organization_can_be_suspended(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    with enter(world.acorn.ref):
        personal_organization(User.objects.get(pk=decode(world.acorn.stranger, "usr")))
    assert root.post(f"/v1/users/{world.acorn.stranger}/suspend", {"reason": "spam"}).status == 200


# Both transactions really commit, so that the locks decide. The organization is the test's own.


def race(*calls: Any) -> list[str]:
    """Make the calls at the same moment, each on a connection of its own; the codes of their answers, sorted."""
    started = Barrier(len(calls))

    def make(call: Any) -> str:
        try:
            started.wait(5)
            return str(call().code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(pool.map(make, calls))


def with_two_owners(space: Space, root: Api) -> tuple[str, list[str]]:
    path = f"/v1/organizations/{root.post('/v1/organizations', {'name': 'Two owners'})['id']}"
    people = (space.stranger, space.parties["north"].person)
    return path, [root.post(f"{path}/members", {"user": one, "role": "owner"})["id"] for one in people]


def test_an_owner_who_leaves_while_the_other_is_lowered(committing: World) -> None:
    space, root = committing.acorn, Api(committing.acorn.root_key)
    path, seats = with_two_owners(space, root)
    leaving = Api(space.stranger_key)
    try:
        codes = race(
            lambda: leaving.post(f"{path}/leave"),
            lambda: root.patch(f"{path}/members/{seats[1]}", {"role": "viewer"}),
        )
        assert codes == ["", "last_owner"]
    finally:
        assert root.delete(path).status == 204


def test_an_owner_who_leaves_while_the_other_is_suspended(committing: World) -> None:
    space, root = committing.acorn, Api(committing.acorn.root_key)
    path, seats = with_two_owners(space, root)
    viewer = root.post(f"{path}/members", {"user": space.parties["south"].person, "role": "viewer"})
    assert viewer.status == 201
    suspended = f"/v1/users/{space.stranger}"
    try:
        codes = race(
            lambda: root.delete(f"{path}/members/{seats[1]}"),
            lambda: root.post(f"{suspended}/suspend", {"reason": "race"}),
        )
        assert codes == ["", "last_owner"]
    finally:
        root.post(f"{suspended}/activate", {"reason": "over"})
        assert root.delete(path).status == 204


def test_what_a_leaver_minted_is_dead_in_the_registry_too(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    seat, key = joined(world.acorn, north, "tired@north.test", "developer")
    me = api.using(key)
    agent = me.post("/v1/agents", {"name": "Left behind", "role": "viewer"})["id"]
    minted = me.post(f"/v1/agents/{agent}/keys", {"name": "k", "scopes": ["*"]})["id"]
    assert api.using(north.person_key).delete(f"{one(north)}/members/{seat}").status == 204
    assert KeyIndex.objects.get(pk=decode(minted, "key")).revoked_at is not None

"""The directory: who sees whom, who changes whom, and that a suspension bites at once."""

from typing import Any

import pytest

from tests.client import Api
from tests.world import World, promote


def test_an_organizations_actor_sees_the_people_it_shares_the_organization_with(
    world: World, api: Api
) -> None:
    north = world.acorn.parties["north"]
    emails = [user["email"] for user in api.using(north.agent_key).get("/v1/users")["data"]]
    assert sorted(emails) == ["owner@north.test", "viewer@north.test"]


def test_the_whole_tenant_sees_everybody_and_finds_by_email(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    assert len(root.get("/v1/users")["data"]) == 5
    found = root.get("/v1/users?email=OWNER@south.test")["data"]
    assert [user["id"] for user in found] == [world.acorn.parties["south"].person]


def test_a_person_of_another_organization_is_nowhere(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    me = api.using(north.person_key)
    assert me.get(f"/v1/users/{south.person}").code == "not_found"
    assert me.patch(f"/v1/users/{south.person}", {"name": "Mine"}).code == "not_found"
    assert me.post(f"/v1/users/{south.person}/suspend", {"reason": "why not"}).code == "not_found"
    assert me.get("/v1/users?email=owner@south.test")["data"] == []


def test_who_has_no_organization_sees_nobody(world: World, api: Api) -> None:
    assert api.using(world.acorn.stranger_key).get("/v1/users").code == "role_missing"


def test_adding_a_person(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    made = root.post("/v1/users", {"email": "Ada@Example.test", "name": "Ada"})
    assert made.status == 201
    assert (made["email"], made["name"], made["status"]) == ("ada@example.test", "Ada", "active")
    assert root.get(f"/v1/users/{made['id']}").body == made.body


def test_an_email_is_known_once_in_a_tenant_and_again_in_another(world: World, api: Api) -> None:
    body = {"email": "ada@example.test"}
    assert api.using(world.acorn.root_key).post("/v1/users", body).status == 201
    again = api.using(world.acorn.root_key).post("/v1/users", {"email": "ADA@example.test"})
    assert (again.status, again.code) == (409, "email_taken")
    assert again["remedy"]["api"]["body"]["email"] == "ADA@example.test"
    assert api.using(world.birch.root_key).post("/v1/users", body).status == 201


def test_an_organization_invites_and_learns_of_nobody_whether_they_are_known(world: World, api: Api) -> None:
    """Everybody who signs up owns an organization; none of them is to ask the directory for others' addresses."""
    north, root = world.acorn.parties["north"], api.using(world.acorn.root_key)
    known, free = "owner@south.test", "nobody@south.test"
    for key in (north.person_key, north.agent_key, north.service_key):
        told = []
        for email in (known, free):
            refused = api.using(key).post("/v1/users", {"email": email})
            assert (refused.status, refused.code) == (403, "directory_of_tenant")
            told.append((refused["detail"], refused["remedy"]["api"]["path"]))
        assert told[0] == told[1]
    assert root.get(f"/v1/users?email={free}")["data"] == []
    call = refused["remedy"]["api"]
    invited = api.using(north.person_key).post(call["path"], call["body"])
    assert (invited.status, invited["email"], invited["role"]) == (201, free, "viewer")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "email", "required"),
        ({"email": "no"}, "email", "invalid_email"),
        ({"email": 7}, "email", "invalid_type"),
        ({"email": "a@b.test", "pasword": "x"}, "pasword", "unknown_field"),
        ({"email": "a@b.test", "name": "A\u202eB"}, "name", "invalid_character"),
    ],
)
def test_bad_input_is_named(world: World, api: Api, body: dict[str, Any], field: str, code: str) -> None:
    refused = api.using(world.acorn.root_key).post("/v1/users", body)
    assert refused.status == 422
    assert {"field": field, "code": code}.items() <= refused["errors"][0].items()


def test_people_change_their_own_name_and_nobody_elses(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    me = api.using(north.person_key)
    assert me.patch(f"/v1/users/{north.person}", {"name": "North's owner"})["name"] == "North's owner"
    viewer = next(u for u in me.get("/v1/users")["data"] if u["email"] == "viewer@north.test")
    assert me.patch(f"/v1/users/{viewer['id']}", {"name": "x"}).code == "directory_of_tenant"
    assert (
        api.using(north.agent_key).patch(f"/v1/users/{north.person}", {"name": "x"}).code
        == "directory_of_tenant"
    )


def test_a_builder_of_another_company_gets_nowhere(world: World, api: Api) -> None:
    away = api.using(world.rivals.person_key).sending(packmule_environment="acorn/production")
    assert away.patch(f"/v1/users/{world.acorn.parties['north'].person}", {"name": "x"}).code == "not_found"


def test_a_builder_in_their_own_environment_decides_for_it(world: World, api: Api) -> None:
    away = api.using(world.builders.person_key).sending(packmule_environment="acorn/production")
    assert away.patch(f"/v1/users/{world.acorn.parties['north'].person}", {"name": "x"})["name"] == "x"


def test_a_stale_change_is_refused(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    path = f"/v1/users/{world.acorn.stranger}"
    read = root.get(path)
    assert read.headers["ETag"] == '"v1"'
    assert root.patch(path, {"name": "First"}, if_match='"v1"').headers["ETag"] == '"v2"'
    assert root.patch(path, {"name": "Second"}, if_match='"v1"').code == "version_mismatch"


def test_a_suspension_bites_at_the_next_call(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    promote(world.acorn, north)
    root, me = api.using(world.acorn.root_key), api.using(north.person_key)
    assert me.get("/v1/whoami").status == 200
    suspended = root.post(f"/v1/users/{north.person}/suspend", {"reason": "left the company"})
    assert (suspended.status, suspended["status"]) == (200, "suspended")
    assert suspended["status_reason"] == "left the company"
    assert me.get("/v1/whoami").status == 401
    assert root.post(f"/v1/users/{north.person}/activate", {"reason": "came back"})["status"] == "active"
    assert me.get("/v1/whoami").status == 200


def test_an_organization_does_not_suspend_a_person_for_everybody(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    refused = api.using(north.agent_key).post(f"/v1/users/{north.person}/suspend", {"reason": "x"})
    assert refused.code == "directory_of_tenant"


def test_a_suspension_needs_a_reason(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    refused = root.post(f"/v1/users/{world.acorn.stranger}/suspend", {})
    assert (refused.status, refused["errors"][0]["field"]) == (422, "reason")


def test_an_operator_of_the_console_adds_and_changes_anybody_but_suspends_not_themselves(
    world: World, api: Api
) -> None:
    from apps.accounts.models import User
    from apps.core.ids import decode
    from apps.tenancy.walls import enter

    with enter(world.console.ref):
        User.objects.filter(pk=decode(world.builders.person, "usr")).update(is_operator=True)
    promote(world.console, world.rivals)
    operator = api.using(world.builders.person_key)
    assert operator.post("/v1/users", {"email": "new@console.test"}).status == 201
    body = {"reason": "abuse"}
    assert operator.post(f"/v1/users/{world.rivals.person}/suspend", body)["status"] == "suspended"
    assert operator.post(f"/v1/users/{world.builders.person}/suspend", body).code == "own_account"

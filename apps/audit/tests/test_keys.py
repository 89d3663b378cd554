"""Everything that a credential did is one call, also when it is dead; what ended keys says which."""

from __future__ import annotations

import pytest

from tests.client import Api
from tests.oauth import Program
from tests.world import Party, World

EVERYTHING = {"name": "made", "scopes": ["*"]}


@pytest.fixture
def north(world: World) -> Party:
    return world.acorn.parties["north"]


def told(caller: str, key: str) -> list[tuple[str, int]]:
    """What the key did, as its organization is told: operations and depths, the newest first."""
    answer = Api(caller).get(f"/v1/keys/{key}/activity")
    assert answer.status == 200, answer
    return [(event["operation"], event["depth"]) for event in answer["data"]]


def test_everything_that_a_key_did_and_what_it_minted_did(world: World, north: Party) -> None:
    first = Api(north.agent_key).post("/v1/keys", EVERYTHING)
    second = Api(first["secret"]).post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)
    assert Api(second["secret"]).post("/v1/agents", {"name": "made by the second"}).status == 201
    assert told(north.person_key, first["id"]) == [
        ("agents.create", 1),
        ("keys.create-for-service-account", 0),
    ]
    assert told(north.person_key, second["id"]) == [("agents.create", 0)]
    assert told(north.person_key, north.agent_key_id)[-1] == ("keys.create", 0)
    assert told(north.person_key, north.agent_key_id)[0] == ("agents.create", 2)


def test_so_is_what_clients_did_that_it_registered(world: World, north: Party) -> None:
    """Also when the client is gone: the event knows by which key it was registered."""
    asked = {
        "name": "hidden",
        "grants": ["client_credentials"],
        "scopes": ["*"],
        "service_account": north.service,
    }
    first = Api(north.agent_key).post("/v1/keys", EVERYTHING)
    made = Api(first["secret"]).post("/v1/oauth-clients", asked)
    token = Program(world.acorn, made["id"], made["secret"]).token("client_credentials")["access_token"]
    assert Api(token).post("/v1/agents", {"name": "made by it"}).status == 201
    did = [("agents.create", 1), ("oauth_tokens.issue", 1), ("oauth_clients.create", 0)]
    assert told(north.person_key, first["id"]) == did
    assert told(north.person_key, north.agent_key_id)[0] == ("agents.create", 2)
    assert Api(north.person_key).delete(f"/v1/oauth-clients/{made['id']}").status == 204
    assert told(north.person_key, first["id"]) == did
    [event] = Api(north.person_key).get("/v1/audit?operation=agents.create")["data"]
    assert event["credential"]["minted_by"] == first["id"]


def test_a_dead_key_is_told_of_too(world: World, north: Party) -> None:
    made = Api(north.agent_key).post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)
    Api(made["secret"]).post("/v1/agents", {"name": "before the end"})
    Api(north.person_key).delete(f"/v1/keys/{made['id']}")
    assert told(north.person_key, made["id"]) == [("agents.create", 0)]
    assert Api(north.person_key).delete(f"/v1/service-accounts/{north.service}").status == 204
    assert told(north.person_key, made["id"]) == [("agents.create", 0)], "its row is gone now"


def test_pages_of_it(world: World, north: Party) -> None:
    made = Api(north.agent_key).post("/v1/keys", EVERYTHING)
    for number in range(5):
        Api(made["secret"]).post("/v1/agents", {"name": f"number {number}"})
    path, names = f"/v1/keys/{made['id']}/activity?limit=2", []
    cursor: str | None = ""
    while cursor is not None:
        page = Api(north.person_key).get(path + (f"&cursor={cursor}" if cursor else ""))
        names += [event["resource"]["name"] for event in page["data"]]
        cursor = page["next_cursor"]
    assert names == [f"number {number}" for number in (4, 3, 2, 1, 0)]


def test_others_keys_have_no_story(world: World, north: Party) -> None:
    south = world.acorn.parties["south"]
    for stranger in (
        south.agent_key,
        world.birch.root_key,
        world.builders.agent_key,
        world.acorn.stranger_key,
    ):
        for what in ("activity", "lineage"):
            answer = Api(stranger).get(f"/v1/keys/{north.agent_key_id}/{what}")
            assert answer.status in (403, 404), answer


def test_the_trail_is_filtered_by_credential(world: World, north: Party) -> None:
    made = Api(north.agent_key).post("/v1/keys", EVERYTHING)
    Api(made["secret"]).post("/v1/agents", {"name": "through it"})
    listed = Api(north.person_key).get(f"/v1/audit?credential={made['id']}")["data"]
    assert [event["operation"] for event in listed] == ["agents.create"]
    assert Api(north.person_key).get("/v1/audit?credential=agt_nonsense").status == 400


def test_the_trail_says_which_keys_ended(world: World, north: Party) -> None:
    first = Api(north.agent_key).post("/v1/keys", EVERYTHING)
    second = Api(first["secret"]).post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)
    Api(north.person_key).delete(f"/v1/keys/{first['id']}")
    [event] = Api(north.person_key).get("/v1/audit?operation=keys.revoke")["data"]
    ended = {change["resource"]["id"]: change["fields"] for change in event["changes"]}
    assert ended == {key["id"]: {"status": ["active", "revoked"]} for key in (first, second)}
    story = Api(north.person_key).get(f"/v1/timeline/{second['id']}")["data"]
    assert event["id"] in [one["id"] for one in story]


def test_removing_a_member_says_how_many_keys_ended(world: World, north: Party) -> None:
    owner = Api(north.person_key)
    path = f"/v1/organizations/{north.id}/members"
    seat = next(one for one in owner.get(path)["data"] if one["user"]["email"] == "viewer@north.test")
    assert owner.patch(f"{path}/{seat['id']}", {"role": "admin"}).status == 200
    keys = [
        Api(north.viewer_key).post("/v1/keys", EVERYTHING | {"service_account": north.service}) for _ in "ab"
    ]
    assert owner.delete(f"{path}/{seat['id']}").status == 204
    [event] = owner.get("/v1/audit?operation=members.remove")["data"]
    ended = {change["resource"]["id"] for change in event["changes"] if change["resource"]["type"] == "key"}
    assert ended == {key["id"] for key in keys}


def test_the_reason_that_was_given_is_in_the_trail(world: World, north: Party) -> None:
    owner = Api(north.person_key)
    assert owner.post(f"/v1/agents/{north.agent}/owner", {"reason": "she left"}).status == 200
    [event] = owner.get("/v1/audit?operation=agents.change-owner")["data"]
    assert event["reason"] == "she left"

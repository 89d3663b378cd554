"""The trail as its readers see it."""

from __future__ import annotations

from io import StringIO
from typing import Any

import orjson
import pytest
from django.core.management import call_command

from tests.client import Answer, Api
from tests.world import World


def entries(api: Api, query: str = "") -> list[dict[str, Any]]:
    answer = api.get(f"/v1/audit{query}")
    assert answer.status == 200, answer
    return list(answer["data"])


def made(answer: Answer) -> dict[str, Any]:
    assert answer.status in (200, 201), answer
    return dict(answer.body)


@pytest.fixture
def north(world: World, api: Api) -> Api:
    """The agent of acorn's customer north."""
    return api.using(world.acorn.parties["north"].agent_key)


def test_an_agents_act_is_told_with_who_for_whom_and_through_what(world: World, north: Api) -> None:
    party = world.acorn.parties["north"]
    answer = north.post("/v1/agents", {"name": "Scout", "role": "viewer"})
    agent = made(answer)
    [entry] = entries(north, f"?resource={agent['id']}")
    assert entry["operation"] == "agents.create"
    assert entry["actor"] == {"kind": "agent", "id": party.agent, "name": "north's agent"}
    assert entry["owner"]["name"] == party.email
    assert entry["credential"]["id"] == party.agent_key_id
    assert entry["resource"] == {"type": "agent", "id": agent["id"], "name": "Scout"}
    assert entry["tenant"] == entry["home"] == "acorn/production"
    assert entry["organization"] == {"id": party.id, "slug": "north"}
    assert entry["request_id"] == answer.headers["Request-Id"]
    assert entry["on_behalf_of"] is None
    assert entry["mirror_of"] is None


def test_a_change_is_told_field_by_field(north: Api) -> None:
    agent = made(north.post("/v1/agents", {"name": "Scout", "role": "viewer"}))
    made(north.patch(f"/v1/agents/{agent['id']}", {"name": "Ranger"}))
    [entry] = entries(north, f"?resource={agent['id']}&operation=agents.update")
    [change] = entry["changes"]
    assert change["resource"] == {"type": "agent", "id": agent["id"]}
    assert change["action"] == "updated"
    assert change["fields"] == {"name": ["Scout", "Ranger"]}


def test_what_was_deleted_is_still_named(north: Api) -> None:
    agent = made(north.post("/v1/agents", {"name": "Scout", "role": "viewer"}))
    assert north.delete(f"/v1/agents/{agent['id']}").status == 204
    [entry] = entries(north, f"?resource={agent['id']}&operation=agents.delete")
    assert entry["resource"] == {"type": "agent", "id": agent["id"], "name": "Scout"}
    assert entry["changes"][-1]["action"] == "deleted"


def test_reads_and_refusals_leave_nothing(world: World, api: Api, north: Api) -> None:
    before = len(entries(north))
    assert north.get("/v1/agents").status == 200
    viewer = api.using(world.acorn.parties["north"].viewer_key)
    assert viewer.post("/v1/agents", {"name": "Scout"}).status == 403
    assert north.post("/v1/agents", {"name": ""}).status == 422
    assert len(entries(north)) == before


def test_a_secret_is_in_no_entry(north: Api, world: World) -> None:
    party = world.acorn.parties["north"]
    key = made(north.post(f"/v1/agents/{party.agent}/keys", {"name": "second", "scopes": ["agents:read"]}))
    told = north.get(f"/v1/timeline/{key['id']}")
    assert told.status == 200, told
    assert key["secret"] not in str(told.body)
    assert "secret" not in str(told.body["data"][0]["changes"]).replace("***", "")


def test_pages_are_newest_first(north: Api) -> None:
    names = [made(north.post("/v1/agents", {"name": f"Scout {number}"}))["id"] for number in range(3)]
    first = north.get("/v1/audit?limit=2&operation=agents.create")
    assert [entry["resource"]["id"] for entry in first["data"]] == names[:0:-1]
    second = north.get(f"/v1/audit?limit=2&operation=agents.create&cursor={first['next_cursor']}")
    assert [entry["resource"]["id"] for entry in second["data"]] == names[:1]


def test_filters_by_actor_request_and_time(world: World, api: Api, north: Api) -> None:
    party = world.acorn.parties["north"]
    person = api.using(party.person_key)
    answer = person.post("/v1/agents", {"name": "Scout"})
    agent = made(answer)["id"]
    [entry] = entries(north, f"?request={answer.headers['Request-Id']}")
    assert entry["resource"]["id"] == agent
    assert [one["id"] for one in entries(north, f"?actor={party.person}&resource={agent}")] == [entry["id"]]
    assert entries(north, f"?actor={party.agent}&resource={agent}") == []
    assert entries(north, f"?resource={agent}&since={entry['at']}") == [entry]
    assert entries(north, f"?resource={agent}&until={entry['at']}") == []


@pytest.mark.parametrize("query", ["?resource=north", "?actor=1", "?since=yesterday", "?who=me"])
def test_what_is_no_filter_is_refused(north: Api, query: str) -> None:
    assert north.get(f"/v1/audit{query}").status == 400


def test_one_entry_can_be_fetched(north: Api) -> None:
    made(north.post("/v1/agents", {"name": "Scout"}))
    [entry] = entries(north, "?limit=1")
    assert north.get(f"/v1/audit/{entry['id']}").body == entry


def test_another_organization_and_another_tenant_see_nothing_of_it(
    world: World, api: Api, north: Api
) -> None:
    agent = made(north.post("/v1/agents", {"name": "Scout"}))["id"]
    [entry] = entries(north, f"?resource={agent}")
    strangers = [
        world.acorn.parties["south"].agent_key,
        world.birch.parties["north"].agent_key,
        world.birch.root_key,
        world.builders.agent_key,
        world.acorn.stranger_key,
    ]
    for key in strangers:
        other = api.using(key)
        assert other.get(f"/v1/audit/{entry['id']}").status in (403, 404)
        assert other.get(f"/v1/timeline/{agent}").status in (403, 404)
        assert not (other.get(f"/v1/audit?resource={agent}").body.get("data"))
    assert entries(api.using(world.acorn.root_key), f"?resource={agent}") == [entry]


def test_what_created_an_organization_is_seen_by_its_members(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    answer = root.post("/v1/organizations", {"slug": "west", "name": "West"})
    organization = made(answer)["id"]
    west = root.sending(packmule_organization=organization)
    [entry] = entries(west, f"?resource={organization}")
    assert entry["organization"] == {"id": organization, "slug": "west"}


def test_a_timeline_tells_the_story_of_a_thing_in_order(north: Api) -> None:
    agent = made(north.post("/v1/agents", {"name": "Scout", "role": "viewer"}))["id"]
    key = made(north.post(f"/v1/agents/{agent}/keys", {"name": "one", "scopes": ["agents:read"]}))["id"]
    made(north.patch(f"/v1/agents/{agent}", {"name": "Ranger"}))
    assert north.delete(f"/v1/agents/{agent}").status == 204
    story = north.get(f"/v1/timeline/{agent}")["data"]
    told = [entry["operation"] for entry in story]
    assert told == ["agents.create", "keys.create-for-agent", "agents.update", "agents.delete"]
    # The key went with its agent: its timeline has that too, though the operation's resource is the agent.
    told = [entry["operation"] for entry in north.get(f"/v1/timeline/{key}")["data"]]
    assert told[-1] == "agents.delete"


def test_a_thing_that_nothing_tells_of_has_no_timeline(north: Api) -> None:
    answer = north.get("/v1/timeline/job_01k0000000e00800000000000a")
    assert (answer.status, answer.code) == (404, "not_found")


def test_a_console_key_in_an_environment_is_told_on_both_sides(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key)
    away = builder.sending(packmule_environment="acorn/production")
    agent = made(away.post("/v1/agents", {"name": "Scout"}))["id"]
    [here] = entries(away, f"?resource={agent}")
    assert (here["tenant"], here["home"]) == ("acorn/production", "console")
    assert here["actor"]["id"] == world.builders.agent
    [mirror] = entries(builder, f"?resource={agent}")
    assert (mirror["tenant"], mirror["home"]) == ("acorn/production", "console")
    assert mirror["mirror_of"] == here["id"]
    assert mirror["organization"] == {"id": world.builders.id, "slug": "acorn"}
    assert mirror["request_id"] == here["request_id"]
    # What a product's customers are called and hold does not leave their environment.
    assert mirror["changes"] == []
    assert mirror["resource"]["name"] == ""
    assert entries(api.using(world.rivals.agent_key), f"?resource={agent}") == []


def test_what_ended_an_organization_stays_in_its_trail(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    organization = made(root.post("/v1/organizations", {"slug": "west", "name": "West"}))["id"]
    assert root.delete(f"/v1/organizations/{organization}").status == 204
    [entry] = entries(root, f"?resource={organization}&operation=organizations.delete")
    assert entry["resource"] == {"type": "organization", "id": organization, "name": "West"}
    assert entry["organization"]["id"] == organization


@pytest.mark.parametrize("command", [("audit", "list", "--resource"), ("timeline", "get")])
def test_the_commands_tell_the_same(north: Api, world: World, settings: Any, command: Any) -> None:
    agent = made(north.post("/v1/agents", {"name": "Scout"}))["id"]
    settings.PACKMULE_KEY = world.acorn.parties["north"].agent_key
    out = StringIO()
    call_command(*command, agent, "--json", stdout=out)
    assert orjson.loads(out.getvalue())["data"] == entries(north, f"?resource={agent}")

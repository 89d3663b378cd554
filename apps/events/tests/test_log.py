"""The log as its readers meet it: what operations tell, who reads it, and from where on."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.actor import Call, Edge, system_actor
from apps.core.happenings import Happening, tell
from apps.events.models import Event
from apps.tenancy.walls import enter
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import World

#: An id from before the test. Others may have left something that is older.
_since = ""


@pytest.fixture(autouse=True)
def since() -> None:
    """What is read is what the test did."""
    global _since
    _since = Event().public_id


@pytest.fixture
def root(world: World, api: Api) -> Api:
    """The tenant's own backend."""
    return api.using(world.acorn.root_key)


@pytest.fixture
def north(world: World, api: Api) -> Api:
    """A customer's backend."""
    return api.using(world.acorn.parties["north"].service_key)


def read(client: Api, query: str = "") -> list[dict[str, Any]]:
    """What is to be read, in one page."""
    answer = client.get(f"/v1/events?limit=200{query}")
    assert answer.status == 200, answer
    return [event for event in answer["data"] if event["id"] > _since]


def test_an_operation_tells_of_itself(north: Api, world: World) -> None:
    party = world.acorn.parties["north"]
    made = north.post("/v1/agents", {"name": "Secretive name", "role": "viewer"})
    north.patch(f"/v1/agents/{made['id']}", {"name": "Another"})
    created, updated = read(north)
    assert created["type"] == "agent.created"
    assert created["subject"] == made["id"]
    assert created["organization"] == party.id
    assert created["actor"] == {"kind": "service_account", "id": party.service, "name": "north's backend"}
    assert created["on_behalf_of"] is None
    assert created["data"]["created"] == [made["id"]]
    assert updated["type"] == "agent.updated"
    assert updated["data"] == {"updated": [made["id"]], "fields": ["name"]}
    assert "Secretive name" not in str([created, updated])
    assert north.get(f"/v1/events/{created['id']}").body == created


def test_the_event_has_the_request_of_the_trail(north: Api) -> None:
    made = north.post("/v1/agents", {"name": "One", "role": "viewer"})
    (event,) = read(north)
    (entry,) = north.get(f"/v1/audit?resource={made['id']}")["data"]
    assert event["request_id"] == entry["request_id"] == made.headers["Request-Id"]


def test_what_did_not_happen_is_not_told(north: Api) -> None:
    assert north.post("/v1/agents", {"name": "", "role": "viewer"}).status == 422
    assert north.patch("/v1/agents/agt_00000000000000000000000000", {"name": "x"}).status == 404
    assert read(north) == []


def test_the_operation_costs_one_statement_more(north: Api, world: World) -> None:
    path = f"/v1/agents/{world.acorn.parties['north'].agent}"
    north.patch(path, {"name": "One"})
    with CaptureQueriesContext(connection) as seen:
        north.patch(path, {"name": "Two"})
    about = [query["sql"] for query in seen.captured_queries if "events_event" in query["sql"]]
    assert len(about) == 1
    assert 'INSERT INTO "events_event"' in about[0]


# Where a reader is.


def test_a_reader_goes_on_where_it_was(root: Api) -> None:
    first = root.get("/v1/events?after=latest")
    assert (first["data"], bool(first["next_cursor"])) == ([], True)
    for name in ("one", "two", "three"):
        root.post("/v1/agents", {"name": name, "role": "viewer"})
    page = root.get(f"/v1/events?after={first['next_cursor']}&limit=2")
    assert len(page["data"]) == 2
    rest = root.get(f"/v1/events?after={page['next_cursor']}&limit=2")
    assert len(rest["data"]) == 1
    over = root.get(f"/v1/events?after={rest['next_cursor']}")
    assert over["data"] == []
    assert root.get(f"/v1/events?after={over['next_cursor']}")["next_cursor"] == over["next_cursor"]
    assert root.get(f"/v1/events?after={page['data'][0]['id']}")["data"] == [page["data"][1], *rest["data"]]


def test_the_cursor_goes_on_although_nothing_fits_the_filter(root: Api) -> None:
    """Otherwise a reader of something rare would have everything looked through again, every time."""
    before = root.get("/v1/events?types=job.dead")["next_cursor"]
    root.post("/v1/agents", {"name": "one", "role": "viewer"})
    after = root.get(f"/v1/events?types=job.dead&after={before}")
    assert after["data"] == []
    assert after["next_cursor"] >= before


@pytest.mark.parametrize(
    "wrong", ["nonsense", "bm9uc2Vuc2U", "evt_nonsense", "evt_00000000000000000000000000", "%00", "ä"]
)
def test_a_wrong_place_is_refused(root: Api, wrong: str) -> None:
    answer = root.get(f"/v1/events?after={wrong}")
    assert answer.status == 400
    assert answer.code in ("cursor_invalid", "parameters_invalid")


def test_a_place_of_another_tenant_is_refused(root: Api, world: World, api: Api) -> None:
    root.post("/v1/agents", {"name": "one", "role": "viewer"})
    page = root.get("/v1/events?types=agent.*")
    elsewhere = api.using(world.birch.root_key)
    check_refusal(elsewhere.get(f"/v1/events?after={page['next_cursor']}"), 400, "cursor_invalid")
    check_refusal(elsewhere.get(f"/v1/events?after={page['data'][0]['id']}"), 400, "parameters_invalid")


def test_filters(root: Api, world: World) -> None:
    agent = root.post("/v1/agents", {"name": "one", "role": "viewer"})["id"]
    root.patch(f"/v1/agents/{agent}", {"name": "two"})
    root.post("/v1/organizations", {"name": "Third"})
    assert [one["type"] for one in read(root, "&types=agent.*")] == ["agent.created", "agent.updated"]
    assert [one["type"] for one in read(root, "&types=agent.created,organization.*")] == [
        "agent.created",
        "organization.created",
    ]
    assert len(read(root, "&types=*")) == 3
    assert read(root, "&types=agent") == []
    assert [one["type"] for one in read(root, f"&subject={agent}")] == ["agent.created", "agent.updated"]
    for wrong in ("a*", "*.created", "agent.*.x", "AGENT.created", "agent.%"):
        assert root.get(f"/v1/events?types={wrong}").status == 400


def test_waiting_is_bounded(root: Api) -> None:
    assert root.get("/v1/events?wait_seconds=21").status == 400
    assert root.get("/v1/events?wait_seconds=-1").status == 400


# Walls.


def test_an_organization_reads_its_own_alone(root: Api, north: Api, world: World, api: Api) -> None:
    south = api.using(world.acorn.parties["south"].service_key)
    ours = north.post("/v1/agents", {"name": "ours", "role": "viewer"})["id"]
    theirs = south.post("/v1/agents", {"name": "theirs", "role": "viewer"})["id"]
    tenants = root.post("/v1/agents", {"name": "the tenant's", "role": "viewer"})["id"]
    assert [one["subject"] for one in read(north)] == [ours]
    assert [one["subject"] for one in read(south)] == [theirs]
    assert [one["subject"] for one in read(root)] == [ours, theirs, tenants]
    foreign = read(south)[0]["id"]
    assert north.get(f"/v1/events/{foreign}").status == 404
    check_refusal(north.get(f"/v1/events?after={foreign}"), 400, "parameters_invalid")
    assert api.using(world.acorn.stranger_key).get("/v1/events").body.get("data", []) == []


def test_tenants_of_identical_ids_read_their_own(root: Api, world: World, api: Api) -> None:
    twin = api.using(world.birch.root_key)
    agent = world.acorn.parties["north"].agent
    root.patch(f"/v1/agents/{agent}", {"name": "in acorn"})
    assert [one["subject"] for one in read(root)] == [agent]
    assert read(twin) == []
    twin.patch(f"/v1/agents/{agent}", {"name": "in birch"})
    assert len(read(root)) == len(read(twin)) == 1


def test_a_viewer_may_read_and_a_key_without_the_scope_may_not(root: Api, world: World, api: Api) -> None:
    party = world.acorn.parties["north"]
    assert api.using(party.viewer_key).get("/v1/events").status == 200
    account = root.post("/v1/service-accounts", {"name": "narrow", "role": "admin"})["id"]
    minted = root.post(
        f"/v1/service-accounts/{account}/keys", {"name": "k", "scopes": ["agents:read"], "expires_in_days": 1}
    )
    refusal = api.using(minted["secret"]).get("/v1/events")
    assert refusal.status == 403
    assert "events:read" in refusal["detail"]


# What rooms and builders tell.


def test_rooms_tell_many_things_in_one_statement(world: World, root: Api) -> None:
    actor = system_actor(world.acorn.ref, Call("req_of_the_test", Edge.WORKER))
    organizations = [world.acorn.parties["north"].uuid, world.acorn.parties["south"].uuid, None]
    told = [
        Happening("job.succeeded", f"job_{number}", organizations[number % 3], {"n": number})
        for number in range(90)
    ]
    with enter(world.acorn.ref, organizations[0]), CaptureQueriesContext(connection) as seen:
        tell(actor, *told)
        tell(None, Happening("job.dead", None))
        tell(actor)
    written = [query["sql"] for query in seen.captured_queries if "INSERT" in query["sql"]]
    assert len(written) == 2
    events = read(root)
    assert [one["data"].get("n") for one in events] == [*range(90), None]
    assert events[-1]["actor"] == {"kind": "system", "id": None, "name": "system"}
    assert events[0]["request_id"] == "req_of_the_test"


def test_a_builder_tells_in_the_environment(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key).sending(packmule_environment="acorn/production")
    builder.post("/v1/agents", {"name": "one", "role": "viewer"})
    (event,) = read(api.using(world.acorn.root_key))
    assert event["actor"]["id"] == world.builders.agent
    with enter(world.console.ref):
        assert not Event.objects.filter(type="agent.created").exists()


# What is told of things that not everybody may read.


def test_of_records_ids_and_names_of_fields_are_told(root: Api, north: Api, world: World, api: Api) -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}, "api_token": {"type": "string"}}}
    open_one = root.post("/v1/collections", {"name": "notes", "schema": schema})
    root.post(
        "/v1/collections",
        {"name": "diary", "schema": schema, "access": {"read": ["owner"], "change": ["owner"]}},
    )
    person = api.using(world.acorn.parties["north"].person_key)
    for name in ("notes", "diary"):
        made = person.post(f"/v1/collections/{name}/records", {"data": {"title": "dear", "api_token": "xyz"}})
        person.patch(f"/v1/collections/{name}/records/{made['id']}", {"data": {"title": "changed"}})
    notes, noted, _diary, written = read(north)
    assert notes["type"] == "record.created"
    assert notes["data"]["references"] == [open_one["id"]]
    assert noted["data"]["fields"] == ["data.title"]
    assert written["data"]["fields"] == ["data"]
    assert not {"dear", "changed", "xyz"} & set(str(read(north)).replace("'", " ").split())


def test_of_a_private_file_no_name_is_told(root: Api, world: World, api: Api) -> None:
    root.post("/v1/buckets", {"name": "letters", "visibility": "private"})
    person = api.using(world.acorn.parties["north"].person_key)
    made = person.post("/v1/files", {"bucket": "letters", "name": "to my doctor.txt", "size": 3})
    assert made.status == 201, made
    (event,) = read(api.using(world.acorn.parties["north"].viewer_key))
    assert (event["type"], event["subject"]) == ("file.created", made["id"])
    assert "doctor" not in str(event)


def test_many_records_are_one_event_that_names_them(root: Api, north: Api) -> None:
    root.post("/v1/collections", {"name": "notes", "schema": {"type": "object"}})
    items = [{"do": "create", "data": {"n": n}} for n in range(5)]
    before = root.get("/v1/events?after=latest")["next_cursor"]
    done = north.post("/v1/collections/notes/records/bulk", {"items": items})
    assert done.status == 200, done
    (event,) = north.get(f"/v1/events?types=record.*&after={before}")["data"]
    assert event["type"] == "record.bulk_written"
    assert len(event["data"]["created"]) == 5


def test_an_upsert_is_what_it_did(root: Api, north: Api) -> None:
    schema = {"type": "object", "properties": {"sku": {"type": "string"}, "n": {"type": "integer"}}}
    index = [{"field": "sku", "unique": True}]
    assert root.post("/v1/collections", {"name": "notes", "schema": schema, "indexes": index}).status == 201
    for number in (1, 2):
        asked = {"by": "sku", "data": {"sku": "a", "n": number}}
        assert north.post("/v1/collections/notes/records/upsert", asked).status < 300
    assert [one["type"] for one in read(north)] == ["record.created", "record.updated"]

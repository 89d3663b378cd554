"""Events of the product: declared, held to their schema, written in order."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.events.publishing import MAX_BYTES
from tests.client import Answer, Api
from tests.refusals import check_refusal
from tests.world import World

PAID = {
    "type": "object",
    "properties": {
        "total": {"type": "number", "minimum": 0},
        "lines": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["total"],
    "additionalProperties": False,
}


@pytest.fixture
def root(world: World, api: Api) -> Api:
    """The tenant's own backend, which has declared a type."""
    client = api.using(world.acorn.root_key)
    made = client.post("/v1/event-types", {"name": "order.paid", "schema": PAID, "description": "Money came"})
    assert made.status == 201, made
    return client


def publish(client: Api, **told: Any) -> Answer:
    return client.post("/v1/events", {"type": "order.paid", "data": {"total": 1}, **told})


def test_an_event_of_the_product_is_read_like_all_others(root: Api, world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    told = publish(root, subject="order 17", organization=north.id, data={"total": 12.5})
    assert told.status == 201, told
    (event,) = api.using(north.service_key).get("/v1/events?types=order.*")["data"]
    assert event == told.body
    assert (event["subject"], event["organization"], event["data"]) == ("order 17", north.id, {"total": 12.5})
    assert event["actor"]["id"] == world.acorn.root
    of_tenant = publish(root)
    assert of_tenant["organization"] is None
    assert len(api.using(north.service_key).get("/v1/events?types=order.*")["data"]) == 1


def test_publishing_tells_of_nothing_but_the_event(root: Api) -> None:
    before = root.get("/v1/events?after=latest")["next_cursor"]
    told = publish(root)
    assert [one["id"] for one in root.get(f"/v1/events?after={before}&types=order.*,event.*")["data"]] == [
        told["id"]
    ]


def test_who_acts_in_an_organization_publishes_there(root: Api, world: World, api: Api) -> None:
    parties = world.acorn.parties
    north = api.using(parties["north"].service_key)
    assert publish(north)["organization"] == parties["north"].id
    assert publish(north, organization=parties["south"].id).status == 404
    assert publish(api.using(parties["north"].viewer_key)).status == 403
    assert publish(root, organization="org_00000000000000000000000000").status == 404


def test_an_undeclared_type_says_how_to_declare_it(root: Api, world: World, api: Api) -> None:
    refusal = check_refusal(publish(root, type="order.sent"), 422, "event_type_undeclared")
    assert "POST /v1/event-types" in refusal["detail"]
    assert refusal["remedy"]["api"]["body"]["name"] == "order.sent"
    assert refusal["errors"][0]["field"] == "/type"
    declared = root.post(refusal["remedy"]["api"]["path"], refusal["remedy"]["api"]["body"])
    assert declared.status == 201
    assert publish(root, type="order.sent").status == 201
    check_refusal(publish(api.using(world.birch.root_key)), 422, "event_type_undeclared")


@pytest.mark.parametrize(
    "name", ["job.done", "file.created", "webhook_endpoint.made", "sign_in_settings.read", "plan.a.b"]
)
def test_nobody_speaks_for_the_platform(root: Api, name: str) -> None:
    check_refusal(publish(root, type=name), 422, "event_type_reserved")
    check_refusal(root.post("/v1/event-types", {"name": name, "schema": {}}), 422, "event_type_reserved")


@pytest.mark.parametrize(
    "name",
    [
        "order",
        "Order.paid",
        "order.",
        ".paid",
        "order..paid",
        "order.*",
        "a.b.c.d.e",
        "order.pa id",
        "o.x\n",
        "ö.x",
    ],
)
def test_what_is_no_type(root: Api, name: str) -> None:
    check_refusal(publish(root, type=name), 422, "validation_failed")
    check_refusal(root.post("/v1/event-types", {"name": name, "schema": {}}), 422, "validation_failed")


def test_all_that_is_wrong_with_the_data_is_said(root: Api) -> None:
    data = {"total": -1, "lines": [{}, 3], "tip": 1}
    refusal = check_refusal(publish(root, data=data), 422, "event_invalid")
    assert {error["field"] for error in refusal["errors"]} == {"/data/total", "/data/lines/1", "/data/tip"}
    assert publish(root, data=[]).status == 422
    assert publish(root, data=None).status == 422
    assert publish(root, subject="x" * 201).status == 422


def test_the_size_has_a_limit(root: Api) -> None:
    root.post("/v1/event-types", {"name": "blob.sent", "schema": {"type": "object"}})
    around = len(b'{"text":""}')
    fits = publish(root, type="blob.sent", data={"text": "x" * (MAX_BYTES - around)})
    assert fits.status == 201
    over = publish(root, type="blob.sent", data={"text": "x" * (MAX_BYTES - around + 1)})
    check_refusal(over, 413, "event_too_large")


def test_a_batch_is_written_whole_in_its_order_and_in_few_statements(root: Api, world: World) -> None:
    north = world.acorn.parties["north"].id
    events = [
        {"type": "order.paid", "data": {"total": n}, "organization": (north, None)[n % 2]} for n in range(100)
    ]
    root.post("/v1/events/batch", {"events": events[:1]})
    with CaptureQueriesContext(connection) as seen:
        done = root.post("/v1/events/batch", {"events": events[1:]})
    assert done.status == 201, done
    assert sum('INSERT INTO "events_event"' in query["sql"] for query in seen.captured_queries) == 1
    assert [one["data"]["total"] for one in done["data"]] == list(range(1, 100))
    read = root.get("/v1/events?types=order.*&limit=200")["data"]
    assert [one["data"]["total"] for one in read] == list(range(100))


def test_a_batch_with_one_wrong_event_writes_none(root: Api) -> None:
    events = [{"type": "order.paid", "data": {"total": total}} for total in (1, -1)]
    refusal = check_refusal(root.post("/v1/events/batch", {"events": events}), 422, "event_invalid")
    assert [error["field"] for error in refusal["errors"]] == ["/events/1/data/total"]
    for wrong in ([], [{"type": "order.paid", "data": {"total": 1}}] * 101):
        assert root.post("/v1/events/batch", {"events": wrong}).status == 422
    assert root.get("/v1/events?types=order.*")["data"] == []


def test_the_same_call_twice_writes_once(root: Api) -> None:
    body = {"type": "order.paid", "data": {"total": 1}}
    first, again = (root.post("/v1/events", body, idempotency_key="paid-17") for _ in range(2))
    assert first["id"] == again["id"]
    assert len(root.get("/v1/events?types=order.*")["data"]) == 1


# Types.


def test_types_are_listed_changed_and_taken_back(root: Api) -> None:
    path = "/v1/event-types/order.paid"
    listed = root.get("/v1/event-types")["data"]
    assert [one["name"] for one in listed] == ["order.paid"]
    assert root.get(path).body == listed[0]
    check_refusal(
        root.post("/v1/event-types", {"name": "order.paid", "schema": {}}), 409, "event_type_name_taken"
    )
    changed = root.patch(path, {"schema": {"type": "object"}}, if_match='"v1"')
    assert (changed["version"], changed["description"]) == (2, "Money came")
    assert publish(root, data={"anything": True}).status == 201
    assert root.patch(path, {"name": "other.name"}).status == 422
    told = publish(root)
    assert root.delete(path).status == 204
    check_refusal(root.get(path), 404, "event_type_unknown")
    assert publish(root).status == 422
    assert root.get(f"/v1/events/{told['id']}").status == 200


def test_a_schema_that_cannot_be_applied_is_refused(root: Api) -> None:
    for schema in ({"type": "nonsense"}, {"$ref": "https://example.com/x"}, {"typ": "object"}):
        check_refusal(root.post("/v1/event-types", {"name": "a.b", "schema": schema}), 422, "schema_invalid")
        check_refusal(root.patch("/v1/event-types/order.paid", {"schema": schema}), 422, "schema_invalid")


def test_types_are_the_tenants_and_read_by_all(root: Api, world: World, api: Api) -> None:
    north = api.using(world.acorn.parties["north"].service_key)
    assert north.get("/v1/event-types/order.paid").status == 200
    check_refusal(
        north.post("/v1/event-types", {"name": "a.b", "schema": {}}), 403, "configuration_of_tenant"
    )
    check_refusal(
        north.patch("/v1/event-types/order.paid", {"description": "x"}), 403, "configuration_of_tenant"
    )
    check_refusal(north.delete("/v1/event-types/order.paid"), 403, "configuration_of_tenant")
    check_refusal(
        api.using(world.birch.root_key).get("/v1/event-types/order.paid"), 404, "event_type_unknown"
    )

"""Changing the schema of a collection that has records: at once, refused with ids, or step by step."""

from __future__ import annotations

from typing import Any

import pytest

from apps.data import advancing, changing
from apps.data.models import Collection
from apps.data.tests.shelves import DISH, DISHES, RECORDS, menu, names, root_of, serve
from apps.tenancy.models import Tenant
from apps.tenancy.walls import current_tenant, enter, outside
from tests.client import Api
from tests.duties import in_every_tenant
from tests.world import World


def schema(**changes: Any) -> dict[str, Any]:
    """The schema of dishes, with other properties; one that is None is not there."""
    properties = {name: form for name, form in {**DISH["properties"], **changes}.items() if form is not None}
    return {**DISH, "properties": properties}


def newest(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"{DISHES}/versions")["data"][0]
    return found


def test_a_wider_schema_counts_at_once(world: World) -> None:
    api = menu(world.acorn)
    serve(api, {"name": "Ramen"})
    changed = api.patch(DISHES, {"schema": schema(calories={"type": "integer"})})
    assert (changed.status, changed["schema_version"], changed["changing_to"]) == (200, 2, None)
    assert api.post(RECORDS, {"data": {"name": "Udon", "calories": 300}}).status == 201
    assert [row["state"] for row in api.get(f"{DISHES}/versions")["data"]] == ["done", "done"]


def test_a_narrower_one_counts_when_every_record_fits(world: World) -> None:
    api = menu(world.acorn)
    serve(api, {"name": "Ramen", "price": 5})
    changed = api.patch(DISHES, {"schema": schema(price={"type": "number", "maximum": 10})})
    assert (changed.status, changed["schema_version"]) == (200, 2)
    assert api.post(RECORDS, {"data": {"name": "Caviar", "price": 11}}).code == "record_invalid"


def test_and_is_refused_with_the_ids_of_those_that_do_not(world: World) -> None:
    api = menu(world.acorn)
    _, dear = serve(api, {"name": "Ramen", "price": 5}, {"name": "Caviar", "price": 50})
    refused = api.patch(DISHES, {"schema": schema(price={"type": "number", "maximum": 10})})
    assert (refused.status, refused.code, refused["records"]) == (409, "schema_incompatible", [dear])
    after = api.get(DISHES)
    assert (after["schema"], after["schema_version"], after["version"]) == (DISH, 1, 1)
    assert len(api.get(f"{DISHES}/versions")["data"]) == 1


STEPS = [
    {"do": "rename", "field": "sold_out", "to": "gone"},
    {"do": "default", "field": "price", "value": 0},
    {"do": "convert", "field": "price", "to": "string"},
    {"do": "remove", "field": "tags"},
]
STEPPED = {
    **schema(sold_out=None, gone={"type": "boolean"}, price={"type": "string"}, tags=None),
    "required": ["name", "price"],
}


def test_steps_carry_the_records_over(world: World) -> None:
    api = menu(world.acorn, indexes=[{"field": "price"}])
    one, other = serve(
        api, {"name": "Ramen", "price": 5, "sold_out": True, "tags": ["a"]}, {"name": "Udon", "price": 2.5}
    )
    changed = api.patch(DISHES, {"schema": STEPPED, "steps": STEPS})
    assert (changed.status, changed["schema_version"], changed["changing_to"]) == (200, 2, None)
    assert api.get(f"{RECORDS}/{one}")["data"] == {"name": "Ramen", "price": "5", "gone": True}
    moved = api.get(f"{RECORDS}/{other}")
    assert (moved["data"], moved["version"], moved["schema_version"]) == (
        {"name": "Udon", "price": "2.5"},
        2,
        2,
    )
    assert names(api.get(f"{RECORDS}?order=price")) == ["Udon", "Ramen"]
    assert names(api.get(f"{RECORDS}?filter[price]=5")) == ["Ramen"]
    assert newest(api)["done"] == 2


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two, of which the call that begins a change does one."""
    monkeypatch.setattr(changing, "BATCH", 2)
    monkeypatch.setattr(advancing, "AT_ONCE", 1)


def carried_on() -> None:
    in_every_tenant(advancing.carry_on_everywhere)


@pytest.mark.usefixtures("slowly")
def test_a_large_change_goes_on_in_the_background(world: World) -> None:
    api = menu(world.acorn)
    ids = serve(api, *({"name": f"dish {n}", "price": n} for n in range(5)))
    begun = api.patch(DISHES, {"schema": STEPPED, "steps": STEPS})
    assert (begun.status, begun["schema_version"], begun["changing_to"]) == (200, 1, 2)
    assert newest(api)["state"] == "checking"
    assert api.patch(DISHES, {"schema": DISH, "steps": STEPS}).code == "schema_change_under_way"
    # What is written meanwhile satisfies the schema of now, and will satisfy the next one.
    assert api.post(RECORDS, {"data": {"name": "x", "price": 7}}).status == 201
    carried_on()
    assert (newest(api)["state"], api.get(DISHES)["schema_version"]) == ("done", 2)
    assert [api.get(f"{RECORDS}/{dish}")["data"]["price"] for dish in ids] == ["0", "1", "2", "3", "4"]


@pytest.mark.usefixtures("slowly")
def test_while_it_is_checked_nothing_gets_in_its_way(world: World) -> None:
    api = menu(world.acorn)
    serve(api, *({"name": f"dish {n}"} for n in range(5)))
    api.patch(DISHES, {"schema": schema(price={"type": "number", "maximum": 10})})
    refused = api.post(RECORDS, {"data": {"name": "Caviar", "price": 11}})
    assert (refused.status, refused.code) == (422, "record_invalid")
    assert "version 2" in refused["detail"]
    carried_on()
    assert api.get(DISHES)["schema_version"] == 2


@pytest.mark.usefixtures("slowly")
def test_a_large_change_that_does_not_fit_names_the_records_and_changes_nothing(world: World) -> None:
    api = menu(world.acorn)
    ids = serve(api, *({"name": f"dish {n}", "price": n} for n in range(5)))
    api.patch(DISHES, {"schema": schema(price={"type": "number", "maximum": 3})})
    carried_on()
    assert (newest(api)["state"], newest(api)["offending"]) == ("refused", [ids[4]])
    assert (api.get(DISHES)["schema_version"], api.get(DISHES)["changing_to"]) == (1, None)


@pytest.mark.usefixtures("slowly")
def test_a_change_is_cancelled_while_it_is_checked(world: World) -> None:
    api = menu(world.acorn)
    serve(api, *({"name": f"dish {n}"} for n in range(5)))
    api.patch(DISHES, {"schema": STEPPED, "steps": STEPS})
    assert api.post(f"{DISHES}/cancel-change")["changing_to"] is None
    assert newest(api)["state"] == "cancelled"
    carried_on()
    assert api.get(DISHES)["schema_version"] == 1
    assert api.post(f"{DISHES}/cancel-change").code == "no_schema_change"


@pytest.mark.usefixtures("slowly")
def test_records_that_are_not_carried_over_yet_are_patched_as_if_they_were(world: World) -> None:
    api = menu(world.acorn)
    ids = serve(api, *({"name": f"dish {n}", "price": n} for n in range(5)))
    api.patch(DISHES, {"schema": STEPPED, "steps": STEPS})
    for _ in range(3):
        advanced(api, batches=1)
    assert newest(api)["state"] == "moving"
    patched = api.patch(f"{RECORDS}/{ids[4]}", {"data": {"name": "Last"}})
    assert patched["data"] == {"name": "Last", "price": "4"}
    assert api.post(f"{DISHES}/cancel-change").code == "schema_change_not_cancellable"
    assert api.post(f"{DISHES}/advance")["changing_to"] is None
    assert newest(api)["state"] == "done"


def advanced(api: Api, *, batches: int) -> None:
    with outside():
        tenant = Tenant.objects.get(name=api.get("/v1/whoami")["tenant"])
    with enter(tenant):
        advancing.carry_on(Collection.objects.get(name="dishes"), batches=batches)


@pytest.mark.usefixtures("slowly")
def test_an_upsert_waits_while_records_are_moved(world: World) -> None:
    """A record that is not moved yet has its unique value under another name, where an upsert would not find it."""
    api = menu(world.acorn, indexes=[{"field": "sku", "unique": True}])
    serve(api, *({"name": f"dish {n}", "sku": f"s{n}"} for n in range(5)))
    api.patch(DISHES, {"schema": STEPPED, "steps": STEPS})
    for _ in range(4):
        advanced(api, batches=1)
    assert newest(api)["state"] == "moving"
    refused = api.post(
        f"{RECORDS}/upsert", {"by": "sku", "data": {"sku": "s4", "name": "Last", "price": "1"}}
    )
    assert (refused.status, refused.code) == (409, "schema_change_under_way")
    carried_on()
    again = api.post(f"{RECORDS}/upsert", {"by": "sku", "data": {"sku": "s4", "name": "Last", "price": "1"}})
    assert (again.status, again["result"]) == (200, "updated")


@pytest.mark.parametrize(
    "step",
    [
        {"do": "invent", "field": "price"},
        {"do": "default", "field": "price"},
        {"do": "remove", "field": "price", "to": "x"},
        {"do": "convert", "field": "price", "to": "money"},
        {"do": "rename", "to": "x"},
    ],
)
def test_steps_that_are_none(world: World, step: Any) -> None:
    api = menu(world.acorn)
    refused = api.patch(DISHES, {"schema": STEPPED, "steps": [step]})
    assert (refused.status, refused.code) == (422, "validation_failed")


def test_an_indexed_field_cannot_leave_the_schema(world: World) -> None:
    api = menu(world.acorn, indexes=[{"field": "price"}])
    refused = api.patch(DISHES, {"schema": schema(price=None)})
    assert (refused.status, refused.code) == (422, "definition_invalid")
    both = {"schema": schema(price=None), "indexes": []}
    assert api.patch(DISHES, both).status == 200


# Unique values.

WITH_CODE = schema(code={"type": "string"})
TO_CODE = [{"do": "rename", "field": "sku", "to": "code"}]


def coded(world: World, *skus: str) -> tuple[Api, list[str]]:
    """Dishes with these SKUs, in a collection in which a code is unique."""
    api = root_of(world.acorn)
    body = {"name": "dishes", "schema": WITH_CODE, "indexes": [{"field": "code", "unique": True}]}
    assert api.post("/v1/collections", body).status == 201
    return api, serve(api, *({"name": f"dish {sku}", "sku": sku} for sku in skus))


def test_steps_that_would_make_records_share_a_unique_value_are_refused(world: World) -> None:
    api, ids = coded(world, "1", "2", "1")
    refused = api.patch(DISHES, {"schema": WITH_CODE, "steps": TO_CODE})
    assert (refused.status, refused.code) == (409, "schema_incompatible")
    assert sorted(refused["records"]) == sorted([ids[0], ids[2]])
    assert api.get(DISHES)["schema_version"] == 1


def test_also_with_a_record_that_has_the_value_already_and_keeps_it(world: World) -> None:
    api, (moved,) = coded(world, "1")
    (holder,) = serve(api, {"name": "holder", "code": "1"})
    refused = api.patch(DISHES, {"schema": WITH_CODE, "steps": TO_CODE})
    assert sorted(refused["records"]) == sorted([moved, holder])
    away = [{"do": "remove", "field": "code"}, *TO_CODE]
    assert api.patch(DISHES, {"schema": WITH_CODE, "steps": away[:1]}).status == 200
    assert api.patch(DISHES, {"schema": WITH_CODE, "steps": TO_CODE}).status == 200
    assert api.get(f"{RECORDS}/{moved}")["data"]["code"] == "1"


@pytest.mark.usefixtures("slowly")
def test_a_change_that_meets_shared_values_on_its_way_waits_and_names_them(world: World) -> None:
    api, ids = coded(world, "1", "2", "3", "4", "1")
    assert api.patch(DISHES, {"schema": WITH_CODE, "steps": TO_CODE}).status == 200
    carried_on()
    assert newest(api)["state"] == "blocked"
    assert set(newest(api)["offending"]) == {ids[0], ids[4]}
    patched = api.patch(f"{RECORDS}/{ids[4]}", {"data": {"code": "5"}})
    assert (patched.status, patched["data"]["code"]) == (200, "5")
    assert api.post(f"{DISHES}/advance")["changing_to"] is None
    assert [api.get(f"{RECORDS}/{dish}")["data"]["code"] for dish in ids] == ["1", "2", "3", "4", "5"]


def test_a_unique_field_has_no_default(world: World) -> None:
    api, _ = coded(world, "1")
    steps = [{"do": "default", "field": "code", "value": "x"}]
    refused = api.patch(DISHES, {"schema": WITH_CODE, "steps": steps})
    assert (refused.status, refused.code) == (422, "definition_invalid")
    assert refused["errors"][0]["field"] == "steps[0].field"


def test_a_collection_that_cannot_be_carried_on_does_not_stop_the_others(world: World) -> None:
    api = menu(world.acorn)
    api.post("/v1/collections", {"name": "drinks", "schema": DISH})
    with enter(world.acorn.ref):
        Collection.objects.filter(name="dishes").update(busy=True, indexes=[{"no": "index"}])
        Collection.objects.filter(name="drinks").update(busy=True)
    carried_on()
    with enter(world.acorn.ref):
        assert list(Collection.objects.filter(busy=True).values_list("name", flat=True)) == ["dishes"]


def test_a_tenant_in_which_a_chore_fails_does_not_stop_the_others(world: World) -> None:
    seen = []

    def work() -> int:
        seen.append(current_tenant().name)
        raise ValueError("made up")

    assert in_every_tenant(work) == 0
    assert {world.acorn.name, world.birch.name} <= set(seen)


# Indexes and search on fields that only the new schema has.

AND_NEW = {"indexes": [{"field": "code"}, {"field": "price"}], "search": {"fields": ["code"]}}


def test_what_a_wider_schema_adds_is_indexed_in_the_same_call(world: World) -> None:
    api = menu(world.acorn, indexes=[{"field": "price"}])
    serve(api, {"name": "Ramen"})
    changed = api.patch(DISHES, {"schema": WITH_CODE, **AND_NEW})
    assert (changed.status, changed["schema_version"]) == (200, 2)
    serve(api, {"name": "Udon", "code": "u"})
    assert names(api.get(f"{RECORDS}?filter[code]=u")) == names(api.get(f"{RECORDS}?search=u")) == ["Udon"]


@pytest.mark.usefixtures("slowly")
def test_what_a_coming_schema_adds_is_indexed_when_it_counts(world: World) -> None:
    api = menu(world.acorn)
    serve(api, *({"name": f"dish {n}", "sku": f"s{n}"} for n in range(5)))
    changed = api.patch(
        DISHES, {"schema": schema(sku=None, code=DISH["properties"]["sku"]), "steps": TO_CODE, **AND_NEW}
    )
    assert (changed.status, changed["changing_to"]) == (200, 2)
    assert [index["field"] for index in changed["indexes"]] == ["price"]
    assert api.post(RECORDS, {"data": {"name": "meanwhile", "sku": "m"}}).status == 201
    refused = api.patch(DISHES, {"indexes": [{"field": "sku"}]})
    assert (refused.status, refused.code) == (422, "definition_invalid")
    carried_on()
    after = api.get(DISHES)
    assert {index["field"]: index["state"] for index in after["indexes"]} == {
        "code": "ready",
        "price": "ready",
    }
    assert after["search"]["state"] == "ready"
    assert (
        names(api.get(f"{RECORDS}?filter[code]=m")) == names(api.get(f"{RECORDS}?search=m")) == ["meanwhile"]
    )
    assert (
        names(api.get(f"{RECORDS}?filter[code]=s0")) == names(api.get(f"{RECORDS}?search=s0")) == ["dish 0"]
    )


# Deleted records.


def test_a_record_that_was_deleted_before_changes_is_restored_as_if_it_had_gone_through_them(
    world: World,
) -> None:
    api = menu(world.acorn)
    (dish,) = serve(api, {"name": "Ramen", "sku": "r", "price": 5})
    api.delete(f"{RECORDS}/{dish}")
    first = schema(sku=None, code={"type": "string"})
    assert api.patch(DISHES, {"schema": first, "steps": TO_CODE}).status == 200
    second = schema(sku=None, key={"type": "string"}, price={"type": "string"})
    steps = [
        {"do": "rename", "field": "code", "to": "key"},
        {"do": "convert", "field": "price", "to": "string"},
    ]
    assert api.patch(DISHES, {"schema": second, "steps": steps}).status == 200
    restored = api.post(f"{RECORDS}/{dish}/restore")
    assert (restored.status, restored["data"]) == (200, {"name": "Ramen", "key": "r", "price": "5"})


# What is told to whom.


@pytest.mark.usefixtures("slowly")
def test_which_records_stand_in_the_way_is_told_to_the_tenant_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advancing, "AT_ONCE", 0)
    api, customer = menu(world.acorn), Api(world.acorn.parties["north"].service_key)
    ids = serve(api, {"name": "a", "sku": "1", "price": 9}, {"name": "b", "sku": "1"})
    api.patch(DISHES, {"schema": schema(price={"type": "number", "maximum": 3})})
    carried_on()
    api.patch(DISHES, {"indexes": [{"field": "sku", "unique": True}]})
    carried_on()
    assert newest(api)["offending"] == [ids[0]]
    assert set(api.get(DISHES)["indexes"][0]["offending"]) == set(ids)
    assert set(api.get("/v1/collections")["data"][0]["indexes"][0]["offending"]) == set(ids)
    assert newest(customer)["offending"] == []
    assert customer.get(DISHES)["indexes"][0]["offending"] == []
    assert customer.get("/v1/collections")["data"][0]["indexes"][0]["offending"] == []

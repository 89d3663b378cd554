"""Indexes and search: declared, built while others write, dropped; and what full-text search finds."""

from __future__ import annotations

from typing import Any

import pytest

from apps.data import advancing, building
from apps.data.indexes import numbers_of
from apps.data.models import Collection, Entry
from apps.data.tests.shelves import DISHES, RECORDS, menu, names, serve
from apps.tenancy.walls import enter
from tests.client import Api
from tests.duties import in_every_tenant
from tests.world import World


def states(api: Api) -> dict[str, str]:
    return {one["field"]: one["state"] for one in api.get(DISHES)["indexes"]}


def test_an_index_is_built_over_what_is_there(world: World) -> None:
    api = menu(world.acorn)
    serve(api, *({"name": f"dish {n}", "price": n} for n in range(7)))
    assert api.patch(DISHES, {"indexes": [{"field": "price"}]}).status == 200
    assert states(api) == {"price": "ready"}
    assert names(api.get(f"{RECORDS}?filter[price][gte]=5&order=price")) == ["dish 5", "dish 6"]


def test_a_large_one_is_built_by_the_worker_while_others_write(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "BATCH", 2)
    monkeypatch.setattr(advancing, "AT_ONCE", 1)
    api = menu(world.acorn)
    ids = serve(api, *({"name": f"dish {n}", "price": n} for n in range(7)))
    api.patch(DISHES, {"indexes": [{"field": "price"}]})
    assert states(api) == {"price": "building"}
    serve(api, {"name": "written meanwhile", "price": 50})
    api.patch(f"{RECORDS}/{ids[6]}", {"data": {"price": 60}})
    api.delete(f"{RECORDS}/{ids[5]}")
    assert len(api.get(f"{RECORDS}?filter[price][gte]=50")["data"]) == 2
    in_every_tenant(advancing.carry_on_everywhere)
    assert states(api) == {"price": "ready"}
    found = names(api.get(f"{RECORDS}?order=price"))
    assert found == ["dish 0", "dish 1", "dish 2", "dish 3", "dish 4", "written meanwhile", "dish 6"]


def test_records_that_share_a_value_stand_against_a_unique_index(world: World) -> None:
    api = menu(world.acorn)
    one, other, _ = serve(api, {"name": "a", "sku": "1"}, {"name": "b", "sku": "1"}, {"name": "c"})
    refused = api.patch(DISHES, {"indexes": [{"field": "sku", "unique": True}]})
    assert (refused.status, refused.code) == (409, "not_unique")
    assert sorted(refused["records"]) == sorted([one, other])
    assert api.get(DISHES)["indexes"] == []
    api.patch(f"{RECORDS}/{other}", {"data": {"sku": "2"}})
    assert api.patch(DISHES, {"indexes": [{"field": "sku", "unique": True}]}).status == 200
    assert api.post(RECORDS, {"data": {"name": "d", "sku": "1"}}).code == "not_unique"


def test_what_is_no_longer_declared_is_dropped_with_its_entries(world: World) -> None:
    api = menu(world.acorn, indexes=[{"field": "price"}, {"field": "sku", "unique": True}])
    serve(api, {"name": "a", "price": 1, "sku": "1"})
    api.patch(DISHES, {"indexes": [{"field": "price"}]})
    assert states(api) == {"price": "ready"}
    with enter(world.acorn.ref):
        row = Collection.objects.get(name="dishes")
        assert Entry.objects.filter(index__in=numbers_of(row)).count() == 1
    assert api.post(RECORDS, {"data": {"name": "b", "sku": "1"}}).status == 201


def test_entries_stand_for_live_records_alone(world: World) -> None:
    api = menu(world.acorn, indexes=[{"field": "price"}, {"field": "tags"}], search={"fields": ["name"]})
    (dish,) = serve(api, {"name": "hot soup", "price": 1, "tags": ["a", "b"]})

    def entries() -> int:
        with enter(world.acorn.ref):
            return Entry.objects.count()

    assert entries() == 1 + 2 + 2
    api.patch(f"{RECORDS}/{dish}", {"data": {"tags": ["c"], "name": "soup"}})
    assert entries() == 1 + 1 + 1
    api.delete(f"{RECORDS}/{dish}")
    assert entries() == 0
    api.post(f"{RECORDS}/{dish}/restore")
    assert entries() == 3
    api.post(f"{RECORDS}/{dish}/purge")
    assert entries() == 0


@pytest.mark.parametrize(
    ("definition", "where"),
    [
        ({"indexes": [{"field": "prize"}]}, "indexes[0].field"),
        ({"indexes": [{"field": "tags", "unique": True}]}, "indexes[0].field"),
        ({"indexes": [{"field": "price"}, {"field": "price", "unique": True}]}, "indexes"),
        ({"search": {"fields": ["price"]}}, "search.fields[0]"),
        ({"search": {"fields": ["nmae"]}}, "search.fields[0]"),
    ],
)
def test_declarations_that_do_not_fit_the_schema(world: World, definition: Any, where: str) -> None:
    api = menu(world.acorn)
    refused = api.patch(DISHES, definition)
    assert (refused.status, refused.code, refused["errors"][0]["field"]) == (422, "definition_invalid", where)


def test_more_indexes_than_a_collection_can_have(world: World) -> None:
    properties = {f"f{n}": {"type": "string"} for n in range(40)}
    api = menu(world.acorn)
    body = {
        "name": "wide",
        "schema": {"type": "object", "properties": properties},
        "indexes": [{"field": name} for name in properties],
    }
    assert api.post("/v1/collections", body).code == "too_many_indexes"


def test_an_upsert_waits_for_an_index_that_is_being_built(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advancing, "AT_ONCE", 0)
    api = menu(world.acorn)
    (dish,) = serve(api, {"name": "Ramen", "sku": "r"})
    api.patch(DISHES, {"indexes": [{"field": "sku", "unique": True}]})
    body = {"by": "sku", "data": {"sku": "r", "name": "Ramen!"}}
    refused = api.post(f"{RECORDS}/upsert", body)
    assert (refused.status, refused.code, refused["retryable"]) == (409, "index_building", True)
    in_every_tenant(advancing.carry_on_everywhere)
    assert api.post(f"{RECORDS}/upsert", body)["record"]["id"] == dish


# Full-text search.

MENU = (
    {"name": "Hot ramen soup", "tags": ["noodles"]},
    {"name": "Cold soba noodles"},
    {"name": "Soup of the day", "origin": {"country": "France"}},
)


@pytest.fixture
def searched(world: World) -> Api:
    api = menu(world.acorn, search={"fields": ["name", "tags", "origin.country"], "language": "english"})
    serve(api, *MENU)
    return api


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("soup", ["Hot ramen soup", "Soup of the day"]),
        ("SOUPS", ["Hot ramen soup", "Soup of the day"]),
        ("noodle", ["Cold soba noodles", "Hot ramen soup"]),
        ("noodles soup", ["Hot ramen soup"]),
        ("soup -ramen", ["Soup of the day"]),
        ('"ramen soup"', ["Hot ramen soup"]),
        ('"soup ramen"', []),
        ("france", ["Soup of the day"]),
        ("pizza", []),
        ("the of", []),
        ("'); drop table data_record; --", []),
    ],
)
def test_words_find_records(searched: Api, words: str, found: list[str]) -> None:
    answer = searched.call(
        "GET", f"{RECORDS}?order=name&search={words.replace(' ', '%20').replace(';', '%3B')}"
    )
    assert sorted(names(answer)) == found


def test_words_and_filters_narrow_each_other(world: World) -> None:
    api = menu(world.acorn, search={"fields": ["name"]}, indexes=[{"field": "price"}])
    serve(
        api, {"name": "hot soup", "price": 5}, {"name": "cold soup", "price": 9}, {"name": "tea", "price": 9}
    )
    assert names(api.get(f"{RECORDS}?search=soup&filter[price][gt]=6")) == ["cold soup"]
    assert names(api.get(f"{RECORDS}?search=soup&order=-price")) == ["cold soup", "hot soup"]
    assert api.get(f"{RECORDS}/count?search=soup")["count"] == 2


def test_search_is_declared_over_what_is_there_and_changed(world: World) -> None:
    api = menu(world.acorn)
    serve(api, *MENU)
    assert api.patch(DISHES, {"search": {"fields": ["name"]}})["search"]["state"] == "ready"
    assert len(api.get(f"{RECORDS}?search=soup")["data"]) == 2
    api.patch(DISHES, {"search": {"fields": ["tags"]}})
    assert (
        len(api.get(f"{RECORDS}?search=soup")["data"]),
        len(api.get(f"{RECORDS}?search=noodles")["data"]),
    ) == (0, 1)
    api.patch(DISHES, {"search": None})
    assert api.get(f"{RECORDS}?search=soup").code == "filter_invalid"

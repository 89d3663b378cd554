"""Records from their making to their end: one at a time, many at once, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from apps.data.tests.shelves import DISHES, RECORDS, menu, names, root_of, serve
from tests.client import Api
from tests.world import World

RAMEN = {"name": "Ramen", "price": 14.5, "tags": ["soup", "hot"]}


def test_a_record_from_making_to_purging(world: World) -> None:
    api = menu(world.acorn)
    made = api.post(RECORDS, {"data": RAMEN})
    assert (made.status, made["data"], made["version"], made["organization"]) == (201, RAMEN, 1, None)
    assert made.headers["ETag"] == '"v1"'
    path = f"{RECORDS}/{made['id']}"
    assert api.get(path).body == made.body
    changed = api.patch(path, {"data": {"price": 15, "tags": None}}, if_match='"v1"')
    assert (changed["data"], changed["version"]) == ({"name": "Ramen", "price": 15}, 2)
    assert api.patch(path, {"data": {"price": 16}}, if_match='"v1"').code == "version_mismatch"
    assert api.call("PUT", path, {"data": {"name": "Udon"}})["data"] == {"name": "Udon"}
    assert api.delete(path).status == 204
    assert names(api.get(RECORDS)) == []
    assert api.get(path)["deleted_at"] is not None
    assert api.patch(path, {"data": {"price": 1}}).code == "record_deleted"
    assert api.post(f"{path}/restore")["deleted_at"] is None
    assert names(api.get(RECORDS)) == ["Udon"]
    assert api.post(f"{path}/purge").status == 204
    assert api.get(path).code == "not_found"


def test_nothing_changes_when_nothing_differs(world: World) -> None:
    api = menu(world.acorn)
    (dish,) = serve(api, RAMEN)
    assert api.patch(f"{RECORDS}/{dish}", {"data": {"price": 14.5}})["version"] == 1


def test_every_violation_is_listed_with_its_pointer(world: World) -> None:
    api = menu(world.acorn)
    wrong = {"name": "", "price": -1, "tags": ["a", 5], "origin": {"country": 7}, "prize": 3}
    refused = api.post(RECORDS, {"data": wrong})
    assert (refused.status, refused.code) == (422, "record_invalid")
    found = {error["field"] for error in refused["errors"]}
    assert {"/name", "/price", "/tags/1", "/origin/country"} <= found
    assert any("prize" in error["detail"] for error in refused["errors"])
    assert names(api.get(RECORDS)) == []


def test_organizations_keep_their_records_to_themselves(world: World) -> None:
    root = menu(world.acorn)
    north, south = (world.acorn.parties[slug] for slug in ("north", "south"))
    made = Api(north.person_key).post(RECORDS, {"data": RAMEN})
    assert (made.status, made["organization"], made["owner"]) == (201, north.id, north.person)
    path = f"{RECORDS}/{made['id']}"
    for key in (south.person_key, south.agent_key, south.service_key, world.acorn.stranger_key):
        stranger = Api(key)
        assert stranger.get(path).status in (403, 404)
        assert stranger.patch(path, {"data": {"price": 1}}).status in (403, 404)
        assert stranger.delete(path).status in (403, 404)
    assert names(Api(south.person_key).get(RECORDS)) == []
    assert names(Api(north.service_key).get(RECORDS)) == ["Ramen"]
    assert names(root.get(RECORDS)) == ["Ramen"]
    assert root.sending(packmule_organization=south.id).get(path).status == 404
    assert root_of(world.birch).get(RECORDS).code == "collection_unknown"


def test_what_the_tenant_made_for_itself_no_organization_sees(world: World) -> None:
    root = menu(world.acorn)
    serve(root, RAMEN)
    assert names(Api(world.acorn.parties["north"].person_key).get(RECORDS)) == []
    inside = root.sending(packmule_organization=world.acorn.parties["north"].id)
    assert inside.post(RECORDS, {"data": RAMEN})["organization"] == world.acorn.parties["north"].id


def test_many_in_one_call_with_a_result_each(world: World) -> None:
    api = menu(world.acorn, indexes=[{"field": "sku", "unique": True}])
    one, other = serve(api, {"name": "Ramen", "sku": "r"}, {"name": "Udon", "sku": "u"})
    answer = api.post(
        f"{RECORDS}/bulk",
        {
            "items": [
                {"do": "create", "data": {"name": "Soba", "sku": "s"}},
                {"do": "create", "data": {"name": "Again", "sku": "r"}},
                {"do": "patch", "id": one, "data": {"sku": "r2"}, "version": 1},
                {"do": "create", "data": {"name": "Now free", "sku": "r"}},
                {"do": "upsert", "by": "sku", "data": {"sku": "u", "name": "Udon!", "price": 3}},
                {"do": "patch", "id": one, "data": {"price": "much"}},
                {"do": "delete", "id": other},
                {"do": "replace", "id": other, "data": {"name": "Gone"}},
                {"do": "patch", "id": "rec_00000000000000000000000000", "data": {}},
                {"do": "patch", "id": one, "data": {}, "version": 9},
            ]
        },
    )
    assert [row["result"] for row in answer["results"]] == [
        "created", "refused", "updated", "created", "updated", "refused", "deleted", "refused", "refused", "refused",
    ]  # fmt: skip
    codes = [row["problem"]["code"] for row in answer["results"] if row["problem"]]
    assert codes == ["not_unique", "record_invalid", "record_deleted", "not_found", "version_mismatch"]
    assert sorted(names(api.get(RECORDS))) == ["Now free", "Ramen", "Soba"]


def test_all_or_nothing(world: World) -> None:
    api = menu(world.acorn)
    items = [{"do": "create", "data": RAMEN}, {"do": "create", "data": {"name": ""}}]
    answer = api.post(f"{RECORDS}/bulk", {"items": items, "atomic": True})
    assert [row["problem"]["code"] for row in answer["results"]] == ["undone", "record_invalid"]
    assert names(api.get(RECORDS)) == []


def test_upsert_by_a_unique_field(world: World) -> None:
    api = menu(world.acorn, indexes=[{"field": "sku", "unique": True}])
    first = api.post(f"{RECORDS}/upsert", {"by": "sku", "data": {"sku": "r", "name": "Ramen", "price": 1}})
    again = api.post(f"{RECORDS}/upsert", {"by": "sku", "data": {"sku": "r", "name": "Ramen!"}})
    assert (first["result"], again["result"]) == ("created", "updated")
    assert again["record"]["id"] == first["record"]["id"]
    assert again["record"]["data"] == {"sku": "r", "name": "Ramen!", "price": 1}
    refused = api.post(f"{RECORDS}/upsert", {"by": "name", "data": {"name": "x"}})
    assert (refused.status, refused.code) == (422, "upsert_field_not_unique")


def test_unique_holds_within_an_organization_and_frees_what_is_deleted(world: World) -> None:
    menu(world.acorn, indexes=[{"field": "sku", "unique": True}])
    north, south = (Api(world.acorn.parties[slug].person_key) for slug in ("north", "south"))
    dish = {"data": {"name": "Ramen", "sku": "r"}}
    made = north.post(RECORDS, dish)
    taken = north.post(RECORDS, dish)
    assert (taken.status, taken.code) == (409, "not_unique")
    assert made["id"] in taken["detail"]
    assert south.post(RECORDS, dish).status == 201
    assert north.delete(f"{RECORDS}/{made['id']}").status == 204
    assert north.post(RECORDS, dish).status == 201
    assert north.post(f"{RECORDS}/{made['id']}/restore").code == "not_unique"


def test_a_missing_value_is_shared_by_any_number(world: World) -> None:
    api = menu(world.acorn, indexes=[{"field": "sku", "unique": True}])
    serve(api, {"name": "a"}, {"name": "b"})
    assert len(api.get(RECORDS)["data"]) == 2


def test_some_fields_instead_of_all(world: World) -> None:
    api = menu(world.acorn)
    (dish,) = serve(api, {**RAMEN, "origin": {"country": "jp"}})
    wanted = {"name": "Ramen", "origin": {"country": "jp"}}
    assert api.get(f"{RECORDS}?fields=name,origin.country")["data"][0]["data"] == wanted
    assert api.get(f"{RECORDS}/{dish}?fields=name")["data"] == {"name": "Ramen"}
    assert api.get(f"{RECORDS}?fields=nmae").code == "filter_invalid"


@pytest.mark.parametrize(
    "body",
    [{}, {"data": []}, {"data": "x"}, {"data": {"name": "x"}, "more": 1}, {"data": {"name": "a\0b"}}],
)
def test_bodies_that_are_no_record(world: World, body: Any) -> None:
    api = menu(world.acorn)
    assert api.post(RECORDS, body).status in (400, 422)


def test_the_trail_tells_what_changed(world: World) -> None:
    api = menu(world.acorn)
    (dish,) = serve(api, RAMEN)
    api.patch(f"{RECORDS}/{dish}", {"data": {"price": 16, "tags": None}})
    made, changed = api.get(f"/v1/timeline/{dish}")["data"]
    assert (made["operation"], changed["operation"]) == ("records.bulk", "records.update")
    (change,) = changed["changes"]
    assert change["fields"] == {"data.price": [14.5, 16], "data.tags": [["soup", "hot"], None]}
    assert changed["resource"]["id"] == dish


def test_a_write_costs_the_same_whether_it_is_one_or_many(
    world: World, django_assert_num_queries: Any
) -> None:
    """The statements of a bulk write are counted by what it does, not by how many items it has."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    api = menu(world.acorn, indexes=[{"field": "sku", "unique": True}, {"field": "price"}])

    def cost(count: int, start: int) -> int:
        items = [{"do": "create", "data": {"name": "x", "sku": f"{start + n}"}} for n in range(count)]
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert api.post(f"{RECORDS}/bulk", {"items": items})["refused"] == 0
        return len(seen)

    cost(1, 0)
    assert cost(500, 1_000) <= cost(2, 100)


def test_a_collection_that_is_not_there(world: World) -> None:
    api = root_of(world.acorn)
    for answer in (api.get(RECORDS), api.post(RECORDS, {"data": {}}), api.get(DISHES)):
        assert (answer.status, answer.code) == (404, "collection_unknown")

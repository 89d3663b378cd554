"""Records out of a collection and into one, line by line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.data import transfer
from apps.data.tests.shelves import RECORDS, menu, names, root_of, serve
from tests.client import Answer, Api
from tests.world import World

NDJSON = {"content_type": "application/x-ndjson"}


def lines_of(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200, answer
    return [json.loads(line) for line in answer.response.content.splitlines()]


def exported(api: Api, query: str = "") -> list[dict[str, Any]]:
    return lines_of(api.get(f"{RECORDS}/export{query}"))


def taken(api: Api, *lines: Any) -> Answer:
    raw = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return api.call("POST", f"{RECORDS}/import", raw=raw, headers=NDJSON)


def test_what_comes_out_goes_in_and_is_the_same(world: World) -> None:
    api = menu(world.acorn, indexes=[{"field": "sku", "unique": True}])
    serve(api, *({"name": f"dish {n}", "sku": str(n)} for n in range(5)))
    before = exported(api)
    elsewhere = menu(world.birch, indexes=[{"field": "sku", "unique": True}])
    answer = taken(elsewhere, *before)
    assert (answer["results"], answer["errors"]) == ({"created": 5, "updated": 0, "unchanged": 0}, [])
    kept = ("id", "data", "organization", "owner")
    assert [[row[name] for name in kept] for row in exported(elsewhere)] == [
        [row[name] for name in kept] for row in before
    ]
    assert taken(elsewhere, *before)["results"] == {"created": 0, "updated": 0, "unchanged": 5}
    assert names(elsewhere.get(f"{RECORDS}?filter[sku]=3")) == ["dish 3"]


def test_an_export_goes_on_after_a_break(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_AT_ONCE", 2)
    api = menu(world.acorn)
    ids = serve(api, *({"name": f"dish {n}"} for n in range(5)))
    assert [row["id"] for row in exported(api)] == ids
    assert [row["id"] for row in exported(api, f"?after={ids[2]}")] == ids[3:]
    assert [row["id"] for row in exported(api, "?limit=3")] == ids[:3]


def test_everybody_exports_what_they_may_read(world: World) -> None:
    root = menu(world.acorn)
    north, south = (world.acorn.parties[slug] for slug in ("north", "south"))
    serve(Api(north.person_key), {"name": "North's"})
    serve(Api(south.person_key), {"name": "South's"})
    assert [row["data"]["name"] for row in exported(Api(north.service_key))] == ["North's"]
    assert len(exported(root)) == 2
    assert exported(root_of(world.acorn).sending(packmule_organization=south.id))[0]["data"] == {
        "name": "South's"
    }


def test_lines_keep_their_organization_and_owner(world: World) -> None:
    root = menu(world.acorn)
    north = world.acorn.parties["north"]
    made = Api(north.person_key).post(RECORDS, {"data": {"name": "Ramen"}})
    (line,) = exported(root)
    root.post(f"{RECORDS}/{made['id']}/purge")
    assert taken(root, line)["results"]["created"] == 1
    again = Api(north.person_key).get(f"{RECORDS}/{made['id']}")
    assert (again["organization"], again["owner"]) == (north.id, north.person)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", "malformed_json"),
        (b"[]", "malformed_json"),
        (b'{"data": 5}', "validation_failed"),
        (b'{"data": {"name": "x"}, "id": "rec_x"}', "validation_failed"),
        (b'{"data": {"name": ""}}', "record_invalid"),
        (b'{"data": {"name": "x"}, "owner": "usr_00000000000000000000000000"}', "not_found"),
        (b'{"data": {"name": "x"}, "organization": "org_00000000000000000000000000"}', "not_found"),
    ],
)
def test_a_line_that_is_refused_is_told_by_its_number(world: World, line: bytes, code: str) -> None:
    api = menu(world.acorn)
    answer = taken(api, {"data": {"name": "first"}}, b"", line, {"data": {"name": "last"}})
    assert answer["results"]["created"] == 2
    (error,) = answer["errors"]
    assert (error["line"], error["code"] in (code, "malformed_request")) == (3, True), error
    assert names(api.get(RECORDS)) == ["last", "first"]


def test_an_organizations_people_import_into_it_alone(world: World) -> None:
    menu(world.acorn)
    north, south = (world.acorn.parties[slug] for slug in ("north", "south"))
    person = Api(north.person_key)
    answer = taken(
        person,
        {"data": {"name": "mine"}},
        {"data": {"name": "theirs"}, "organization": south.id},
        {"data": {"name": "somebody's"}, "owner": south.person},
    )
    assert answer["results"]["created"] == 1
    assert [error["line"] for error in answer["errors"]] == [2, 3]


def test_an_id_of_somebody_elses_record_takes_nothing_over(world: World) -> None:
    menu(world.acorn)
    north, south = (Api(world.acorn.parties[slug].person_key) for slug in ("north", "south"))
    (mine,) = serve(north, {"name": "mine"})
    answer = taken(south, {"id": mine, "data": {"name": "stolen"}})
    assert [error["code"] for error in answer["errors"]] == ["record_id_taken"]
    assert north.get(f"{RECORDS}/{mine}")["data"] == {"name": "mine"}


def test_other_bodies_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    api = menu(world.acorn)
    assert api.post(f"{RECORDS}/import", {"data": {}}).status == 415
    monkeypatch.setattr(transfer, "MOST_LINES", 2)
    assert taken(api, *[{"data": {"name": "x"}}] * 3).code == "too_many_lines"

"""Filters, orders and pages answer what a naive evaluation answers, with an index and without one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.data import finding
from apps.data.schemas.fields import Field, find_field
from apps.data.tests.naive import comparable, holds, in_order, value_at
from apps.data.tests.shelves import DISH, DISHES, RECORDS, menu, names, serve
from tests.client import Api
from tests.world import World

TEXTS = st.text(st.sampled_from("abAB é%_\\\"'漢😀"), max_size=4)
NUMBERS = st.one_of(st.integers(0, 5), st.sampled_from([0.5, 1.0, 2.25, 1e15, 2**53, 2**53 + 1]))
TIMES = st.builds(
    lambda hour, offset: (
        (datetime(2026, 11, 25, tzinfo=UTC) + timedelta(hours=hour))
        .astimezone(timezone(timedelta(hours=offset)))
        .isoformat()
    ),
    st.integers(0, 30),
    st.sampled_from([0, 2, -8]),
)
DAYS = st.sampled_from(["2026-01-01", "2026-02-28", "2027-01-01"])
VALUES = {
    "name": TEXTS.filter(bool),
    "price": NUMBERS,
    "sold_out": st.booleans(),
    "added": TIMES,
    "day": DAYS,
    "tags": st.lists(TEXTS, max_size=3),
    "origin.country": TEXTS,
}
FIELDS = {path: find_field(DISH, path) for path in VALUES}
ORDERED = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "exists")
OPERATORS = {
    "name": (*ORDERED, "contains", "prefix"),
    "origin.country": (*ORDERED, "contains", "prefix"),
    "price": ORDERED,
    "sold_out": ("eq", "ne", "in", "exists"),
    "added": ORDERED,
    "day": ORDERED,
    "tags": ("contains", "exists"),
}
QUIET = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@st.composite
def dishes(draw: st.DrawFn) -> dict[str, Any]:
    dish: dict[str, Any] = {"name": draw(VALUES["name"])}
    for path in ("price", "sold_out", "added", "day", "tags"):
        if draw(st.booleans()):
            dish[path] = draw(VALUES[path])
    if draw(st.booleans()):
        dish["origin"] = {"country": draw(TEXTS)} if draw(st.booleans()) else {}
    return dish


@st.composite
def conditions(draw: st.DrawFn) -> tuple[str, str, Any]:
    path = draw(st.sampled_from(sorted(VALUES)))
    operator = draw(st.sampled_from(OPERATORS[path]))
    if operator == "exists":
        return path, operator, draw(st.booleans())
    values = TEXTS if path == "tags" else VALUES[path]
    return path, operator, draw(st.lists(values, min_size=1, max_size=3) if operator == "in" else values)


def parameter(condition: tuple[str, str, Any]) -> str:
    path, operator, value = condition
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    name = f"filter[{path}]" if operator == "eq" else f"filter[{path}][{operator}]"
    return f"{name}={quote(text)}"


def every_page(api: Api, query: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = ""
    while True:
        answer = api.get(f"{RECORDS}?{query}&limit=3{cursor}")
        assert answer.status == 200, answer
        rows += [row["data"] for row in answer["data"]]
        if answer["next_cursor"] is None:
            return rows
        cursor = f"&cursor={answer['next_cursor']}"


#: With indexes, and how many records are few, many, and walked: each way that a query can go is gone.
WAYS = {
    "few drive": (4_000, 10_000, 5_000),
    "a set is held": (0, 10_000, 5_000),
    "one by one": (0, 0, 5_000),
    "together": (0, 0, 1),
    "looked at": None,
}


@pytest.fixture(params=WAYS)
def api(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    return menu(world.acorn, indexes=go(request.param, VALUES, monkeypatch))


def go(way: str, paths: Iterable[str], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Make all queries go one way; the indexes on these fields that it needs."""
    if (sizes := WAYS[way]) is None:
        return []
    few, many, walk = sizes
    for name, size in {"FEW": few, "FEW_OF_TENANT": few, "MANY": many, "WALK": walk}.items():
        monkeypatch.setattr(finding, name, size)
    return [{"field": path} for path in paths]


@pytest.fixture
def plain(world: World) -> Api:
    return menu(world.acorn)


def emptied(api: Api) -> None:
    rows = api.get(f"{RECORDS}?limit=200")["data"]
    if rows:
        api.post(f"{RECORDS}/bulk", {"items": [{"do": "delete", "id": row["id"]} for row in rows]})


def as_set(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@QUIET
@given(
    st.lists(dishes(), max_size=9),
    st.lists(conditions(), max_size=3, unique_by=lambda one: one[:2]),
    st.sampled_from(["name", "price", "added", "day", "origin.country", "sold_out"]),
    st.booleans(),
)
def test_what_is_found_is_what_a_naive_evaluation_finds(
    api: Api, served: list[Any], asked: list[Any], order: str, descending: bool
) -> None:
    emptied(api)
    serve(api, *served)
    query = "&".join([f"order={'-' if descending else ''}{order}", *map(parameter, asked)])
    found = every_page(api, query)
    wanted = [dish for dish in served if all(holds(dish, FIELDS[path], *more) for path, *more in asked)]
    told_alike(found, wanted, FIELDS[order], descending=descending)
    counted = api.get(f"{RECORDS}/count?{'&'.join(map(parameter, asked))}")
    assert counted["count"] == len(wanted)


def told_alike(
    found: list[dict[str, Any]], wanted: list[dict[str, Any]], order: Field, *, descending: bool
) -> None:
    assert as_set(found) == as_set(wanted)
    values = [comparable(value_at(row, order.path), order) for row in found]
    assert values == in_order(wanted, order, descending=descending)


def test_the_newest_come_first_unless_another_order_is_asked_for(api: Api) -> None:
    serve(api, {"name": "first"}, {"name": "second"}, {"name": "third"})
    assert names(api.get(RECORDS)) == ["third", "second", "first"]
    assert names(api.get(f"{RECORDS}?order=id")) == ["first", "second", "third"]
    assert names(api.get(f"{RECORDS}?order=-name&limit=2")) == ["third", "second"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("filter[prize]=5", "unknown_field"),
        ("filter[price][around]=5", "unknown_operator"),
        ("filter[price]=cheap", "invalid_type"),
        ("filter[added][gt]=yesterday", "invalid_type"),
        ("filter[day]=2026-13-01", "invalid_type"),
        ("filter[sold_out]=1", "invalid_type"),
        ("filter[price][prefix]=1", "operator_unfit"),
        ("filter[tags]=hot", "operator_unfit"),
        ("filter[name][exists]=maybe", "invalid_type"),
        ("filter[name][prefix]=" + "x" * 201, "too_long"),
        ("filter[name][in]=[1,", "malformed"),
        ("filter[name][in]=" + ",".join("x" * 101), "too_many"),
        ("order=tags", "operator_unfit"),
        ("order=prize", "unknown_field"),
        ("search=hot", "not_declared"),
        ("filter[name]=%00", "invalid_character"),
        ("filter[name][in]=[]", "too_few"),
        ("filter[name][in]=[null]", "invalid_type"),
        (r'filter[name][in]=["\ud800"]', "malformed"),
        ("filter[name][in]=" + "[" * 4_000, "malformed"),
        ("filter[price]=" + "1" * 400, "out_of_range"),
        ("filter[price]=1e400", "out_of_range"),
        ("filter[price]=NaN", "invalid_type"),
    ],
)
def test_queries_that_make_no_sense_are_refused(plain: Api, query: str, code: str) -> None:
    refused = plain.get(f"{RECORDS}?{query}")
    assert (refused.status, refused.code) == (400, "filter_invalid"), refused
    assert refused["errors"][0]["code"] == code


@pytest.mark.parametrize("query", ["filter=5", "filter[]=5", "filter[a[b]=5", "fliter[name]=5", "where=1"])
def test_parameters_that_are_no_filters_are_unknown(plain: Api, query: str) -> None:
    assert plain.get(f"{RECORDS}?{query}").code == "parameters_invalid"


def test_a_cursor_belongs_to_its_query(api: Api) -> None:
    serve(api, *({"name": f"dish {n}", "price": n} for n in range(4)))
    cursor = api.get(f"{RECORDS}?order=price&limit=2")["next_cursor"]
    assert api.get(f"{RECORDS}?order=-price&limit=2&cursor={cursor}").code == "cursor_invalid"
    assert (
        api.get(f"{RECORDS}?order=price&limit=2&filter[price][gt]=0&cursor={cursor}").code == "cursor_invalid"
    )
    assert api.get(f"{RECORDS}?order=price&limit=2&cursor={cursor[:-2]}AA").code == "cursor_invalid"


def test_above_a_size_a_query_needs_an_index_or_says_what_it_did(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.data import querying

    monkeypatch.setattr(querying, "MOST_SCANNED", 5)
    api = menu(world.acorn, indexes=[{"field": "price"}])
    serve(api, *({"name": f"dish {n}", "price": n} for n in range(6)))
    refused = api.get(f"{RECORDS}?filter[name]=dish 3")
    assert (refused.status, refused.code, refused["fields"]) == (409, "index_needed", ["name"])
    told = api.get(f"{RECORDS}?filter[name]=dish 3&scan=true")
    assert (names(told), told["notice"]["code"]) == (["dish 3"], "scanned")
    assert api.get(f"{RECORDS}?order=name&scan=true").code == "index_needed"
    assert "notice" not in api.get(f"{RECORDS}?filter[price][gte]=4&filter[name]=dish 5").body
    call = refused["remedy"]["api"]
    assert api.call(call["method"], call["path"], call["body"]).status == 200
    assert names(api.get(f"{RECORDS}?filter[name]=dish 3")) == ["dish 3"]
    assert api.get(DISHES)["indexes"][1]["state"] == "ready"

"""Fields of odd kinds, and values that are not what one expects: found alike with an index and without one."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from django.db import DataError
from hypothesis import given
from hypothesis import strategies as st

from apps.core.fields import point_in_time
from apps.data.models import Record
from apps.data.schemas.fields import Field, find_field
from apps.data.tests.naive import holds
from apps.data.tests.shelves import DISHES, RECORDS, menu, names, root_of, serve
from apps.data.tests.test_filters import QUIET, WAYS, emptied, every_page, go, told_alike
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import World

ODD: dict[str, Any] = {
    "type": "object",
    "properties": {
        "free": True,
        "size": {"anyOf": [{"type": "string"}, {"type": "number"}]},
        "level": {"type": ["number", "null"]},
        "seen": {"type": ["string", "null"], "format": "date-time"},
        "day": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "scores": {"type": "array", "items": {"type": ["number", "null"]}},
        "days": {"items": {"type": "string", "format": "date"}},
        "mixed": {"type": "array"},
        "loose": {"properties": {"0": {"type": "string"}, "in": {"type": "number"}}},
    },
    "additionalProperties": False,
}
TEXTS = st.sampled_from(["", "a", "it is true", "true", "5", "1.50", 'a"b', "[", "漢"])
NUMBERS = st.sampled_from([0, 1, 5, -2, 0.5, 1e-300, 1e17, 2**60, float(2**60), 2**63 - 1])
DAYS = st.sampled_from(["2026-01-01", "2026-02-28", "9999-12-31"])
TIMES = st.sampled_from(
    [
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
        "2026-01-01T00:00:00+18:30",
        "2026-01-01T00:00:00.1234567Z",
        "2025-12-31T05:30:00Z",
        "2024-02-29t12:00:00z",
    ]
)
SCALARS = st.one_of(st.booleans(), NUMBERS, TEXTS)
ANYTHING = st.one_of(
    st.none(),
    SCALARS,
    st.lists(st.one_of(st.none(), SCALARS), max_size=2),
    st.just({"a": 1}),
    st.just([["a"]]),
)
#: What may stand in a field, and what is asked for.
STORED: dict[str, st.SearchStrategy[Any]] = {
    "free": ANYTHING,
    "size": st.one_of(TEXTS, NUMBERS),
    "level": st.one_of(st.none(), NUMBERS),
    "seen": st.one_of(st.none(), TIMES),
    "day": st.one_of(st.none(), DAYS),
    "scores": st.lists(st.one_of(st.none(), NUMBERS), max_size=3),
    "days": st.one_of(DAYS, st.lists(DAYS, max_size=2)),
    "mixed": st.lists(ANYTHING, max_size=3),
    "loose": st.one_of(
        ANYTHING,
        st.lists(TEXTS, max_size=2),
        st.fixed_dictionaries({}, optional={"0": TEXTS, "in": NUMBERS}),
    ),
}
ASKED = {
    "free": SCALARS,
    "size": SCALARS,
    "level": NUMBERS,
    "seen": TIMES.map(str.upper),
    "day": DAYS,
    "scores": NUMBERS,
    "days": DAYS,
    "mixed": SCALARS,
    "loose.0": TEXTS,
    "loose.in": NUMBERS,
}
FIELDS = {path: find_field(ODD, path) for path in ASKED}
ORDERED = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "exists")
ODDITIES = st.fixed_dictionaries({}, optional=STORED)
Condition = tuple[Field, str, Any]


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    field = FIELDS[draw(st.sampled_from(sorted(FIELDS)))]
    of_text = ("contains", "prefix") if field.kind in ("string", "any") else ()
    operator = draw(st.sampled_from(("contains", "exists") if field.many else (*ORDERED, *of_text)))
    if operator == "exists":
        return field, operator, draw(st.booleans())
    if operator in of_text and not field.many:
        return field, operator, draw(TEXTS)
    values = ASKED[field.path]
    return field, operator, draw(st.lists(values, min_size=1, max_size=3) if operator == "in" else values)


def parameter(condition: Condition) -> str:
    field, operator, value = condition
    is_bare = isinstance(value, str) and (
        field.kind != "any" or (operator in ("contains", "prefix") and not field.many)
    )
    text = value if is_bare else json.dumps(value, ensure_ascii=False)
    return f"filter[{field.path}][{operator}]={quote(text)}"


def as_kept(digits: str) -> float:
    """A number as the database gives it back."""
    return int(Decimal(digits)) if "e+" in digits else float(digits)


@pytest.fixture(params=WAYS)
def api(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    return menu(world.acorn, schema=ODD, indexes=go(request.param, FIELDS, monkeypatch))


@QUIET
@given(
    st.lists(ODDITIES, max_size=9),
    st.lists(conditions(), max_size=2, unique_by=lambda one: (one[0].path, one[1])),
    st.sampled_from([path for path, field in FIELDS.items() if not field.many]),
    st.booleans(),
)
def test_odd_fields_are_found_as_a_naive_evaluation_finds_them(
    api: Api, served: list[Any], asked: list[Condition], order: str, descending: bool
) -> None:
    emptied(api)
    serve(api, *served)
    filters = "&".join(map(parameter, asked))
    found = every_page(api, f"order={'-' if descending else ''}{order}&{filters}")
    kept = [json.loads(json.dumps(one), parse_float=as_kept) for one in served]
    wanted = [one for one in kept if all(holds(one, *condition) for condition in asked)]
    told_alike(found, wanted, FIELDS[order], descending=descending)
    assert api.get(f"{RECORDS}/count?{filters}")["count"] == len(wanted)


def values(answer: Answer, path: str) -> list[Any]:
    assert answer.status == 200, answer
    return [row["data"].get(path) for row in answer["data"]]


def test_text_is_looked_for_as_it_is_written(api: Api) -> None:
    serve(api, {"free": "it is true"}, {"free": "v1.50"}, {"free": True}, {"free": "NaN"}, {"free": "null"})
    for text, found in {"true": "it is true", "1.50": "v1.50", "NaN": "NaN", "nul": "null"}.items():
        assert values(api.get(f"{RECORDS}?filter[free][contains]={text}"), "free") == [found]
    assert values(api.get(f"{RECORDS}?filter[free][prefix]=NaN"), "free") == ["NaN"]
    assert values(api.get(f"{RECORDS}?filter[free][prefix]=1"), "free") == []
    assert values(api.get(f'{RECORDS}?filter[free]="NaN"'), "free") == ["NaN"]


@pytest.mark.parametrize("operator", ["eq", "in", "gt"])
@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", "1e400", "1" * 400, r'"\ud800"', r'"\u0000"', "9223372036854775808"]
)
def test_what_no_record_holds_is_refused(world: World, value: str, operator: str) -> None:
    for indexes in ([], [{"field": "free"}]):
        api = root_of(world.acorn)
        api.delete(f"{DISHES}?with_records=0")
        api = menu(world.acorn, schema=ODD, indexes=indexes)
        refused = api.get(f"{RECORDS}?filter[free][{operator}]={quote(value)}")
        assert (refused.status, refused.code) == (400, "filter_invalid"), refused


def test_what_is_nested_deeply_is_a_text(api: Api) -> None:
    assert values(api.get(f"{RECORDS}?filter[free]={'[' * 3_000}"), "free") == []


def test_arrays_and_objects_have_nothing_unique(world: World) -> None:
    api = menu(world.acorn, schema=ODD, indexes=[{"field": "free", "unique": True}])
    serve(api, {"free": [1]}, {"free": [2]}, {"free": {"a": 1}}, {"free": 1})
    assert api.post(RECORDS, {"data": {"free": 1}}).code == "not_unique"


ODD_TIMES = (
    "soon", "2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z",
    "2026-01-01T24:00:00Z", "2026-01-01T23:59:60Z", "2026-01-01", "2026-01-01T00:00:00", "infinity",
    "2026-01-01T00:00:00+23:59", "2026-01-01T00:00:00-00:30", "2026-01-01T00:00:00+24:00",
    "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2026-01-01t00:00:00.9999999z",
    "٢٠٢٦-01-01T00:00:00Z",
)  # fmt: skip


def test_texts_that_were_there_before_a_field_was_one_of_times_break_nothing(world: World) -> None:
    """While records are moved to a new schema, older ones hold what they held."""
    api = menu(world.acorn)
    serve(api, *({"name": text} for text in ODD_TIMES))
    with enter(world.acorn.ref):
        for record in Record.objects.all():
            record.data["added"] = record.data["name"]
            record.save(update_fields=["data"])
    read = {text for text in ODD_TIMES if point_in_time(text)}
    assert set(names(api.get(f"{RECORDS}?filter[added][gte]=0001-01-01T00:00:00Z"))) == read
    assert set(names(api.get(f"{RECORDS}?filter[added][lt]=0001-01-01T00:00:00Z"))) == set()
    exact = api.get(f"{RECORDS}?filter[added]=2026-01-01T00:00:00.999999Z")
    assert names(exact) == ["2026-01-01t00:00:00.9999999z"]
    assert names(api.get(f"{RECORDS}?filter[added]=2025-12-31T00:01:00Z")) == ["2026-01-01T00:00:00+23:59"]


ODD_NAMES = ('a"b', "{", "a\\", "c,d", "null", "it's %s")


def test_searched_fields_may_have_any_name(world: World) -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in ODD_NAMES}}
    api = menu(world.acorn, schema=schema, search={"fields": list(ODD_NAMES)})
    for name in ODD_NAMES:
        serve(api, {name: f"hot soup of {name}"})
        (found,) = api.get(f'{RECORDS}?search="hot soup"&limit=1')["data"]
        assert list(found["data"]) == [name]
    assert len(api.get(f'{RECORDS}?search="hot soup"')["data"]) == len(ODD_NAMES)


def test_a_large_record_does_not_break_the_search_for_phrases(world: World) -> None:
    api = menu(world.acorn, search={"fields": ["name"]})
    serve(api, {"name": "hot soup " + " ".join(f"w{n:06x}" for n in range(110_000))}, {"name": "soup, hot"})
    (found,) = names(api.get(f'{RECORDS}?search="hot soup"'))
    assert found.startswith("hot soup w000000")


@pytest.fixture
def large(world: World, monkeypatch: pytest.MonkeyPatch) -> Api:
    """With more dishes than are looked at without being asked to."""
    monkeypatch.setattr("apps.data.querying.MOST_SCANNED", 5)
    api = menu(
        world.acorn, shared=True, access={"read": ["public"]}, indexes=[{"field": "name"}, {"field": "price"}]
    )
    serve(api, *({"name": f"dish {n}", "price": n} for n in range(7)))
    return api


def test_where_no_index_helps_none_is_proposed(large: Api) -> None:
    refused = large.get(f"{RECORDS}?filter[name][contains]=sh 3")
    assert (refused.code, refused.body.get("remedy"), refused["fields"]) == ("index_needed", None, ["name"])
    assert "scan=true" in refused["detail"]
    assert names(large.get(f"{RECORDS}?filter[name][contains]=sh 3&scan=true")) == ["dish 3"]


def test_an_index_that_is_being_built_is_waited_for(large: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.data.building.BATCH", 2)
    monkeypatch.setattr("apps.data.advancing.AT_ONCE", 1)
    large.patch(DISHES, {"indexes": [{"field": "name"}, {"field": "sku"}]})
    assert large.get(f"{RECORDS}?filter[sku]=1").code == "index_building"
    refused = large.get(f"{RECORDS}?filter[price]=1")
    assert refused.code == "index_needed"
    fields = [one["field"] for one in refused["remedy"]["api"]["body"]["indexes"]]
    assert fields == ["name", "sku", "price"]


def test_an_order_that_no_scan_helps_says_so(large: Api) -> None:
    refused = large.get(f"{RECORDS}?order=sku&scan=true")
    assert (refused.code, refused["fields"]) == ("index_needed", ["sku"])
    assert "with `scan=true` too" in refused["detail"]


def test_a_value_that_the_database_cannot_read_is_told(large: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(_finder: Any) -> int:
        raise DataError("made up for this test")

    monkeypatch.setattr("apps.data.finding.Finder.count", unreadable)
    assert large.get(f"{RECORDS}/count").code == "filter_invalid"


def test_visitors_may_not_have_every_record_looked_at(large: Api, world: World) -> None:
    visitor = Api(world.acorn.publishable_key)
    assert names(visitor.get(f"{RECORDS}?filter[name]=dish 3")) == ["dish 3"]
    for path in (RECORDS, f"{RECORDS}/count"):
        refused = visitor.get(f"{path}?filter[sku]=1&scan=true")
        assert (refused.status, refused.code) == (403, "scan_refused")


def test_a_name_with_a_dot_is_no_field_and_that_is_said(world: World) -> None:
    api = root_of(world.acorn)
    schema = {"type": "object", "properties": {"a.b": {"type": "string"}, "c": {"type": "string"}}}
    assert api.post("/v1/collections", {"name": "dotted", "schema": schema}).status == 201
    path = "/v1/collections/dotted/records"
    assert api.post(path, {"data": {"a.b": "x", "c": "y"}})["data"] == {"a.b": "x", "c": "y"}
    for query in ("filter[a.b]=x", "order=a.b", "fields=a.b"):
        refused = api.get(f"{path}?{query}")
        assert (refused.status, refused.code) == (400, "filter_invalid"), query
        assert "has a dot in its name" in refused["errors"][0]["detail"], query
    indexed = api.patch("/v1/collections/dotted", {"indexes": [{"field": "a.b"}]})
    assert (indexed.status, "has a dot in its name" in indexed["errors"][0]["detail"]) == (422, True)

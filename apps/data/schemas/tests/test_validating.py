"""What is said of records that do not fit their schema."""

from __future__ import annotations

import math
from typing import Any

import pytest

from apps.data.schemas import sentences, validating
from apps.data.schemas.checking import check_schema
from apps.data.schemas.engine import FORMATS
from apps.data.schemas.keywords import ANNOTATIONS, DRAFT, KEYWORDS
from apps.data.schemas.validating import is_valid, violations

ORDER = {
    "type": "object",
    "required": ["number", "lines"],
    "properties": {
        "number": {"type": "integer", "minimum": 1},
        "address": {"$ref": "#/$defs/address"},
        "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}},
    },
    "additionalProperties": False,
    "$defs": {
        "address": {"required": ["city"], "properties": {"city": {"type": "string", "maxLength": 5}}},
        "line": {"properties": {"a/b": {"enum": ["x", "y"]}, "n~": {"multipleOf": 5}}},
    },
}


def _found(schema: dict[str, Any], data: Any) -> list[tuple[str, str]]:
    check_schema(schema)
    assert is_valid(schema, data) is (violations(schema, data) == [])
    return [(found.pointer, found.code) for found in violations(schema, data)]


def test_all_violations_come_in_the_order_of_the_record() -> None:
    record = {
        "lines": [{"n~": 3, "a/b": "z"}, {}, {"a/b": None}],
        "adress": {},
        "address": {"city": "Zürich-Nord"},
    }
    assert _found(ORDER, record) == [
        ("/number", "required"),
        ("/lines/0/n~0", "multipleOf"),
        ("/lines/0/a~1b", "enum"),
        ("/lines/2/a~1b", "enum"),
        ("/adress", "additionalProperties"),
        ("/address/city", "maxLength"),
    ]


def test_a_sentence_shows_the_value_and_what_to_do() -> None:
    found = {v.code: v.detail for v in violations(ORDER, {"adress": 1, "number": "一" * 500, "lines": []})}
    assert found["additionalProperties"] == "The schema allows no “adress” here; did you mean “address”?"
    assert found["type"] == f"“{'一' * 60}…” is not of the type integer."
    assert found["minItems"] == "The array has 0 elements, and 1 is the least."


def test_limit() -> None:
    record = {"number": 1, "lines": [{"n~": 3}] * 100}
    assert len(violations(ORDER, record)) == 20
    assert [v.pointer for v in violations(ORDER, record, limit=2)] == ["/lines/0/n~0", "/lines/1/n~0"]


def test_lengths_count_characters_and_not_bytes() -> None:
    schema = {"properties": {"a": {"minLength": 2, "maxLength": 2}}}
    assert _found(schema, {"a": "日本"}) == []
    assert _found(schema, {"a": "🍜🍜"}) == []
    assert _found(schema, {"a": "🍜"}) == [("/a", "minLength")]


@pytest.mark.parametrize(
    ("schema", "value", "code"),
    [
        ({"type": ["string", "null"]}, 1, "type"),
        ({"const": True}, 1, "const"),
        ({"minimum": 2}, 1, "minimum"),
        ({"maximum": 2}, 3, "maximum"),
        ({"exclusiveMinimum": 2}, 2, "exclusiveMinimum"),
        ({"exclusiveMaximum": 2}, 2, "exclusiveMaximum"),
        ({"pattern": "^a"}, "ba", "pattern"),
        ({"maxItems": 1}, [1, 2], "maxItems"),
        ({"uniqueItems": True}, [1, 1.0], "uniqueItems"),
        ({"contains": {"type": "string"}}, [1], "contains"),
        ({"contains": True, "minContains": 2}, [1], "minContains"),
        ({"contains": True, "maxContains": 1}, [1, 2], "maxContains"),
        ({"minProperties": 1}, {}, "minProperties"),
        ({"maxProperties": 1}, {"a": 1, "b": 2}, "maxProperties"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "dependentRequired"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "anyOf"),
        ({"oneOf": [True, True]}, 1, "oneOf"),
        ({"oneOf": [False, False]}, 1, "oneOf"),
        ({"not": {"type": "integer"}}, 1, "not"),
        (False, 1, "properties"),
        ({"if": {"type": "integer"}, "then": {"minimum": 2}}, 1, "minimum"),
        ({"if": {"type": "string"}, "else": {"minimum": 2}}, 1, "minimum"),
        ({"allOf": [{"minimum": 2}, {"maximum": 9}]}, 1, "minimum"),
    ],
)
def test_each_keyword_is_named(schema: Any, value: Any, code: str) -> None:
    assert _found({"properties": {"v": schema}}, {"v": value}) == [("/v", code)]


@pytest.mark.parametrize(
    ("schema", "data", "expected"),
    [
        ({"propertyNames": {"pattern": "^a"}}, {"b": 1}, [("/b", "propertyNames")]),
        ({"patternProperties": {"^n": {"type": "number"}}}, {"n1": "x", "m": "y"}, [("/n1", "type")]),
        (
            {"patternProperties": {"^n": True}, "additionalProperties": {"type": "null"}},
            {"n": 1, "m": 1},
            [("/m", "type")],
        ),
        ({"dependentSchemas": {"a": {"required": ["c"]}}}, {"a": 1}, [("/c", "required")]),
        (
            {"allOf": [{"properties": {"b": True}}], "unevaluatedProperties": False},
            {"a": 1, "b": 2},
            [("/a", "unevaluatedProperties")],
        ),
        (
            {"anyOf": [{"properties": {"b": True}, "required": ["b"]}, True], "unevaluatedProperties": False},
            {"b": 2, "c": 1},
            [("/c", "unevaluatedProperties")],
        ),
        (
            {"properties": {"a": {"prefixItems": [{"type": "string"}], "items": False}}},
            {"a": [1, 2]},
            [("/a/0", "type"), ("/a/1", "items")],
        ),
        (
            {"properties": {"a": {"contains": {"const": 1}, "unevaluatedItems": False}}},
            {"a": [1, 2]},
            [("/a/1", "unevaluatedItems")],
        ),
        (
            {"properties": {"a": {"$ref": "#/$defs/x%20~1y"}}, "$defs": {"x /y": {"type": "null"}}},
            {"a": 1},
            [("/a", "type")],
        ),
        (
            {"properties": {"next": {"$ref": "#"}}, "required": ["id"]},
            {"id": 1, "next": {}},
            [("/next/id", "required")],
        ),
    ],
)
def test_pointers(schema: dict[str, Any], data: Any, expected: list[tuple[str, str]]) -> None:
    assert _found(schema, data) == expected


FORMAT_EXAMPLES = {
    "date": (
        ["2026-02-28", "2024-02-29"],
        ["2026-02-30", "0000-01-01", "26-01-01", "2026-W01-1", "\uff12026-01-01"],
    ),
    "date-time": (
        ["2026-11-01T09:30:00Z", "2026-11-01t09:30:00.123456+05:30"],
        [
            "2026-11-01T09:30:00",
            "2026-11-01 09:30:00Z",
            "2016-12-31T23:59:60Z",
            "2026-11-01T24:00:00Z",
            "0001-01-01T00:00:00+01:00",
            "x",
        ],
    ),
    "time": (["09:30:00Z"], ["09:30:00", "25:00:00Z"]),
    "duration": (["P1D", "PT1H"], ["1D", "P"]),
    "email": (["a@b.example"], ["a", "a@", "a b@c.example", "a@b..c"]),
    "idn-email": (["ü@b.example"], ["ü"]),
    "hostname": (["a.example"], ["-a.example", "a_b", "ü.example"]),
    "ipv4": (["192.0.2.1"], ["192.0.2", "01.2.3.4", "1.2.3.256"]),
    "ipv6": (["::1", "2001:db8::1"], ["::g", "1::2::3", "fe80::1%eth0"]),
    "uri": (["https://a.example/b?c#d", "mailto:x"], ["a/b", "http://a b", "http://ü"]),
    "uri-reference": (["a/b", "#x"], ["a b"]),
    "iri": (["http://ü"], ["a b"]),
    "uuid": (["01890a5d-ac96-774b-bcce-b302099a8057"], ["01890a5dac96774bbcceb302099a8057", "x"]),
    "json-pointer": (["/a~1b", ""], ["a", "/~2"]),
}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_formats_are_checked(name: str) -> None:
    schema = {"properties": {"a": {"format": name}}}
    good, bad = FORMAT_EXAMPLES[name]
    assert [value for value in good if _found(schema, {"a": value})] == []
    assert [value for value in bad if _found(schema, {"a": value}) != [("/a", "format")]] == []
    assert _found(schema, {"a": 5}) == []


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)*$", "^(a|a)*$", "(x+x+)+y", "^([a-z]+)*$"])
def test_patterns_that_explode_elsewhere_answer(pattern: str) -> None:
    assert _found({"properties": {"a": {"pattern": pattern}}}, {"a": "a" * 50_000 + "!"}) == [
        ("/a", "pattern")
    ]


def test_a_refusal_of_a_deep_record_stays_small() -> None:
    schema = {"anyOf": [{"anyOf": [{"properties": {"x": {"$ref": "#"}}, "required": ["q"]}]}, False]}
    data: dict[str, Any] = {"big": ["ab"] * 100_000}
    for _ in range(62):
        data = {"x": data}
    assert _found(schema, data) == [("", "anyOf")]


@pytest.mark.parametrize("name", ["https://a.example/s", "urn:a", "dish.json", "s#", "", "not an address %%"])
def test_the_name_of_a_schema_changes_nothing(name: str) -> None:
    schema = {"properties": {"x": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}
    named = {"$schema": DRAFT, "$comment": "generated", "$id": name, **schema}
    check_schema(named)
    assert is_valid(named, {"x": 1})
    assert _found(named, {"x": "1"}) == _found(schema, {"x": "1"}) == [("/x", "type")]


def test_every_assertion_has_a_sentence() -> None:
    speaking = {keyword for keyword in KEYWORDS if keyword not in ANNOTATIONS | {"$ref"}}
    children = {"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"}
    children |= {"items", "prefixItems", "unevaluatedItems"}
    branches = {"allOf", "if", "then", "else", "dependentSchemas"}
    assert speaking - children - branches == set(sentences._SENTENCES)


def test_the_cache_is_bounded_and_knows_schemas_by_what_they_say() -> None:
    for number in range(300):
        assert is_valid({"properties": {"a": {"maximum": number}}}, {"a": number})
    assert len(validating._compiled) == 256
    first = validating._for({"type": "object", "title": "a"})
    assert validating._for({"title": "a", "type": "object"}) is first


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 1e308, 0.1, math.pi])
def test_numbers_at_the_edges(value: float) -> None:
    assert _found({"properties": {"a": {"type": "number", "const": value}}}, {"a": value}) == []

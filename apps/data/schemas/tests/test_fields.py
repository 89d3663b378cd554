"""Which fields of a record can be filtered, and what is there."""

from __future__ import annotations

from typing import Any

import pytest

from apps.data.schemas.checking import check_schema
from apps.data.schemas.errors import FieldUnknown
from apps.data.schemas.fields import MAX_FIELDS, Field, fields_of, find_field, pointer_to, value_at, values_at

DISH = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "price": {"type": ["number", "null"]},
        "count": {"type": "integer"},
        "vegan": {"type": "boolean"},
        "added": {"type": "string", "format": "date-time"},
        "season": {"type": ["string", "null"], "format": "date"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "served": {"items": {"type": "string", "format": "date"}},
        "origin": {"$ref": "#/$defs/place"},
        "kind": {"enum": ["soup", "main", None]},
        "level": {"const": 3},
        "note": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "size": {"anyOf": [{"type": "string"}, {"type": "number"}]},
        "free": True,
        "extras": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "string"}}}},
        "grid": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
        "a.b": {"type": "string"},
        "": {"type": "string"},
    },
    "allOf": [{"properties": {"sku": {"type": "string"}, "free": {"maxLength": 3}}}],
    "$defs": {
        "place": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "at": {"allOf": [{"properties": {"lat": {"type": "number"}}}]},
            },
        }
    },
}


def test_fields_of_a_schema() -> None:
    check_schema(DISH)
    found = {path: (field.kind, field.many) for path, field in fields_of(DISH).items()}
    assert found == {
        "name": ("string", False),
        "price": ("number", False),
        "count": ("number", False),
        "vegan": ("boolean", False),
        "added": ("timestamp", False),
        "season": ("date", False),
        "tags": ("string", True),
        "served": ("date", True),
        "kind": ("string", False),
        "level": ("number", False),
        "note": ("timestamp", False),
        "size": ("any", False),
        "free": ("any", False),
        "sku": ("string", False),
        "origin.city": ("string", False),
        "origin.at.lat": ("number", False),
    }


def test_recursion_ends_after_eight_levels() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "parent": {"$ref": "#"}}}
    assert max(fields_of(schema), key=len) == "parent." * 7 + "id"
    wide = {"properties": {f"p{n}": {"$ref": "#"} for n in range(500)} | {"id": {"type": "string"}}}
    assert 0 < len(fields_of(wide)) <= MAX_FIELDS


def test_a_field_is_found_by_its_path() -> None:
    assert find_field(DISH, "origin.city") == Field("origin.city", "string")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("origin.ciyt", "did you mean origin.city?"),
        ("origin", "did you mean origin.city?"),
        ("x" * 500, "known are: added, count, "),
    ],
)
def test_an_unknown_field_is_refused_with_a_hint(path: str, hint: str) -> None:
    with pytest.raises(FieldUnknown) as refused:
        find_field(DISH, path)
    assert hint in refused.value.detail
    assert len(refused.value.detail) < 400


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("name", ["Soup"]),
        ("origin.city", ["Bern"]),
        ("origin.none", []),
        ("name.first", []),
        ("tags", ["a", "b"]),
        ("empty", []),
        ("price", [None]),
        ("rows.n", []),
        ("", []),
    ],
)
def test_values_at_a_path(path: str, values: list[Any]) -> None:
    record = {
        "name": "Soup",
        "origin": {"city": "Bern"},
        "tags": ["a", "b"],
        "empty": [],
        "price": None,
        "rows": [{"n": 1}],
    }
    assert values_at(record, path) == values


def test_a_value_is_found_through_objects_alone() -> None:
    assert value_at({"a": {"0": 5}}, "a.0") == 5
    assert value_at({"a": [5]}, "a.0") is None
    assert value_at({"a": [5]}, "a") == [5]


def test_the_pointer_to_a_path_is_escaped() -> None:
    assert pointer_to("origin.a/b~c") == "/origin/a~1b~0c"

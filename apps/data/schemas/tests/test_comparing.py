"""Which changes of a schema take every record that was valid before."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.data.schemas.checking import check_schema
from apps.data.schemas.comparing import widens
from apps.data.schemas.errors import SchemaInvalid
from apps.data.schemas.keywords import subschemas
from apps.data.schemas.validating import is_valid, violations

CLOSED = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 10},
        "count": {"type": "integer", "minimum": 0, "maximum": 9},
        "kind": {"enum": ["a", "b"]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "parent": {"$ref": "#"},
        "choice": {"oneOf": [{"type": "string"}, {"$ref": "#/$defs/point"}]},
    },
    "additionalProperties": False,
    "$defs": {"point": {"type": "object", "properties": {"x": {"type": "number"}}}},
}


def _with(**members: Any) -> dict[str, Any]:
    return {**CLOSED, "properties": {**CLOSED["properties"], **members}}  # type: ignore[dict-item]


def _without(schema: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in keys}


UNTREED = _without(_with(parent=True, choice=True), "$defs")


@pytest.mark.parametrize(
    "new",
    [
        CLOSED,
        {},
        {"type": "object", "title": "anything"},
        {**CLOSED, "title": "named", "x-note": 1},
        _with(added={"type": "string"}),
        _with(name={"type": ["string", "null"], "maxLength": 10}),
        _with(name={"type": "string", "maxLength": 20, "description": "longer"}),
        _with(count={"type": "number", "minimum": -1, "exclusiveMaximum": 10}),
        _with(kind={"enum": ["a", "b", "c"]}),
        _with(kind={"type": "string"}),
        _with(tags={"type": "array", "items": {"type": ["string", "null"]}}),
        _with(tags={"type": "array", "prefixItems": [{"type": "string"}], "maxItems": 4}),
        _with(name={"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 11}]}),
        _without(CLOSED, "required"),
        _without(CLOSED, "additionalProperties"),
        {**CLOSED, "additionalProperties": {"type": "string"}},
        {**CLOSED, "allOf": [{"required": ["name"]}]},
        {**CLOSED, "patternProperties": {"^na": {"type": "string"}}},
    ],
)
def test_what_widens_a_closed_schema(new: dict[str, Any]) -> None:
    check_schema(new)
    assert widens(CLOSED, new)


@pytest.mark.parametrize(
    "new",
    [
        {**CLOSED, "required": ["name", "count"]},
        _with(name={"type": "string", "maxLength": 9}),
        _with(name={"type": "string", "maxLength": 10, "pattern": "^a"}),
        _with(name={"type": "null"}),
        _with(count={"type": "integer", "minimum": 1, "maximum": 9}),
        _with(count={"type": "integer", "minimum": 0, "exclusiveMaximum": 9}),
        _with(kind={"enum": ["a"]}),
        _with(tags={"type": "array", "items": {"type": "string"}, "maxItems": 3, "uniqueItems": True}),
        _with(tags={"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 3}),
        _with(parent=False),
        {**CLOSED, "properties": {"name": {"type": "string"}}},
        {**CLOSED, "minProperties": 2},
        {**CLOSED, "propertyNames": {"maxLength": 4}},
        {**CLOSED, "patternProperties": {"^n": {"type": "null"}}},
        {**CLOSED, "not": {"required": ["kind"]}},
        {**CLOSED, "unevaluatedProperties": {"type": "null"}, "additionalProperties": True},
        {**CLOSED, "$defs": {"point": {"type": "object", "properties": {"x": {"type": "string"}}}}},
    ],
)
def test_what_does_not(new: dict[str, Any]) -> None:
    check_schema(new)
    assert not widens(CLOSED, new)


def test_a_new_member_of_an_open_schema_is_no_widening() -> None:
    open_schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert not widens(open_schema, {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}})
    assert widens(open_schema, {"properties": {"a": {"type": "string"}, "b": {"title": "anything"}}})
    assert not widens(open_schema, {**open_schema, "additionalProperties": False})
    assert widens({"additionalProperties": {"type": "integer"}}, {"properties": {"b": {"type": "number"}}})
    assert not widens(
        {"patternProperties": {"^a": {"type": "null"}}}, {"additionalProperties": {"type": "null"}}
    )
    assert widens({"patternProperties": {"^a": {"type": "null"}}}, {"properties": {"ab": {"type": "null"}}})


def test_recursive_schemas_are_compared() -> None:
    def tree(value: dict[str, Any]) -> dict[str, Any]:
        node = {"type": "object", "properties": {"v": value, "next": {"$ref": "#/$defs/node"}}}
        return {"properties": {"root": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}

    assert widens(tree({"type": "integer"}), tree({"type": "number"}))
    assert not widens(tree({"type": "number"}), tree({"type": "integer"}))


def test_true_is_not_one() -> None:
    assert not widens({"properties": {"a": {"const": 1}}}, {"properties": {"a": {"const": True}}})
    assert not widens({"properties": {"a": {"enum": [0]}}}, {"properties": {"a": {"enum": [False]}}})


NAMES = ("a", "b", "ab")
_LEAVES: list[dict[str, Any]] = [
    *({"type": name} for name in ("string", "number", "integer", "null", "boolean", "array", "object")),
    *({"type": pair} for pair in (["string", "null"], ["integer", "string"], ["number", "array"])),
    *({key: n} for key in ("minimum", "maximum", "exclusiveMaximum", "exclusiveMinimum") for n in (0, 1, 2)),
    *({key: n} for key in ("minLength", "maxLength", "minItems", "maxItems", "minProperties") for n in (0, 1, 2)),
    *({"enum": values} for values in ([1, "a"], ["a", "ab", None], [1, True, 2])),
    *({"multipleOf": n} for n in (1, 2, 0.5)),
    *({"required": names} for names in (["a"], ["a", "b"])),
    *({"pattern": text} for text in ("^a", "b$")),
    {"const": 1}, {"format": "date"}, {"uniqueItems": True}, {"dependentRequired": {"a": ["b"]}},
    {"propertyNames": {"maxLength": 1}},
]  # fmt: skip


class _Maker:
    """Makes schemas and records from one seed: drawing each choice by hypothesis took 20 times as long."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def value(self, levels: int = 3) -> Any:
        kind = self.random.randrange(8 if levels else 6)
        if kind == 6:
            return [self.value(levels - 1) for _ in range(self.random.randrange(4))]
        if kind == 7:
            return self.record(levels - 1)
        return self.random.choice([None, True, 0, 1, 2, 1.5, "", "a", "ab", "2026-01-01"])

    def record(self, levels: int = 3) -> dict[str, Any]:
        return {name: self.value(levels) for name in (*NAMES, "c") if self.random.random() < 0.5}

    def part(self, levels: int = 3) -> Any:
        if levels == 0 or self.random.random() < 0.3:
            return copy.deepcopy(self.random.choice([*_LEAVES, True, False]))
        made: dict[str, Any] = {}
        for _ in range(self.random.randrange(1, 3)):
            made |= self.combined(levels - 1)
        return made

    def combined(self, levels: int) -> dict[str, Any]:
        one = (
            "items",
            "additionalProperties",
            "not",
            "contains",
            "unevaluatedProperties",
            "unevaluatedItems",
        )
        several = ("allOf", "anyOf", "oneOf", "prefixItems")
        keyword = self.random.choice(
            [*one, *several, "properties", "properties", "leaf", "leaf", "other", "$ref"]
        )
        if keyword in one:
            return {keyword: self.part(levels)}
        if keyword in several:
            return {keyword: [self.part(levels) for _ in range(self.random.randrange(1, 3))]}
        if keyword == "properties":
            return {keyword: self.members(levels)}
        if keyword == "$ref":
            return {"$ref": self.random.choice(["#/$defs/d", "#/$defs/e"])}
        return self.other(levels) if keyword == "other" else copy.deepcopy(self.random.choice(_LEAVES))

    def other(self, levels: int) -> dict[str, Any]:
        sub = self.part(levels)
        forms = (
            {"patternProperties": {"^a": sub}},
            {"dependentSchemas": {"a": sub}},
            {"propertyNames": sub},
            {"if": sub, "then": self.part(levels)},
            {"contains": sub, "minContains": 2},
        )
        return self.random.choice(forms)

    def members(self, levels: int) -> dict[str, Any]:
        return {name: self.part(levels) for name in self.random.sample(NAMES, self.random.randrange(1, 4))}

    def root(self) -> dict[str, Any]:
        more = self.combined(1) if self.random.random() < 0.5 else {}
        shared = {
            "d": self.random.choice(_LEAVES),
            "e": {"properties": {"a": {"$ref": "#/$defs/e"}, "b": self.part(1)}},
        }
        return {**more, "properties": self.members(2), "$defs": shared}

    def changed(self, old: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of `old` with one to three changes, so that many pairs do widen."""
        new = copy.deepcopy(old)
        for _ in range(self.random.randrange(1, 4)):
            self.change(new)
        return new

    def change(self, schema: dict[str, Any]) -> None:
        parts = [part for _, part in subschemas(schema) if isinstance(part, dict)]
        place = self.random.choice(parts)
        removable = sorted(key for key in place if key not in ("$defs", "if"))
        if removable and self.random.random() < 0.6:
            del place[self.random.choice(removable)]
        elif self.random.random() < 0.5:
            schema.setdefault("properties", {})[self.random.choice(NAMES)] = self.part(1)
        else:
            place |= self.combined(1)


def _accepted(schema: Any) -> bool:
    try:
        check_schema(schema)
    except SchemaInvalid:
        return False
    return True


QUICK = settings(max_examples=20, deadline=None)


@QUICK
@given(st.integers(0, 2**32))
def test_what_is_called_widening_takes_every_old_record(seed: int) -> None:
    maker = _Maker(seed)
    for _ in range(20):
        old = maker.root()
        new = maker.changed(old)
        if _accepted(old) and _accepted(new) and widens(old, new):
            records = [record for record in (maker.record() for _ in range(20)) if is_valid(old, record)]
            assert [record for record in records if not is_valid(new, record)] == [], (old, new)


@QUICK
@given(st.integers(0, 2**32))
def test_a_schema_widens_itself_and_everything_is_the_widest(seed: int) -> None:
    schema = _Maker(seed).root()
    if _accepted(schema):
        assert widens(schema, copy.deepcopy(schema))
        assert widens(schema, {"title": "anything"})


@QUICK
@given(st.integers(0, 2**32))
def test_what_is_wrong_is_found_for_every_record_that_does_not_fit(seed: int) -> None:
    maker = _Maker(seed)
    for _ in range(10):
        schema, record = maker.root(), maker.record()
        if _accepted(schema):
            found = violations(schema, record)
            assert bool(found) is not is_valid(schema, record)
            assert [violation for violation in found if violation.code == "schema"] == []

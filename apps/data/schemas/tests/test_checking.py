"""Which schemas may describe a collection, and what is said of those that may not."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from apps.data.schemas import engine
from apps.data.schemas.checking import MAX_REPORTED, check_schema
from apps.data.schemas.errors import SchemaInvalid
from apps.data.schemas.keywords import DRAFT, KEYWORDS


def _errors(schema: Any) -> list[tuple[str, str]]:
    with pytest.raises(SchemaInvalid) as refused:
        check_schema(schema)
    assert refused.value.status == 422
    return [(error.field, error.code) for error in refused.value.errors]


def _detail(schema: Any) -> str:
    with pytest.raises(SchemaInvalid) as refused:
        check_schema(schema)
    return refused.value.errors[0].detail


DISH = {
    "$schema": DRAFT,
    "$id": "https://a.example/dish.json",
    "title": "A dish",
    "type": "object",
    "required": ["name", "price"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^\p{L}"},
        "price": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "added": {"type": "string", "format": "date-time", "default": "2026-11-01T09:30:00Z"},
        "parts": {"type": "array", "items": {"$ref": "#"}},
        "kind": {"$ref": "#/$defs/a%20kind~1sort"},
    },
    "$defs": {"a kind/sort": {"enum": ["soup", "main", None]}},
    "additionalProperties": False,
    "x-owner": {"team": "menus"},
}


def _variant(number: int) -> dict[str, Any]:
    members = {"op": {"const": number}, "of": {"type": "array", "items": {"$ref": "#/$defs/node"}}}
    return {"type": "object", "properties": members, "required": ["op", "of"]}


TREE = {
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/node"}},
    "$defs": {"node": {"oneOf": [{"type": "string"}, *(_variant(number) for number in range(8))]}},
}


@pytest.mark.parametrize(
    "schema",
    [{}, {"type": "object"}, DISH, TREE, {"properties": {"properties": {"type": "string"}, "$ref": True}}],
    ids=["empty", "object", "dish", "a tree of variants", "members called like keywords"],
)
def test_what_describes_an_object_is_taken(schema: dict[str, Any]) -> None:
    check_schema(schema)
    assert engine.fits_metaschema(schema)


@pytest.mark.parametrize("schema", [None, True, 1, "object", [{}]])
def test_a_schema_is_an_object(schema: Any) -> None:
    assert _errors(schema) == [("", "not_an_object")]


@pytest.mark.parametrize(
    ("schema", "where", "code"),
    [
        ({"type": "array"}, "/type", "type"),
        ({"type": ["object", "null"]}, "/type", "type"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema", "$schema"),
        ({"properties": []}, "/properties", "properties"),
        ({"properties": {"a/b": 3}}, "/properties/a~1b", "type"),
        ({"properties": {"a": {"type": "text"}}}, "/properties/a/type", "type"),
        ({"properties": {"a": {"type": []}}}, "/properties/a/type", "type"),
        ({"required": ["a", "a"]}, "/required", "required"),
        ({"required": "a"}, "/required", "required"),
        ({"minProperties": -1}, "/minProperties", "minProperties"),
        ({"minProperties": True}, "/minProperties", "minProperties"),
        ({"minProperties": 1.5}, "/minProperties", "minProperties"),
        ({"properties": {"a": {"multipleOf": 0}}}, "/properties/a/multipleOf", "multipleOf"),
        ({"properties": {"a": {"enum": []}}}, "/properties/a/enum", "enum"),
        ({"allOf": []}, "/allOf", "allOf"),
        ({"allOf": {}}, "/allOf", "allOf"),
        ({"not": "a"}, "/not", "type"),
        ({"dependentRequired": {"a": "b"}}, "/dependentRequired", "dependentRequired"),
        ({"title": 1}, "/title", "title"),
        ({"properties": {"a": {"format": "colour"}}}, "/properties/a/format", "format"),
        ({"$id": "https://a.example/s#a"}, "/$id", "$id"),
        ({"$id": 1}, "/$id", "$id"),
        ({"properties": {"a": {"$id": "https://a.example/s"}}}, "/properties/a/$id", "not_allowed"),
        (
            {"$id": "https://a.example/s", "$ref": "https://a.example/s#/$defs/a", "$defs": {"a": True}},
            "/$ref",
            "$ref",
        ),
        ({"properties": {"a": {"$anchor": "a"}}}, "/properties/a/$anchor", "not_allowed"),
        ({"$dynamicRef": "#a"}, "/$dynamicRef", "not_allowed"),
        ({"$vocabulary": {}}, "/$vocabulary", "not_allowed"),
        (
            {"properties": {"a": {"contentEncoding": "base64"}}},
            "/properties/a/contentEncoding",
            "not_allowed",
        ),
        ({"$ref": "https://a.example/s"}, "/$ref", "$ref"),
        ({"$ref": "#/$defs/none"}, "/$ref", "$ref"),
        ({"$ref": "#named"}, "/$ref", "$ref"),
        ({"$ref": 1}, "/$ref", "$ref"),
        ({"$ref": "#/$defs", "$defs": {}}, "/$ref", "$ref"),
        ({"$ref": "#/allOf/00", "allOf": [True]}, "/$ref", "$ref"),
        ({"properties": {"a": {"pattern": "("}}}, "/properties/a/pattern", "pattern"),
        ({"properties": {"a": {"pattern": r"(?=a)b"}}}, "/properties/a/pattern", "pattern"),
        ({"properties": {"a": {"pattern": r"(a)\1"}}}, "/properties/a/pattern", "pattern"),
        ({"properties": {"a": {"pattern": "((a{100}){100}){100}"}}}, "/properties/a/pattern", "pattern"),
        ({"patternProperties": {"[": True}}, "/patternProperties/[", "pattern"),
        ({"patternProperties": [1]}, "/patternProperties", "patternProperties"),
    ],
)
def test_each_rule_names_the_place(schema: dict[str, Any], where: str, code: str) -> None:
    assert _errors(schema) == [(where, code)]


def test_an_unknown_keyword_gets_a_hint() -> None:
    assert "did you mean required?" in _detail({"requird": ["a"]})
    assert "write $defs" in _detail({"definitions": {}})
    assert "x-" in _detail({"zzzz": 1})


def test_all_violations_are_listed_and_no_more_than_twenty() -> None:
    schema = {"properties": {f"f{n}": {"type": "text"} for n in range(30)}}
    assert len(_errors(schema)) == MAX_REPORTED
    both = {"requird": [], "properties": {"a": {"pattern": "("}}}
    assert _errors(both) == [("/requird", "unknown_keyword"), ("/properties/a/pattern", "pattern")]


def test_every_keyword_has_a_rule() -> None:
    for keyword in KEYWORDS:
        with pytest.raises(SchemaInvalid):
            check_schema({"properties": {"a": {keyword: object}}})


def test_size_depth_and_number_are_limited() -> None:
    assert _errors({"title": "x" * 70_000}) == [("", "too_large")]
    assert _errors({"properties": {f"f{n}": {} for n in range(1000)}}) == [("", "too_many")]
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"not": deep}
    assert _errors(deep) == [("", "too_deep")]


def _doubling(levels: int, keyword: str) -> dict[str, Any]:
    definitions = {f"a{n}": {keyword: [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**definitions, f"a{levels}": {"type": "object"}}, "$ref": "#/$defs/a0"}


def _chain(length: int) -> dict[str, Any]:
    definitions = {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(length)}
    last = {"properties": {"x": {"$ref": "#/$defs/a0"}}, "required": ["q"]}
    return {"$defs": {**definitions, f"a{length}": last}, "$ref": "#/$defs/a0"}


def _unevaluated(levels: int) -> dict[str, Any]:
    def one(n: int) -> dict[str, Any]:
        below = {"properties": {"x": {"$ref": f"#/$defs/a{n + 1}"}}}
        return {"anyOf": [below], "unevaluatedProperties": False}

    definitions = {f"a{n}": one(n) for n in range(levels)}
    return {"$defs": {**definitions, f"a{levels}": True}, "$ref": "#/$defs/a0"}


def _returning() -> dict[str, Any]:
    """Twenty definitions that double on the way out and lead back one by one, so that all are one recursion."""
    definitions = {
        f"a{n}": {
            "properties": {
                "x": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2},
                "y": {"$ref": f"#/$defs/a{n - 1}"},
            }
        }
        for n in range(1, 20)
    }
    ends = {
        "a0": {"properties": {"x": {"$ref": "#/$defs/a1"}}},
        "a20": {"properties": {"y": {"$ref": "#/$defs/a19"}}},
    }
    return {"$defs": {**definitions, **ends}, "$ref": "#/$defs/a20"}


HOSTILE = {
    "itself": {"$ref": "#"},
    "two": {
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
        "properties": {"x": {"$ref": "#/$defs/a"}},
    },
    "unused": {"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, True]}}},
    **{key: {key: {"$ref": "#"}} for key in ("not", "if", "then", "else")},
    **{key: {key: [True, {"$ref": "#"}]} for key in ("allOf", "anyOf", "oneOf")},
    "dependent": {"dependentSchemas": {"a": {"$ref": "#"}}},
    "doubling": _doubling(20, "allOf"),
    "doubling slowly": _doubling(11, "oneOf"),
    "chain": _chain(900),
    "unevaluated": _unevaluated(20),
    "returning": _returning(),
    "patterns": {"properties": {"x": {"allOf": [{"pattern": f"^b{n}"} for n in range(40)]}}},
    "objects": {"properties": {"x": {"items": {"enum": [{"a": n} for n in range(200)]}}}},
    "floats": {"properties": {"x": {"items": {"enum": [n / 2 for n in range(2000)]}}}},
    "dependents": {"properties": {"x": {"items": {"dependentRequired": {f"a{n}": [] for n in range(2000)}}}}},
    "branches": {
        "properties": {"x": {"items": {"allOf": [{"minimum": -n} for n in range(990)] + [{"$ref": "#"}] * 2}}}
    },
}
_CHECK = """
import json, sys
from apps.data.schemas.checking import check_schema
from apps.data.schemas.errors import SchemaInvalid
for name, schema in json.load(sys.stdin).items():
    try:
        check_schema(schema)
    except SchemaInvalid as refused:
        print(name, refused.errors[0].code, sep=":")
"""


def test_hostile_schemas_are_refused_and_the_process_lives() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _CHECK],
        input=json.dumps(HOSTILE),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split("\n")[:-1] == [f"{name}:too_heavy" for name in HOSTILE]


_AT_THE_LIMITS = """
import json, sys, threading
from apps.data.schemas.checking import check_schema
from apps.data.schemas.validating import violations
def run():
    for name, schema in json.load(sys.stdin).items():
        check_schema(schema)
        data = {"big": ["ab"] * 20_000}
        for _ in range(62):
            data = {"x": data}
        print(name, len(violations(schema, data)) > 0, sep=":")
threading.stack_size(1024 * 1024)
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""


def _nested(keyword: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"properties": {"x": {"$ref": "#"}}, "required": ["q"]}
    for _ in range(13):
        schema = {keyword: [schema, keyword == "allOf"]}
    return schema


def test_the_heaviest_that_is_taken_fits_into_a_small_stack() -> None:
    schemas = {"chain": _chain(21), **{key: _nested(key) for key in ("allOf", "anyOf", "oneOf")}}
    ran = subprocess.run(
        [sys.executable, "-c", _AT_THE_LIMITS],
        input=json.dumps(schemas),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.split() == [f"{name}:True" for name in schemas]

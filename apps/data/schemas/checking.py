"""Whether a JSON Schema may describe a collection: `check_schema`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

from apps.core.problems import FieldError, show
from apps.core.strictjson import kind_of
from apps.data.schemas import engine, weighing
from apps.data.schemas.errors import SchemaInvalid
from apps.data.schemas.keywords import DRAFT, JSON, KEYWORDS, TYPES, escape, ref_pointer, resolve, subschemas

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
MAX_SUBSCHEMAS = 1_000
MAX_REPORTED = 20

Found = Iterator[FieldError]
# What older drafts, OpenAPI and habit bring along, with what to write instead.
_INSTEAD = {
    "definitions": "write $defs",
    "dependencies": "write dependentRequired or dependentSchemas",
    "additionalItems": "write items beside prefixItems",
    "nullable": 'write "type": ["string", "null"]',
    "example": "write examples, an array",
    "optional": "leave the name out of required",
    "id": "leave it out",
}
_NO_NAMES = frozenset({"$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary"})
_CONTENT = frozenset({"contentEncoding", "contentMediaType", "contentSchema"})


def check_schema(schema: Any) -> None:
    """Raise SchemaInvalid, with at most 20 violations, unless `schema` may describe the records of a collection.

    It has to be an object schema of JSON Schema 2020-12 in at most 64 KiB, 32 levels and 1,000 subschemas,
    with known keywords (or `x-…`), local references, formats that are checked, patterns that the linear-time
    engine takes, and a bounded cost (weighing.py). Values are those that strictjson.py lets in.
    """
    for rules in (_shape, _keywords, _cost):
        found: list[FieldError] = []
        for error in rules(schema):
            found.append(error)
            if len(found) == MAX_REPORTED:
                break
        if found:
            raise SchemaInvalid(_summary(found), errors=found)


def _summary(found: list[FieldError]) -> str:
    where = f" at {found[0].field}" if found[0].field else ""
    more = f" {len(found) - 1} more are in errors." if len(found) > 1 else ""
    return f"The schema was refused{where}: {found[0].detail}{more}"


def _shape(schema: JSON) -> Found:
    """What has to hold before anything may walk through the schema."""
    if not isinstance(schema, dict):
        yield FieldError(
            "", "not_an_object", f"A schema of a collection is an object, and this is {kind_of(schema)}."
        )
    elif _depth(schema) > MAX_DEPTH:
        yield FieldError(
            "", "too_deep", f"The schema nests deeper than {MAX_DEPTH} levels; use $defs and $ref."
        )
    elif (size := _size(schema)) > MAX_BYTES:
        yield FieldError("", "too_large", f"The schema has {size} bytes, and {MAX_BYTES} is the most.")
    elif (count := sum(1 for _ in subschemas(schema))) > MAX_SUBSCHEMAS:
        yield FieldError(
            "", "too_many", f"The schema has {count} subschemas, and {MAX_SUBSCHEMAS} is the most."
        )


def _depth(schema: JSON) -> int:
    level, depth = [schema], 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        inside = [item.values() if isinstance(item, dict) else item for item in level]
        level = [item for items in inside for item in items if isinstance(item, dict | list)]
    return depth


def _size(schema: JSON) -> int:
    try:
        return len(engine.canonical(schema))
    except TypeError:
        return MAX_BYTES + 1


def _keywords(schema: JSON) -> Found:
    if schema.get("type", "object") != "object":
        yield FieldError("/type", "type", 'A record is a JSON object: write "type": "object" here.')
    parts = list(subschemas(schema))
    known = {pointer for pointer, _ in parts}
    for pointer, part in parts:
        yield from _subschema(pointer, part)
        if isinstance(part, dict) and "$ref" in part:
            yield from _ref(schema, known, f"{pointer}/$ref", part["$ref"])


def _subschema(pointer: str, schema: JSON) -> Found:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        yield FieldError(
            pointer, "type", f"A subschema is an object or a boolean, and this is {kind_of(schema)}."
        )
        return
    for keyword, value in schema.items():
        at = f"{pointer}/{escape(keyword)}"
        kind = KEYWORDS.get(keyword)
        if kind is None:
            yield from _unknown(at, keyword)
        elif kind == "name" and pointer:
            yield FieldError(
                at, "not_allowed", f"{keyword} is taken at the root alone, where it changes nothing."
            )
        elif kind in ("pattern", "pattern map"):
            yield from _patterns(at, kind, value)
        elif wrong := _RULES[kind](value):
            yield FieldError(at, keyword, f"{keyword} {wrong}; here it is {kind_of(value)}.")


def _unknown(at: str, keyword: str) -> Found:
    if keyword.startswith("x-"):
        return
    if keyword in _NO_NAMES:
        yield FieldError(at, "not_allowed", f"{keyword} is not taken: refer to $defs by #/$defs/….")
        return
    if keyword in _CONTENT:
        yield FieldError(at, "not_allowed", f"{keyword} is not taken, since nothing would check it.")
        return
    near = get_close_matches(keyword[:60], KEYWORDS, n=1)
    hint = _INSTEAD.get(keyword) or (f"did you mean {near[0]}?" if near else "own notes begin with x-.")
    yield FieldError(
        at, "unknown_keyword", f"There is no keyword {show(keyword)} in JSON Schema 2020-12; {hint}"
    )


def _ref(root: JSON, known: set[str], at: str, ref: JSON) -> Found:
    try:
        resolve(root, ref)
    except LookupError:
        yield FieldError(at, "$ref", f"{show(ref)} names nothing in this schema; write # or #/$defs/….")
        return
    if ref_pointer(ref) not in known:
        yield FieldError(at, "$ref", f"{show(ref)} names a part of the schema that is no subschema.")


def _patterns(at: str, kind: str, value: JSON) -> Found:
    if kind == "pattern map" and not isinstance(value, dict):
        yield FieldError(
            at, "patternProperties", f"patternProperties is an object; here it is {kind_of(value)}."
        )
        return
    for pattern in value if kind == "pattern map" else [value]:
        where = f"{at}/{escape(pattern)}" if kind == "pattern map" else at
        if not isinstance(pattern, str):
            yield FieldError(where, "pattern", f"pattern is a string; here it is {kind_of(pattern)}.")
        elif not engine.pattern_compiles(pattern):
            yield FieldError(
                where,
                "pattern",
                f"{show(pattern)} is no regular expression, looks around or back (which is not taken), or grows "
                f"over {engine.PATTERN_BYTES} bytes compiled (use maxLength in place of large repetitions).",
            )


def _cost(schema: JSON) -> Found:
    try:
        weighing.weigh(schema)
    except weighing.TooHeavyError as error:
        yield FieldError("", "too_heavy", str(error))
        return
    if not _compiles(schema):
        yield FieldError("", "metaschema", f"The metaschema {DRAFT} does not take it.")


def _compiles(schema: JSON) -> bool:
    try:
        engine.compiled(schema)
    except ValueError:
        return False
    return engine.fits_metaschema(schema)


def _number(value: JSON) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: JSON) -> bool:
    return _number(value) and value >= 0 and value == int(value)


def _names(value: JSON) -> bool:
    named = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return named and len(set(value)) == len(value)


def _types(value: JSON) -> bool:
    several = value if isinstance(value, list) else [value]
    return bool(several) and _names(several) and all(name in TYPES for name in several)


def _rule(holds: Callable[[JSON], bool], otherwise: str) -> Callable[[JSON], str]:
    return lambda value: "" if holds(value) else otherwise


_RULES: dict[str, Callable[[JSON], str]] = {
    "draft": _rule(lambda value: value == DRAFT, f"has to be {DRAFT} or absent"),
    "name": _rule(
        lambda value: isinstance(value, str) and "#" not in value.removesuffix("#"),
        "is an address without a #",
    ),
    "text": _rule(lambda value: isinstance(value, str), "is a string"),
    "flag": _rule(lambda value: isinstance(value, bool), "is true or false"),
    "ref": lambda _: "",  # needs the whole schema: _ref
    "value": lambda _: "",
    "values": _rule(lambda value: isinstance(value, list), "is an array"),
    "choices": _rule(
        lambda value: isinstance(value, list) and bool(value), "is an array of one value at least"
    ),
    "number": _rule(_number, "is a number"),
    "positive number": _rule(lambda value: _number(value) and value > 0, "is a number above 0"),
    "count": _rule(_count, "is a whole number from 0 on"),
    "types": _rule(_types, f"is one of {', '.join(TYPES)}, or an array of some of them, each once"),
    "names": _rule(_names, "is an array of strings, each once"),
    "names map": _rule(
        lambda value: isinstance(value, dict) and all(map(_names, value.values())),
        "is an object of arrays of strings, each once",
    ),
    "format": _rule(
        lambda value: isinstance(value, str) and value in engine.FORMATS,
        f"is one of {', '.join(sorted(engine.FORMATS))}",
    ),
    "schema": lambda _: "",  # looked at as a subschema: _subschema
    "schemas": _rule(
        lambda value: isinstance(value, list) and bool(value), "is an array of one schema at least"
    ),
    "schema map": _rule(lambda value: isinstance(value, dict), "is an object of schemas"),
}

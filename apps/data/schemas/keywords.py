"""The keywords of JSON Schema 2020-12 that are taken here, and how to walk from a schema to its subschemas.

Spec: https://json-schema.org/draft/2020-12/json-schema-core and …-validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

JSON = Any
DRAFT = "https://json-schema.org/draft/2020-12/schema"
TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")

# What the value of each keyword has to be; checking.py holds a rule for each of these words.
KEYWORDS: Mapping[str, str] = {
    "$schema": "draft",
    "$id": "name",
    "$ref": "ref",
    "$defs": "schema map",
    "$comment": "text",
    "title": "text",
    "description": "text",
    "default": "value",
    "examples": "values",
    "deprecated": "flag",
    "readOnly": "flag",
    "writeOnly": "flag",
    "type": "types",
    "enum": "choices",
    "const": "value",
    "multipleOf": "positive number",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "minLength": "count",
    "maxLength": "count",
    "pattern": "pattern",
    "format": "format",
    "minItems": "count",
    "maxItems": "count",
    "uniqueItems": "flag",
    "minContains": "count",
    "maxContains": "count",
    "minProperties": "count",
    "maxProperties": "count",
    "required": "names",
    "dependentRequired": "names map",
    "properties": "schema map",
    "patternProperties": "pattern map",
    "additionalProperties": "schema",
    "unevaluatedProperties": "schema",
    "propertyNames": "schema",
    "items": "schema",
    "prefixItems": "schemas",
    "unevaluatedItems": "schema",
    "contains": "schema",
    "allOf": "schemas",
    "anyOf": "schemas",
    "oneOf": "schemas",
    "not": "schema",
    "if": "schema",
    "then": "schema",
    "else": "schema",
    "dependentSchemas": "schema map",
}
ANNOTATIONS = frozenset(
    {"$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated"}
    | {"readOnly", "writeOnly", "$defs"}
)
# Subschemas of these look at the same value as the schema that holds them; `$ref` does too.
IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
_MAPS = frozenset({"schema map", "pattern map"})


@dataclass(frozen=True, slots=True)
class Child:
    """A subschema: under which keyword and, in a map or an array, under which name or number."""

    keyword: str
    key: str | int | None
    pointer: str
    schema: JSON


def escape(part: str | int) -> str:
    """Return `part` as a reference token of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def unescape(token: str) -> str:
    """Return what the reference token `token` of a JSON pointer stands for."""
    return token.replace("~1", "/").replace("~0", "~")


def children(schema: JSON, pointer: str = "") -> Iterator[Child]:
    """Yield the direct subschemas of `schema`, which is at `pointer`, `$defs` among them. Skips malformed ones."""
    if not isinstance(schema, dict):
        return
    for keyword, value in schema.items():
        kind = KEYWORDS.get(keyword, "")
        at = f"{pointer}/{escape(keyword)}"
        if kind == "schema":
            yield Child(keyword, None, at, value)
        elif kind == "schemas" and isinstance(value, list):
            yield from (Child(keyword, place, f"{at}/{place}", item) for place, item in enumerate(value))
        elif kind in _MAPS and isinstance(value, dict):
            yield from (Child(keyword, key, f"{at}/{escape(key)}", item) for key, item in value.items())


def subschemas(root: JSON) -> Iterator[tuple[str, JSON]]:
    """Yield every subschema below `root` with its pointer, `root` itself first."""
    pending = [("", root)]
    while pending:
        pointer, schema = pending.pop()
        yield pointer, schema
        found = [(child.pointer, child.schema) for child in children(schema, pointer)]
        pending.extend(reversed(found))


def ref_pointer(ref: str) -> str:
    """Return the JSON pointer of a local reference: "" for `#`, "/$defs/a b" for `#/$defs/a%20b`."""
    return unquote(ref.removeprefix("#"))


def resolve(root: JSON, ref: JSON) -> JSON:
    """Return the schema that a local `$ref` of `root` names. Raises LookupError when there is none."""
    if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
        raise LookupError(ref)
    found = root
    for part in ref_pointer(ref).split("/")[1:]:
        found = _step(found, unescape(part))
    return found


def _step(holder: JSON, part: str) -> JSON:
    if isinstance(holder, list) and part.isascii() and part.isdigit():
        return holder[int(part)]
    if isinstance(holder, dict):
        return holder[part]
    raise LookupError(part)

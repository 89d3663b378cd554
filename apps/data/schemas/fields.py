"""The fields of a record that can be filtered, ordered and indexed, read from the schema; and their values."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Literal

from apps.core.problems import show
from apps.data.schemas import engine
from apps.data.schemas.errors import FieldUnknown
from apps.data.schemas.keywords import JSON, escape, resolve

Kind = Literal["string", "number", "boolean", "timestamp", "date", "any"]

MAX_LEVELS = 8
MAX_FIELDS = 1_000
_MAX_PLACES = 5_000
_SHOWN = 20

_OF_TYPE: Mapping[frozenset[str], Kind] = {
    frozenset({"string"}): "string",
    frozenset({"number"}): "number",
    frozenset({"boolean"}): "boolean",
}
_OF_FORMAT: Mapping[JSON, Kind] = {"date-time": "timestamp", "date": "date"}


@dataclass(frozen=True, slots=True)
class Field:
    """A scalar of a record at a dotted path, or an array of such scalars (`many`)."""

    path: str
    kind: Kind
    many: bool = False


def fields_of(schema: JSON) -> Mapping[str, Field]:
    """Return the fields that `schema`, one that check_schema accepted, describes, by dotted path.

    Local references and `allOf` are followed, over 8 levels and to 1,000 fields at most. An object gives its
    leaves; an array gives its elements when they are scalars; a name with a dot, or an empty one, is left out.
    """
    return _fields(engine.canonical(schema))


def find_field(schema: JSON, path: str) -> Field:
    """Return the field of `schema` at `path`. Raises FieldUnknown, naming the nearest or some of those there are."""
    fields = fields_of(schema)
    if path in fields:
        return fields[path]
    if "." in path and path in schema.get("properties", {}):
        raise FieldUnknown(
            f"The property {show(path)} has a dot in its name, where a path has one between two levels: it is no field,"
            " so that nothing is found, ordered, indexed or chosen by it."
        )
    near = get_close_matches(path[:120], fields, n=1)
    raise FieldUnknown(f"There is no field {show(path)}; {_hint(list(fields), near)}")


def _hint(known: list[str], near: list[str]) -> str:
    if near:
        return f"did you mean {near[0]}?"
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"known are: {', '.join(known[:_SHOWN]) or 'none'}{more}."


def values_at(data: JSON, path: str) -> list[JSON]:
    """Return the values of the record `data` at a dotted path: the elements of an array, [] when there is none."""
    for name in path.split("."):
        if not isinstance(data, dict) or name not in data:
            return []
        data = data[name]
    return list(data) if isinstance(data, list) else [data]


def value_at(data: JSON, path: str) -> JSON:
    """Return the value of the record `data` at a dotted path, which goes through objects alone; None without one."""
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data


def pointer_to(path: str) -> str:
    """Return the JSON pointer (RFC 6901) to the value at a dotted path."""
    return "".join(f"/{escape(name)}" for name in path.split("."))


@lru_cache(maxsize=256)
def _fields(text: bytes) -> Mapping[str, Field]:
    root = engine.parsed(text)
    found: dict[str, Field] = {}
    for path, parts in _places(root):
        if field := _field(root, path, parts):
            found[path] = field
        if len(found) == MAX_FIELDS:
            break
    return MappingProxyType(found)


def _places(root: JSON) -> Iterator[tuple[str, list[JSON]]]:
    """Yield every named place with the subschemas that describe it, those near to the root first."""
    pending: deque[tuple[tuple[str, ...], list[JSON]]] = deque([((), [root])])
    room = _MAX_PLACES
    while pending:
        names, schemas = pending.popleft()
        parts = _parts(root, schemas)
        if names:
            yield ".".join(names), parts
        if len(names) < MAX_LEVELS and not _is_scalar_or_array(root, parts):
            below = [((*names, name), subs) for name, subs in islice(_members(parts), room)]
            pending.extend(below)
            room -= len(below)


def _members(parts: list[JSON]) -> Iterator[tuple[str, list[JSON]]]:
    names = dict.fromkeys(name for part in parts for name in part.get("properties", ()))
    for name in names:
        if name and "." not in name:
            yield name, [part["properties"][name] for part in parts if name in part.get("properties", ())]


def _parts(root: JSON, schemas: list[JSON]) -> list[JSON]:
    """Return `schemas` with what they refer to and what is in their `allOf`; booleans say nothing of a field."""
    found: list[JSON] = []
    pending = list(reversed(schemas))
    while pending:
        schema = pending.pop()
        if isinstance(schema, dict):
            found.append(schema)
            pending.extend(reversed(schema.get("allOf", ())))
            pending.extend(resolve(root, schema[key]) for key in ("$ref",) if key in schema)
    return found


def _field(root: JSON, path: str, parts: list[JSON]) -> Field | None:
    types = _types(root, parts)
    if types == {"array"}:
        elements = _parts(root, [part["items"] for part in parts if "items" in part])
        inside = _types(root, elements)
        return None if inside & {"array", "object"} else Field(path, _kind(inside, elements, root), many=True)
    return None if types == {"object"} else Field(path, _kind(types, parts, root))


def _is_scalar_or_array(root: JSON, parts: list[JSON]) -> bool:
    types = _types(root, parts)
    return bool(types) and "object" not in types


def _kind(types: set[str], parts: list[JSON], root: JSON) -> Kind:
    kind = _OF_TYPE.get(frozenset(types), "any")
    formats = [part["format"] for part in [*parts, *_forms(root, parts)] if "format" in part]
    return (
        next((_OF_FORMAT[name] for name in formats if name in _OF_FORMAT), kind) if kind == "string" else kind
    )


def _forms(root: JSON, parts: list[JSON]) -> list[JSON]:
    """Return the one form beside null that `parts` leave to choose from; none where there are several."""
    forms = [form for part in parts for form in _choices(part) if form != {"type": "null"}]
    return _parts(root, forms) if len(forms) == 1 else []


def _choices(part: JSON) -> list[JSON]:
    return [*part.get("anyOf", ()), *part.get("oneOf", ())]


def _types(root: JSON, parts: list[JSON]) -> set[str]:
    """Return the types that all of `parts` allow, without null; empty when nothing is said."""
    said = [types for part in parts if (types := _said(root, part))]
    return set.intersection(*said) - {"null"} if said else set()


def _said(root: JSON, part: JSON, levels: int = MAX_LEVELS) -> set[str]:
    if "type" in part:
        types = part["type"] if isinstance(part["type"], list) else [part["type"]]
        return {"number" if name == "integer" else name for name in types}
    if "enum" in part or "const" in part:
        return {_type_of(value) for value in part.get("enum", [part.get("const")])}
    if choices := _choices(part):
        return _said_of_choices(root, choices, levels)
    if "properties" in part:
        return {"object"}
    return {"array"} if "items" in part else set()


def _said_of_choices(root: JSON, choices: list[JSON], levels: int) -> set[str]:
    found: set[str] = set()
    for choice in choices:
        said = [
            types for part in _parts(root, [choice]) if levels and (types := _said(root, part, levels - 1))
        ]
        if not said:
            return set()
        found |= set.intersection(*said)
    return found


def _type_of(value: JSON) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")

"""Filters of records: `filter[price][gte]=5` read into conditions, and what each means for a record.

A condition is decided by a record's keys (apps.data.keys) wherever an index has them, and by the JSON itself where none
does; both answer the same. A value that is missing or null equals nothing, so that `ne` holds for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from apps.core import strictjson
from apps.core.fields import point_in_time
from apps.core.problems import FieldError, MalformedRequest, show
from apps.data.errors import FilterInvalid
from apps.data.keys import MAX_TEXT
from apps.data.schemas.errors import FieldUnknown
from apps.data.schemas.fields import Field, find_field

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "prefix", "exists"]
OPERATORS: tuple[Operator, ...] = (
    "eq", "ne", "gt", "gte", "lt", "lte", "in", "contains", "prefix", "exists",
)  # fmt: skip
#: What the parameter looks like; the field is a path with dots.
PARAMETER = r"filter\[[^\[\]]{1,200}\](\[[a-z]{1,10}\])?"
_PARTS = re.compile(r"filter\[(?P<path>[^\[\]]+)\](?:\[(?P<operator>[a-z]+)\])?")

#: How many values `in` takes.
MOST_VALUES = 100
#: How many conditions a query has.
MOST_CONDITIONS = 20
_ORDERED = frozenset({"gt", "gte", "lt", "lte"})
_OF_ARRAYS = frozenset({"contains", "exists"})
_OF_TEXT = frozenset({"contains", "prefix"})
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NO_NUMBERS = frozenset({"NaN", "Infinity", "-Infinity"})
#: What no record holds: PostgreSQL has no NUL in its texts, and UTF-8 no lone surrogate.
_UNKEPT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter: a field, an operator, and the value to compare with (a list of them for `in`)."""

    field: Field
    operator: Operator
    value: Any


def read_filters(schema: Mapping[str, Any], given: Mapping[str, str]) -> list[Condition]:
    """The conditions that the parameters `given` stand for. Raises FilterInvalid, which names each that is none."""
    found, wrong = [], []
    for name, text in given.items():
        try:
            found.append(_condition(schema, name, text))
        except _Refused as refusal:
            wrong.append(FieldError(name, refusal.code, refusal.detail))
    if len(given) > MOST_CONDITIONS:
        detail = f"A query has at most {MOST_CONDITIONS} filters; these are {len(given)}."
        wrong.append(FieldError("filter", "too_many", detail))
    if wrong:
        raise FilterInvalid(wrong[0].detail, errors=wrong)
    return found


class _Refused(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, detail


def _condition(schema: Mapping[str, Any], name: str, text: str) -> Condition:
    parts = _PARTS.fullmatch(name)
    if parts is None:
        raise _Refused("malformed", f"{show(name)} is no filter; write filter[field] or filter[field][gte].")
    try:
        field = find_field(schema, parts["path"])
    except FieldUnknown as unknown:
        raise _Refused("unknown_field", unknown.detail) from None
    operator = _operator(field, parts["operator"] or "eq")
    return Condition(field, operator, _value(field, operator, text))


def _operator(field: Field, word: str) -> Operator:
    if word not in OPERATORS:
        raise _Refused("unknown_operator", f"{show(word)} is none of: {', '.join(OPERATORS)}.")
    if field.many and word not in _OF_ARRAYS:
        raise _Refused("operator_unfit", f"{field.path} is an array, which takes: contains, exists.")
    if field.many and word == "contains" and field.kind == "timestamp":
        raise _Refused("operator_unfit", f"{field.path} is an array of times, which takes: exists.")
    if word in _OF_TEXT and not field.many and field.kind not in ("string", "any"):
        raise _Refused("operator_unfit", f"{field.path} is a {field.kind}, and {word} is for text.")
    return word


def _value(field: Field, operator: Operator, text: str) -> Any:
    if operator == "exists":
        return _boolean(text)
    if operator == "in":
        return [_one(field, one) for one in _listed(field, text)]
    as_text = operator in _OF_TEXT and not field.many
    value = _kept(text) if as_text else _one(field, text)
    if operator in _ORDERED | {"prefix"} and isinstance(value, str) and len(value) > MAX_TEXT:
        raise _Refused("too_long", f"{operator} compares with at most {MAX_TEXT} characters.")
    return value


def _listed(field: Field, text: str) -> list[str]:
    """The values of `in`: words between commas, or a JSON array, whose texts may hold commas."""
    values = _elements(field, text) if text.startswith("[") else text.split(",")
    if not values:
        raise _Refused("too_few", "in takes one value at least; an empty array has none.")
    if len(values) > MOST_VALUES:
        raise _Refused("too_many", f"in takes at most {MOST_VALUES} values; these are {len(values)}.")
    return values


def _elements(field: Field, text: str) -> list[str]:
    """The elements of a JSON array as they would be written one by one."""
    try:
        values = strictjson.loads(_kept(text).encode())
    except MalformedRequest:
        raise _Refused("malformed", f"{show(text)} begins like a JSON array and is none.") from None
    for value in values:
        if value is None or isinstance(value, list | dict):
            raise _Refused(
                "invalid_type", f"in compares with texts, numbers and truth values, not {show(value)}."
            )
    # In a field of any kind the quotation marks say that it is a text.
    return [one if isinstance(one, str) and field.kind != "any" else json.dumps(one) for one in values]


def _one(field: Field, text: str) -> Any:
    value = _READERS[field.kind](_kept(text))
    return _kept(value) if isinstance(value, str) else value


def _kept(text: str) -> str:
    if _UNKEPT.search(text):
        raise _Refused("invalid_character", "No record holds a NUL or half of a surrogate pair.")
    return text


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise _Refused("invalid_type", f"Expected true or false, got {show(text)}.")
    return text == "true"


def _number(text: str) -> int | float:
    if not _NUMBER.fullmatch(text):
        raise _Refused("invalid_type", f"Expected a number, got {show(text)}.")
    try:
        value: int | float = strictjson.loads(text.encode())
    except MalformedRequest:
        raise _Refused(
            "out_of_range", f"No record holds the number {show(text)}: it has 64 bits at most."
        ) from None
    return value


def _timestamp(text: str) -> Any:
    at = point_in_time(text)
    if at is None:
        # In a URL an unescaped + is a blank, which nobody sees who looks at what they sent.
        at = point_in_time(text.replace(" ", "+"))
    if at is None:
        wanted = "a time with an offset, such as 2026-11-01T09:30:00Z"
        raise _Refused("invalid_type", f"Expected {wanted}, got {show(text)}.")
    return at


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise _Refused("invalid_type", f"Expected a date such as 2026-11-01, got {show(text)}.") from None


def _any(text: str) -> Any:
    """A number or a truth value where the text is one; a text in quotation marks is always a text."""
    bare = text.strip()
    if bare in _NO_NUMBERS:
        raise _Refused("invalid_type", f'JSON has no number {bare}; the text is written "{bare}".')
    if _NUMBER.fullmatch(bare):
        return _number(bare)
    if bare in ("true", "false"):
        return _boolean(bare)
    return _unquoted(text)


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text)) if text.startswith('"') else text
    except ValueError:
        return text


_READERS: Mapping[str, Callable[[str], Any]] = {
    "string": str,
    "number": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "date": _date,
    "any": _any,
}

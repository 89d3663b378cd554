"""Filters and orders evaluated on plain values in memory: what the database is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.data.schemas.fields import Field

Dish = dict[str, Any]


def value_at(dish: Dish, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    here: Any = dish
    for name in path.split("."):
        here = here.get(name) if isinstance(here, dict) else None
    return here


def comparable(value: Any, field: Field) -> Any:
    """A value that Python compares as the platform promises to: its kind first; None for null."""
    if value is None:
        return None
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, int | float):
        # The database keeps the digits that a number is written with.
        return ("number", Decimal(repr(value)))
    if not isinstance(value, str):
        return ("other",)
    return ("time", datetime.fromisoformat(value.upper())) if field.kind == "timestamp" else ("text", value)


#: How values of different kinds stand to each other.
_KINDS = ("boolean", "number", "text", "time", "other")


def holds(dish: Dish, field: Field, operator: str, wanted: Any) -> bool:
    """Whether a dish fulfils a filter."""
    value = value_at(dish, field.path)
    if operator == "exists":
        return _is_there(value, field) is wanted
    if operator == "contains" and field.many:
        elements = value if isinstance(value, list) else []
        return comparable(wanted, field) in [comparable(one, field) for one in elements]
    if operator in _OF_TEXT:
        return isinstance(value, str) and _OF_TEXT[operator](value, wanted)
    found = comparable(value, field)
    if operator == "in":
        return found in [comparable(one, field) for one in wanted]
    if operator in ("eq", "ne"):
        return (found == comparable(wanted, field)) is (operator == "eq")
    other = comparable(wanted, field)
    return found is not None and found[0] == other[0] and _OF_ORDER[operator](found, other)


def _is_there(value: Any, field: Field) -> bool:
    if field.many and isinstance(value, list):
        return any(one is not None for one in value)
    return value is not None


_OF_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda found, wanted: wanted in found,
    "prefix": lambda found, wanted: found.startswith(wanted),
}
_OF_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": lambda found, wanted: found > wanted,
    "gte": lambda found, wanted: found >= wanted,
    "lt": lambda found, wanted: found < wanted,
    "lte": lambda found, wanted: found <= wanted,
}


def in_order(dishes: Iterable[Dish], field: Field, *, descending: bool) -> list[Any]:
    """The values of the field in the order of a list: what is missing comes before everything."""
    found = [comparable(value_at(dish, field.path), field) for dish in dishes]
    there = sorted((one for one in found if one is not None), key=lambda one: (_KINDS.index(one[0]), one[1:]))
    ordered = [None] * (len(found) - len(there)) + there
    return ordered[::-1] if descending else ordered

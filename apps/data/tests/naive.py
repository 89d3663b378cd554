"""Filters and orders evaluated on plain values in memory: what the database is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

Dish = dict[str, Any]


def value_at(dish: Dish, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    here: Any = dish
    for name in path.split("."):
        here = here.get(name) if isinstance(here, dict) else None
    return here


def comparable(path: str, value: Any) -> Any:
    """A value that Python compares as the platform promises to."""
    return datetime.fromisoformat(value) if path == "added" and isinstance(value, str) else value


def holds(dish: Dish, path: str, operator: str, wanted: Any) -> bool:
    """Whether a dish fulfils a filter."""
    found = comparable(path, value_at(dish, path))
    wanted = [comparable(path, one) for one in wanted] if operator == "in" else comparable(path, wanted)
    if operator == "exists":
        return bool((found is not None and found != []) == wanted)
    if operator == "ne":
        return found is None or found != wanted
    if found is None:
        return False
    return bool(_TESTS[operator](found, wanted))


_TESTS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda found, wanted: found == wanted,
    "gt": lambda found, wanted: found > wanted,
    "gte": lambda found, wanted: found >= wanted,
    "lt": lambda found, wanted: found < wanted,
    "lte": lambda found, wanted: found <= wanted,
    "in": lambda found, wanted: found in wanted,
    "contains": lambda found, wanted: wanted in found,
    "prefix": lambda found, wanted: found.startswith(wanted),
}


def in_order(dishes: Iterable[Dish], path: str, *, descending: bool) -> list[Any]:
    """The values of the field in the order of a list: what is missing comes before everything."""
    found = [comparable(path, value_at(dish, path)) for dish in dishes]
    there = sorted(value for value in found if value is not None)
    ordered = [None] * (len(found) - len(there)) + there
    return ordered[::-1] if descending else ordered

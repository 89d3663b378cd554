"""Filling a route: its path with somebody's things, its body and query with values that its input takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rest_framework import serializers as drf

from apps.accounts.serializers import RoleField
from apps.core import fields as kinds
from apps.core.routes import Route
from tests.sweep.cells import Cell
from tests.sweep.examples import BODIES, INSTEAD, ONE_OF

_HELP = "Add one with @example in tests/sweep/examples.py."


class NoExampleError(AssertionError):
    """The sweep does not know what to put somewhere; the message says where to add it."""


@dataclass(frozen=True)
class Filled:
    """A route with all that a call needs. `foreign` says where it names things of `cell`, '' nowhere.

    The body is sent as `media_type`; one line of JSON is lines of JSON too.
    """

    path: str
    body: dict[str, Any] | None
    query: dict[str, str]
    cell: Cell
    foreign: str = ""
    media_type: str = "application/json"


def plain(route: Route, own: Cell) -> Filled | None:
    """The call of `route` about things of the caller's own; None where `own` has no such thing."""
    arguments = list(route.converters)
    if not _knows(route, own, arguments):
        return None
    path = _path(route, dict.fromkeys(arguments, own))
    return Filled(path, *_input(route, own), own, media_type=_media_type(route))


def _media_type(route: Route) -> str:
    return route.operation.takes or "application/json"


def naming(route: Route, own: Cell, other: Cell) -> Iterator[Filled]:
    """Every way to name things of `other` in a call of `route` that otherwise names `own` ones.

    The whole path first, then each argument of it alone, then each id in body or query alone.
    """
    arguments, kind = list(route.converters), _media_type(route)
    if arguments and _knows(route, other, arguments):
        whole = _path(route, dict.fromkeys(arguments, other))
        yield Filled(whole, *_input(route, own), other, "path", kind)
    if not _knows(route, own, arguments):
        return
    for name in arguments if len(arguments) > 1 else ():
        if _knows(route, other, [name]):
            mixed = {each: other if each == name else own for each in arguments}
            yield Filled(_path(route, mixed), *_input(route, own), other, name, kind)
    yield from _naming_in_input(route, own, other, _path(route, dict.fromkeys(arguments, own)))


def _naming_in_input(route: Route, own: Cell, other: Cell, path: str) -> Iterator[Filled]:
    for name, field in ids_of(route).items():
        thing = other.things.get(field.prefix)
        if thing is None:
            continue
        body, query = _input(route, own)
        (query if body is None else body)[name] = thing
        if body is not None and (rival := ONE_OF.get((route.operation.name, name))):
            body.pop(rival, None)
        yield Filled(path, body, query, other, f"{name} in the {'query' if body is None else 'body'}")


def ids_of(route: Route) -> dict[str, kinds.IdField]:
    """The fields of the route's input that take an id."""
    found = route.operation.input() if route.operation.input else None
    fields = getattr(found, "fields", {})
    return {name: field for name, field in fields.items() if isinstance(field, kinds.IdField)}


def _knows(route: Route, cell: Cell, arguments: list[str]) -> bool:
    """True when the cell has all of `arguments`. Raises NoExampleError when not even a party's cell has one."""
    missing = [name for name in arguments if _thing(route, cell, name) is None]
    if missing and cell.name == "nowhere":
        wanted = ", ".join(f"{{{name}}}" for name in missing)
        raise NoExampleError(f"The sweep cannot fill {wanted} of {route.method} {route.path}. {_HELP}")
    return not missing


def _thing(route: Route, cell: Cell, argument: str) -> str | None:
    prefix = getattr(route.converters[argument], "prefix", argument)
    if (instead := INSTEAD.get((route.operation.name, argument))) is not None:
        return cell.things.get(instead)
    return cell.things.get(argument, cell.things.get(prefix))


def _path(route: Route, cells: dict[str, Cell]) -> str:
    return route.path.format(**{name: _thing(route, cell, name) for name, cell in cells.items()})


def _input(route: Route, own: Cell) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The body (None for a method without one) and the query of a call about `own` things."""
    if route.method in ("GET", "DELETE"):
        return None, {}
    if route.operation.name in BODIES and own.things.keys() >= {"usr", "svc", "agt"}:
        return BODIES[route.operation.name](own), {}
    return body_for(route, own), {}


def body_for(route: Route, own: Cell) -> dict[str, Any]:
    """A body that the operation takes: its required fields, and for a PATCH all of them."""
    if route.operation.input is None:
        return {}
    wanted = route.operation.input().fields  # type: ignore[attr-defined]
    return {
        name: value_for(f"{route.operation.name}.{name}", field, own)
        for name, field in wanted.items()
        if field.required or (route.method == "PATCH" and not field.read_only)
    }


_VALUES: list[tuple[type[drf.Field[Any, Any, Any, Any]], Any]] = [
    (kinds.ScopesField, ["users:read"]),
    (RoleField, "viewer"),
    (kinds.SlugField, "made-by-the-sweep"),
    (kinds.EmailField, "made@by-the-sweep.test"),
    (kinds.TimestampField, "2030-01-01T00:00:00Z"),
    (kinds.BooleanField, True),
    (kinds.DictField, {}),
    (kinds.JSONField, {}),
    (kinds.ListField, []),
    (kinds.FloatField, 1),
    (kinds.CharField, "made by the sweep"),
]


def value_for(where: str, field: drf.Field[Any, Any, Any, Any], own: Cell) -> Any:
    """A value that `field` takes. Raises NoExampleError."""
    if isinstance(field, kinds.IdField):
        if own.things.get(field.prefix) is None and own.party is not None:
            raise NoExampleError(f"The sweep has no id with the prefix {field.prefix} for {where}. {_HELP}")
        return own.things.get(field.prefix, "")
    if isinstance(field, kinds.ChoiceField):
        return "viewer" if "viewer" in field.choices else next(iter(field.choices))
    if isinstance(field, kinds.IntegerField):
        return max(1, field.min_value or 1)
    for kind, value in _VALUES:
        if isinstance(field, kind):
            return value
    raise NoExampleError(f"The sweep has no value for {where}, a {type(field).__name__}: add it to BODIES.")

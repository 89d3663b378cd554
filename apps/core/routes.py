"""Where each operation is reached: the URL patterns read back, for documentation, commands and tests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from apps.core.endpoints import AnyOperation, OperationView

_ARGUMENT = re.compile(r"<(?:[^>:]+:)?([^>]+)>")


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one URL. `path` is a template such as `/v1/organizations/{organization}`."""

    method: str
    path: str
    status: int
    operation: AnyOperation
    converters: Mapping[str, Any]

    @property
    def answers(self) -> int:
        """The status of a call that goes well: 204 where there is nothing to say."""
        says = self.operation.output or self.operation.streams
        return self.status if says else 204

    def fill(self, arguments: Mapping[str, Any]) -> str:
        """Return the path with `arguments` (Python values) in it. Raises ValueError for one that does not fit."""
        shown = {name: converter.to_url(arguments[name]) for name, converter in self.converters.items()}
        return self.path.format(**shown)


@cache
def routes(urlconf: str | None = None) -> tuple[Route, ...]:
    """Return every route of an operation, by path and method."""
    found = _walk(get_resolver(urlconf).url_patterns, "/", {})
    return tuple(sorted(found, key=lambda route: (route.path, route.method)))


def route_of(operation_name: str, urlconf: str | None = None) -> Route | None:
    """Return the operation's main route, which is its shortest; None when it has none."""
    found = [route for route in routes(urlconf) if route.operation.name == operation_name]
    return min(found, key=lambda route: (len(route.path), route.path), default=None)


def _walk(
    patterns: list[URLPattern | URLResolver], prefix: str, converters: Mapping[str, Any]
) -> Iterator[Route]:
    for entry in patterns:
        if not isinstance(entry.pattern, RoutePattern):
            continue
        path = prefix + _ARGUMENT.sub(r"{\1}", str(entry.pattern))
        known = {**converters, **entry.pattern.converters}
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, path, known)
        else:
            yield from _of_view(entry, path, known)


def _of_view(entry: URLPattern, path: str, converters: Mapping[str, Any]) -> Iterator[Route]:
    view = getattr(entry.callback, "cls", None)
    if view is not None and issubclass(view, OperationView):
        for method, operation in view.operations.items():
            yield Route(method, path, view.statuses[method], operation, converters)

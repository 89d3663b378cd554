"""From a path of the API to the view that answers it, without what only browsers need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, resolve
from django.urls.resolvers import RoutePattern

from apps.core.problem_handlers import page_not_found

Pattern = URLPattern | URLResolver


def answer(request: HttpRequest) -> HttpResponseBase:
    """What the view of the request's path answers. Views of the API turn what they raise into problems themselves."""
    try:
        found = resolve(request.path_info)
    except Resolver404 as failure:
        return page_not_found(request, failure)
    request.resolver_match = found
    response: HttpResponseBase = found.func(request, *found.args, **found.kwargs)
    return response


def works_anywhere(request: HttpRequest) -> bool:
    """True when the call is of an operation that a person of several organizations may make without naming one."""
    operation = _operation_of(request)
    return operation is not None and bool(operation.anywhere)


def is_open(request: HttpRequest) -> bool:
    """True when the call is of an operation that takes no credential."""
    operation = _operation_of(request)
    return operation is not None and bool(operation.open)


def _operation_of(request: HttpRequest) -> Any:
    """The operation that the call is of; None where it is of none. Of HEAD it is what GET does."""
    try:
        found = resolve(request.path_info).func
    except Resolver404:
        return None
    operations = getattr(getattr(found, "cls", found), "operations", {})
    return operations.get("GET" if request.method == "HEAD" else str(request.method))


def set_length(response: HttpResponseBase) -> None:
    """Say how long the answer is, where that is known: without it the server sends chunks."""
    if not response.streaming and not response.has_header("Content-Length"):
        response.headers["Content-Length"] = str(len(response.content))  # type: ignore[attr-defined]


def indexed(prefix: str, patterns: Sequence[Pattern]) -> URLResolver:
    """The same URLs as `path(prefix, include(patterns))`, found by the first word behind `prefix`.

    Raises ValueError for a pattern that does not begin with a word.
    """
    return _IndexedResolver(RoutePattern(prefix), list(patterns))


class _IndexedResolver(URLResolver):
    """Looks up the few patterns that can fit, where Django asks one after the other."""

    def __init__(self, pattern: Any, patterns: list[Pattern]) -> None:
        super().__init__(pattern, patterns)
        _ = self._by_word  # at import, where a mistake in a path shows

    def resolve(self, path: str) -> ResolverMatch:
        word = path.removeprefix(str(self.pattern)).partition("/")[0]
        ours = self._by_word.get(word)
        return super().resolve(path) if ours is None else ours.resolve(path)

    @cached_property
    def _by_word(self) -> dict[str, URLResolver]:
        words: defaultdict[str, list[Pattern]] = defaultdict(list)
        for pattern in _flat(self.url_patterns):
            words[_first_word(pattern)].append(pattern)
        return {word: URLResolver(self.pattern, patterns) for word, patterns in words.items()}


def _flat(patterns: Sequence[Pattern]) -> Iterator[Pattern]:
    """The patterns, with those of rooms that were included without a prefix in the room's place."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver) and not str(pattern.pattern):
            yield from _flat(pattern.url_patterns)
        else:
            yield pattern


def _first_word(pattern: Pattern) -> str:
    word = str(pattern.pattern).partition("/")[0]
    if not word or "<" in word:
        raise ValueError(f"A path of the API begins with a noun; this one does not: {pattern.pattern}")
    return word

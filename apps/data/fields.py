"""Answering some fields of records instead of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from apps.core.pagination import Listing, Page
from apps.core.problems import FieldError
from apps.data.errors import FilterInvalid
from apps.data.models import Collection, Record
from apps.data.rows import Row
from apps.data.schemas.errors import FieldUnknown
from apps.data.schemas.fields import find_field

R = TypeVar("R", Record, Row)


def narrowed(found: Any, collection: Collection, paths: Sequence[str]) -> Any:
    """`found`, a record or a list of them, with these fields of `data` alone; all of them where none is named.

    A path may also name an object of the schema, with everything in it. Raises FilterInvalid for one that is unknown.
    """
    if not paths:
        return found
    for path in paths:
        _check(collection, path)
    return _narrow(found, paths) if isinstance(found, Record) else _Narrowed(found, tuple(paths))


def _check(collection: Collection, path: str) -> None:
    if "." not in path and path in collection.schema.get("properties", {}):
        return
    try:
        find_field(collection.schema, path)
    except FieldUnknown as unknown:
        detail = unknown.detail
        raise FilterInvalid(detail, errors=[FieldError("fields", "unknown_field", detail)]) from None


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """A list whose records answer some fields."""

    whole: Listing
    paths: tuple[str, ...]

    def page(self, *, limit: int, cursor: str | None, scope: str) -> Page[Any]:
        page = self.whole.page(limit=limit, cursor=cursor, scope=scope)
        return Page([_narrow(record, self.paths) for record in page.data], page.next_cursor, page.extra)


def _narrow(record: R, paths: Sequence[str]) -> R:
    made: dict[str, Any] = {}
    for path in paths:
        _copy(record.data, made, path.split("."))
    record.data = made
    return record


def _copy(source: Any, target: dict[str, Any], steps: list[str]) -> None:
    name, *rest = steps
    if not isinstance(source, dict) or name not in source:
        return
    if not rest or not isinstance(source[name], dict):
        target[name] = source[name]
    else:
        _copy(source[name], target.setdefault(name, {}), rest)

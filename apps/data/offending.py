"""Which records stand in the way of an index or a schema: told to who decides for the tenant alone.

They are of any organization, and a collection can be read by all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.db.models.query import ModelIterable

from apps.accounts.authority import decides_for_tenant
from apps.core.actor import Actor
from apps.data.models import Collection, SchemaVersion

R = TypeVar("R", Collection, SchemaVersion)


def told_of(actor: Actor, row: R) -> R:
    """`row`, which is not to be saved, as `actor` may see it."""
    return row if not _names(row) or decides_for_tenant(actor) else _withheld(row)


def told(actor: Actor, rows: QuerySet[Any]) -> QuerySet[Any]:
    """The list of `rows` as `actor` may see it."""
    if actor.is_tenant_wide:
        return rows

    class Told(ModelIterable):  # type: ignore[type-arg]
        """Rows as they are read, one after the other."""

        def __iter__(self) -> Iterator[Any]:
            for row in super().__iter__():
                yield told_of(actor, row)

    made: Any = rows.all()
    made._iterable_class = Told
    found: QuerySet[Any] = made
    return found


def _names(row: Collection | SchemaVersion) -> bool:
    """True when the row names records."""
    if isinstance(row, SchemaVersion):
        return bool(row.offending)
    return any(index["offending"] for index in row.indexes)


def _withheld(row: R) -> R:
    if isinstance(row, SchemaVersion):
        row.offending = []
    else:
        row.indexes = [{**index, "offending": []} for index in row.indexes]
    return row

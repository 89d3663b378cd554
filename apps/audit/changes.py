"""Collecting what an operation changes, while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from django.db import connection, transaction

from apps.core.ids import noun

Action = Literal["created", "updated", "deleted"]
#: An operation that changes more things than this names the first ones and says how many there were.
MAX_CHANGES = 100


@dataclass(eq=False, slots=True)
class Change:
    """One thing that was created, updated or deleted, and its fields before and after.

    `references` are the things that its changed fields point at: a key that is made is part of its agent's story.
    """

    prefix: str
    public_id: str
    action: Action
    fields: dict[str, list[Any]]
    name: str
    organization_id: UUID | None
    references: tuple[str, ...]

    def __call__(self) -> None:
        """Do nothing at commit; that it would be called then is how a change is known to stand."""

    def document(self) -> dict[str, Any]:
        """Return the change as the trail keeps it."""
        resource = {"type": type_of(self.prefix), "id": self.public_id}
        return {"resource": resource, "action": self.action, "fields": self.fields}


@dataclass(slots=True)
class Collector:
    """The changes of one operation, in their order."""

    changes: list[Change] = field(default_factory=list)

    def add(self, change: Change) -> None:
        """Note `change`, unless the savepoint that it was made in is rolled back."""
        self.changes.append(change)
        transaction.on_commit(change)

    def standing(self) -> list[Change]:
        """The changes that will be committed. Django forgets the callbacks of a savepoint that is rolled back."""
        pending: list[Any] = connection.run_on_commit
        kept = {id(callback) for _, callback, *_ in pending}
        return [change for change in self.changes if id(change) in kept]


_collector: ContextVar[Collector | None] = ContextVar("audit_collector", default=None)


def current_collector() -> Collector | None:
    """The collector of the operation that runs, or None outside of one."""
    return _collector.get()


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect changes until the block ends; afterwards an outer operation's collector is the current one again."""
    collector = Collector()
    before = _collector.set(collector)
    try:
        yield collector
    finally:
        _collector.reset(before)


def documents(changes: list[Change]) -> list[dict[str, Any]]:
    """Return `changes` as the trail keeps them, at most MAX_CHANGES and a note about the others."""
    shown = [change.document() for change in changes[:MAX_CHANGES]]
    more = len(changes) - len(shown)
    return [*shown, {"omitted": more}] if more else shown


def type_of(prefix: str) -> str:
    """Return what a prefix's resources are called in the trail: `service_account` for `svc`."""
    try:
        return noun(prefix).replace(" ", "_")
    except KeyError:
        return prefix

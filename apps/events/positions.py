"""Places in the log: behind which event a reader is, as a cursor that stays good until the log itself moves.

A transaction that began early may commit late. So a reader is given only what was written by transactions before the
oldest one that still runs: all of those are over, and nothing can come between their events any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core.actor import Actor
from apps.core.ids import decode
from apps.core.pagination import opened_values, sealed_values
from apps.core.problems import CursorInvalid, FieldError, ParametersInvalid, show
from apps.events.models import Event

_NOTHING = UUID(int=0)
_HORIZON = "select pg_snapshot_xmin(pg_current_snapshot())::text, pg_current_xact_id_if_assigned()::text"
#: What a reader says who wants to hear only what happens from now on.
LATEST = "latest"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Behind the event `id` of the transaction `xid`; with the lowest id, before all events of it."""

    xid: int
    id: UUID

    @classmethod
    def of(cls, event: Event) -> Position:
        """The place right behind `event`."""
        return cls(event.xid, event.id)

    @classmethod
    def at(cls, horizon: int) -> Position:
        """Behind everything that was written before `horizon`."""
        return cls(horizon, _NOTHING)

    def cursor(self, actor: Actor) -> str:
        """It as the reader gets it; good in the tenant that `actor` acts on, whatever is filtered by."""
        return sealed_values([self.xid, str(self.id)], _scope(actor))


START = Position(0, _NOTHING)


def horizon() -> tuple[int, int]:
    """The transaction before which all are over, and the one before which a reader may read.

    They are the same, unless the caller's own transaction wrote and is the oldest: that reads what it wrote.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HORIZON)
        oldest, own = cursor.fetchone()
    return int(oldest), int(oldest) + (oldest == own)


def read_position(actor: Actor, text: str | None) -> Position:
    """The place that `after` says: a cursor, the id of an event, `latest`, or the beginning without any.

    Raises CursorInvalid for a cursor that was not made here, ParametersInvalid for an event that is not there.
    """
    if not text:
        return START
    if text == LATEST:
        return Position.at(horizon()[0])
    if text.startswith(f"{Event.id_prefix}_"):
        return _behind(actor, text)
    xid, identity = _opened(actor, text)
    return Position(int(xid), UUID(identity))


def _opened(actor: Actor, text: str) -> tuple[Any, Any]:
    values = opened_values(text, _scope(actor))
    if len(values) != 2:
        raise CursorInvalid
    return values[0], values[1]


def _behind(actor: Actor, shown: str) -> Position:
    try:
        event = Event.objects.visible_to(actor).filter(pk=decode(shown, Event.id_prefix)).first()
    except ValueError:
        event = None
    if event is None:
        said = (
            f"There is no event {show(shown)} here, or no longer. Leave `after` out to begin with the oldest."
        )
        raise ParametersInvalid(said, errors=[FieldError("after", "unknown_event", said)])
    return Position.of(event)


def _scope(actor: Actor) -> str:
    return f"events|{actor.tenant.id}"

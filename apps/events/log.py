"""Appending to the log in the transaction of what is told: by operations, by rooms, and by the product.

One statement, however many events there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from apps.audit.changes import current_collector
from apps.audit.querysets import find_calls_also_by
from apps.audit.snapshots import principal, represented
from apps.core import clock
from apps.core.actor import Actor, PrincipalKind
from apps.core.happenings import Happening, register_listener
from apps.core.operations import Operation, Recording, register_recorder
from apps.events.models import Event
from apps.events.naming import type_of
from apps.events.telling import tellings
from apps.events.webhooks.sending import fan_out
from apps.events.writing import insert
from apps.jobs.waking import wake
from apps.tenancy import walls

#: Who acts where nobody does.
_PLATFORM: Mapping[str, Any] = {"kind": PrincipalKind.SYSTEM.value, "id": None, "name": "system"}


def append(events: Sequence[Event]) -> None:
    """Write `events`, have them sent to those who hear them, and wake the jobs that wait for one of them."""
    if events:
        with walls.whole_tenant():
            written = insert(events)
        fan_out(events, written.ears)
        if written.awaited:
            wake(events)


def make(
    actor: Actor | None, kind: str, subject: str | None, organization_id: UUID | None, data: Mapping[str, Any]
) -> Event:
    """An event that is not written yet: what happened just now, done by `actor`; None is the platform itself."""
    return Event(
        at=clock.now(),
        type=kind,
        subject=subject,
        organization_id=organization_id,
        actor=principal(actor.principal) if actor else _PLATFORM,
        on_behalf_of=represented(actor) if actor else None,
        request_id=actor.call.request_id if actor else "",
        data=data,
    )


@contextmanager
def record(actor: Actor, operation: Operation[..., Any]) -> Iterator[Recording]:
    """Be the recorder of the log: tell of the operation when it has been done.

    The trail's recorder stands around this one, and has collected what changed.
    """
    recording = Recording()
    yield recording
    kind, collector = type_of(operation), current_collector()
    if kind and collector is not None:
        told = tellings(actor, recording.resource, collector.standing())
        append([make(actor, one.named(kind), one.subject, one.organization_id, one.data) for one in told])


def listen(actor: Actor | None, happenings: Sequence[Happening]) -> None:
    """Write what a room says that happened."""
    append([make(actor, one.type, one.subject, one.organization_id, one.data) for one in happenings])


def register() -> None:
    """Register with the operations, and with the rooms that tell."""
    register_recorder(record)
    register_listener(listen)
    find_calls_also_by(_calls_about)


def _calls_about(thing: str) -> Any:
    """The calls in which something happened to `thing`, also where they were not about it alone: a batch of jobs."""
    return Event.objects.filter(subject=thing).exclude(request_id="").values("request_id")

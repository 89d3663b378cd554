"""Operations on events: reading them in order, and writing the product's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from apps.core.actor import Actor
from apps.core.longpoll import await_found
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.pagination import DEFAULT_LIMIT
from apps.events import publishing
from apps.events import serializers as forms
from apps.events.models import Event
from apps.events.positions import Position, horizon, read_position
from apps.events.querysets import EventQuerySet

_WRITES_IT = "the event that it writes is the one that it was asked for"


@operation(
    "events.list",
    scope="events:read",
    risk=Risk.READ,
    input=forms.EventParameters,
    output=forms.EventsOutput,
)
def list_events(
    actor: Actor,
    *,
    after: str | None = None,
    types: Sequence[str] = (),
    subject: str = "",
    limit: int = DEFAULT_LIMIT,
    wait_seconds: int = 0,
) -> dict[str, Any]:
    """Read what happened, in order, behind `after`; without it from the oldest event that is kept.

    `next_cursor` is never null: whoever goes on from it gets every event once, those that commit late included. It is
    good for other filters too. An actor of an organization reads its organization's events, one of the tenant all.
    """
    chosen = Event.objects.visible_to(actor).of_types(types)
    chosen = chosen.filter(subject=subject) if subject else chosen
    reader = _Reader(chosen, read_position(actor, after), limit)
    events = await_found(reader.read, bool, seconds=wait_seconds)
    return {"data": events, "next_cursor": reader.position.cursor(actor)}


class _Reader:
    """Reads on from where it is: what a look has passed in vain, the next one does not search again."""

    def __init__(self, chosen: EventQuerySet, position: Position, limit: int) -> None:
        self.chosen, self.position, self.limit = chosen, position, limit

    def read(self) -> list[Event]:
        """The next events. It is behind the last one then, or where the log can be read to for now."""
        over, end = horizon()
        events = list(self.chosen.between(self.position, end)[: self.limit])
        last = Position.of(events[-1]) if events else self.position
        self.position = last if len(events) == self.limit else max(last, Position.at(over))
        return events


@operation("events.get", scope="events:read", risk=Risk.READ, output=forms.EventOutput)
def get_event(actor: Actor, *, event_id: UUID) -> Event:
    """Read one event."""
    event = Event.objects.visible_to(actor).filter(pk=event_id).first()
    if event is None:
        raise not_found(Event, event_id)
    return event


@operation(
    "events.publish",
    scope="events:write",
    risk=Risk.WRITE,
    input=forms.EventInput,
    output=forms.EventOutput,
    untold=_WRITES_IT,
)
def publish_event(actor: Actor, /, **told: Any) -> Event:
    """Write that something happened in the product. Its type has to be declared, and its data to satisfy the schema."""
    return publishing.publish(actor, [told], [""])[0]


@operation(
    "events.publish-batch",
    scope="events:write",
    risk=Risk.WRITE,
    input=forms.EventsInput,
    output=forms.PublishedOutput,
    untold=_WRITES_IT,
)
def publish_events(actor: Actor, *, events: Sequence[dict[str, Any]]) -> dict[str, list[Event]]:
    """Write up to 100 events in their order, all of them or none."""
    places = [f"/events/{number}" for number in range(len(events))]
    return {"data": publishing.publish(actor, events, places)}

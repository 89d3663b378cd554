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
    position = read_position(actor, after)
    chosen = Event.objects.visible_to(actor).of_types(types)
    chosen = chosen.filter(subject=subject) if subject else chosen
    events, reached = await_found(
        lambda: _look(chosen, position, limit), lambda found: bool(found[0]), seconds=wait_seconds
    )
    return {"data": events, "next_cursor": reached.cursor(actor)}


def _look(chosen: EventQuerySet, position: Position, limit: int) -> tuple[list[Event], Position]:
    """The next events, and how far they lead: to the last one, or to where the log can be read for now."""
    over, end = horizon()
    events = list(chosen.between(position, end)[:limit])
    last = Position.of(events[-1]) if events else position
    return events, last if len(events) == limit else max(last, Position.at(over))


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

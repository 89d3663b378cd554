"""Writing events of the product: of declared types, with data that satisfies their schemas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from apps.accounts.machines import placed
from apps.core import strictjson
from apps.core.actor import Actor
from apps.core.problems import FieldError, Remedy, show
from apps.data.schemas.validating import violations
from apps.events import log
from apps.events.errors import EventInvalid, EventTooLarge, EventTypeReserved, EventTypeUndeclared
from apps.events.models import Event, EventType
from apps.events.naming import is_reserved

MAX_BYTES = 64 * 1024
_MOST_REPORTED = 20

Told = Mapping[str, Any]


def publish(actor: Actor, told: Sequence[Told], places: Sequence[str]) -> list[Event]:
    """Write events, each with `type`, `subject`, `organization` and `data`; `places` are JSON pointers to them.

    Raises EventTypeReserved, EventTypeUndeclared, EventTooLarge, EventInvalid and NotFound for an organization.
    """
    types = _types(told, places)
    for one, place in zip(told, places, strict=True):
        _hold_to_size(one["data"], place)
    _hold_to_schemas(types, told, places)
    wanted: set[UUID | None] = {one["organization"] for one in told}
    owners = {one: placed(actor, one) for one in wanted}
    events = [
        log.make(actor, one["type"], one["subject"], owners[one["organization"]], one["data"]) for one in told
    ]
    log.append(events)
    return events


def _types(told: Sequence[Told], places: Sequence[str]) -> dict[str, EventType]:
    """The declared types of the events, by name."""
    named = {one["type"]: place for one, place in zip(told, places, strict=True)}
    found = {one.name: one for one in EventType.objects.filter(name__in=named)}
    for name, place in named.items():
        if is_reserved(name):
            raise _reserved(name, place)
        if name not in found:
            raise _undeclared(name, place)
    return found


def _reserved(name: str, place: str) -> EventTypeReserved:
    noun = name.partition(".")[0]
    said = f"{show(name)} is about a thing of the platform's, a {noun.replace('_', ' ')}, and it tells of those itself."
    return EventTypeReserved(
        f"{said} {EventTypeReserved.advice}",
        errors=[FieldError(f"{place}/type", EventTypeReserved.code, said)],
    )


def _undeclared(name: str, place: str) -> EventTypeUndeclared:
    said = f"This tenant declares no event type {show(name)}."
    return EventTypeUndeclared(
        f"{said} {EventTypeUndeclared.advice}",
        errors=[FieldError(f"{place}/type", EventTypeUndeclared.code, said)],
        remedy=Remedy(
            f'manage.py event_types create --name {name} --schema \'{{"type": "object"}}\'',
            "POST",
            "/v1/event-types",
            {"name": name, "schema": {"type": "object"}},
        ),
    )


def _hold_to_size(data: Told, place: str) -> None:
    size = len(strictjson.dumps(data))
    if size > MAX_BYTES:
        said = f"The data has {size:,} bytes, and {MAX_BYTES:,} is the most."
        errors = [FieldError(f"{place}/data", EventTooLarge.code, said)]
        raise EventTooLarge(f"{said} {EventTooLarge.advice}", errors=errors)


def _hold_to_schemas(types: Mapping[str, EventType], told: Sequence[Told], places: Sequence[str]) -> None:
    errors: list[FieldError] = []
    for one, place in zip(told, places, strict=True):
        found = violations(types[one["type"]].schema, one["data"], limit=_MOST_REPORTED)
        errors += [FieldError(f"{place}/data{each.pointer}", each.code, each.detail) for each in found]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise EventInvalid(f"{errors[0].field}: {errors[0].detail}{more}", errors=errors[:_MOST_REPORTED])

"""Writing events, and in the same statement hearing which webhook endpoints there are to be told.

Most tenants have none, and every operation writes an event: a question of its own would cost more than the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from apps.events.models import Event
from apps.events.webhooks.models import Ear

_INSERT = """
with written as (
    INSERT INTO "events_event" (id, at, type, subject, organization_id, actor, on_behalf_of, request_id, data)
    select * from unnest(
        %(ids)s::uuid[], %(times)s::timestamptz[], %(types)s::text[], %(subjects)s::text[], %(organizations)s::uuid[],
        %(actors)s::jsonb[], %(represented)s::jsonb[], %(requests)s::text[], %(data)s::jsonb[])
)
select endpoint, organization_id, event_types from events_ear
"""


def insert(events: Sequence[Event]) -> list[Ear]:
    """Insert `events` where the caller stands, and return the ears of the tenant."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, _columns(events))
        return [Ear(endpoint=row[0], organization_id=row[1], event_types=_list(row[2])) for row in cursor]


def _columns(events: Sequence[Event]) -> dict[str, list[Any]]:
    organizations: list[UUID | None] = [event.organization_id for event in events]
    return {
        "ids": [event.pk for event in events],
        "times": [event.at for event in events],
        "types": [event.type for event in events],
        "subjects": [event.subject for event in events],
        "organizations": organizations,
        "actors": [_json(event.actor) for event in events],
        "represented": [_json(event.on_behalf_of) for event in events],
        "requests": [event.request_id for event in events],
        "data": [_json(event.data) for event in events],
    }


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _list(value: Any) -> list[str]:
    found: list[str] = orjson.loads(value) if isinstance(value, str) else value
    return found

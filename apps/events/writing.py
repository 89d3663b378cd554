"""Writing events, and in the same statement hearing which webhook endpoints there are to be told, and who waits.

Most tenants have none, and every operation writes an event: a question of its own would cost more than the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection

from apps.events.models import Event
from apps.events.webhooks.models import Ear
from apps.jobs.waking import AWAITED, columns

_INSERT = f"""
with written as (
    INSERT INTO "events_event" (id, at, type, subject, organization_id, actor, on_behalf_of, request_id, data)
    select * from unnest(
        %(ids)s::uuid[], %(times)s::timestamptz[], %(types)s::text[], %(subjects)s::text[], %(organizations)s::uuid[],
        %(actors)s::jsonb[], %(represented)s::jsonb[], %(requests)s::text[], %(data)s::jsonb[])
)
select asked.awaited, endpoint, organization_id, event_types
from (select {AWAITED} as awaited) asked left join events_ear on true
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Written:
    """What was heard while events were written: the ears of the tenant, and whether a job waits for one of them."""

    ears: Sequence[Ear]
    awaited: bool


def insert(events: Sequence[Event]) -> Written:
    """Insert `events`, standing in the whole tenant."""
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, _columns(events))
        rows = cursor.fetchall()
    ears = [Ear(endpoint=row[1], organization_id=row[2], event_types=_list(row[3])) for row in rows if row[1]]
    return Written(ears, bool(rows[0][0]))


def _columns(events: Sequence[Event]) -> dict[str, list[Any]]:
    return columns(events) | {
        "ids": [event.pk for event in events],
        "times": [event.at for event in events],
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

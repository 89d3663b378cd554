"""Streams of jobs: a ticket for one, and where the streaming process sees that it changed.

All jobs that anybody watches are looked at by one query on the registry. Whatever changes a job that is not over
touches its dispatch row, in the same transaction, but for one thing: a claim commits just before the attempt begins.
Jobs without a row are looked at where they are: they have ended, which is seen once, or wait for other jobs.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection

from apps.core.actor import Actor, TenantRef
from apps.core.ids import decode
from apps.core.operations import Risk, operation
from apps.jobs.jobs import find_job
from apps.jobs.models import Job
from apps.jobs.models import job_id as shown_id
from apps.jobs.states import ENDED
from apps.tenancy.streaming import tickets
from apps.tenancy.streaming.serializers import StreamOutput
from apps.tenancy.streaming.sources import Subject
from apps.tenancy.walls import enter

TOPIC: Final = "job"
_LOOK = """
select id, schema_name, token, state, touched_at, run_at from public.jobs_dispatch where id = any(%s)
"""
Marks = dict[Subject, Hashable]


@operation("jobs.stream", scope="jobs:read", risk=Risk.READ, output=StreamOutput, shows_secret=True)
def stream_job(actor: Actor, *, job_id: UUID) -> tickets.Issued:
    """Answer a URL that says by server-sent events whenever the job changed, for an EventSource to open.

    It has to be opened within a minute, needs no other credential, and ends with the job, or after ten minutes. What
    changed is not said: read the job then.
    """
    return tickets.issue(actor, TOPIC, shown_id(find_job(actor, job_id)))


class _Row(NamedTuple):
    """A dispatch row, as much of it as says that something changed."""

    id: UUID
    schema_name: str
    token: UUID | None
    state: str
    touched_at: datetime | None
    run_at: datetime | None


class Jobs:
    """Jobs that are not over, as the registry knows them."""

    pause = 0.5

    def __init__(self) -> None:
        self._tokens: dict[UUID, UUID] = {}

    def look(self, subjects: Collection[Subject]) -> Marks:
        """A mark for each job that is not over."""
        rows = self._rows([_key(subject) for subject in subjects])
        found = {subject: rows.get((subject.tenant.schema_name, _key(subject))) for subject in subjects}
        marks: Marks = {subject: self._mark(row) for subject, row in found.items() if row is not None}
        self._tokens = {row.id: row.token for row in rows.values() if row.token is not None}
        return marks | _waiting([subject for subject, row in found.items() if row is None])

    def _mark(self, row: _Row) -> Hashable:
        # Right after a claim its attempt may not have begun yet: the next look is news once more.
        return row, self._tokens.get(row.id) == row.token

    def _rows(self, keys: list[UUID]) -> dict[tuple[str, UUID], _Row]:
        with connection.cursor() as cursor:
            cursor.execute(_LOOK, [keys])
            rows = [_Row(*row) for row in cursor.fetchall()]
        return {(row.schema_name, row.id): row for row in rows}


def _waiting(subjects: Collection[Subject]) -> Marks:
    """A mark for those that are not over though the registry does not know them: they wait for other jobs."""
    by_wall: dict[tuple[TenantRef, UUID | None], list[Subject]] = {}
    for subject in subjects:
        by_wall.setdefault((subject.tenant, subject.organization), []).append(subject)
    marks: Marks = {}
    for (tenant, organization), asked in by_wall.items():
        with enter(tenant, organization):
            found = Job.objects.filter(pk__in=[_key(subject) for subject in asked]).exclude(state__in=ENDED)
            states = dict(found.values_list("pk", "state"))
        marks |= {subject: states[_key(subject)] for subject in asked if _key(subject) in states}
    return marks


def _key(subject: Subject) -> UUID:
    return decode(subject.id, Job.id_prefix)

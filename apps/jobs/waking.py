"""Jobs that wait for an event: what happens wakes them, in the transaction in which it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from django.db import connection

from apps.core import clock
from apps.jobs import ending
from apps.jobs.models import Job, Step
from apps.jobs.states import JobState
from apps.tenancy.walls import whole_tenant

#: `offset` has each happening look for its own waits: the planner would rather read all of them once.
_FITTING = """
from unnest(%(types)s::text[], %(subjects)s::text[], %(organizations)s::uuid[]) x(type, subject, organization_id)
cross join lateral (
    select w.id, w.job_id from jobs_step w
    where w.kind = 'event' and w.done_at is null
        and w.event_type = x.type and w.event_subject = any (array['', x.subject])
        and (w.organization_id is null or w.organization_id = x.organization_id)
    offset 0) s
"""
#: Whether a job waits for something of what happened (`columns`), for a statement in the whole tenant to ask.
AWAITED: Final = f"exists (select {_FITTING})"
_WAITING = f"select s.id, s.job_id {_FITTING} order by s.id"


class Happened(Protocol):
    """What happened, as a room tells it or the log keeps it."""

    @property
    def type(self) -> str: ...

    @property
    def subject(self) -> str | None: ...

    @property
    def organization_id(self) -> UUID | None: ...

    @property
    def data(self) -> Mapping[str, Any]: ...


def columns(happenings: Sequence[Happened]) -> dict[str, Any]:
    """`happenings` as the parameters that AWAITED names."""
    organizations: list[UUID | None] = [one.organization_id for one in happenings]
    return {
        "types": [one.type for one in happenings],
        "subjects": [one.subject for one in happenings],
        "organizations": organizations,
    }


def wake(happenings: Sequence[Happened]) -> int:
    """Let jobs go on that wait for one of `happenings`; returns how many waits are over. Needs a transaction.

    A job of an organization hears of what is that organization's, one of the tenant of everything. What happened before
    a job began to wait is not looked for. Whoever writes the happenings asks AWAITED first, in the same statement.
    """
    with whole_tenant():
        waiting = _waiting(happenings)
        if not waiting:
            return 0
        return sum(_woken(jobs, waiting, happenings) for jobs in ending.slices(ending.lock(waiting.values())))


def _waiting(happenings: Sequence[Happened]) -> dict[UUID, UUID]:
    """The steps that wait for one of `happenings`, each with its job."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, columns(happenings))
        return dict(cursor.fetchall())


def _woken(jobs: Sequence[Job], waiting: Mapping[UUID, UUID], happenings: Sequence[Happened]) -> int:
    ids = {job.pk for job in jobs}
    chosen = [step for step, job_id in waiting.items() if job_id in ids]
    # Under the locks, anew: another event may have come first.
    steps = list(Step.objects.filter(pk__in=chosen, done_at__isnull=True).order_by("id"))
    _note(steps, happenings)
    heard = {step.job_id for step in steps}
    ending.go_on([_due(job) for job in jobs if job.pk in heard and job.state == JobState.WAITING])
    return len(steps)


def _heard(step: Step, happenings: Sequence[Happened]) -> Happened | None:
    """The first of `happenings` that `step` waits for."""
    return next((one for one in happenings if _is_meant(step, one)), None)


def _is_meant(step: Step, one: Happened) -> bool:
    known = step.organization_id is None or step.organization_id == one.organization_id
    return known and step.event_type == one.type and step.event_subject in ("", one.subject)


def _note(steps: Sequence[Step], happenings: Sequence[Happened]) -> None:
    for step in steps:
        if (one := _heard(step, happenings)) is not None:
            step.done_at, step.result = clock.now(), _said(one)
    Step.objects.bulk_update(steps, ["done_at", "result"], batch_size=ending.SLICE)


def _said(one: Happened) -> dict[str, Any]:
    return {"type": one.type, "subject": one.subject, "data": dict(one.data)}


def _due(job: Job) -> Job:
    """The job, of which `run_at` was the end of its patience."""
    job.run_at = None
    return job

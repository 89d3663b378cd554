"""Jobs that wait for an event: what happens wakes them, in the transaction in which it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from django.db import connection, transaction

from apps.core import clock
from apps.jobs import ending
from apps.jobs.backoff import PATIENT
from apps.jobs.models import Job, Step
from apps.jobs.releasing import QUEUE
from apps.jobs.states import JobState
from apps.jobs.tasks import Run, task
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
#: Those of the waits that began before; which ones come first does not matter.
_WAITING = (
    f"select s.id, s.job_id {_FITTING} where %(upto)s::uuid is null or s.id <= %(upto)s::uuid limit %(most)s"
)
_LAST = f"select s.id {_FITTING} order by s.id desc limit 1"
#: How many waits end in the transaction of whoever tells what happened. A task goes on with the rest.
MOST: Final = 1000


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
    Of very many waits some are left to a task.
    """
    return _wake(happenings, None)


def _wake(happenings: Sequence[Happened], upto: UUID | None) -> int:
    """The same for waits up to the id `upto`, where that is said."""
    with whole_tenant():
        found = _waiting(happenings, upto)
        if not found:
            return 0
        if len(found) == MOST:
            _hand_on(happenings, upto or _last(happenings))
        waiting = dict(found)
        return sum(_woken(jobs, waiting, happenings) for jobs in ending.slices(ending.lock(waiting.values())))


def _waiting(happenings: Sequence[Happened], upto: UUID | None) -> list[tuple[UUID, UUID]]:
    """The steps that wait for `happenings`, each with its job, once for each; MOST where there may be more."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, columns(happenings) | {"upto": upto, "most": MOST})
        return list(cursor.fetchall())


def _last(happenings: Sequence[Happened]) -> UUID:
    with connection.cursor() as cursor:
        cursor.execute(_LAST, columns(happenings))
        found: UUID = cursor.fetchone()[0]
    return found


@dataclass(frozen=True, slots=True)
class _Kept:
    """What happened, as the task that goes on with it keeps it."""

    type: str
    subject: str | None
    organization_id: UUID | None
    data: Mapping[str, Any]


def _hand_on(happenings: Sequence[Happened], upto: UUID) -> None:
    kept = [
        {
            "type": one.type,
            "subject": one.subject,
            "organization": str(one.organization_id) if one.organization_id else None,
            "data": dict(one.data),
        }
        for one in happenings
    ]
    go_on_waking.enqueue(None, {"happenings": kept, "upto": str(upto)})


@task("jobs.wake", queue=QUEUE, max_attempts=1000, retry=PATIENT)
def go_on_waking(run: Run) -> dict[str, Any]:
    """Wake some more of those that waited for what the payload says; the next task is put in the same transaction."""
    happenings = [
        _Kept(one["type"], one["subject"], _id_of(one["organization"]), one["data"])
        for one in run.payload["happenings"]
    ]
    with transaction.atomic():
        return {"woken": _wake(happenings, UUID(run.payload["upto"]))}


def _id_of(text: str | None) -> UUID | None:
    return UUID(text) if text else None


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

"""Jobs that wait for an event: what happens wakes them, in the transaction in which it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from apps.core import clock
from apps.jobs import ending
from apps.jobs.models import Job, Step
from apps.jobs.states import JobState, StepKind
from apps.tenancy.walls import whole_tenant


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


def wake(happenings: Sequence[Happened]) -> int:
    """Let jobs go on that wait for one of `happenings`; returns how many waits are over. Needs a transaction.

    A job of an organization hears of what is that organization's, one of the tenant of everything. One statement where
    nobody waits. What happened before a job began to wait is not looked for.
    """
    with whole_tenant():
        waiting = _waiting(happenings)
        heard = [step.job_id for step in waiting if _heard(step, happenings) is not None]
        if not heard:
            return 0
        jobs = ending.locked(heard)
        # Under the locks, anew: another event may have come first.
        steps = [step for step in _waiting(happenings) if step.job_id in set(heard)]
        _note(steps, happenings)
        ending.go_on([_due(job) for job in jobs if job.state == JobState.WAITING])
    return len(steps)


def _waiting(happenings: Sequence[Happened]) -> list[Step]:
    kinds = {one.type for one in happenings}
    steps = Step.objects.filter(kind=StepKind.EVENT, done_at__isnull=True, event_type__in=kinds)
    return list(steps.order_by("id"))


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
    Step.objects.bulk_update(steps, ["done_at", "result"])


def _said(one: Happened) -> dict[str, Any]:
    return {"type": one.type, "subject": one.subject, "data": dict(one.data)}


def _due(job: Job) -> Job:
    """The job, of which `run_at` was the end of its patience."""
    job.run_at = None
    return job

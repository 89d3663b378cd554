"""Jobs whose time is over: nobody began them by their `expires_at`, or their `deadline_at` has come.

They end when somebody meets them, and at the latest when the sweep does: whoever claims or begins one, or says how an
attempt at it went.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from apps.core import clock
from apps.jobs import ending, leases
from apps.jobs.models import Attempt, Job
from apps.jobs.registry import Dispatch
from apps.jobs.states import AttemptState, JobState
from apps.jobs.turns import Lease
from apps.tenancy.walls import current_schema, registry, whole_tenant

_IGNORED: Final = {"type": "cancelled", "message": "Its worker went on until its lease was over."}


def passed(which: str) -> dict[str, Any]:
    """The error of a job whose `expires_at` or `deadline_at` has passed."""
    return {"type": "expired", "message": f"Its {which} has passed."}


def in_time(held: Sequence[Lease]) -> list[Lease]:
    """Those of the leases whose jobs may begin; the jobs whose time is over end, and their leases with them."""
    now = clock.now()
    late = {lease.job_id: lease.token for lease in held if lease.ends_at and lease.ends_at <= now}
    if not late:
        return list(held)
    with transaction.atomic(), whole_tenant():
        left = end_due(leases.hold_all(late.items()))
    return [lease for lease in held if lease.job_id not in late or lease.job_id in left]


def end_now(ids: Collection[UUID]) -> None:
    """End those jobs of the tenant that stands whose time is over, whoever works on them."""
    with transaction.atomic(), whole_tenant():
        leases.lock(ids)
        end_due(ids)


def end_due(ids: Collection[UUID]) -> set[UUID]:
    """The same where the dispatch rows are locked already. Returns the ids of jobs that go on.

    Of those that are gone, or were over before their worker began them, the rows alone are left, and go.
    """
    locked = Job.objects.light().select_for_update(of=("self",)).filter(pk__in=ids)
    jobs = list(locked.order_by("id"))
    _end([job for job in jobs if not job.is_over and _ends_as(job)])
    left = [job for job in jobs if not job.is_over]
    leases.drop(set(ids) - {job.pk for job in left})
    own = Dispatch.objects.filter(schema_name=current_schema())
    with registry(savepoint=False):
        for job in left:
            own.filter(pk=job.pk).update(ends_at=ending.ends_at(job))
    return {job.pk for job in left}


def is_late(job: Job) -> bool:
    """Whether the deadline of a job has come while somebody works on it. Who cancelled it came first."""
    due = job.deadline_at is not None and job.deadline_at <= clock.now()
    return due and job.state == JobState.RUNNING


def _ends_as(job: Job) -> JobState | None:
    """How a job ends whose row says that it is time; None when it is not. Who cancelled it came first."""
    if job.state == JobState.CANCELLING:
        return JobState.CANCELLED
    ends_at = ending.ends_at(job)
    return JobState.EXPIRED if ends_at is not None and ends_at <= clock.now() else None


def _end(jobs: list[Job]) -> None:
    now = clock.now()
    for job in jobs:
        state = _ends_as(job)
        missed = "deadline_at" if job.deadline_at and job.deadline_at <= now else "expires_at"
        job.error = dict(_IGNORED) if state == JobState.CANCELLED else passed(missed)
        job.state, job.finished_at, job.lease_token, job.worker = str(state), now, None, ""
    if not jobs:
        return
    Job.objects.bulk_update(jobs, ["state", "finished_at", "lease_token", "worker", "error"])
    for ended in (AttemptState.CANCELLED, AttemptState.EXPIRED):
        ids = [job.pk for job in jobs if job.state == ended.value]
        running = Attempt.objects.filter(job__in=ids, state=AttemptState.RUNNING)
        said = {"error": dict(_IGNORED)} if ended == AttemptState.CANCELLED else {}
        running.update(state=ended, ended_at=now, **said)
    ending.announce(None, jobs)
    ending.release_dependents(None, jobs)

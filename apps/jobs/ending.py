"""What the end of jobs brings about: the trail is told, and jobs that waited for them go on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from apps.core import clock
from apps.core.actor import Actor
from apps.core.happenings import Happening, tell
from apps.core.ids import encode
from apps.jobs import leases
from apps.jobs.models import Job, Step, job_id, snapshot
from apps.jobs.registry import Dispatch, DispatchState, Runner
from apps.jobs.states import JobState, StepKind
from apps.tenancy.walls import whole_tenant

_TOLD = {
    JobState.SUCCEEDED: "job.succeeded",
    JobState.DEAD: "job.dead",
    JobState.CANCELLED: "job.cancelled",
    JobState.EXPIRED: "job.expired",
    JobState.RETRY_WAIT: "job.failed",
}

#: How the platform's own jobs of a kind share their lane, where that is not by organization.
_shares: dict[str, Callable[[Any], UUID]] = {}


def share_by(kind: str, rule: Callable[[Any], UUID]) -> None:
    """Have the platform's own jobs of `kind` share their lane by what `rule` makes of a payload."""
    _shares[kind] = rule


def announce(actor: Actor | None, jobs: Iterable[Job]) -> None:
    """Tell what became of `jobs`, whose state is the new one. The platform's own work is not told of."""
    told = [
        Happening(_TOLD[JobState(job.state)], job_id(job), job.organization_id, _said(job))
        for job in jobs
        if not job.system and job.state in _TOLD
    ]
    if told:
        tell(actor, *told)


def _said(job: Job) -> dict[str, Any]:
    said = snapshot(job)
    if job.error and job.state != JobState.SUCCEEDED:
        said["error"] = {"type": job.error.get("type", ""), "message": job.error.get("message", "")[:500]}
    return said


def follow(actor: Actor | None, ids: Collection[UUID]) -> None:
    """Tell what became of the jobs with `ids`, whose new state is written, and let those go on that waited for them.

    Whether any did is asked by a statement of its own, after the one that took the jobs' rows: a job that was to wait
    for one of these meanwhile is seen, in whatever organization it is.
    """
    with whole_tenant():
        jobs = list(Job.objects.with_awaited().filter(pk__in=ids))
    announce(actor, jobs)
    release_dependents(actor, [job for job in jobs if job.is_over and job.awaited])


def put_right(ids: Collection[UUID]) -> None:
    """Give jobs the dispatch row that fits their state: whoever leased them ended before the attempt began."""
    jobs = list(Job.objects.select_for_update(of=("self",)).filter(pk__in=ids).order_by("id"))
    leases.drop(ids)
    leases.put([dispatch_of(job) for job in jobs if not job.is_over])


def release_dependents(actor: Actor | None, ended: Sequence[Job]) -> None:
    """Let jobs go on that waited for `ended`; those that waited for one that did not succeed are dead.

    Whole chains end that way, so that it goes on until nothing is left that waited.
    """
    rows = list(ended)
    while rows:
        with whole_tenant():
            rows = _dependents(actor, rows)


def _dependents(actor: Actor | None, ended: Sequence[Job]) -> list[Job]:
    """Settle those that wait for `ended` directly, and return those that are dead by it."""
    by_id = {job.pk: job for job in ended}
    waiting = Step.objects.filter(on_job__in=by_id, done_at__isnull=True)
    jobs = locked(waiting.values_list("job_id", flat=True))
    if not jobs:
        return []
    failed = _settled(list(waiting.filter(job__in=jobs).order_by("id")), by_id)
    dead: list[Job] = []
    free: list[Job] = []
    for job in jobs:
        if job.state == JobState.WAITING:
            (dead if job.pk in failed else free).append(job)
    _end_with(actor, dead, failed)
    go_on(free)
    return dead


def locked(ids: Iterable[UUID]) -> list[Job]:
    """The jobs with `ids`, whatever their state, locked in the order of all: dispatch rows first. Steps come after."""
    chosen = set(ids)
    if not chosen:
        return []
    leases.lock(chosen)
    return list(Job.objects.select_for_update(of=("self",)).filter(pk__in=chosen).order_by("id"))


def _settled(steps: Sequence[Step], by_id: Mapping[UUID, Job]) -> dict[UUID, Job]:
    """Write down that what `steps` wait for is over. Returns the jobs for which it did not succeed, each with which."""
    failed: dict[UUID, Job] = {}
    for step in steps:
        before = by_id[step.on_job]  # type: ignore[index]
        step.done_at, step.result = clock.now(), {"job": job_id(before), "state": str(before.state)}
        if before.state != JobState.SUCCEEDED:
            failed.setdefault(step.job_id, before)
    Step.objects.bulk_update(steps, ["done_at", "result"])
    return failed


def _end_with(actor: Actor | None, dead: Sequence[Job], failed: dict[UUID, Job]) -> None:
    for job in dead:
        before = failed[job.pk]
        said = f"{job_id(before)}, for which it waited, is {before.state}."
        job.state, job.finished_at = JobState.DEAD, clock.now()
        job.error = {"type": "dependency_failed", "message": said, "job": job_id(before)}
    if not dead:
        return
    leases.drop([job.pk for job in dead])
    Job.objects.bulk_update(dead, ["state", "finished_at", "error"])
    announce(actor, dead)


def go_on(jobs: Sequence[Job]) -> None:
    """Make waiting jobs ready that wait for no other job any more; the rest stays. The rows must be locked."""
    others = Step.objects.filter(job__in=jobs, kind=StepKind.JOB, done_at__isnull=True)
    held = set(others.values_list("job_id", flat=True))
    free = [job for job in jobs if job.pk not in held]
    if not free:
        return
    for job in free:
        later = job.run_at is not None and job.run_at > clock.now()
        job.state = JobState.SCHEDULED if later else JobState.READY
    Job.objects.bulk_update(free, ["state", "run_at"])
    leases.put_again([dispatch_of(job) for job in free])


def parked(job: Job) -> Dispatch:
    """The row of a job that waits for others: nothing makes it ready but their end, and its deadline is kept."""
    row = dispatch_of(job)
    row.state, row.run_at = DispatchState.SCHEDULED, None
    return row


def dispatch_of(job: Job) -> Dispatch:
    """The dispatch row that stands for an unfinished job."""
    return leases.dispatch_row(
        job_id=job.pk,
        share=_shares[job.kind](job.payload) if job.system and job.kind in _shares else job.organization_id,
        queue=job.queue,
        runner=Runner.PLATFORM if job.system else Runner.CLIENT,
        run_at=job.run_at,
        ends_at=ends_at(job),
        rank=-job.priority,
        concurrency_key=job.concurrency_key,
    )


def ends_at(job: Job) -> Any:
    """When the sweep has to look whether the job is over."""
    times = [job.deadline_at, job.expires_at if job.started_at is None else None]
    return min((time for time in times if time is not None), default=None)


def shown(job: UUID) -> str:
    """A job's id as it is shown."""
    return encode(Job.id_prefix, job)

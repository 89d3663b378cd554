"""What the end of jobs brings about: the trail is told, and jobs that waited for them go on."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from apps.core import clock
from apps.core.actor import Actor
from apps.core.happenings import Happening, tell, told_as
from apps.core.ids import encode
from apps.jobs import leases
from apps.jobs.models import Job, Step, job_id, snapshot
from apps.jobs.registry import Dispatch, DispatchState, Runner
from apps.jobs.states import JobState, StepKind
from apps.tenancy.patrol import ask_for
from apps.tenancy.walls import whole_tenant

_TOLD = {
    JobState.SUCCEEDED: told_as("job.succeeded", "a job succeeded"),
    JobState.DEAD: told_as("job.dead", "a job is over without success: it is not tried again"),
    JobState.CANCELLED: told_as("job.cancelled", "a job is cancelled, and nobody works on it any more"),
    JobState.EXPIRED: told_as("job.expired", "the time of a job ran out"),
    JobState.RETRY_WAIT: told_as("job.failed", "an attempt at a job failed, and there will be another"),
}

#: What an event says of an error: its type where that is a name, as `TimeoutError` or `smtp.rejected`.
_WORD, _UNSAID = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,99}"), "error"
#: The type of the error of a job that is dead because another one is over without success.
DEPENDENCY_FAILED: Final = "dependency_failed"
#: How many jobs are read and written at a time, however many there are.
SLICE: Final = 500
#: How many jobs that waited go on in the transaction of what they waited for.
MOST: Final = 1000
#: What goes on with the others; tasks are made of what is here.
_rest: list[Callable[[Mapping[UUID, str]], None]] = []
#: How the platform's own jobs of a kind share their lane, where that is not by organization.
_shares: dict[str, Callable[[Any], UUID]] = {}
#: Which duty looks after what the platform's own jobs of a kind leave behind.
_duties: dict[str, str] = {}


def share_by(kind: str, rule: Callable[[Any], UUID]) -> None:
    """Have the platform's own jobs of `kind` share their lane by what `rule` makes of a payload."""
    _shares[kind] = rule


def mend_by(kind: str, duty: str) -> None:
    """Have the patrol do `duty` soon in a tenant where a job of the platform of that `kind` is dead unawares."""
    _duties[kind] = duty


def look_after(kinds: Collection[str]) -> None:
    """Ask for what mends that jobs of `kinds` are dead unawares; in the transaction in which they die."""
    for duty in sorted({_duties[kind] for kind in kinds if kind in _duties}):
        ask_for(duty)


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
        said["error"] = {"type": _word(job.error.get("type"))}
    return said


def _word(kind: Any) -> str:
    """The type of an error as everybody may hear it: a worker chooses it, and an event says words and no texts."""
    return kind if isinstance(kind, str) and _WORD.fullmatch(kind) else _UNSAID


def follow(actor: Actor | None, ids: Collection[UUID]) -> None:
    """Tell what became of the jobs with `ids`, whose new state is written, and let those go on that waited for them.

    Whether any did is asked by a statement of its own, after the one that took the jobs' rows: a job that was to wait
    for one of these meanwhile is seen, in whatever organization it is.
    """
    with whole_tenant():
        jobs = list(Job.objects.light().with_awaited().filter(pk__in=ids))
    announce(actor, jobs)
    release_dependents(actor, [job for job in jobs if job.is_over and job.awaited])


def put_right(ids: Collection[UUID]) -> None:
    """Give jobs the dispatch row that fits their state: whoever leased them ended before the attempt began."""
    jobs = list(Job.objects.light().select_for_update(of=("self",)).filter(pk__in=ids).order_by("id"))
    leases.drop(ids)
    leases.put([dispatch_of(job) for job in jobs if not job.is_over])


def release_dependents(actor: Actor | None, ended: Sequence[Job]) -> None:
    """Let jobs go on that waited for `ended`; those that waited for one that did not succeed are dead.

    Whole chains end that way, so that it goes on until nothing is left that waited. Of very many some are left to a
    task.
    """
    release(actor, {job.pk: str(job.state) for job in ended})


def release(actor: Actor | None, over: Mapping[UUID, str]) -> int:
    """The same for jobs that are `over`, by id and state; returns how many waited that do so no more."""
    done = 0
    with whole_tenant():
        while over:
            waiting = _dependents(over, MOST - done)
            done += len(waiting)
            dead: dict[UUID, str] = {}
            for jobs in slices(waiting):
                dead |= _released(actor, jobs, over)
            if done >= MOST:
                _leave(over, dead)
                break
            over = dead
    return done


def _leave(*left: Mapping[UUID, str]) -> None:
    """Have tasks release what waits for jobs that are over: one for each of `left`, so that none grows."""
    for over in left:
        if over:
            _rest[0](over)


def rest_to(put: Callable[[Mapping[UUID, str]], None]) -> None:
    """Have `put` enqueue what `release` leaves: the jobs that are over, by id and state."""
    _rest[:] = [put]


def _dependents(over: Mapping[UUID, str], most: int) -> list[UUID]:
    """The ids of up to so many jobs that wait for those that are `over`; their rows are locked now."""
    waiting = Step.objects.filter(on_job__in=over, done_at__isnull=True)
    return lock(waiting.order_by().values_list("job_id", flat=True).distinct()[:most])


def _released(actor: Actor | None, jobs: Sequence[Job], over: Mapping[UUID, str]) -> dict[UUID, str]:
    """The same for some of them, whose rows are locked."""
    failed = _settled(jobs, over)
    waiting = [job for job in jobs if job.state == JobState.WAITING]
    dead = [job for job in waiting if job.pk in failed]
    _end_with(actor, dead, failed, over)
    go_on([job for job in waiting if job.pk not in failed])
    return {job.pk: str(job.state) for job in dead}


def lock(ids: Iterable[UUID]) -> list[UUID]:
    """Lock the jobs with `ids`, whatever their state, in the order of all: dispatch rows first. Steps come after.

    Returns the ids of those that are there, in their order.
    """
    chosen = set(ids)
    if not chosen:
        return []
    leases.lock(chosen)
    rows = Job.objects.select_for_update(of=("self",)).filter(pk__in=chosen).order_by("id")
    return list(rows.values_list("pk", flat=True))


def slices(ids: Sequence[UUID]) -> Iterator[list[Job]]:
    """The jobs with `ids` without what is large, some at a time: their number is nobody's to choose."""
    for first in range(0, len(ids), SLICE):
        yield list(Job.objects.light().filter(pk__in=ids[first : first + SLICE]).order_by("id"))


def _settled(jobs: Sequence[Job], over: Mapping[UUID, str]) -> dict[UUID, UUID]:
    """Write down that what `jobs` wait for is over. Returns those for which it did not succeed, each with which."""
    waits = Step.objects.filter(job__in=jobs, on_job__isnull=False, done_at__isnull=True).order_by("id")
    steps = [step for step in waits if step.on_job in over]
    failed: dict[UUID, UUID] = {}
    for step in steps:
        before: UUID = step.on_job  # type: ignore[assignment]
        step.done_at, step.result = clock.now(), {"job": shown(before), "state": over[before]}
        if over[before] != JobState.SUCCEEDED:
            failed.setdefault(step.job_id, before)
    Step.objects.bulk_update(steps, ["done_at", "result"], batch_size=SLICE)
    return failed


def _end_with(
    actor: Actor | None, dead: Sequence[Job], failed: Mapping[UUID, UUID], over: Mapping[UUID, str]
) -> None:
    for job in dead:
        before = failed[job.pk]
        said = f"{shown(before)}, for which it waited, is {over[before]}."
        job.state, job.finished_at = JobState.DEAD, clock.now()
        job.error = {"type": DEPENDENCY_FAILED, "message": said, "job": shown(before)}
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

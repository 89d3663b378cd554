"""Operations on jobs as their owner sees them: enqueuing, reading, cancelling and running them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.core import clock
from apps.core.actor import Actor
from apps.core.happenings import Happening, tell, told_as
from apps.core.ids import encode
from apps.core.longpoll import await_found
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.jobs import ending, leases, redrive_forms, reviving
from apps.jobs import serializers as forms
from apps.jobs.enqueuing import enqueue
from apps.jobs.errors import JobKeyReused, JobNotOver
from apps.jobs.models import Attempt, Job, Step, job_id, snapshot
from apps.jobs.querysets import JobQuerySet
from apps.jobs.states import HELD, REDRIVABLE, JobState

_REDRIVEN = told_as("job.redriven", "a job that was over runs again")
#: What a job begins anew with.
_ANEW: Mapping[str, Any] = {
    "attempt": 0,
    "finished_at": None,
    "run_at": None,
    "expires_at": None,
    "deadline_at": None,
    "progress": None,
    "message": "",
}


@operation(
    "jobs.enqueue",
    scope="jobs:write",
    risk=Risk.WRITE,
    input=forms.JobInput,
    output=forms.JobOutput,
    untold="job.enqueued is told with the job",
)
def enqueue_job(actor: Actor, /, **wish: Any) -> Job:
    """Enqueue a job: it is done once, however often that has to be tried.

    It is there when the call returns, and lost by nothing that happens afterwards. With a `key`, the unfinished job of
    the queue that has it is answered instead of another one; asked to do something else, it is refused.
    """
    return enqueue(actor, [wish])[0]


@operation(
    "jobs.enqueue-batch",
    scope="jobs:write",
    risk=Risk.WRITE,
    input=forms.JobsInput,
    output=forms.JobsOutput,
    untold="job.enqueued is told with each job",
    subject=lambda result: None,  # noqa: ARG005 - many, of which none is the one
)
def enqueue_jobs(actor: Actor, *, jobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Enqueue up to 500 jobs in one transaction: all of them, or none."""
    return {"data": enqueue(actor, jobs)}


@operation(
    "jobs.list",
    scope="jobs:read",
    risk=Risk.READ,
    input=forms.JobParameters,
    output=forms.JobOutput,
    lists=True,
)
def list_jobs(actor: Actor, /, *, state: str | None = None, **filters: Any) -> JobQuerySet:
    """List jobs, the newest first. Those that are over are kept as long as their queue says."""
    columns = {"organization": "organization_id", "schedule": "schedule_id"}
    chosen = {columns.get(name, name): value for name, value in filters.items()}
    found = Job.objects.visible_to(actor).of_the_product().filter(**chosen)
    return found if state is None else found.in_state(state)


@operation(
    "jobs.get", scope="jobs:read", risk=Risk.READ, input=forms.JobGetParameters, output=forms.JobOutput
)
def get_job(actor: Actor, *, job_id: UUID, wait_seconds: int = 0) -> Job:
    """Read one job: where it stands, how far it is, and what came of it.

    With `wait_seconds` a job that is not over is answered when it changes: state, attempt, progress or message. Where
    many wait already it is answered at once, and one that is over always is.
    """
    if wait_seconds:
        _await_change(actor, job_id, wait_seconds)
    return find_job(actor, job_id)


def _await_change(actor: Actor, pk: UUID, seconds: int) -> None:
    before = _seen(actor, pk)

    def is_news(now: Job | None) -> bool:
        return now is None or now.is_over or before is None or _said(now) != _said(before)

    await_found(lambda: _seen(actor, pk), is_news, seconds=seconds)


def _seen(actor: Actor, pk: UUID) -> Job | None:
    columns = ("state", "run_at", "attempt", "progress", "message")
    return Job.objects.visible_to(actor).only(*columns).filter(pk=pk).first()


def _said(job: Job) -> tuple[Any, ...]:
    return job.shown_state, job.attempt, job.progress, job.message


@operation("jobs.attempts", scope="jobs:read", risk=Risk.READ, output=forms.JobAttemptOutput, lists=True)
def list_attempts(actor: Actor, *, job_id: UUID) -> Any:
    """List the attempts at a job, the newest first: who tried, how long, and what went wrong."""
    return Attempt.objects.filter(job=find_job(actor, job_id))


@operation(
    "jobs.cancel",
    scope="jobs:write",
    risk=Risk.DESTRUCTIVE,
    output=forms.JobOutput,
    untold="job.cancelled says it, once it is",
)
def cancel_job(actor: Actor, *, job_id: UUID) -> Job:
    """Cancel a job. One that runs is told by its next heartbeat; whatever its worker does, it will not succeed.

    A worker that goes on has the lease that it has now; the job is cancelled when that is over, renewed or not.
    A job that ended is answered as it is.
    """
    _find_own(actor, job_id)
    waits = leases.withdraw(job_id)
    job = Job.objects.visible_to(actor).select_for_update(of=("self",)).get(pk=job_id)
    if job.is_over:
        return job
    # What it waited for may have ended while its row was waited for, which gave it a dispatch row.
    waits = waits and leases.withdraw(job_id)
    if not waits and job.state in HELD:
        job.state = JobState.CANCELLING
        job.save(update_fields=["state"])
        leases.touch(job_id)
        leases.end_with_lease(job_id)
        return job
    job.state, job.finished_at = JobState.CANCELLED, clock.now()
    job.save(update_fields=["state", "finished_at"])
    ending.announce(actor, [job])
    ending.release_dependents(actor, [job])
    return job


@operation(
    "jobs.retry",
    scope="jobs:write",
    risk=Risk.WRITE,
    input=redrive_forms.JobRetryInput,
    output=forms.JobOutput,
    untold="job.redriven says it",
)
def retry_job(actor: Actor, *, job_id: UUID, dependents: bool = False) -> Job:
    """Run a job again that is dead, cancelled or expired, with as many attempts as it had at first.

    With `dependents`, what is dead because of it waits for it again, and what is dead because of that; job.redriven is
    told of each. Not of what waits for yet another job that did not succeed: that comes back with the last of them.
    Up to 1,000 do; the rest stays dead.
    """
    ending.lock([_find_own(actor, job_id).pk])
    job = find_job(actor, job_id)
    if job.state not in REDRIVABLE:
        raise JobNotOver(f"{encode('job', job.pk)} is {job.shown_state}. {JobNotOver.advice}")
    return redriven(actor, [job], dependents=dependents)[0]


@operation(
    "jobs.redrive",
    scope="jobs:write",
    risk=Risk.WRITE,
    input=redrive_forms.RedriveInput,
    output=redrive_forms.RedriveOutput,
    untold="job.redriven says it of each",
    subject=lambda result: None,  # noqa: ARG005 - many, of which none is the one
)
def redrive_jobs(
    actor: Actor,
    *,
    state: str,
    limit: int,
    queue: str | None = None,
    kind: str | None = None,
    since: datetime | None = None,
    dependents: bool = False,
) -> dict[str, int]:
    """Run all jobs again that match, the oldest first, up to `limit`. Without a filter, all that are dead.

    With `dependents`, what is dead because of them waits for them again, instead of running at once as another one
    that is dead; it is not counted.
    """
    said = {"queue": queue, "kind": kind, "finished_at__gt": since}
    chosen = {name: value for name, value in said.items() if value is not None}
    found = Job.objects.visible_to(actor).of_the_product().filter(state=state, **chosen)
    if dependents:
        found = found.exclude(error__type=ending.DEPENDENCY_FAILED)
    done = 0
    while done < limit and (some := _redrivable(found, min(ending.SLICE, limit - done))):
        done += len(redriven(actor, some, dependents=dependents))
    return {"redriven": done, "left": found.count()}


def _redrivable(found: JobQuerySet, most: int) -> list[Job]:
    """Some of those that may run again, locked: of several with one key a single one."""
    rows = found.light().with_free_key().select_for_update(of=("self",), skip_locked=True)
    by_key = {(job.queue, job.key or job.pk, job.organization_id): job for job in rows.order_by("id")[:most]}
    return list(by_key.values())


def redriven(actor: Actor, jobs: Sequence[Job], *, dependents: bool = False) -> list[Job]:
    """Put locked jobs that are over back into their queues; what is dead because of them waits again, if that is said.

    Raises JobKeyReused when a key is another job's now.
    """
    ids = [job.pk for job in jobs]
    _begin_anew(jobs, state=JobState.READY)
    # It waits for nothing that it waited for: whoever runs it again says that it is time.
    Step.objects.filter(job__in=ids, done_at__isnull=True).delete()
    leases.put_again([ending.dispatch_of(job) for job in jobs])
    back = reviving.find_dependents(actor, ids) if dependents else []
    _begin_anew(back, state=JobState.WAITING, error=None)
    reviving.wait_again(back)
    told = [Happening(_REDRIVEN, job_id(job), job.organization_id, snapshot(job)) for job in [*jobs, *back]]
    if told:
        tell(actor, *told)
    return list(jobs)


def _begin_anew(jobs: Sequence[Job], **said: Any) -> None:
    """Write that `jobs` stand where they stood when they were enqueued, and what is `said`. Raises JobKeyReused."""
    anew = {**_ANEW, **said}
    for job in jobs:
        for name, value in anew.items():
            setattr(job, name, value)
    try:
        with transaction.atomic():
            Job.objects.filter(pk__in=[job.pk for job in jobs]).update(**anew)
    except IntegrityError:
        raise JobKeyReused(f"Another job has the key by now. {JobKeyReused.advice}") from None


def _find_own(actor: Actor, pk: UUID) -> Job:
    """The same, of the product's jobs: the platform's go their own way, which schedules and endpoints say."""
    found = find_job(actor, pk)
    if found.system:
        raise not_found(Job, pk)
    return found


def find_job(actor: Actor, pk: UUID) -> Job:
    """The job with that id that `actor` may see. Raises NotFound."""
    found = Job.objects.visible_to(actor).filter(pk=pk).first()
    if found is None:
        raise not_found(Job, pk)
    return found

"""Operations of workers: claiming jobs, saying how far they are, and ending them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NoReturn
from uuid import UUID

from django.db import transaction

from apps.core import clock, longpoll
from apps.core.actor import Actor
from apps.core.ids import decode, encode
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.jobs import expiring, leases, running, turns
from apps.jobs import serializers as forms
from apps.jobs.enqueuing import MOST_BYTES, require_small
from apps.jobs.errors import LeaseLost, QueuePushes
from apps.jobs.hearing import listener
from apps.jobs.models import LEASE_SECONDS, Attempt, Job, Queue
from apps.jobs.running import Outcome
from apps.jobs.searching import Search
from apps.jobs.settling import failure, settle
from apps.jobs.states import AttemptState, JobState
from apps.tenancy.walls import whole_tenant

_PREFIX = "lse"
_MOST_MESSAGES = 100
#: The jobs about which an operation is refused since their deadline has come, see refusing_late.
Late = list[UUID]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job and the lease with which it may be worked on."""

    job: Job
    lease: turns.Lease

    @property
    def token(self) -> str:
        """The lease's token as it is shown."""
        return encode(_PREFIX, self.lease.token)


@contextmanager
def _leased(
    actor: Actor,
    *,
    queue: str,
    limit: int = 1,
    lease_seconds: int | None = None,
    wait_seconds: float = 0,
    **_: Any,
) -> Iterator[list[turns.Lease]]:
    """Lease jobs in transactions of their own, and wait for some where there are none: before the operation's own."""
    if actor.organization is None and not actor.is_tenant_wide:
        yield []
        return
    described = Queue.objects.filter(name=queue).first()
    if described is not None and described.push_url:
        raise QueuePushes(f"{queue} sends its jobs to {described.push_url}. {QueuePushes.advice}")
    wish = turns.Wish(
        schema_name=actor.tenant.schema_name,
        queue=queue,
        share=actor.organization.id if actor.organization else None,
        seconds=lease_seconds,
    )
    with listener.ear(wish.schema_name, queue) as ear:
        search = Search(wish, limit, ear)
        found = longpoll.await_found(search, bool, seconds=wait_seconds, rest=search.rest)
    unused = list(found)
    try:
        yield unused
    except BaseException:
        _give_back(found)
        raise
    # Nothing was begun where the same call has been answered meanwhile.
    _give_back(unused)


def _give_back(unused: list[turns.Lease]) -> None:
    if unused:
        leases.give_back([(lease.job_id, lease.token, clock.now()) for lease in unused])


@operation(
    "jobs.claim",
    scope="jobs:work",
    risk=Risk.WRITE,
    input=forms.ClaimInput,
    output=forms.ClaimsOutput,
    prepare=_leased,
    records_itself=True,
    untold="the attempt says it, and the job's own events",
)
def claim_jobs(
    actor: Actor,
    *,
    queue: str,  # noqa: ARG001 - said by the leases
    prepared: list[turns.Lease],
    worker: str = "",
    limit: int = 1,  # noqa: ARG001
    lease_seconds: int | None = None,  # noqa: ARG001
    wait_seconds: float = 0,  # noqa: ARG001
) -> dict[str, Any]:
    """Claim jobs of a queue, the fairest first: each with a lease, whose token ends or renews it.

    With `wait_seconds` the call waits for a job where there is none. Renew a lease with `heartbeat` before it is over;
    when it is, the job is given to somebody else, and what you say about it afterwards is refused with `lease_lost`.
    """
    by_job = {lease.job_id: lease for lease in prepared}
    jobs = begun(prepared, worker or actor.principal.name[:100]) if prepared else []
    prepared.clear()
    return {"data": [Claimed(job, _within_timeout(job, by_job[job.pk])) for job in jobs]}


def _within_timeout(job: Job, lease: turns.Lease) -> turns.Lease:
    """The lease, no longer than one attempt at the job may take."""
    limit = job.attempt_seconds
    if limit is None or lease.until <= clock.now() + timedelta(seconds=limit):
        return lease
    until = leases.renew(lease.job_id, lease.token, limit)
    return lease if until is None else replace(lease, until=until)


def begun(held: list[turns.Lease], worker: str) -> list[Job]:
    """Begin an attempt at each of the leased jobs; a job that ended meanwhile is left out, and its lease with it.

    So is one whose time is over, which ends, and one whose lease is lost by now: whoever claimed it may have stood
    still for longer than that.
    """
    tokens = {lease.job_id: lease.token for lease in held}
    with transaction.atomic():
        kept = leases.hold_all(tokens.items())
        jobs = running.begin([lease for lease in held if lease.job_id in kept], worker)
        if over := kept - {job.pk for job in jobs}:
            with whole_tenant():
                expiring.end_due(over)
    return jobs


@contextmanager
def refusing_late(actor: Actor, **_: Any) -> Iterator[Late]:  # noqa: ARG001 - where operations are prepared
    """Yields a list for jobs about which an operation is refused since their deadline has come.

    They end after the operation's transaction, which takes back whatever it wrote.
    """
    late: Late = []
    try:
        yield late
    finally:
        if late:
            expiring.end_now(late)


def require_time(job: Job, late: Late) -> None:
    """Raise LeaseLost where the deadline of a job that runs has come, and note it in `late`."""
    if expiring.is_late(job):
        _refuse_late(job, late)


def _refuse_late(job: Job, late: Late) -> NoReturn:
    late.append(job.pk)
    raise LeaseLost(f"{encode('job', job.pk)} is expired: its deadline_at has passed. {LeaseLost.advice}")


@operation(
    "jobs.heartbeat",
    scope="jobs:work",
    risk=Risk.WRITE,
    input=forms.HeartbeatInput,
    output=forms.HeartbeatOutput,
    prepare=refusing_late,
    records_itself=True,
    untold="it says nothing but that the worker is there",
)
def heartbeat(
    actor: Actor,
    *,
    job_id: UUID,
    lease_token: str,
    prepared: Late,
    lease_seconds: int | None = None,
    progress: float | None = None,
    message: str | None = None,
) -> dict[str, Any]:
    """Renew a lease, and say how far the job is. The answer's `cancel` says that it is to be given up."""
    job = _found(actor, job_id)
    require_time(job, prepared)
    token = token_of(lease_token)
    until = renew(job, token, lease_seconds or lease_of(job.queue))
    _say(job, token, progress, message)
    # Asked under the row's lock: who cancels now waits, or has been heard.
    cancel = Job.objects.filter(pk=job.pk, state=JobState.CANCELLING).exists()
    return {"cancel": cancel, "expires_at": until}


def renew(job: Job, token: UUID, seconds: float) -> datetime:
    """Hold a lease for `seconds`, or for as long as the attempt may still take; returns until when.

    Raises LeaseLost when it is lost, and when the attempt has taken as long as it may.
    """
    until = leases.renew(job.pk, token, min(seconds, _seconds_left(job, token)))
    if until is None:
        raise LeaseLost(f"{encode('job', job.pk)} is {job.shown_state}. {LeaseLost.advice}")
    return until


def _seconds_left(job: Job, token: UUID) -> float:
    """How long the attempt may still take. Raises LeaseLost when that is over."""
    if job.attempt_seconds is None:
        return float("inf")
    began = Attempt.objects.filter(job=job, token=token).values_list("started_at", flat=True).first()
    left = job.attempt_seconds - (clock.now() - began).total_seconds() if began else float("inf")
    if left <= 0:
        said = f"{encode('job', job.pk)} may take {job.attempt_seconds} s, and took longer"
        raise LeaseLost(f"{said}. {LeaseLost.advice}")
    return left


@operation(
    "jobs.complete",
    scope="jobs:work",
    risk=Risk.WRITE,
    input=forms.JobCompleteInput,
    output=forms.JobOutput,
    prepare=refusing_late,
    records_itself=True,
    untold="job.succeeded says it",
)
def complete_job(actor: Actor, *, job_id: UUID, lease_token: str, prepared: Late, result: Any = None) -> Job:
    """Say that a job is done, with its result. One that was cancelled meanwhile stays cancelled.

    After its deadline that is refused with `lease_lost`, and the job is expired.
    """
    require_small("result", result)
    outcome = Outcome(
        job_id, token_of(lease_token), JobState.SUCCEEDED, AttemptState.SUCCEEDED, result=result
    )
    return _ended(actor, _found(actor, job_id), outcome, prepared)


@operation(
    "jobs.fail",
    scope="jobs:work",
    risk=Risk.WRITE,
    input=forms.JobFailInput,
    output=forms.JobOutput,
    prepare=refusing_late,
    records_itself=True,
    untold="job.failed and job.dead say it",
)
def fail_job(
    actor: Actor,
    *,
    job_id: UUID,
    lease_token: str,
    error: dict[str, Any],
    prepared: Late,
    retryable: bool = True,
    retry_after_seconds: float = 0,
) -> Job:
    """Say that an attempt failed. The job is tried again while attempts are left, unless it is not `retryable`."""
    require_small("error", error, MOST_BYTES // 8)
    job = _found(actor, job_id)
    outcome = failure(job, token_of(lease_token), error, retryable, retry_after_seconds)
    return _ended(actor, job, outcome, prepared)


def _ended(actor: Actor, job: Job, outcome: Outcome, late: Late) -> Job:
    """Write how an attempt ended. Raises LeaseLost for whoever does not hold the lease, or comes after the deadline."""
    held = settle(actor, [outcome])
    now = Job.objects.get(pk=job.pk)
    if not held:
        raise LeaseLost(f"{encode('job', now.pk)} is {now.shown_state}. {LeaseLost.advice}")
    if now.state == JobState.EXPIRED:
        _refuse_late(now, late)
    return now


def lease_of(queue: str) -> int:
    """For how many seconds a lease of `queue` is good."""
    found: int | None = Queue.objects.filter(name=queue).values_list("lease_seconds", flat=True).first()
    return found or LEASE_SECONDS


def _say(job: Job, token: UUID, progress: float | None, message: str | None) -> None:
    said = {"progress": progress, "message": message}
    changed = {name: value for name, value in said.items() if value is not None}
    if not changed:
        return
    Job.objects.filter(pk=job.pk).update(**changed)
    attempt = Attempt.objects.filter(job=job, token=token).first()
    if attempt is not None:
        line = {"at": clock.now().isoformat(), **changed}
        attempt.messages = [*attempt.messages, line][-_MOST_MESSAGES:]
        attempt.save(update_fields=["messages"])


def _found(actor: Actor, pk: UUID) -> Job:
    found = Job.objects.visible_to(actor).light().timed().filter(pk=pk).first()
    if found is None:
        raise not_found(Job, pk)
    return found


def token_of(shown: str) -> UUID:
    """The token that is meant. Raises LeaseLost for what is none: it opens nothing."""
    try:
        return decode(shown, _PREFIX)
    except ValueError:
        raise LeaseLost(f"That is no token of a lease. {LeaseLost.advice}") from None

"""Work of the platform itself, done by its own workers: functions of this project that are declared as tasks.

A task gets a `Run`: the job, and an actor that stands in the job's tenant and organization. There is no way to call
one without. That is whoever enqueued the job, with the rights that they have when it runs, or the platform itself.
What it returns becomes the job's result; what it raises ends the attempt, `NeverAgain` the job.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.apikeys.standing import NoLonger, acting_again, standing_of
from apps.core import clock
from apps.core.actor import Actor, Call, Edge, OrganizationRef, TenantRef, system_actor
from apps.core.ids import uuid7
from apps.core.problems import Problem
from apps.jobs import ending, leases, turns
from apps.jobs.actors import is_platforms, snapshot_of
from apps.jobs.ending import dispatch_of, mend_by, share_by
from apps.jobs.inserting import insert
from apps.jobs.models import Job
from apps.jobs.states import JobState
from apps.tenancy.walls import whole_tenant

#: When it is looked again whether somebody may act who may not for now, as a suspended one: after a tenth of how long
#: the job waits by now, within these bounds.
_SOONEST, _LATEST = timedelta(minutes=1), timedelta(hours=1)


class NeverAgain(Exception):  # noqa: N818 - it is an instruction
    """The job is over: another attempt would end just so. `str()` says why."""


class AgainLater(Exception):  # noqa: N818 - it is an instruction
    """This attempt failed, and another one makes sense after so many seconds at the earliest."""

    def __init__(self, said: str, seconds: float = 0) -> None:
        super().__init__(said)
        self.seconds = seconds


class NotNow(Exception):  # noqa: N818 - it is an instruction
    """Nothing was tried, because it may not be for now: the job waits so many seconds, and no attempt is counted."""

    def __init__(self, said: str, seconds: float) -> None:
        super().__init__(said)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at a task: the job, and who acts. `attempt` counts from 1."""

    job: Job
    actor: Actor

    @property
    def payload(self) -> Any:
        """What the job was enqueued with."""
        return self.job.payload

    @property
    def attempt(self) -> int:
        """The number of this attempt."""
        return self.job.attempt


@dataclass(frozen=True, slots=True)
class Task:
    """A declared function. `kind` and `queue` are those of its jobs; `retry` is their backoff.

    `most_at_once` are in flight in one tenant. Jobs of a queue have turns by organization, or by what `share` makes of
    a payload, of which `most_per_share` are in flight; None is no limit. `outgoing` ones wait for receivers of the
    tenant's choice. Where one dies that could not say so, its attempts being used up or lost, the patrol's duty
    `mended_by` is done soon.
    """

    kind: str
    queue: str
    function: Callable[[Run], Any]
    max_attempts: int = 5
    retry: Mapping[str, float] = field(default_factory=dict)
    timeout_seconds: int = 300
    share: Callable[[Any], UUID] | None = None
    most_at_once: int | None = None
    most_per_share: int | None = None
    outgoing: bool = False
    mended_by: str = ""

    def enqueue(
        self,
        actor: Actor | None,
        payload: Mapping[str, Any],
        *,
        organization_id: UUID | None = None,
        run_at: datetime | None = None,
        job_id: UUID | None = None,
    ) -> Job:
        """Enqueue one job of this task in the tenant that stands; needs a transaction.

        It is done in the name of `actor`, within what they may do then; None is the platform itself, which may do all.
        Raises what `standing_of` does. Without `organization_id` it is of the actor's organization; ValueError for
        another one than that.

        With `job_id`, a job that was there under that id already is left as it is, and is not enqueued again.
        """
        return self.enqueue_many(actor, [(payload, organization_id)], run_at=run_at, job_id=job_id)[0]

    def enqueue_many(
        self,
        actor: Actor | None,
        wishes: list[tuple[Mapping[str, Any], UUID | None]],
        *,
        run_at: datetime | None = None,
        job_id: UUID | None = None,
    ) -> list[Job]:
        """Enqueue a job for each pair of payload and organization, with two statements however many there are."""
        standing, place = _kept_of(actor), _place_of(actor, wishes)
        later = run_at is not None and run_at > clock.now()
        jobs = [
            Job(
                id=job_id or uuid7(),
                organization_id=organization_id or place,
                queue=self.queue,
                kind=self.kind,
                payload=payload,
                state=JobState.SCHEDULED if later else JobState.READY,
                run_at=run_at,
                max_attempts=self.max_attempts,
                retry=dict(self.retry) or None,
                timeout_seconds=self.timeout_seconds,
                system=True,
                enqueued_by=snapshot_of(actor),
                standing=standing,
                request_id=actor.call.request_id if actor else "",
                created_at=clock.now(),
            )
            for payload, organization_id in wishes
        ]
        with whole_tenant():
            if job_id is not None and Job.objects.filter(pk=job_id).exists():
                return jobs
            insert(jobs)
            leases.put([dispatch_of(job) for job in jobs])
        return jobs


_tasks: dict[str, Task] = {}


def task(kind: str, *, queue: str, **rules: Any) -> Callable[[Callable[[Run], Any]], Task]:
    """Declare a function as the task `kind`; `rules` are fields of Task. The queue's name begins with `packmule.`.

    Raises ValueError at import for a kind that is declared already.
    """

    def declare(function: Callable[[Run], Any]) -> Task:
        if kind in _tasks:
            raise ValueError(f"the task {kind} is declared twice")
        made = _tasks[kind] = Task(kind, queue, function, **rules)
        if made.share is not None:
            share_by(kind, made.share)
        if made.mended_by:
            mend_by(kind, made.mended_by)
        if made.outgoing or made.most_at_once is not None or made.most_per_share is not None:
            most, of_share = made.most_at_once, made.most_per_share
            turns.limit(queue, most=most, most_of_share=of_share, outgoing=made.outgoing)
        return made

    return declare


def find_task(kind: str) -> Task | None:
    """The task of that kind; None when nothing declares it, or not any more."""
    return _tasks.get(kind)


def _place_of(actor: Actor | None, wishes: list[tuple[Mapping[str, Any], UUID | None]]) -> UUID | None:
    """The actor's organization. Raises ValueError for a wish in another: what is done there is not theirs to do."""
    if actor is None or actor.organization is None:
        return None
    place = actor.organization.id
    if others := {wished for _, wished in wishes} - {None, place}:
        raise ValueError(f"an actor of the organization {place} enqueues nothing in {min(map(str, others))}")
    return place


def _kept_of(actor: Actor | None) -> dict[str, Any] | None:
    """What a job keeps of the actor in whose name it is done; None for the platform itself."""
    if actor is None or actor.is_system:
        return None
    standing = standing_of(actor)
    return {"who": standing.document, "marks": standing.marks}


def actor_of(job: Job, tenant: TenantRef) -> Actor:
    """Who acts in a job of the platform: whoever enqueued it, as they stand now, or the platform; in that very call.

    Raises NeverAgain when nobody acts in that name any more, and NotNow when they may not for now.
    """
    call = Call(request_id=job.request_id, edge=Edge.WORKER)
    actor = system_actor(tenant, call) if is_platforms(job.enqueued_by) else _again(job, tenant, call)
    if actor.organization is not None or job.organization_id is None:
        return actor
    return replace(actor, organization=OrganizationRef(job.organization_id, ""))


def _again(job: Job, tenant: TenantRef, call: Call) -> Actor:
    if not job.standing:
        raise NeverAgain("Whoever enqueued it, or what they did so through, is gone.")
    try:
        return acting_again(job.standing["who"], job.standing["marks"], tenant, call)
    except NoLonger as ended:
        raise NeverAgain(str(ended)) from ended
    except Problem as passing:
        raise NotNow(str(passing), _pause(job).total_seconds()) from passing


def _pause(job: Job) -> timedelta:
    waited = clock.now() - (job.started_at or clock.now())
    return min(max(waited / 10, _SOONEST), _LATEST)


def end_those_through(marks: Collection[UUID], which: Q) -> None:
    """Have nobody stand behind jobs any more that were enqueued through one of `marks`, of those that `which` finds.

    They are in the tenant that stands, and fail for good when they run next.
    """
    behind = Q(pk__in=[])
    for mark in marks:
        behind |= Q(standing__marks__contains=[str(mark)])
    with whole_tenant():
        found = Job.objects.filter(which, behind, standing__isnull=False, finished_at__isnull=True)
        ids = ending.lock(found.values_list("pk", flat=True))
        Job.objects.filter(pk__in=ids, finished_at__isnull=True).update(standing={})

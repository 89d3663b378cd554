"""Enqueuing: the job and its dispatch row in one transaction, however many there are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from apps.accounts.machines import placed
from apps.core import clock
from apps.core.actor import Actor
from apps.core.happenings import Happening, tell, told_as
from apps.core.ids import uuid7
from apps.core.models import not_found
from apps.core.problems import FieldError, ValidationFailed
from apps.jobs import leases
from apps.jobs.actors import snapshot_of
from apps.jobs.ending import dispatch_of, lock, parked, shown
from apps.jobs.errors import (
    DependencyUnknown,
    JobKeyReused,
    KindRefused,
    PayloadTooBig,
    QueueReserved,
    TimesContradict,
)
from apps.jobs.inserting import insert
from apps.jobs.models import Job, Queue, Step, job_id, snapshot
from apps.jobs.states import JobState, StepKind

_ENQUEUED = told_as("job.enqueued", "a job is enqueued, whoever or whatever does it")
#: Bytes of JSON that are kept with a job, as its payload or as its result.
MOST_BYTES = 256 * 1024
#: The platform's own queues.
RESERVED = "packmule."
_EARLIEST, _LATEST = timedelta(days=1), timedelta(days=366)


def enqueue(actor: Actor, wishes: Sequence[Mapping[str, Any]]) -> list[Job]:
    """Enqueue what `wishes` say (fields of serializers.JobInput), and return the jobs in that order.

    A wish with the key of an unfinished job in its queue is that job, if it says the same. Raises what the first wish
    that cannot be met objects to; nothing is enqueued then.
    """
    queues = Queue.objects.in_bulk({wish["queue"] for wish in wishes}, field_name="name")
    made = [_job(actor, wish, queues.get(wish["queue"])) for wish in wishes]
    _require_parents(actor, made)
    jobs = _kept(made)
    kept = {job.pk for job in jobs}
    new = [job for job in made if job.pk in kept]
    waiting = _steps(actor, new, dict(zip((job.pk for job in made), wishes, strict=True)))
    rows = [parked(job) if job.pk in waiting else dispatch_of(job) for job in new]
    leases.put([row for row in rows if row.pk not in waiting or row.ends_at is not None])
    _tell(actor, new)
    return jobs


def check(actor: Actor, wish: Mapping[str, Any]) -> None:
    """Raise what `enqueue` would object to in `wish` itself, without enqueuing anything."""
    _job(actor, wish, Queue.objects.filter(name=wish["queue"]).first())


def _job(actor: Actor, wish: Mapping[str, Any], queue: Queue | None) -> Job:
    """A job that is not kept yet. Raises for one that could never run."""
    said = {
        name: value for name, value in wish.items() if name not in ("organization", "after", "delay_seconds")
    }
    if wish.get("delay_seconds") is not None:
        said["run_at"] = _delayed(wish)
    require_small("payload", said.get("payload"))
    _require_taken(said["queue"], said["kind"], queue)
    job = Job(
        id=uuid7(),
        organization_id=placed(actor, wish.get("organization")),
        enqueued_by=snapshot_of(actor),
        request_id=actor.call.request_id,
        created_at=clock.now(),
        **said,
    )
    _require_times(job)
    if job.key:
        job.fingerprint = _fingerprint(wish)
    later = job.run_at is not None and job.run_at > clock.now()
    job.state = JobState.WAITING if wish.get("after") else JobState.SCHEDULED if later else JobState.READY
    return job


def _require_parents(actor: Actor, jobs: Sequence[Job]) -> None:
    """Raise NotFound for a parent that is not there for `actor`."""
    named = {job.parent for job in jobs if job.parent is not None}
    if not named:
        return
    known = Job.objects.visible_to(actor).of_the_product().filter(pk__in=named).values_list("pk", flat=True)
    if absent := named - set(known):
        raise not_found(Job, min(absent))


def _delayed(wish: Mapping[str, Any]) -> datetime:
    if wish.get("run_at") is not None:
        said = "It stands instead of run_at; say one of them."
        raise ValidationFailed(
            f"delay_seconds: {said}", errors=[FieldError("delay_seconds", "exclusive", said)]
        )
    return clock.now() + timedelta(seconds=wish["delay_seconds"])


def require_small(name: str, value: Any, most: int = MOST_BYTES) -> None:
    """Raise PayloadTooBig for a document of more than `most` bytes."""
    size = len(orjson.dumps(value)) if value is not None else 0
    if size > most:
        said = f"{name} has {size} bytes; a job keeps up to {most}."
        raise PayloadTooBig(
            f"{said} {PayloadTooBig.advice}", errors=[FieldError(name, PayloadTooBig.code, said)]
        )


def _require_taken(name: str, kind: str, queue: Queue | None) -> None:
    if name.startswith(RESERVED):
        raise QueueReserved(f"{name} belongs to the platform. {QueueReserved.advice}")
    if queue is not None and queue.kinds and kind not in queue.kinds:
        said = f"{name} takes jobs of the kinds {', '.join(queue.kinds)}, and this is {kind}."
        raise KindRefused(f"{said} {KindRefused.advice}", errors=[FieldError("kind", KindRefused.code, said)])


def _require_times(job: Job) -> None:
    """Raise TimesContradict and ValidationFailed for times that leave no moment, or that nobody can mean."""
    now = clock.now()
    for name in ("run_at", "expires_at", "deadline_at"):
        _require_near(name, getattr(job, name), now)
    start = max(job.run_at or now, now)
    for name in ("expires_at", "deadline_at"):
        end: datetime | None = getattr(job, name)
        if end is not None and end <= start:
            raise TimesContradict(
                f"{name} is {end:%Y-%m-%dT%H:%M:%SZ}, and it runs from {start:%Y-%m-%dT%H:%M:%SZ} on."
            )


def _require_near(name: str, time: datetime | None, now: datetime) -> None:
    if time is None or ((time > now - _EARLIEST or name == "run_at") and time < now + _LATEST):
        return
    said = f"{time:%Y-%m-%d} is further away than a year, or over."
    raise ValidationFailed(f"{name}: {said}", errors=[FieldError(name, "out_of_range", said)])


def _fingerprint(wish: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(orjson.dumps(wish, option=orjson.OPT_SORT_KEYS, default=str)).digest()


def _kept(jobs: Sequence[Job]) -> list[Job]:
    """Insert `jobs`; one whose key is taken is replaced by the job that has it. Raises JobKeyReused."""
    if not any(job.key for job in jobs):
        insert(jobs)
        return list(jobs)
    there: dict[tuple[Any, ...], Job] = {}
    # In one order, so that two who enqueue the same keys wait for each other instead of both.
    missing = sorted(jobs, key=lambda job: (job.queue, job.key))
    while missing:
        Job.objects.bulk_create(missing, ignore_conflicts=True)
        there |= {_place(job): job for job in _holders(missing)}
        # Whoever had the key may have ended in between: then it is free now.
        missing = [job for job in missing if job.key and _place(job) not in there]
    _require_same(jobs, there)
    return [_answered(job, there.get(_place(job))) for job in jobs]


def _place(job: Job) -> tuple[Any, ...]:
    """Within what a job's key is the only one; for one without, nothing else's."""
    return (job.queue, job.key, job.organization_id) if job.key else (job.pk,)


def _answered(job: Job, holder: Job | None) -> Job:
    return job if holder is None or holder.pk == job.pk else holder


def _holders(jobs: Sequence[Job]) -> Any:
    keyed = [job for job in jobs if job.key]
    return Job.objects.unfinished().filter(
        queue__in={job.queue for job in keyed}, key__in={job.key for job in keyed}
    )


def _require_same(jobs: Sequence[Job], there: Mapping[Any, Job]) -> None:
    for job in jobs:
        holder = there.get(_place(job))
        if holder is not None and bytes(holder.fingerprint or b"") != job.fingerprint:
            raise JobKeyReused(
                f"{job_id(holder)} has the key {job.key} and does something else. {JobKeyReused.advice}"
            )


def _steps(actor: Actor, jobs: Sequence[Job], wishes: Mapping[UUID, Mapping[str, Any]]) -> set[UUID]:
    """Write down what each job waits for. Returns the ids of those that wait."""
    wanted = {job.pk: list(dict.fromkeys(wishes[job.pk].get("after") or [])) for job in jobs}
    others = {other for after in wanted.values() for other in after}
    if not others:
        return set()
    visible = Job.objects.visible_to(actor).of_the_product()
    # Locked, so that none of them ends between the look and the commit.
    locked = lock(visible.filter(pk__in=others).values_list("pk", flat=True))
    known = {job.pk: job for job in visible.light().filter(pk__in=locked)}
    if missing := others - known.keys():
        raise DependencyUnknown(f"There is no {shown(min(missing))}. {DependencyUnknown.advice}")
    steps = [_step(job, known[other]) for job in jobs for other in wanted[job.pk]]
    Step.objects.bulk_create(steps)
    waiting = {step.job_id for step in steps if step.done_at is None}
    idle = [job for job in jobs if wanted[job.pk] and job.pk not in waiting]
    for job in idle:
        job.state = JobState.SCHEDULED if job.run_at and job.run_at > clock.now() else JobState.READY
    Job.objects.bulk_update(idle, ["state"])
    return waiting


def _step(job: Job, other: Job) -> Step:
    if other.is_over and other.state != JobState.SUCCEEDED:
        raise DependencyUnknown(f"{job_id(other)} is {other.state} and will not succeed. Run it again first.")
    over = (
        {"done_at": clock.now(), "result": {"job": job_id(other), "state": str(other.state)}}
        if other.is_over
        else {}
    )
    return Step(
        job=job,
        organization_id=job.organization_id,
        name=job_id(other),
        kind=StepKind.JOB,
        on_job=other.pk,
        **over,
    )


def _tell(actor: Actor, jobs: Sequence[Job]) -> None:
    told = [Happening(_ENQUEUED, job_id(job), job.organization_id, snapshot(job)) for job in jobs]
    if told:
        tell(actor, *told)

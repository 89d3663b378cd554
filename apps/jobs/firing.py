"""Firing: each time of a schedule is a job of the platform, whose run enqueues the product's job and the next firing.

The id of that job is made of the schedule and the time, and it does nothing for a schedule that waits for another time
by now. So it does not matter how many workers there are, how often one of them tries, or who changes the schedule
meanwhile: a time is fired once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from django.db import connection, transaction
from django.db.models import Q

from apps.apikeys.resolver import within
from apps.apikeys.standing import NoLonger, acting_again
from apps.core import clock
from apps.core.actor import Actor
from apps.core.happenings import Happening, tell, told_as
from apps.core.ids import decode
from apps.core.problems import Problem, ServiceUnavailable
from apps.core.strictjson import timestamp
from apps.jobs import cron, jobs, leases
from apps.jobs.backoff import PATIENT
from apps.jobs.errors import JobKeyReused
from apps.jobs.models import Firing, Job, Schedule
from apps.jobs.registry import Dispatch, DispatchState
from apps.jobs.serializers import MOST_AT_ONCE
from apps.jobs.states import ENDED, CatchUp, FiringOutcome
from apps.jobs.tasks import AgainLater, Run, task
from apps.tenancy.models import Tenant
from apps.tenancy.patrol import Rows, rows_of
from apps.tenancy.walls import current_tenant, enter, registry, whole_tenant

QUEUE = "packmule.schedules"
#: The most times that one firing looks at. Of an outage that had more, the next firing makes up for the following
#: ones where each gets a job, and elsewhere they are left out of the count.
MOST_MISSED = 1000
#: A time is missed when nobody fired it this long after it was due.
GRACE = timedelta(minutes=1)
KEPT = timedelta(days=30)
#: What the worker does about schedules whose next firing is lost, by its name.
MENDING = "lost firings"
#: Seconds until a firing is tried again in a tenant that serves nobody now, because its code is being changed.
_BUSY = 10
_STOPPED = told_as("schedule.stopped", "a schedule fires no more, because nobody stands behind it any more")
_REFUSED = told_as("schedule.refused", "a schedule fired, and its job was refused; `code` says why")
_SKIPPED = told_as("schedule.skipped", "times of a schedule were missed, and are not made up for")


@dataclass(frozen=True, slots=True)
class Batch:
    """Times of a schedule that are due: those for which a job is enqueued, and those for which none is.

    `fired` are pairs of a time and for how many it stands. `left_out` says that more were missed than are counted,
    `until` up to when the times are dealt with.
    """

    fired: list[tuple[datetime, int]]
    skipped: list[datetime]
    until: datetime
    left_out: bool = False


def times_of(schedule: Schedule) -> cron.Times:
    """When the schedule fires."""
    if schedule.at is not None:
        return cron.Once(schedule.at)
    if schedule.every_seconds is not None:
        return cron.Interval(schedule.every_seconds, schedule.created_at)
    return cron.Cron(schedule.cron, schedule.timezone)


def arm(schedule: Schedule, after: datetime, before: Job | None = None) -> None:
    """Have a schedule fire at its first time after `after`. The row is locked or new; the caller saves `next_at`.

    Times that it fired already are over, whoever's clock says what. `before` is the firing that this one follows.
    """
    schedule.next_at = cron.first_after(times_of(schedule), max(after, schedule.last_at or after))
    if schedule.next_at is not None:
        _put(schedule, schedule.next_at, before)


def disarm(schedule: Schedule) -> None:
    """Withdraw the firing that a locked schedule waits for. The caller saves `next_at`."""
    if schedule.next_at is not None:
        _withdraw(_firing_id(schedule, schedule.next_at))
    schedule.next_at = None


def stop(schedule: Schedule, because: str) -> None:
    """Have a locked schedule fire no more until somebody resumes it, and tell why."""
    disarm(schedule)
    schedule.apply({"paused_at": clock.now(), "stopped_because": because[:500]})
    schedule.save(update_fields=["next_at"])
    _tell(schedule, _STOPPED)


def stop_those_through(marks: Collection[UUID], which: Q) -> None:
    """Stop the schedules behind which one of `marks` stands, of those in the tenant that stands that `which` finds."""
    behind = Q(pk__in=[])
    for mark in marks:
        behind |= Q(lineage__contains=[str(mark)])
    with whole_tenant():
        found = Schedule.objects.filter(which, behind, paused_at=None).select_for_update(of=("self",))
        for schedule in found.order_by("id"):
            stop(schedule, "Whoever made it, or what it was made by, is gone.")


@task("schedules.fire", queue=QUEUE, max_attempts=1000, retry=PATIENT, mended_by=MENDING)
def fire(run: Run) -> dict[str, Any]:
    """Fire a schedule at the time that the payload names, and put the next firing."""
    at = datetime.fromisoformat(run.payload["at"])
    with transaction.atomic(), whole_tenant():
        found = Schedule.objects.select_for_update(of=("self",))
        schedule = found.filter(pk=decode(run.payload["schedule"], Schedule.id_prefix)).first()
        if schedule is None or schedule.paused or schedule.next_at != at:
            return {"fired": 0}
        _forget(run.payload["before"])
        return {"fired": _fire(schedule, at, run)}


def _fire(schedule: Schedule, at: datetime, run: Run) -> int:
    now = _now()
    batch = batch_of(schedule, at, now)
    _note_skipped(schedule, batch)
    fired = _enqueue(schedule, batch, run.actor) if batch.fired else 0
    _forget_old(schedule, now)
    schedule.last_at = max([*(time for time, _ in batch.fired), *batch.skipped])
    if not schedule.paused:
        arm(schedule, batch.until, run.job)
    schedule.save(update_fields=["last_at", "next_at"])
    return fired


def _now() -> datetime:
    """The time of the database: a worker whose clock is ahead must not take times for missed that are to come."""
    held = clock.held()
    if held is not None:
        return held
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def batch_of(schedule: Schedule, at: datetime, now: datetime) -> Batch:
    """What a schedule that was to fire at `at` does about that time and those since, by its catch_up."""
    clock_of = times_of(schedule)
    found = cron.due(clock_of, at, now, MOST_MISSED + 1)
    times, more = found[:MOST_MISSED], len(found) > MOST_MISSED
    if schedule.catch_up == CatchUp.ALL and not schedule.job.key:
        return Batch([(time, 1) for time in times], [], times[-1] if more else now)
    last = cron.latest(clock_of, at, now) if more else times[-1]
    # Of jobs with one key a single one is unfinished at a time, so that it stands for all of them.
    if schedule.catch_up != CatchUp.NONE:
        return Batch([(last, len(times))], [], now, more)
    fresh = [last] if last > now - GRACE else []
    return Batch([(time, 1) for time in fresh], [time for time in times if time not in fresh], now, more)


def _enqueue(schedule: Schedule, batch: Batch, by: Actor) -> int:
    """Enqueue the jobs as whoever stands behind the schedule, if they may still do so. Returns how many."""
    try:
        actor = acting_again(schedule.standing or {}, schedule.lineage, current_tenant(), by.call)
        with transaction.atomic(), enter(actor.tenant, within(actor)):
            made = _enqueued(actor, [wish_of(schedule, time) for time, _ in batch.fired])
    except NoLonger as ended:
        _note(schedule, batch, FiringOutcome.REFUSED, str(ended))
        stop(schedule, str(ended))
    except ServiceUnavailable as busy:
        raise AgainLater(str(busy), _BUSY) from busy
    except JobKeyReused as unfinished:
        _note(schedule, batch, FiringOutcome.SKIPPED, str(unfinished))
    except Problem as refusal:
        _note(schedule, batch, FiringOutcome.REFUSED, str(refusal))
        _tell(schedule, _REFUSED, code=refusal.code)
    else:
        _note(schedule, batch, FiringOutcome.FIRED, "", made)
        return len(made)
    return 0


def _enqueued(actor: Actor, wishes: Sequence[dict[str, Any]]) -> list[Job]:
    """Enqueue by the operations, so that it is decided and recorded as if the actor called them."""
    if len(wishes) == 1:
        return [jobs.enqueue_job(actor, **wishes[0])]
    made: list[Job] = []
    for first in range(0, len(wishes), MOST_AT_ONCE):
        made += jobs.enqueue_jobs(actor, jobs=wishes[first : first + MOST_AT_ONCE])["data"]
    return made


def wish_of(schedule: Schedule, at: datetime) -> dict[str, Any]:
    """What a job of the schedule for the time `at` is enqueued with; `run_at` tells its worker that time."""
    said = {name: value for name, value in schedule.options.items() if not name.endswith("_after_seconds")}
    for name in ("expires", "deadline"):
        seconds = schedule.options.get(f"{name}_after_seconds")
        if seconds is not None:
            said[f"{name}_at"] = clock.now() + timedelta(seconds=seconds)
    return {
        "queue": schedule.queue,
        "kind": schedule.kind,
        "payload": schedule.payload,
        "organization": schedule.organization_id,
        "schedule_id": schedule.pk,
        "run_at": at,
        **said,
    }


def _note(
    schedule: Schedule, batch: Batch, outcome: FiringOutcome, reason: str, made: Sequence[Job] = ()
) -> None:
    """Write down what came of the times that were to be fired."""
    rows = [
        _row(schedule, at, outcome, times=times, reason=_reason(reason, batch)) for at, times in batch.fired
    ]
    for row, job in zip(rows, made, strict=False):
        row.job = job
    Firing.objects.bulk_create(rows)


def _note_skipped(schedule: Schedule, batch: Batch) -> None:
    """Write down, as one row, the times that were missed and are not made up for."""
    if not batch.skipped:
        return
    reason = _reason(f"Missed until {timestamp(batch.skipped[-1])}.", batch)
    row = _row(schedule, batch.skipped[0], FiringOutcome.SKIPPED, times=len(batch.skipped), reason=reason)
    row.save(force_insert=True)
    _tell(schedule, _SKIPPED, times=len(batch.skipped))


def _row(schedule: Schedule, at: datetime, outcome: FiringOutcome, **more: Any) -> Firing:
    return Firing(
        schedule=schedule,
        organization_id=schedule.organization_id,
        at=at,
        outcome=outcome,
        done_at=clock.now(),
        **more,
    )


def _reason(reason: str, batch: Batch) -> str:
    more = (
        f"More than {MOST_MISSED} times were missed; the later ones are left out." if batch.left_out else ""
    )
    return f"{reason} {more}".strip()[:500]


def _forget_old(schedule: Schedule, now: datetime) -> None:
    Firing.objects.filter(schedule=schedule, at__lt=now - KEPT, done_at__lt=now - KEPT).delete()


def _tell(schedule: Schedule, kind: str, **more: Any) -> None:
    """Tell of what no job says. Why it was is said by the schedule, to those who may read it."""
    data = {"queue": schedule.queue, "kind": schedule.kind, **more}
    tell(None, Happening(kind, schedule.public_id, schedule.organization_id, data))


def _firing_id(schedule: Schedule, at: datetime) -> UUID:
    return uuid5(schedule.pk, timestamp(at))


def _put(schedule: Schedule, at: datetime, before: Job | None = None) -> None:
    job_id, chain = _firing_id(schedule, at), before.public_id if before is not None else None
    payload = {"schedule": schedule.public_id, "at": at.isoformat(), "before": chain}
    fire.enqueue(None, payload, organization_id=schedule.organization_id, run_at=at, job_id=job_id)
    if at <= clock.now():
        # So says this machine's clock. Whether it is due is for the sweep to say, by the database's.
        with registry(savepoint=False):
            waits = Dispatch.objects.filter(pk=job_id, state=DispatchState.READY)
            waits.update(state=DispatchState.SCHEDULED)


def _forget(before: str | None) -> None:
    """Delete the firing before, which is over: what came of it is written down, and there may be one each second."""
    if before is not None:
        Job.objects.filter(pk=decode(before, Job.id_prefix), state__in=sorted(ENDED)).delete()


def _withdraw(job_id: UUID) -> None:
    """Take back a firing. One that runs now waits for the schedule's row, and finds that it came too late."""
    if leases.withdraw(job_id):
        with whole_tenant():
            Job.objects.filter(pk=job_id).delete()


def overdue(tenant: Tenant) -> list[Rows]:  # noqa: ARG001 - what duties get
    """The schedules of the tenant that stands whose firing may be lost: nobody fired it when it was due."""
    missed = Schedule.objects.filter(paused_at=None, next_at__lt=clock.now() - GRACE)
    return rows_of(missed)


def mend() -> int:
    """Put the next firing of each schedule of the tenant that stands where it is lost; returns how many were.

    That is so after a tenant was moved to another installation, and when a firing was cancelled or never succeeded.
    """
    with transaction.atomic(), whole_tenant():
        waiting = list(Schedule.objects.filter(paused_at=None).exclude(next_at=None).order_by("id"))
        ids = {_firing_id(one, one.next_at): one for one in waiting if one.next_at is not None}
        if not ids:
            return 0
        with registry(savepoint=False):
            there = set(Dispatch.objects.filter(pk__in=ids).values_list("pk", flat=True))
        lost = [ids[job_id].pk for job_id in ids.keys() - there]
        found = Schedule.objects.select_for_update(of=("self",), skip_locked=True).filter(pk__in=lost)
        return sum(_mended(schedule) for schedule in found.order_by("id"))


def _mended(schedule: Schedule) -> int:
    """Put the firing of a locked schedule again, unless it has been meanwhile."""
    if schedule.next_at is None or schedule.paused:
        return 0
    job_id = _firing_id(schedule, schedule.next_at)
    with registry(savepoint=False):
        if Dispatch.objects.filter(pk=job_id).exists():
            return 0
    Job.objects.filter(pk=job_id).delete()
    _put(schedule, schedule.next_at)
    return 1

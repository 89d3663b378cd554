"""Operations on schedules: what enqueues jobs by the clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts.machines import placed
from apps.apikeys.standing import standing_of
from apps.core import clock
from apps.core.actor import Actor
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import FieldError
from apps.jobs import cron, firing
from apps.jobs import schedule_forms as forms
from apps.jobs.actors import snapshot_of
from apps.jobs.enqueuing import check, enqueue
from apps.jobs.errors import ClockAmbiguous, ScheduleNameTaken, ScheduleOver
from apps.jobs.jobs import enqueue_job
from apps.jobs.models import JOB_OPTIONS, Firing, Schedule
from apps.jobs.querysets import ScheduleQuerySet
from apps.jobs.states import FiringOutcome

_CLOCKS = ("cron", "every_seconds", "at")


@operation(
    "schedules.list",
    scope="schedules:read",
    risk=Risk.READ,
    input=forms.ScheduleParameters,
    output=forms.ScheduleOutput,
    lists=True,
)
def list_schedules(actor: Actor, /, *, paused: bool | None = None, **filters: Any) -> ScheduleQuerySet:
    """List schedules, the newest first, with when each fires next."""
    columns = {"organization": "organization_id"}
    chosen = {columns.get(name, name): value for name, value in filters.items()}
    found = Schedule.objects.visible_to(actor).filter(**chosen)
    return found if paused is None else found.filter(paused_at__isnull=not paused)


@operation("schedules.get", scope="schedules:read", risk=Risk.READ, output=forms.ScheduleOutput)
def get_schedule(actor: Actor, *, schedule_id: UUID) -> Schedule:
    """Read one schedule: when it fires next, and in whose name."""
    return _found(actor, schedule_id)


@operation(
    "schedules.create",
    scope="schedules:write",
    risk=Risk.WRITE,
    input=forms.ScheduleInput,
    output=forms.ScheduleOutput,
)
def create_schedule(actor: Actor, /, *, organization: UUID | None = None, **said: Any) -> Schedule:
    """Make a schedule: it enqueues a job at the times of a cron expression, at an interval, or once.

    It does so in your name, and each time it is decided anew whether you may enqueue jobs. It stops when you leave, and
    when the key or the delegation ends by which you made it. It needs the scope jobs:write too.
    """
    standing = _kept(actor)
    now = clock.now()
    schedule = Schedule(
        organization_id=placed(actor, organization),
        created_by=snapshot_of(actor),
        created_at=now,
        **_columns(said),
        **standing,
    )
    _require_clock(schedule)
    _require_enqueuing(actor, schedule)
    firing.arm(schedule, now)
    _saved(schedule)
    return schedule


@operation(
    "schedules.update",
    scope="schedules:write",
    risk=Risk.WRITE,
    input=forms.SchedulePatch,
    output=forms.ScheduleOutput,
    versioned=True,
)
def update_schedule(
    actor: Actor, /, *, schedule_id: UUID, expected_version: int | None = None, **said: Any
) -> Schedule:
    """Change a schedule. From then on it fires in your name; jobs that it has enqueued stay as they are."""
    standing = _kept(actor)
    schedule = Schedule.locked(Schedule.objects.visible_to(actor), schedule_id, expected_version)
    before = _clock(schedule)
    try:
        with transaction.atomic():
            schedule.apply({**_columns(_one_clock(said), schedule.options), **standing})
    except IntegrityError:
        raise _name_taken(schedule) from None
    _require_enqueuing(actor, schedule)
    if _clock(schedule) != before:
        _require_clock(schedule)
        _wind(schedule)
    return schedule


@operation("schedules.pause", scope="schedules:write", risk=Risk.WRITE, output=forms.ScheduleOutput)
def pause_schedule(actor: Actor, *, schedule_id: UUID) -> Schedule:
    """Pause a schedule. Its times pass until it is resumed, and are not made up for."""
    schedule = _locked(actor, schedule_id)
    if not schedule.paused:
        firing.disarm(schedule)
        schedule.apply({"paused_at": clock.now(), "stopped_because": ""})
        schedule.save(update_fields=["next_at"])
    return schedule


@operation("schedules.resume", scope="schedules:write", risk=Risk.WRITE, output=forms.ScheduleOutput)
def resume_schedule(actor: Actor, *, schedule_id: UUID) -> Schedule:
    """Let a schedule go on that was paused, or that stopped: at its next time, and in your name."""
    standing = _kept(actor)
    schedule = _locked(actor, schedule_id)
    if schedule.paused:
        _require_enqueuing(actor, schedule)
        schedule.apply({"paused_at": None, "stopped_because": "", **standing})
        _require_clock(schedule)
        _wind(schedule)
    return schedule


@operation(
    "schedules.run",
    scope="schedules:write",
    risk=Risk.WRITE,
    output=forms.FiringOutput,
    subject=lambda firing: firing.schedule,
)
def run_schedule(actor: Actor, *, schedule_id: UUID) -> Firing:
    """Enqueue a job of the schedule now, as yourself. Its times stay as they are; a paused one is run too."""
    schedule, now = _locked(actor, schedule_id), clock.now()
    _require_enqueuing(actor, schedule)
    (job,) = enqueue(actor, [firing.wish_of(schedule, now)])
    return Firing.objects.create(
        schedule=schedule,
        organization_id=schedule.organization_id,
        at=now,
        outcome=FiringOutcome.FIRED,
        job=job,
        by_hand=True,
        done_at=now,
    )


@operation(
    "schedules.firings",
    scope="schedules:read",
    risk=Risk.READ,
    input=forms.FiringParameters,
    output=forms.FiringsOutput,
)
def list_firings(actor: Actor, *, schedule_id: UUID, limit: int) -> dict[str, Any]:
    """List when a schedule fires next, and when it did: with the job that was enqueued, or why there was none."""
    schedule = _found(actor, schedule_id)
    past = Firing.objects.filter(schedule=schedule).order_by("-at", "-id")[:limit]
    return {"next": _coming(schedule, limit), "past": list(past)}


@operation("schedules.delete", scope="schedules:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_schedule(actor: Actor, *, schedule_id: UUID, expected_version: int | None = None) -> Schedule:
    """Delete a schedule, with the list of its firings. Jobs that it has enqueued stay."""
    schedule = Schedule.locked(Schedule.objects.visible_to(actor), schedule_id, expected_version)
    firing.disarm(schedule)
    Schedule.objects.filter(pk=schedule.pk).delete()
    return schedule


def _found(actor: Actor, pk: UUID) -> Schedule:
    found = Schedule.objects.visible_to(actor).filter(pk=pk).first()
    if found is None:
        raise not_found(Schedule, pk)
    return found


def _locked(actor: Actor, pk: UUID) -> Schedule:
    return Schedule.locked(Schedule.objects.visible_to(actor), pk, None)


def _coming(schedule: Schedule, most: int) -> list[Any]:
    """The times at which it will fire; those that are due already are one, the next."""
    if schedule.next_at is None:
        return []
    times = firing.times_of(schedule)
    coming = [schedule.next_at, *cron.upcoming(times, max(schedule.next_at, clock.now()), most - 1)]
    return [time for time in coming if schedule.ends_at is None or time < schedule.ends_at]


def _kept(actor: Actor) -> dict[str, Any]:
    """The columns that say in whose name it fires. It locks what a removal of them does, so it comes first."""
    standing = standing_of(actor)
    return {
        "acts_as": snapshot_of(actor),
        "standing": standing.document,
        "lineage": standing.marks,
        "ends_at": standing.ends_at,
    }


def _columns(said: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What was said, as columns: the options of its jobs are one."""
    columns = {name: value for name, value in said.items() if name not in JOB_OPTIONS}
    given = {name: value for name, value in said.items() if name in JOB_OPTIONS}
    if "cron" in columns:
        columns["cron"] = columns["cron"] or ""
    return {**columns, "options": {**(options or {}), **given}}


def _one_clock(said: Mapping[str, Any]) -> dict[str, Any]:
    """`said`, with the other clocks taken away where one is set. Raises ClockAmbiguous for several."""
    named = [name for name in _CLOCKS if name in said]
    if len(named) > 1:
        raise _ambiguous(named)
    return {**(dict.fromkeys(_CLOCKS) if named else {}), **said}


def _clock(schedule: Schedule) -> tuple[Any, ...]:
    return schedule.cron, schedule.timezone, schedule.every_seconds, schedule.at


def _require_clock(schedule: Schedule) -> None:
    """Raise unless the schedule has one clock, by which there is a time to come."""
    named = [name for name in _CLOCKS if getattr(schedule, name)]
    if len(named) != 1:
        raise _ambiguous(named)
    cron.zone(schedule.timezone)
    now = clock.now()
    if schedule.cron:
        cron.require_cron(schedule.cron, schedule.timezone, now)
    elif cron.first_after(firing.times_of(schedule), now) is None:
        said = f"{schedule.at:%Y-%m-%dT%H:%M:%SZ} is not between now and a hundred years from now."
        raise ScheduleOver(
            f"{said} {ScheduleOver.advice}", errors=[FieldError("at", ScheduleOver.code, said)]
        )


def _ambiguous(named: list[str]) -> ClockAmbiguous:
    said = f"This has {' and '.join(named)}." if named else "This has none of them."
    return ClockAmbiguous(
        f"{said} {ClockAmbiguous.advice}",
        errors=[FieldError(name, ClockAmbiguous.code, said) for name in named or _CLOCKS],
    )


def _require_enqueuing(actor: Actor, schedule: Schedule) -> None:
    """Raise what would refuse the actor to enqueue its jobs themselves, or the queue to take them."""
    wish = firing.wish_of(schedule, clock.now())
    enqueue_job.require(actor, wish)
    check(actor, wish)


def _wind(schedule: Schedule) -> None:
    """Withdraw the firing of a locked schedule, and put the next one unless it is paused."""
    firing.disarm(schedule)
    if not schedule.paused:
        firing.arm(schedule, clock.now())
    schedule.save(update_fields=["next_at"])


def _saved(schedule: Schedule) -> None:
    try:
        with transaction.atomic():
            schedule.save(force_insert=True)
    except IntegrityError:
        raise _name_taken(schedule) from None


def _name_taken(schedule: Schedule) -> ScheduleNameTaken:
    return ScheduleNameTaken(f"There is a schedule called {schedule.name}. {ScheduleNameTaken.advice}")

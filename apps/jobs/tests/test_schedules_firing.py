"""What becomes of times that were missed, of firings that are tried twice or lost, and of two workers at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Barrier
from time import sleep
from typing import Any

import pytest
from django.db import connections

from apps.core import clock
from apps.core.clock import FrozenClock
from apps.core.ids import decode
from apps.core.strictjson import timestamp
from apps.jobs import firing, sweeping
from apps.jobs.inside import performing
from apps.jobs.inside.worker import Worker
from apps.jobs.models import Job, Schedule
from apps.jobs.registry import Dispatch, Lane, Share
from apps.jobs.settling import settle
from apps.jobs.tasks import Run, actor_of
from apps.jobs.tests.clockwork import firings, jobs_of, pending, schedule, work
from apps.tenancy.models import Errand
from apps.tenancy.patrol import Patrol
from apps.tenancy.walls import enter, outside, registry
from tests.client import Api
from tests.world import World

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.fixture
def time() -> Iterator[FrozenClock]:
    with clock.frozen(NOON) as held:
        yield held


@pytest.fixture
def me(world: World, api: Api, time: FrozenClock) -> Api:
    return api.using(world.acorn.parties["north"].person_key)


def hourly(me: Api, catch_up: str, **said: Any) -> Any:
    return schedule(me, **{"cron": "0 * * * *", "timezone": "UTC", "catch_up": catch_up, **said})


def at(hour: int, day: int = 30) -> str:
    return f"2026-11-{day:02}T{hour:02}:00:00.000000Z"


def test_one_job_makes_up_for_all_times_of_an_outage(me: Api, time: FrozenClock) -> None:
    made = hourly(me, "one")
    time.move(timedelta(hours=5, minutes=20))
    assert work() == [{"fired": 1}]
    (job,) = jobs_of(me, made)
    assert job["run_at"] == at(17)
    answer = firings(me, made, 1)
    (row,) = answer["past"]
    assert (row["outcome"], row["at"], row["times"], row["job"]) == ("fired", at(17), 5, job["id"])
    assert answer["next"] == [at(18)]


def test_a_job_for_each_time_of_an_outage(me: Api, time: FrozenClock) -> None:
    made = hourly(me, "all")
    time.move(timedelta(hours=5, minutes=20))
    assert work() == [{"fired": 5}]
    assert [job["run_at"] for job in jobs_of(me, made)] == [at(hour) for hour in (13, 14, 15, 16, 17)]
    assert [row["times"] for row in firings(me, made)["past"]] == [1] * 5
    assert me.get(f"/v1/schedules/{made['id']}")["last_at"] == at(17)


def test_times_of_an_outage_that_are_let_go(me: Api, api: Api, world: World, time: FrozenClock) -> None:
    made = hourly(me, "none")
    time.move(timedelta(hours=5, minutes=20))
    assert work() == [{"fired": 0}]
    assert jobs_of(me, made) == []
    answer = firings(me, made, 1)
    (row,) = answer["past"]
    assert (row["outcome"], row["at"], row["times"], row["job"]) == ("skipped", at(13), 5, None)
    assert row["reason"] == f"Missed until {at(17)}."
    assert answer["next"] == [at(18)]
    told = api.using(world.acorn.root_key).get("/v1/events?types=schedule.skipped")["data"]
    assert [event["subject"] for event in told] == [made["id"]]
    time.at = datetime(2026, 11, 30, 18, 0, 40, tzinfo=UTC)
    assert work() == [{"fired": 1}]


def test_the_last_of_the_times_that_were_let_go_is_fired_while_it_is_fresh(
    me: Api, time: FrozenClock
) -> None:
    made = hourly(me, "none")
    time.move(timedelta(hours=3, seconds=30))
    assert work() == [{"fired": 1}]
    (job,) = jobs_of(me, made)
    assert job["run_at"] == at(15)
    assert [(row["outcome"], row["times"]) for row in firings(me, made)["past"]] == [
        ("fired", 1),
        ("skipped", 2),
    ]


@pytest.mark.parametrize(("catch_up", "jobs"), [("none", 0), ("one", 1)])
def test_the_times_of_the_longest_outage_are_counted_in_bounds_and_it_says_so(
    me: Api, world: World, time: FrozenClock, catch_up: str, jobs: int
) -> None:
    made = schedule(me, every_seconds=600, catch_up=catch_up)
    time.move(timedelta(days=30, seconds=90))
    assert work() == [{"fired": jobs}]
    with enter(world.acorn.ref):
        enqueued = Job.objects.filter(schedule=decode(made["id"], "sch")).order_by("run_at")
        assert enqueued.count() == jobs
        if catch_up == "one":
            assert enqueued[0].run_at == NOON + timedelta(days=30)
    answer = firings(me, made, 1)
    assert answer["next"] == [timestamp(NOON + timedelta(days=30, minutes=10))]
    (row,) = answer["past"]
    assert "More than 1000 times were missed" in row["reason"]
    time.move(timedelta(minutes=9))
    assert work() == [{"fired": 1}]


def minutes_of(world: World, made: Any) -> list[float]:
    """For which times jobs were enqueued, as minutes since noon."""
    with enter(world.acorn.ref):
        times = (
            Job.objects.filter(schedule=decode(made["id"], "sch")).order_by("run_at").values_list("run_at")
        )
        return [(time - NOON).total_seconds() / 60 for (time,) in times if time is not None]


def test_each_time_of_a_long_outage_gets_its_job_a_thousand_a_firing(
    me: Api, world: World, time: FrozenClock
) -> None:
    made = schedule(me, every_seconds=60, catch_up="all")
    time.move(timedelta(minutes=1400, seconds=30))
    assert work() == [{"fired": 1000}]
    behind = me.get(f"/v1/schedules/{made['id']}")
    assert (behind["last_at"], behind["next_at"]) == tuple(
        timestamp(NOON + timedelta(minutes=minutes)) for minutes in (1000, 1001)
    )
    assert work() == [{"fired": 400}]
    assert minutes_of(world, made) == list(range(1, 1401))
    assert firings(me, made, 1)["next"] == [timestamp(NOON + timedelta(minutes=1401))]
    assert {row["reason"] for row in firings(me, made, 100)["past"]} == {""}


def test_an_outage_of_days_is_made_up_for_although_a_worker_dies_over_it(
    me: Api, world: World, time: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firing, "MOST_MISSED", 30)
    made = hourly(me, "all")
    time.move(timedelta(days=3, minutes=1))
    assert work() == [{"fired": 30}]
    sweeping.sweep()
    assert [held.job.kind for held in performing.take(10, "dies")[0]] == ["schedules.fire"]
    assert work() == []
    time.move(timedelta(minutes=2))
    sweeping.sweep()
    assert [work(), work(), work()] == [[{"fired": 30}], [{"fired": 12}], []]
    assert minutes_of(world, made) == [60 * hour for hour in range(1, 73)]
    assert firings(me, made, 1)["next"] == [timestamp(NOON + timedelta(hours=73))]


def test_a_change_ends_the_making_up_of_an_outage(
    me: Api, world: World, time: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firing, "MOST_MISSED", 30)
    made = hourly(me, "all")
    time.move(timedelta(days=3))
    assert work() == [{"fired": 30}]
    changed = me.patch(f"/v1/schedules/{made['id']}", {"cron": "30 * * * *"})
    assert changed["next_at"] == timestamp(NOON + timedelta(days=3, minutes=30))
    assert (work(), len(minutes_of(world, made))) == ([], 30)


def test_a_firing_that_is_done_twice_fires_once(me: Api, world: World, time: FrozenClock) -> None:
    made = hourly(me, "all")
    time.move(timedelta(hours=1))
    with enter(world.acorn.ref):
        job = Job.objects.unfinished().get(kind="schedules.fire")
    sweeping.ripen()
    sweeping.repair()
    (held,), _ = performing.take(1, "worker")
    with enter(held.tenant, held.job.organization_id):
        run = Run(held.job, actor_of(held.job, held.tenant))
        assert [firing.fire.function(run), firing.fire.function(run)] == [{"fired": 1}, {"fired": 0}]
    assert held.job.pk == job.pk
    assert len(jobs_of(me, made)) == 1
    assert pending(world.acorn) == 2, "the one that was done, and the next"


def test_a_firing_that_is_withdrawn_while_it_runs_fires_nothing(
    me: Api, world: World, time: FrozenClock
) -> None:
    made = hourly(me, "all")
    time.move(timedelta(hours=1))
    sweeping.ripen()
    sweeping.repair()
    (held,), _ = performing.take(1, "worker")
    assert me.post(f"/v1/schedules/{made['id']}/pause").status == 200
    outcome = performing.perform(held)
    assert outcome is not None
    assert outcome.result == {"fired": 0}
    with enter(held.tenant):
        assert len(settle(None, [outcome])) == 1
    assert (jobs_of(me, made), pending(world.acorn)) == ([], 0)


def test_no_time_is_fired_again_by_a_clock_that_goes_wrong(me: Api, time: FrozenClock) -> None:
    made = schedule(me, cron="* * * * *", timezone="UTC")
    time.move(timedelta(minutes=1))
    assert work() == [{"fired": 1}]
    time.move(timedelta(minutes=-10))
    path = f"/v1/schedules/{made['id']}"
    assert me.patch(path, {"cron": "*/1 * * * *"})["next_at"] == timestamp(NOON + timedelta(minutes=2))


def test_a_worker_whose_clock_is_ahead_fires_nothing_that_is_to_come(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = api.using(world.acorn.parties["north"].person_key)
    with clock.frozen(clock.now() - timedelta(seconds=61)):
        made = schedule(me, every_seconds=60, catch_up="all")
    with monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(minutes=10))
        assert work() == [{"fired": 1}]
    assert len(jobs_of(me, made)) == 1
    assert me.get(f"/v1/schedules/{made['id']}")["next_at"] < timestamp(clock.now() + timedelta(minutes=1))


def test_a_firing_that_is_lost_comes_back_in_time(me: Api, world: World, time: FrozenClock) -> None:
    made, whole = hourly(me, "one"), schedule(me, name="other", cron="30 * * * *", timezone="UTC")
    paused = schedule(me, name="paused")
    me.post(f"/v1/schedules/{paused['id']}/pause")
    with registry():
        Dispatch.objects.all().delete()
    with enter(world.acorn.ref):
        Job.objects.filter(kind="schedules.fire", run_at=NOON + timedelta(hours=1)).delete()
        assert (firing.mend(), firing.mend()) == (2, 0)
    time.move(timedelta(hours=1))
    assert work() == [{"fired": 1}, {"fired": 1}]
    assert (len(jobs_of(me, made)), len(jobs_of(me, whole))) == (1, 1)


def test_a_firing_whose_last_attempt_is_lost_comes_back_within_seconds(
    me: Api, world: World, time: FrozenClock
) -> None:
    made = hourly(me, "one")
    time.move(timedelta(hours=1))
    sweeping.sweep()
    with enter(world.acorn.ref):
        Job.objects.filter(kind="schedules.fire").update(max_attempts=1)
    assert [held.job.kind for held in performing.take(10, "worker")[0]] == ["schedules.fire"]
    time.move(timedelta(minutes=2))
    sweeping.sweep()
    assert work() == []
    with outside():
        assert list(Errand.objects.values_list("duty", flat=True)) == [firing.MENDING]
    Patrol().step()
    assert work() == [{"fired": 1}]
    assert len(jobs_of(me, made)) == 1


def test_what_was_fired_long_ago_is_forgotten(me: Api, time: FrozenClock) -> None:
    made = schedule(me, cron="0 0 1 * *", timezone="UTC")
    for month in (12, 13, 14):
        year, number = 2026 + (month - 1) // 12, (month - 1) % 12 + 1
        time.at = datetime(year, number, 1, tzinfo=UTC)
        assert work() == [{"fired": 1}]
    assert [row["at"][:10] for row in firings(me, made)["past"]] == ["2027-02-01"]


@pytest.fixture
def left_clean(committing: World) -> Iterator[World]:
    yield committing
    with enter(committing.acorn.ref):
        Schedule.objects.all().delete()
        Job.objects.all().delete()
    with registry():
        for model in (Dispatch, Share, Lane):
            model.objects.all().delete()


def test_a_time_is_fired_once_by_many_workers(left_clean: World) -> None:
    me = Api(left_clean.acorn.parties["north"].person_key)
    with clock.frozen(NOON) as time:
        made = hourly(me, "all")
        time.move(timedelta(hours=3))
        with enter(left_clean.acorn.ref):
            job = Job.objects.unfinished().get(kind="schedules.fire")
        held = performing.Held(job, None, left_clean.acorn.ref)  # type: ignore[arg-type] # no lease: all of them run it
        start = Barrier(6)

        def race(_number: int) -> Any:
            try:
                start.wait()
                with enter(held.tenant, job.organization_id):
                    return firing.fire.function(Run(job, actor_of(held.job, held.tenant)))
            finally:
                connections.close_all()

        with ThreadPoolExecutor(6) as pool:
            came = sorted(answer["fired"] for answer in pool.map(race, range(6)))
        assert came == [0, 0, 0, 0, 0, 3]
        assert [one["run_at"] for one in jobs_of(me, made)] == [at(13), at(14), at(15)]
        assert pending(left_clean.acorn) == 2, "the one that all of them ran, and the next"


def test_the_platforms_worker_fires_by_itself(left_clean: World) -> None:
    me = Api(left_clean.acorn.parties["north"].person_key)
    made = schedule(me, every_seconds=1)
    worker = Worker(2)
    worker.start()
    try:
        for _ in range(200):
            if len(jobs_of(me, made)) >= 2:
                break
            sleep(0.05)
    finally:
        worker.stop()
    times = [datetime.fromisoformat(job["run_at"]) for job in jobs_of(me, made)]
    assert len(times) >= 2
    made_at = datetime.fromisoformat(made["created_at"])
    assert all((time - made_at).total_seconds() % 1 == 0 for time in times)
    assert {row["outcome"] for row in firings(me, made)["past"]} == {"fired"}


def test_whoever_changes_a_schedule_while_it_fires_meets_no_deadlock(left_clean: World) -> None:
    me = Api(left_clean.acorn.parties["north"].person_key)
    with clock.frozen(NOON) as time:
        made = schedule(me, every_seconds=1, catch_up="one")
        start = Barrier(3)

        def changing(number: int) -> int:
            try:
                start.wait()
                answers = [
                    me.patch(f"/v1/schedules/{made['id']}", {"every_seconds": 1 + (turn + number) % 2})
                    for turn in range(15)
                ]
                return sum(answer.status == 200 for answer in answers)
            finally:
                connections.close_all()

        def working(_number: int) -> int:
            try:
                start.wait()
                for _ in range(15):
                    time.move(timedelta(seconds=1))
                    with suppress(AssertionError):
                        work()
                return 15
            finally:
                connections.close_all()

        with ThreadPoolExecutor(3) as pool:
            done = [pool.submit(changing, 0), pool.submit(changing, 1), pool.submit(working, 0)]
            assert [future.result() for future in done] == [15, 15, 15]
        row = me.get(f"/v1/schedules/{made['id']}")
        assert row["next_at"] is not None
        times = [one["run_at"] for one in jobs_of(me, made)]
        assert len(times) == len(set(times)), "no time twice"
        time.move(timedelta(seconds=5))
        assert {"fired": 1} in work()

"""Schedules as their owner sees them: made, fired, paused, changed, run by hand, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.clock import FrozenClock
from apps.core.strictjson import timestamp
from apps.jobs.models import Job
from apps.jobs.tests.clockwork import firings, jobs_of, pending, schedule, work
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

NOON = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)
FIRST = datetime(2026, 3, 28, 1, 30, tzinfo=UTC)


@pytest.fixture
def time() -> Iterator[FrozenClock]:
    with clock.frozen(NOON) as held:
        yield held


@pytest.fixture
def me(world: World, api: Api, time: FrozenClock) -> Api:
    return api.using(world.acorn.parties["north"].person_key)


def test_a_schedule_fires_each_night_and_says_when(me: Api, world: World, time: FrozenClock) -> None:
    made = schedule(me)
    assert (made["next_at"], made["paused"], made["last_at"]) == (timestamp(FIRST), False, None)
    assert made["acts_as"] == made["created_by"]
    assert firings(me, made, 3)["next"] == [
        "2026-03-28T01:30:00.000000Z",
        "2026-03-29T01:00:00.000000Z",
        "2026-03-30T00:30:00.000000Z",
    ]
    assert work() == []
    for at in ("2026-03-28T01:30:00", "2026-03-29T01:00:00", "2026-03-30T00:30:00"):
        time.at = datetime.fromisoformat(f"{at}+00:00")
        assert work() == [{"fired": 1}]
        assert work() == []
    jobs = jobs_of(me, made)
    assert [job["run_at"][:19] for job in jobs] == [
        "2026-03-28T01:30:00",
        "2026-03-29T01:00:00",
        "2026-03-30T00:30:00",
    ]
    assert {(job["queue"], job["kind"], job["state"]) for job in jobs} == {
        ("reports", "report.make", "ready")
    }
    assert jobs[0]["enqueued_by"]["id"] == world.acorn.parties["north"].person
    assert jobs[0]["organization"] == world.acorn.parties["north"].id
    past = firings(me, made)["past"]
    assert [row["job"] for row in past] == [job["id"] for job in reversed(jobs)]
    assert {(row["outcome"], row["times"], row["by_hand"]) for row in past} == {("fired", 1, False)}
    now = me.get(f"/v1/schedules/{made['id']}")
    assert (now["last_at"], now["next_at"]) == ("2026-03-30T00:30:00.000000Z", "2026-03-31T00:30:00.000000Z")


def test_no_more_than_the_last_firing_and_the_next_are_kept(me: Api, world: World, time: FrozenClock) -> None:
    schedule(me, every_seconds=60)
    for _ in range(5):
        time.move(timedelta(minutes=1))
        assert work() == [{"fired": 1}]
    with enter(world.acorn.ref):
        states = Job.objects.filter(kind="schedules.fire").order_by("run_at").values_list("state", flat=True)
        assert list(states) == ["succeeded", "scheduled"]


def test_an_interval_keeps_its_step_when_a_worker_is_late(me: Api, time: FrozenClock) -> None:
    made = schedule(me, every_seconds=600)
    for late in (600, 1203, 1800 + 45):
        time.at = NOON + timedelta(seconds=late)
        assert work() == [{"fired": 1}]
    times = [NOON + timedelta(seconds=600 * number) for number in (1, 2, 3)]
    assert [job["run_at"] for job in jobs_of(me, made)] == [timestamp(at) for at in times]


def test_one_time_fires_once_and_is_over(me: Api, world: World, time: FrozenClock) -> None:
    at = NOON + timedelta(hours=1)
    made = schedule(me, at=timestamp(at))
    time.at = at
    assert work() == [{"fired": 1}]
    now = me.get(f"/v1/schedules/{made['id']}")
    assert (now["next_at"], now["last_at"]) == (None, timestamp(at))
    assert (firings(me, made)["next"], pending(world.acorn)) == ([], 0)
    me.post(f"/v1/schedules/{made['id']}/pause")
    assert me.post(f"/v1/schedules/{made['id']}/resume").code == "schedule_over"
    me.patch(f"/v1/schedules/{made['id']}", {"at": timestamp(at + timedelta(days=1))})
    assert me.post(f"/v1/schedules/{made['id']}/resume").status == 200
    later = me.patch(f"/v1/schedules/{made['id']}", {"at": timestamp(at + timedelta(hours=1))})
    assert later["next_at"] == timestamp(at + timedelta(hours=1))
    time.at = at + timedelta(hours=1)
    assert work() == [{"fired": 1}]
    assert len(jobs_of(me, made)) == 2


def test_its_options_are_those_of_its_jobs(me: Api, time: FrozenClock) -> None:
    said = {
        "priority": 5,
        "max_attempts": 2,
        "retry": {"initial_seconds": 9.0},
        "concurrency_key": "reports",
        "timeout_seconds": 30,
        "expires_after_seconds": 60,
        "deadline_after_seconds": 120,
    }
    made = schedule(me, **said)
    assert {name: made[name] for name in said} == said
    time.at = FIRST
    work()
    (job,) = jobs_of(me, made)
    kept = said.keys() - {"expires_after_seconds", "deadline_after_seconds"}
    assert {name: job[name] for name in kept} == {name: said[name] for name in kept}
    assert job["expires_at"] == timestamp(FIRST + timedelta(seconds=60))
    assert job["deadline_at"] == timestamp(FIRST + timedelta(seconds=120))


def test_with_a_key_no_job_is_enqueued_while_the_one_before_is_unfinished(me: Api, time: FrozenClock) -> None:
    made = schedule(me, every_seconds=60, key="one at a time", catch_up="all")
    time.move(timedelta(seconds=60))
    assert work() == [{"fired": 1}]
    time.move(timedelta(seconds=180))
    assert work() == [{"fired": 0}]
    (job,) = jobs_of(me, made)
    (row, _) = firings(me, made)["past"]
    assert (row["outcome"], row["times"], row["job"]) == ("skipped", 3, None)
    assert job["id"] in row["reason"]
    assert me.post(f"/v1/jobs/{job['id']}/cancel").status == 200
    time.move(timedelta(seconds=60))
    assert work() == [{"fired": 1}]


def test_a_paused_schedule_lets_its_times_pass(me: Api, world: World, time: FrozenClock) -> None:
    made = schedule(me, catch_up="all")
    path = f"/v1/schedules/{made['id']}"
    assert pending(world.acorn) == 1
    paused = me.post(f"{path}/pause")
    assert (paused.status, paused["paused"], paused["next_at"]) == (200, True, None)
    assert (pending(world.acorn), firings(me, made)["next"]) == (0, [])
    assert me.post(f"{path}/pause")["version"] == paused["version"]
    time.at = FIRST + timedelta(days=3)
    assert work() == []
    resumed = me.post(f"{path}/resume")
    assert (resumed["paused"], resumed["next_at"]) == (False, "2026-04-01T00:30:00.000000Z")
    assert me.post(f"{path}/resume")["version"] == resumed["version"]
    assert jobs_of(me, made) == []
    time.at = datetime(2026, 4, 1, 0, 30, tzinfo=UTC)
    assert work() == [{"fired": 1}]


def test_a_change_of_its_times_withdraws_the_firing_that_waits(
    me: Api, world: World, time: FrozenClock
) -> None:
    made = schedule(me)
    path = f"/v1/schedules/{made['id']}"
    changed = me.patch(path, {"every_seconds": 3600}, If_Match=made.headers["ETag"])
    assert (changed.status, changed["cron"], changed["every_seconds"]) == (200, None, 3600)
    assert (changed["next_at"], pending(world.acorn)) == (timestamp(NOON + timedelta(hours=1)), 1)
    assert (
        me.patch(path, {"timezone": "UTC", "cron": "0 18 * * *"})["next_at"] == "2026-03-27T18:00:00.000000Z"
    )
    assert me.patch(path, {"payload": {"days": 2}, "kind": "report.other", "priority": 3}).status == 200
    assert pending(world.acorn) == 1
    time.at = datetime(2026, 3, 27, 18, 0, tzinfo=UTC)
    assert work() == [{"fired": 1}]
    (job,) = jobs_of(me, made)
    assert (job["payload"], job["kind"], job["priority"]) == ({"days": 2}, "report.other", 3)
    stale = me.patch(path, {"name": "late"}, If_Match=made.headers["ETag"])
    assert stale.status == 412


def test_a_paused_schedule_that_is_changed_stays_paused(me: Api, world: World) -> None:
    path = f"/v1/schedules/{schedule(me)['id']}"
    me.post(f"{path}/pause")
    changed = me.patch(path, {"cron": "* * * * *"})
    assert (changed["paused"], changed["next_at"], pending(world.acorn)) == (True, None, 0)


def test_it_runs_by_hand_whenever_one_likes(me: Api, time: FrozenClock) -> None:
    made = schedule(me)
    path = f"/v1/schedules/{made['id']}"
    ran = me.post(f"{path}/run")
    assert (ran.status, ran["outcome"], ran["by_hand"]) == (201, "fired", True)
    (job,) = jobs_of(me, made)
    assert (job["id"], job["state"]) == (ran["job"], "ready")
    assert me.get(path)["next_at"] == made["next_at"]
    me.post(f"{path}/pause")
    assert me.post(f"{path}/run").status == 201
    assert len(firings(me, made)["past"]) == 2


def test_a_deleted_schedule_fires_no_more_and_its_jobs_stay(me: Api, world: World, time: FrozenClock) -> None:
    made = schedule(me)
    job = me.post(f"/v1/schedules/{made['id']}/run")["job"]
    assert me.delete(f"/v1/schedules/{made['id']}").status == 204
    assert (pending(world.acorn), me.get(f"/v1/schedules/{made['id']}").status) == (0, 404)
    time.at = FIRST
    assert work() == []
    assert me.get(f"/v1/jobs/{job}")["schedule"] is None


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"cron": "0 0 30 2 *"}, "cron_never_fires"),
        ({"cron": "every day"}, "cron_invalid"),
        ({"cron": "* * * * * *"}, "cron_invalid"),
        ({"cron": "* * * * *", "timezone": "Europe/Berln"}, "timezone_unknown"),
        ({"cron": "* * * * *", "timezone": "../../etc/passwd"}, "timezone_unknown"),
        ({"every_seconds": 60, "timezone": "Mars"}, "timezone_unknown"),
        ({}, "clock_ambiguous"),
        ({"cron": "* * * * *", "every_seconds": 60}, "clock_ambiguous"),
        ({"every_seconds": 60, "at": "2027-01-01T00:00:00Z"}, "clock_ambiguous"),
        ({"at": "1970-01-01T00:00:00Z"}, "schedule_over"),
        ({"at": "9999-12-31T23:59:59Z"}, "schedule_over"),
        ({"at": "2026-03-27T12:00:00Z"}, "schedule_over"),
        ({"every_seconds": 0}, "validation_failed"),
        ({"every_seconds": -5}, "validation_failed"),
        ({"every_seconds": 60, "max_attempts": -1}, "validation_failed"),
        ({"every_seconds": 60, "catch_up": "some"}, "validation_failed"),
        ({"every_seconds": 60, "queue": "packmule.schedules"}, "queue_reserved"),
        ({"every_seconds": 60, "payload": {"text": "x" * 300_000}}, "payload_too_big"),
    ],
)
def test_what_could_never_fire_is_refused(me: Api, said: dict[str, Any], code: str, world: World) -> None:
    refused = me.post("/v1/schedules", {"name": "refused", "kind": "report.make", **said})
    assert (refused.status, refused.code) == (422, code), refused.body
    assert (me.get("/v1/schedules")["data"], pending(world.acorn)) == ([], 0)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"cron": "0 0 30 2 *"}, "cron_never_fires"),
        ({"cron": ""}, "validation_failed"),
        ({"timezone": "Mars"}, "timezone_unknown"),
        ({"at": "2020-01-01T00:00:00Z"}, "schedule_over"),
        ({"cron": "* * * * *", "every_seconds": 60}, "clock_ambiguous"),
        ({"queue": "packmule.schedules"}, "queue_reserved"),
    ],
)
def test_a_refused_change_leaves_everything_as_it_was(
    me: Api, world: World, said: dict[str, Any], code: str
) -> None:
    made = schedule(me)
    refused = me.patch(f"/v1/schedules/{made['id']}", said)
    assert (refused.status, refused.code) == (422, code), refused.body
    assert (me.get(f"/v1/schedules/{made['id']}").body, pending(world.acorn)) == (made.body, 1)


def test_a_name_is_taken_once_in_an_organization(me: Api, api: Api, world: World) -> None:
    schedule(me)
    again = me.post("/v1/schedules", {"name": "nightly", "kind": "x", "every_seconds": 60})
    assert (again.status, again.code) == (409, "schedule_name_taken")
    other = schedule(me, name="other")
    assert me.patch(f"/v1/schedules/{other['id']}", {"name": "nightly"}).code == "schedule_name_taken"
    schedule(api.using(world.acorn.parties["south"].person_key))


def test_no_organization_sees_or_changes_the_schedules_of_another(
    me: Api, api: Api, world: World, time: FrozenClock
) -> None:
    made = schedule(me)
    path = f"/v1/schedules/{made['id']}"
    root = api.using(world.acorn.root_key)
    for other in (world.acorn.parties["south"], world.birch.parties["north"]):
        they = api.using(other.person_key)
        assert they.get("/v1/schedules")["data"] == []
        assert they.get(path).status == they.patch(path, {"name": "x"}).status == 404
        assert they.delete(path).status == they.get(f"{path}/firings").status == 404
        for verb in ("pause", "resume", "run"):
            assert they.post(f"{path}/{verb}").status == 404
    assert [row["id"] for row in root.get("/v1/schedules?paused=false")["data"]] == [made["id"]]
    assert root.get("/v1/schedules?paused=true")["data"] == []
    assert root.get(f"/v1/schedules?organization={world.acorn.parties['south'].id}")["data"] == []
    theirs = schedule(root, name="whole", organization=world.acorn.parties["south"].id, every_seconds=60)
    assert theirs["organization"] == world.acorn.parties["south"].id
    time.move(timedelta(minutes=1))
    assert work() == [{"fired": 1}]
    assert len(jobs_of(api.using(world.acorn.parties["south"].person_key), theirs)) == 1
    assert jobs_of(me, theirs) == []


def test_a_schedule_of_the_whole_tenant_fires_for_it(api: Api, world: World, time: FrozenClock) -> None:
    root = api.using(world.acorn.root_key)
    made = schedule(root, every_seconds=60)
    assert made["organization"] is None
    time.move(timedelta(minutes=1))
    assert work() == [{"fired": 1}]
    (job,) = jobs_of(root, made)
    assert (job["organization"], job["enqueued_by"]["id"]) == (None, world.acorn.root)


def test_each_firing_is_in_the_trail_and_told(me: Api, api: Api, world: World, time: FrozenClock) -> None:
    made = schedule(me)
    time.at = FIRST
    work()
    (job,) = jobs_of(me, made)
    told = api.using(world.acorn.root_key).get("/v1/events?limit=50")["data"]
    assert {"schedule.created", "job.enqueued"} <= {event["type"] for event in told}
    (entry,) = me.get("/v1/audit?operation=jobs.enqueue")["data"]
    assert (entry["resource"]["id"], entry["edge"]) == (job["id"], "worker")

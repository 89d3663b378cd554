"""Times count when a job is claimed, begun and ended, and leases run out, where nothing sweeps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core import clock
from apps.core.clock import FrozenClock
from apps.core.ids import decode
from apps.core.strictjson import timestamp
from apps.jobs import expiring, settling, sweeping, turns, working
from apps.jobs.hearing import Ear, listener
from apps.jobs.inside import performing
from apps.jobs.leases import place_of
from apps.jobs.registry import Dispatch, DispatchState
from apps.jobs.running import Outcome
from apps.jobs.searching import THOROUGH, Search
from apps.jobs.states import AttemptState, JobState
from apps.jobs.tests.workers import Held, claim, clockwork, describe, kept, make, rows, state, states, take
from apps.tenancy.walls import enter, outside
from tests.client import Answer, Api
from tests.receiving import Receiver, receiving
from tests.refusals import check_refusal
from tests.world import World

#: What a job is made with so that its time is over in half a minute.
TIMES = ["expires_at", "deadline_at"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what comes after the commit at once: a test's transaction has none."""
    monkeypatch.setattr("django.db.transaction.on_commit", lambda work, **_: work())


@pytest.fixture
def me(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


@pytest.fixture
def now() -> Iterator[FrozenClock]:
    with clockwork() as held:
        yield held


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.PACKMULE_OUTBOUND_LOOPBACK = True
    with receiving() as made:
        yield made


def soon(seconds: float = 30) -> str:
    return timestamp(clock.now() + timedelta(seconds=seconds))


def pass_by(now: FrozenClock, seconds: float = 31) -> None:
    """Time goes on, and nothing sweeps."""
    now.move(timedelta(seconds=seconds))


def told(me: Api, *types: str) -> list[tuple[str, str]]:
    events = me.get(f"/v1/events?types={','.join(types)}")["data"]
    return [(event["type"], event["subject"]) for event in events]


def pushed(me: Api, receiver: Receiver, **said: Any) -> str:
    """A job of a queue that sends its jobs, whose lane is awake."""
    describe(me, push_url=receiver.url())
    job = make(me, **said)
    with outside():
        row = Dispatch.objects.get(pk=decode(job, "job"))
    turns.wake([(place_of(row), row.runner)])
    return job


def broken(_: list[Dispatch]) -> None:
    raise RuntimeError("broken")


# Beginning.


@pytest.mark.parametrize("which", TIMES)
def test_a_claim_answers_the_next_job_instead_of_those_whose_time_is_over(
    me: Api, now: FrozenClock, which: str
) -> None:
    late = [make(me, **{which: soon()}) for _ in range(3)]
    after = make(me, after=late[:1])
    pass_by(now)
    good = make(me)
    assert take(me).id == good
    assert states(me, *late, after) == ["expired"] * 3 + ["dead"]
    assert rows(*late, after) == {}
    ended = me.get(f"/v1/jobs/{late[0]}")
    assert (ended["attempt"], ended["started_at"], ended["error"]) == (0, None, expiring.passed(which))
    assert ended["finished_at"] == timestamp(clock.now())
    assert sorted(told(me, "job.expired")) == sorted(("job.expired", job) for job in late)
    assert me.get(f"/v1/jobs/{late[0]}/attempts")["data"] == []


def test_one_claim_of_many_jobs_is_filled_up(me: Api, now: FrozenClock) -> None:
    late = [make(me, priority=9, expires_at=soon()) for _ in range(4)]
    pass_by(now)
    good = [make(me) for _ in range(3)]
    assert [held.id for held in claim(me, limit=3)] == good
    assert set(states(me, *late)) == {"expired"}


def test_one_claim_does_not_end_a_flood(me: Api, now: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.jobs.searching._ROUNDS", 2)
    late = [make(me, expires_at=soon()) for _ in range(3)]
    pass_by(now)
    good = make(me)
    assert claim(me) == []
    assert states(me, *late) == ["expired", "expired", "ready"]
    assert take(me).id == good


def test_a_worker_of_an_organization_ends_what_its_claim_comes_upon(world: World, api: Api) -> None:
    with clockwork() as now:
        mine = api.using(world.acorn.parties["north"].service_key)
        late = make(mine, expires_at=soon())
        good = make(mine)
        pass_by(now)
        assert take(mine).id == good
        assert state(mine, late) == "expired"


def test_a_job_that_was_begun_in_time_does_not_expire_afterwards(me: Api, now: FrozenClock) -> None:
    job = make(me, expires_at=soon(), retry={"initial_seconds": 1, "jitter": 0})
    take(me).fail()
    pass_by(now)
    assert take(me).id == job
    with outside():
        assert Dispatch.objects.get(pk=decode(job, "job")).ends_at is None, "nobody has to look again"


@pytest.mark.parametrize("which", TIMES)
def test_nothing_begins_whose_time_came_after_the_claim(
    world: World, me: Api, now: FrozenClock, which: str
) -> None:
    job = make(me, **{which: soon()})
    leased = turns.claim_from(turns.Wish(world.acorn.ref.schema_name, "menus"), 1)
    pass_by(now)
    with enter(world.acorn.ref):
        assert working.begun(leased, "late") == []
    assert (state(me, job), rows(job)) == ("expired", {})
    assert told(me, "job.expired") == [("job.expired", job)]


@pytest.mark.parametrize("which", TIMES)
def test_nothing_is_sent_whose_time_is_over(
    me: Api, now: FrozenClock, receiver: Receiver, which: str
) -> None:
    job = pushed(me, receiver, **{which: soon()})
    pass_by(now)
    assert performing.take(5, "worker") == ([], True)
    assert (state(me, job), rows(job), receiver.got) == ("expired", {}, [])


# Ending.

WAYS: dict[str, Callable[[Held], Answer]] = {
    "beat": Held.beat,
    "complete": Held.complete,
    "fail": Held.fail,
    "wait": lambda held: held.wait("nap", seconds=5),
    "step": lambda held: held.step("note"),
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_a_worker_says_after_the_deadline_is_refused(me: Api, now: FrozenClock, way: str) -> None:
    job = make(me, deadline_at=soon())
    after = make(me, after=[job])
    held = take(me, lease_seconds=300)
    pass_by(now)
    refused = WAYS[way](held)
    check_refusal(refused, 409, "lease_lost")
    assert "deadline_at" in refused["detail"]
    assert (states(me, job, after), rows(job)) == (["expired", "dead"], {})
    ended = me.get(f"/v1/jobs/{job}")
    assert (ended["result"], ended["error"]) == (None, expiring.passed("deadline_at"))
    assert [each["state"] for each in me.get(f"/v1/jobs/{job}/attempts")["data"]] == ["expired"]
    assert me.get(f"/v1/jobs/{job}/steps")["data"] == []
    assert told(me, "job.expired", "job.succeeded", "job.failed") == [("job.expired", job)]
    check_refusal(WAYS[way](held), 409, "lease_lost")


def test_a_refusal_that_is_kept_ends_the_job_as_well(me: Api, now: FrozenClock) -> None:
    job = make(me, deadline_at=soon())
    held = take(me, lease_seconds=300)
    pass_by(now)
    said = {"lease_token": held.token}
    first, again = [me.post(f"/v1/jobs/{job}/complete", said, idempotency_key="once") for _ in range(2)]
    check_refusal(first, 409, "lease_lost")
    assert (again.status, again.code) == (409, "lease_lost")
    assert state(me, job) == "expired"


def test_who_cancels_before_the_deadline_has_cancelled(me: Api, now: FrozenClock) -> None:
    job = make(me, deadline_at=soon())
    held = take(me, lease_seconds=300)
    me.post(f"/v1/jobs/{job}/cancel")
    pass_by(now)
    assert held.complete()["state"] == "cancelled"
    assert told(me, "job.expired", "job.cancelled") == [("job.cancelled", job)]


@pytest.mark.parametrize(
    ("stands", "attempt", "seconds"),
    [
        (JobState.SUCCEEDED, AttemptState.SUCCEEDED, None),
        (JobState.DEAD, AttemptState.FAILED, None),
        (JobState.RETRY_WAIT, AttemptState.FAILED, 9),
        (JobState.SCHEDULED, AttemptState.WAITS, 9),
    ],
)
def test_what_the_platforms_worker_came_to_after_the_deadline_counts_for_nothing(
    world: World,
    me: Api,
    now: FrozenClock,
    receiver: Receiver,
    stands: JobState,
    attempt: AttemptState,
    seconds: int | None,
) -> None:
    job = pushed(me, receiver, deadline_at=soon())
    (held,), _ = performing.take(1, "worker")
    pass_by(now)
    run_at = clock.now() + timedelta(seconds=seconds) if seconds else None
    outcome = Outcome(held.job.pk, held.lease.token, stands, attempt, result={"n": 1}, run_at=run_at)
    with enter(world.acorn.ref):
        assert settling.settle(None, [outcome]) == {held.job.pk}
    found = kept(world.acorn, job)
    assert (found.state, found.result, found.error) == ("expired", None, expiring.passed("deadline_at"))
    assert (found.finished_at, found.lease_token) == (clock.now(), None)
    assert rows(job) == {}
    assert [each["state"] for each in me.get(f"/v1/jobs/{job}/attempts")["data"]] == ["expired"]
    assert told(me, "job.expired", "job.succeeded", "job.failed", "job.dead") == [("job.expired", job)]


# Leases that ran out.


def test_a_job_whose_worker_died_is_claimed_again_where_nothing_sweeps(me: Api, now: FrozenClock) -> None:
    job = make(me)
    dead = take(me, lease_seconds=5)
    pass_by(now, 4)
    assert claim(me) == [], "its lease is good"
    pass_by(now, 2)
    held = take(me)
    assert (held.id, held.job["attempt"]) == (job, 2)
    check_refusal(dead.complete(), 409, "lease_lost")
    assert held.complete()["state"] == "succeeded"
    attempts = me.get(f"/v1/jobs/{job}/attempts")["data"]
    assert sorted((each["number"], each["state"]) for each in attempts) == [(1, "lost"), (2, "succeeded")]


def test_the_last_attempt_that_is_lost_is_the_end(me: Api, now: FrozenClock) -> None:
    job = make(me, max_attempts=1)
    take(me, lease_seconds=5)
    pass_by(now, 6)
    assert claim(me) == []
    assert (state(me, job), rows(job)) == ("dead", {})


def test_a_lease_that_ran_out_takes_no_place_away(me: Api, now: FrozenClock) -> None:
    describe(me, max_in_flight=1)
    first, second = make(me, max_attempts=1), make(me)
    take(me, lease_seconds=5)
    assert claim(me) == []
    pass_by(now, 6)
    assert take(me).id == second
    assert state(me, first) == "dead"


def test_a_claim_loses_some_leases_of_its_own_queue(
    me: Api, now: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "FEW", 2)
    own = [make(me) for _ in range(3)]
    other = make(me, queue="others")
    assert len(claim(me, limit=9, lease_seconds=5)) == 3
    take(me, "others", lease_seconds=5)
    pass_by(now, 6)
    assert len(claim(me, limit=9)) == 2
    assert states(me, other) == ["running"]
    with outside():
        lapsed = Dispatch.objects.filter(state=DispatchState.LEASED, leased_until__lt=clock.now())
        assert lapsed.filter(queue="menus").count() == 1
        assert lapsed.filter(queue="others").count() == 1
    assert len(claim(me, limit=9)) == 1
    assert set(states(me, *own)) == {"running"}


def test_jobs_whose_time_comes_are_claimed_where_nothing_sweeps(me: Api, now: FrozenClock) -> None:
    job, other = make(me, delay_seconds=5), make(me, queue="others", delay_seconds=5)
    assert claim(me) == []
    pass_by(now, 6)
    held = take(me)
    assert held.id == job
    assert rows(other) == {other: "scheduled"}
    held.fail()
    pass_by(now, 10)
    assert take(me).job["attempt"] == 2


def test_a_server_whose_clock_is_ahead_loses_no_lease_that_is_good(
    me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, good = make(me), make(me)
    assert take(me, lease_seconds=1).id == lost
    held = take(me, lease_seconds=60)
    monkeypatch.setattr(clock, "_offset", timedelta(minutes=2))
    time.sleep(1.1)
    assert [each.id for each in claim(me, limit=9)] == [lost]
    assert (held.id, held.complete()["state"]) == (good, "succeeded")


def test_what_cannot_be_lost_keeps_nobody_from_claiming(
    me: Api, now: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(me)
    take(me, lease_seconds=5)
    due = make(me, delay_seconds=5)
    pass_by(now, 6)
    monkeypatch.setattr(sweeping, "_lose_in", broken)
    assert take(me).id == due


def test_whoever_waits_asks_for_leases_once_in_two_seconds(
    world: World, me: Api, now: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(me)
    take(me, lease_seconds=5)
    moment = [50.0]
    monkeypatch.setattr("time.monotonic", lambda: moment[0])
    search = Search(turns.Wish(world.acorn.ref.schema_name, "menus"), 1, Ear(listener))
    with CaptureQueriesContext(connection) as seen:
        for _ in range(5):
            assert search() == []
            moment[0] += THOROUGH / 4
    looks = [query["sql"] for query in seen.captured_queries if "leased_until <" in query["sql"]]
    assert len(looks) == 2
    pass_by(now, 6)
    assert search() == []
    moment[0] += THOROUGH
    assert len(search()) == 1

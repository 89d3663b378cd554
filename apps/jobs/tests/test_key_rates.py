"""How many jobs of one concurrency key begin in what time: the others of the key wait, and hinder nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from threading import Event
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core import clock
from apps.core.ids import decode, uuid7
from apps.jobs import key_turns, leases, sweeping, turns
from apps.jobs.registry import NOBODY, Dispatch, KeyTurn, Lane, Share
from apps.jobs.tests.workers import Held, claim, clockwork, describe, later, make, rows, state, take
from apps.tenancy.walls import outside, registry
from tests.client import Api
from tests.scratch import Scratch, at_once, scratch_tenant
from tests.scratch import begun as in_thread
from tests.world import Space, World

RATE: dict[str, Any] = {"count": 2, "seconds": 60}


@pytest.fixture(autouse=True)
def immediately(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what comes after the commit at once: a test's transaction has none."""
    if "committing" not in request.fixturenames:
        monkeypatch.setattr("django.db.transaction.on_commit", lambda work, **_: work())


def described(me: Api, **rules: Any) -> None:
    """A queue with a rate for each key, in which that alone holds jobs back."""
    describe(me, **{"rate_per_key": RATE, "max_in_flight_per_key": 100, "lease_seconds": 80_000, **rules})


def begun(me: Api, **said: Any) -> list[Held]:
    """All that may begin now."""
    found: list[Held] = []
    while got := claim(me, limit=20, **said):
        found += got
    return found


def keys(found: list[Held]) -> dict[str, int]:
    return dict(Counter(held.job["concurrency_key"] for held in found))


def turns_of(space: Space) -> dict[str, bool]:
    """The keys that have a turn, each with whether it is to be looked at."""
    with outside():
        own = KeyTurn.objects.filter(schema_name=space.ref.schema_name)
        return {turn.concurrency_key: turn.blocked_until is not None for turn in own}


def test_of_each_key_so_many_begin_and_then_one_by_one(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    described(me)
    with clockwork() as now:
        for key in ["a", "b", "c"] * 4 + [""] * 7:
            make(me, concurrency_key=key)
        assert keys(begun(me)) == {"a": 2, "b": 2, "c": 2, "": 7}
        later(now, 29)
        assert begun(me) == []
        later(now, 1)
        assert keys(begun(me)) == {"a": 1, "b": 1, "c": 1}
        later(now, 600)
        assert keys(begun(me)) == {"a": 1, "b": 1, "c": 1}
        for _ in range(3):
            make(me, concurrency_key="a")
        assert keys(begun(me)) == {"a": 1}, "what was not used is not saved beyond the count"


def test_whoever_claims_lets_a_key_go_on_without_any_sweep(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    described(me, rate_per_key={"count": 1, "seconds": 60})
    with clockwork() as now:
        jobs = [make(me, concurrency_key="k") for _ in range(2)]
        assert [held.id for held in begun(me)] == jobs[:1]
        assert rows(jobs[1]) == {jobs[1]: "held"}
        now.move(timedelta(seconds=59))
        assert begun(me) == []
        now.move(timedelta(seconds=1))
        assert [held.id for held in begun(me)] == jobs[1:]


def test_what_waits_for_its_rate_is_shown_as_ready_and_runs_when_its_owner_said(
    world: World, api: Api
) -> None:
    me = api.using(world.acorn.root_key)
    described(me, rate_per_key={"count": 1, "seconds": 60})
    with clockwork() as now:
        make(me, concurrency_key="k")
        timed = make(me, concurrency_key="k", delay_seconds=10)
        before = me.get(f"/v1/jobs/{timed}")["run_at"]
        take(me)
        later(now, 10)
        assert begun(me) == []
        job = me.get(f"/v1/jobs/{timed}")
        assert (rows(timed), job["state"], job["run_at"]) == ({timed: "held"}, "ready", before)
        later(now, 50)
        assert take(me).id == timed


def test_a_key_of_another_organization_is_another_key(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    described(root)
    for party in world.acorn.parties.values():
        for _ in range(3):
            make(api.using(party.person_key), concurrency_key="k")
    found = [held for _ in range(6) for held in claim(root, limit=9)]
    assert sorted(Counter(held.job["organization"] for held in found).values()) == [2, 2]


def test_the_most_urgent_of_a_key_goes_first_and_among_equals_the_oldest(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    described(me, rate_per_key={"count": 1, "seconds": 60})
    with clockwork() as now:
        make(me, concurrency_key="k")
        take(me)
        old = make(me, concurrency_key="k")
        assert begun(me) == []
        urgent = make(me, concurrency_key="k", priority=5)
        later(now, 60)
        assert take(me).id == urgent
        assert begun(me) == []
        # Nobody has swept, and what was enqueued just now is all that is ready.
        now.move(timedelta(seconds=60))
        late = make(me, concurrency_key="k")
        assert take(me).id == old
        assert rows(late) == {late: "ready"}
        assert begun(me) == []
        later(now, 60)
        assert take(me).id == late


def test_an_attempt_counts_whatever_becomes_of_it(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    described(me, retry={"initial_seconds": 1, "jitter": 0})
    with clockwork() as now:
        first, second = (make(me, concurrency_key="k") for _ in range(2))
        take(me).fail()
        later(now, 2)
        assert take(me).id == first, "its second attempt used up the rate"
        assert begun(me) == []
        later(now, 28)
        assert take(me).id == second


def test_a_key_waits_for_both_its_rate_and_those_that_run(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    described(me, max_in_flight_per_key=1)
    with clockwork() as now:
        jobs = [make(me, concurrency_key="k") for _ in range(4)]
        held = take(me)
        assert begun(me) == [], "one runs"
        held.complete()
        held = take(me)
        held.complete()
        assert set(rows(*jobs).values()) == {"held"}, "nothing is let go that could not begin"
        assert begun(me) == [], "the rate is used up"
        later(now, 30)
        held = take(me)
        later(now, 300)
        assert begun(me) == [], "one runs"
        held.complete()
        assert len(begun(me)) == 1


def test_one_that_goes_before_its_turn_takes_nobodys(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    described(me)
    with clockwork() as now:
        jobs = [make(me, concurrency_key="k") for _ in range(5)]
        assert len(begun(me)) == 2
        later(now, 30)
        assert sorted(rows(*jobs[2:]).values()) == ["held", "held", "ready"]
        me.post(f"/v1/jobs/{jobs[2]}/cancel")
        assert [held.id for held in begun(me)] == [jobs[3]]


def test_a_queue_that_stood_still_begins_with_a_burst_of_each_key(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    described(me, rate_per_key={"count": 5, "seconds": 60})
    with clockwork() as now:
        for _ in range(20):
            make(me, concurrency_key="k")
        assert len(begun(me)) == 5
        me.post("/v1/queues/menus/pause")
        later(now, 12)
        for _ in range(10):
            later(now, 60)
        me.post("/v1/queues/menus/resume")
        first = len(begun(me))
        later(now, 1)
        assert first + len(begun(me)) == 5
        later(now, 12)
        assert len(begun(me)) == 1


@pytest.mark.parametrize("rate", [None, {"count": 100, "seconds": 60}])
def test_a_rate_that_is_gone_or_raised_holds_nobody(
    world: World, api: Api, rate: dict[str, Any] | None
) -> None:
    me = api.using(world.acorn.root_key)
    described(me, rate_per_key={"count": 1, "seconds": 3600})
    with clockwork():
        for key in ("a", "b") * 3:
            make(me, concurrency_key=key)
        assert len(begun(me)) == 2
        me.patch("/v1/queues/menus", {"weight": 2})
        assert begun(me) == [], "another rule changed"
        me.patch("/v1/queues/menus", {"rate_per_key": rate})
        assert keys(begun(me)) == {"a": 2, "b": 2}
    assert bool(turns_of(world.acorn)) is (rate is not None)


def test_a_rate_that_is_halved_begins_no_new_burst(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    described(me)
    with clockwork() as now:
        for _ in range(5):
            make(me, concurrency_key="k")
        assert len(begun(me)) == 2
        me.patch("/v1/queues/menus", {"rate_per_key": {"count": 2, "seconds": 120}})
        assert begun(me) == []
        later(now, 59)
        assert begun(me) == []
        later(now, 1)
        assert len(begun(me)) == 1


def test_thousands_of_one_key_do_not_hinder_the_next(world: World) -> None:
    own: dict[str, Any] = {"schema_name": world.acorn.ref.schema_name, "queue": "menus", "runner": "client"}
    with registry():
        Lane.objects.create(key_rate=30, key_burst=2, key_max_in_flight=9, **own)
        Share.objects.create(schema_name=own["schema_name"], queue="menus")
        flood = [Dispatch(id=uuid7(), concurrency_key="flood", **own) for _ in range(5000)]
        Dispatch.objects.bulk_create(flood)
        Dispatch.objects.create(id=uuid7(), concurrency_key="other", **own)
    wish = turns.Wish(own["schema_name"], "menus")
    with clockwork() as now:
        found = [lease.job_id for _ in range(2) for lease in turns.claim_from(wish, 9)]
        assert [pk for pk in found if pk not in {row.pk for row in flood[:2]}] != []
        assert len(found) == 3
        now.move(timedelta(seconds=30))
        with CaptureQueriesContext(connection) as seen:
            sweeping.sweep()
            assert [lease.job_id for lease in turns.claim_from(wish, 9)] == [flood[2].pk]
        assert len(seen) < 30, "one goes on, and no other is touched"


def test_jobs_that_the_platform_runs_wait_for_their_keys_as_well(world: World) -> None:
    own: dict[str, Any] = {"schema_name": world.acorn.ref.schema_name, "queue": "pushed"}
    with registry():
        Lane.objects.create(runner="platform", key_rate=30, key_burst=2, key_max_in_flight=9, **own)
        Share.objects.create(**own)
        jobs = [Dispatch(id=uuid7(), concurrency_key="k", runner="platform", **own) for _ in range(4)]
        Dispatch.objects.bulk_create(jobs)
    with clockwork() as now:
        assert [lease.job_id for lease in pushed()] == [job.pk for job in jobs[:2]]
        assert pushed() == []
        now.move(timedelta(seconds=30))
        assert sweeping.sweep() > 0
        assert [lease.job_id for lease in pushed()] == [jobs[2].pk]


def pushed() -> list[turns.Lease]:
    """What the platform's workers get of that queue, one lane after the other."""
    found: list[turns.Lease] = []
    there = True
    while there:
        some, there = turns.claim(9)
        found += some
    return [lease for lease in found if lease.place.queue == "pushed"]


def test_many_keys_of_one_queue_do_not_keep_those_of_another_waiting(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_turns, "SLICE", 3)
    monkeypatch.setattr(sweeping, "SLICE", 3)
    me = api.using(world.acorn.root_key)
    for queue in ("left", "right"):
        describe(me, queue, rate_per_key={"count": 1, "seconds": 60}, max_in_flight_per_key=9)
    with clockwork() as now:
        for key in range(10):
            for _ in range(2):
                make(me, queue="left", concurrency_key=str(key))
        for _ in range(2):
            make(me, queue="right", concurrency_key="k")
        assert [len(found) for found in (claim(me, "left", limit=50), claim(me, "right"))] == [10, 1]
        assert (claim(me, "left", limit=50), claim(me, "right")) == ([], [])
        now.move(timedelta(seconds=60))
        assert sweeping.open_keys() == 11
        ready = Dispatch.objects.filter(state="ready", schema_name=world.acorn.ref.schema_name)
        with outside():
            assert Counter(ready.values_list("queue", flat=True)) == {"left": 10, "right": 1}


def test_a_key_that_waits_for_its_rate_is_not_taken_for_stuck(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    described(me)
    with clockwork() as now:
        jobs = [make(me, concurrency_key="k") for _ in range(3)]
        assert len(begun(me)) == 2
        assert leases.release_stuck() == 0
        now.move(timedelta(seconds=30))
        assert leases.release_stuck() == 1
        assert rows(jobs[2]) == {jobs[2]: "ready"}


def test_turns_that_say_nothing_any_more_are_forgotten(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    described(me)
    with clockwork() as now:
        for key in ("a", "b", "b", "b"):
            make(me, concurrency_key=key)
        begun(me)
        key_turns.forget()
        assert turns_of(world.acorn) == {"a": False, "b": True}
        later(now, 31)
        key_turns.forget()
        assert turns_of(world.acorn) == {"b": False}
        assert len(begun(me)) == 1
        later(now, 3600)
        key_turns.forget()
        assert turns_of(world.acorn) == {}
        make(me, concurrency_key="a"), make(me, concurrency_key="b")
        assert len(begun(me)) == 2


def test_jobs_without_a_rate_of_their_keys_leave_no_turns(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with CaptureQueriesContext(connection) as seen:
        make(me, concurrency_key="k")
        take(me)
    assert turns_of(world.acorn) == {}
    assert not [query for query in seen.captured_queries if "into public.jobs_key_turn" in query["sql"]]


def forget_rows(scratch: Scratch) -> None:
    """Take the tenant's rows out of the registry."""
    with registry():
        for model in (Dispatch, KeyTurn, Lane, Share):
            model.objects.filter(schema_name=scratch.ref.schema_name).delete()


@contextmanager
def held_by_somebody(job: str) -> Iterator[None]:
    """Another transaction holds the job's row until the end of the block."""
    there, over = Event(), Event()

    def hold() -> None:
        with registry():
            Dispatch.objects.select_for_update().get(pk=decode(job, "job"))
            there.set()
            over.wait(20)

    somebody = in_thread(hold)
    assert there.wait(20)
    try:
        yield
    finally:
        over.set()
        somebody.join()


@pytest.mark.slow
def test_a_key_whose_job_somebody_holds_at_that_moment_stays_due(committing: World) -> None:
    with scratch_tenant() as scratch:
        me = Api(scratch.key)
        try:
            described(me, rate_per_key={"count": 1, "seconds": 60})
            with clockwork() as now:
                jobs = [make(me, concurrency_key="k") for _ in range(2)]
                assert len(begun(me)) == 1
                now.move(timedelta(seconds=60))
                with held_by_somebody(jobs[1]):
                    sweeping.open_keys()
                    assert rows(jobs[1]) == {jobs[1]: "held"}
                sweeping.open_keys()
                assert rows(jobs[1]) == {jobs[1]: "ready"}
        finally:
            forget_rows(scratch)


@pytest.mark.slow
def test_of_eight_who_claim_at_once_no_more_get_one_than_the_rate_lets(committing: World) -> None:
    with scratch_tenant() as scratch:
        me = Api(scratch.key)
        try:
            for number in range(10):
                queue = f"oven.{number}"
                describe(me, queue, rate_per_key={"count": 3, "seconds": 3600}, max_in_flight_per_key=100)
                jobs = [make(me, queue=queue, concurrency_key=key) for key in ("a", "b") * 6]
                wish = turns.Wish(scratch.ref.schema_name, queue)
                found = [len(each) for each in at_once([partial(turns.claim_from, wish, 2)] * 8)]
                rest = [len(turns.claim_from(wish, 9)) for _ in range(3)]
                assert sum(found) + sum(rest) == 6, (number, found, rest)
                assert Counter(rows(*jobs).values()) == {"leased": 6, "held": 6}
        finally:
            forget_rows(scratch)


DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("enqueue"), st.sampled_from("ab"), st.integers(1, 4)),
        st.tuples(st.just("claim"), st.just(""), st.integers(1, 4)),
        st.tuples(st.just("end"), st.just(""), st.integers(0, 5)),
        st.tuples(st.just("cancel"), st.just(""), st.integers(0, 9)),
        st.tuples(st.just("pass"), st.just(""), st.sampled_from([1, 3, 4, 7, 25])),
        st.tuples(st.just("change"), st.just(""), st.integers(1, 3)),
    ),
    min_size=5,
    max_size=25,
)


class Kitchen:
    """A queue whose rate per key may change, and what began in it."""

    def __init__(self, me: Api, seconds: int) -> None:
        self.me, self.seconds, self.count = me, seconds, 3
        describe(me, rate_per_key={"count": 3, "seconds": seconds}, max_in_flight_per_key=2)
        self.jobs: list[str] = []
        self.held: list[Held] = []
        self.times: dict[str, list[datetime]] = {"a": [], "b": []}

    def do(self, now: Any, deed: str, key: str, number: int) -> None:
        if deed == "enqueue":
            self.jobs += [make(self.me, concurrency_key=key) for _ in range(number)]
        elif deed == "claim":
            self.claim(number)
        elif deed == "end" and self.held:
            self.held.pop(number % len(self.held)).complete()
        elif deed == "cancel" and self.jobs:
            self.me.post(f"/v1/jobs/{self.jobs[number % len(self.jobs)]}/cancel")
        elif deed == "change":
            self.me.patch("/v1/queues/menus", {"rate_per_key": {"count": number, "seconds": self.seconds}})
            self.times, self.count = {"a": [], "b": []}, number
        elif deed == "pass":
            later(now, number)

    def claim(self, number: int) -> None:
        for held in claim(self.me, limit=number, lease_seconds=3600):
            self.held.append(held)
            self.times[held.job["concurrency_key"]].append(clock.now())

    def require_the_rate(self) -> None:
        """In no time more than the burst and what that time lets through."""
        for times in self.times.values():
            for first, begins in enumerate(times):
                for last in range(first, len(times)):
                    passed = (times[last] - begins).total_seconds()
                    assert last - first + 1 <= self.count * (1 + passed / self.seconds) + 1e-3, times

    def drain(self, now: Any) -> None:
        """Everything runs in the end, with nothing but sweeps to help."""
        for _ in range(60 * self.seconds):
            while self.held:
                self.held.pop().complete()
            if not set(rows(*self.jobs).values()) - {"leased"}:
                return
            later(now, 1)
            self.claim(9)
        raise AssertionError(rows(*self.jobs))


@pytest.mark.slow
def test_whatever_happens_the_rate_holds_and_everything_runs(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)

    @settings(max_examples=25, deadline=None)
    @given(deeds=DEEDS, seconds=st.sampled_from([7, 10]))
    def tried(deeds: list[tuple[str, str, int]], seconds: int) -> None:
        with transaction.atomic(), clockwork() as now:
            kitchen = Kitchen(me, seconds)
            for deed in deeds:
                kitchen.do(now, *deed)
                kitchen.require_the_rate()
            kitchen.drain(now)
            assert {state(me, job) for job in kitchen.jobs} <= {"succeeded", "cancelled"}
            transaction.set_rollback(True)

    tried()


def test_what_an_organization_had_goes_with_it(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    described(root)
    made = root.post("/v1/organizations", {"name": "West", "slug": "west"})
    for organization in (made["id"], None):
        make(root, concurrency_key="k", organization=organization)
    for held in begun(root):
        held.complete()
    root.delete(f"/v1/organizations/{made['id']}")
    with outside():
        assert [turn.share for turn in KeyTurn.objects.filter(schema_name=world.acorn.ref.schema_name)] == [
            NOBODY
        ]

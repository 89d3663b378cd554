"""How many run at a time, how fast, and whose turn it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from apps.jobs.registry import Lane, Share
from apps.jobs.tests.workers import Held, claim, clockwork, describe, later, make, rows, take
from apps.tenancy.walls import outside, registry
from tests.client import Api
from tests.world import World


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what comes after the commit at once: a test's transaction has none."""
    monkeypatch.setattr("django.db.transaction.on_commit", lambda work, **_: work())


def all_of(me: Api, **said: Any) -> list[Held]:
    """Claim until there is nothing more, one at a time."""
    found: list[Held] = []
    while got := claim(me, **said):
        found += got
    return found


def test_jobs_of_one_concurrency_key_run_one_after_the_other(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    jobs = [make(me, concurrency_key="room 1") for _ in range(3)]
    other = make(me, concurrency_key="room 2")
    held = {each.id: each for _ in range(5) for each in claim(me, limit=9)}
    assert set(held) == {jobs[0], other}
    assert rows(*jobs) == {jobs[0]: "leased", jobs[1]: "held", jobs[2]: "held"}
    for done, following in pairwise(jobs):
        assert held[done].complete().status == 200
        (held[following],) = claim(me, limit=9)


@pytest.mark.parametrize("end", ["fail", "wait", "cancel", "lose"])
def test_whatever_ends_an_attempt_lets_the_next_one_of_its_key_in(world: World, api: Api, end: str) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        first, second = (make(me, concurrency_key="k") for _ in range(2))
        held = next(each for _ in range(3) for each in claim(me, limit=9, lease_seconds=10))
        assert held.id == first
        ways: dict[str, Callable[[], Any]] = {
            "fail": held.fail,
            "wait": lambda: held.wait("nap", seconds=60),
            "cancel": lambda: (me.post(f"/v1/jobs/{first}/cancel"), held.complete()),
            "lose": lambda: later(now, 10.5),
        }
        ways[end]()
        # One that was lost is tried again at once, and is the older one.
        assert take(me).id == (first if end == "lose" else second)


def test_a_queue_may_let_more_of_a_key_in(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, max_in_flight_per_key=2)
    for _ in range(4):
        make(me, concurrency_key="k")
    assert len([each for _ in range(5) for each in claim(me, limit=9)]) == 2


def test_a_queue_runs_no_more_than_its_limit(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, max_in_flight=3)
    for _ in range(5):
        make(me)
    held = [*claim(me, limit=2), *claim(me, limit=9)]
    assert (len(held), claim(me, limit=9)) == (3, [])
    held[0].complete()
    held[1].fail(retryable=False)
    assert len(claim(me, limit=9)) == 2


def test_an_organization_has_no_more_than_its_part(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    describe(root, max_in_flight_per_organization=2)
    for party in world.acorn.parties.values():
        for _ in range(3):
            make(api.using(party.person_key))
    held = [each for _ in range(5) for each in claim(root, limit=9)]
    assert sorted(Counter(each.job["organization"] for each in held).values()) == [2, 2]
    north = world.acorn.parties["north"].id
    next(each for each in held if each.job["organization"] == north).complete()
    assert [each.job["organization"] for each in claim(root, limit=9)] == [north]


def test_raising_a_limit_lets_more_in_at_once(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, max_in_flight=1)
    for _ in range(3):
        make(me)
    assert len(all_of(me, limit=9)) == 1
    me.patch("/v1/queues/menus", {"max_in_flight": 2})
    assert len(all_of(me, limit=9)) == 1
    me.delete("/v1/queues/menus")
    assert len(all_of(me, limit=9)) == 1


def test_a_rate_lets_so_many_begin_and_then_one_by_one(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, rate={"count": 2, "seconds": 10})
    with clockwork() as now:
        for _ in range(6):
            make(me)
        assert len(all_of(me, limit=9)) == 2
        later(now, 4)
        assert all_of(me, limit=9) == []
        later(now, 1)
        assert len(all_of(me, limit=9)) == 1
        later(now, 20)
        assert len(all_of(me, limit=9)) == 2, "what was not used is not saved beyond the count"


def test_a_rate_of_each_organization_does_not_hold_the_others(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    describe(root, rate_per_organization={"count": 1, "seconds": 60})
    with clockwork():
        for party in world.acorn.parties.values():
            for _ in range(3):
                make(api.using(party.person_key))
        held = [each for _ in range(6) for each in claim(root, limit=9)]
        assert sorted(Counter(each.job["organization"] for each in held).values()) == [1, 1]


def test_claims_alternate_whoever_flooded_the_queue(world: World, api: Api) -> None:
    north, south = (api.using(party.person_key) for party in world.acorn.parties.values())
    north.post("/v1/jobs/batch", {"jobs": [{"queue": "menus", "kind": "x"}] * 50})
    root = api.using(world.acorn.root_key)
    for _ in range(5):
        take(root)
    for _ in range(5):
        make(south)
    turns = [take(root).job["organization"] for _ in range(8)]
    ids = {party.id for party in world.acorn.parties.values()}
    assert all(set(pair) == ids for pair in zip(turns[::2], turns[1::2], strict=True)), turns


def test_a_paused_queue_gives_nothing_until_it_goes_on(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me)
    make(me)
    running = take(me)
    make(me)
    assert me.post("/v1/queues/menus/pause")["paused"] is True
    assert claim(me) == []
    assert (running.beat().status, running.complete().status) == (200, 200), "what runs goes on"
    make(me)
    assert me.post("/v1/queues/menus/resume")["paused"] is False
    assert len(claim(me, limit=9)) == 2


def test_a_queue_that_nobody_described_can_be_paused_while_it_has_jobs(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    assert me.post("/v1/queues/menus/pause").status == 404, "no such queue, and no job in one"
    make(me)
    assert me.post("/v1/queues/menus/pause")["paused"] is True
    assert claim(me) == []
    assert me.post("/v1/queues/menus/resume")["paused"] is False
    assert len(claim(me)) == 1


def test_a_queue_that_is_described_anew_comes_after_nobody_and_before_nobody(world: World, api: Api) -> None:
    """Among the platform's lanes, one that is new or slept begins where the others are."""
    me = api.using(world.acorn.root_key)
    describe(me, "old")
    with registry():
        Lane.objects.filter(queue="old").update(virtual_time=500, active=True)
    describe(me, "new")
    with outside():
        least = Lane.objects.filter(runner="client", active=True, paused=False).exclude(queue="new")
        assert Lane.objects.get(queue="new").virtual_time == min(least.values_list("virtual_time", flat=True))


def test_an_organization_that_slept_has_saved_nothing_up(world: World, api: Api) -> None:
    north, south = (api.using(party.person_key) for party in world.acorn.parties.values())
    root = api.using(world.acorn.root_key)
    describe(root)
    make(south)
    take(root).complete()
    assert claim(root) == []
    north.post("/v1/jobs/batch", {"jobs": [{"queue": "menus", "kind": "x"}] * 30})
    for _ in range(10):
        take(root)
    root.patch("/v1/queues/menus", {"weight": 2})
    with outside():
        times = Share.objects.filter(schema_name=world.acorn.ref.schema_name, queue="menus")
        asleep, awake = sorted(times.values_list("virtual_time", flat=True))
    assert (asleep, awake) == (10, 10)


def test_many_of_one_key_are_set_aside_and_do_not_hide_the_rest(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    for _ in range(6):
        make(me, concurrency_key="k")
    take(me)
    other = make(me)
    found = [each.id for _ in range(7) for each in claim(me)]
    assert found == [other]

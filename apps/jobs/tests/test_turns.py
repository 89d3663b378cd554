"""Whose turn it is: receivers that are slow, crowds of one key, floods of one share, and who has to be told."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from apps.core import clock
from apps.core.ids import uuid7
from apps.jobs import claiming, leases, sweeping, turns
from apps.jobs.hearing import Ear, listener
from apps.jobs.registry import NOBODY, Dispatch, Lane, Share
from apps.jobs.searching import Search
from apps.jobs.tests.workers import (
    claim,
    clockwork,
    describe,
    forget,
    lane,
    later,
    listening,
    make,
    rows,
    take,
)
from apps.tenancy.walls import enter, outside, registry
from tests.client import Api
from tests.scratch import scratch_tenant
from tests.world import Space, World


@pytest.fixture(autouse=True)
def at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what comes after the commit at once: a test's transaction has none."""
    if "committing" not in request.fixturenames:
        monkeypatch.setattr("django.db.transaction.on_commit", lambda work, **_: work())


def sends(me: Api, *queues: str, **rules: Any) -> None:
    for queue in queues:
        describe(me, queue, push_url="https://receiver.example/jobs", **rules)


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks where URLs lead."""
    monkeypatch.setattr("apps.jobs.queues.require_receiver", lambda *_: None)


def taken(limit: int = 8) -> list[turns.Lease]:
    """All that the platform's workers get, one lane after the other."""
    found: list[turns.Lease] = []
    for _ in range(20):
        some, there = turns.claim(limit)
        found += some
        if not there:
            return found
    raise AssertionError("there is always another lane")


def of(space: Space, found: list[turns.Lease]) -> list[turns.Lease]:
    return [lease for lease in found if lease.place.schema_name == space.ref.schema_name]


@pytest.mark.usefixtures("anywhere")
def test_slow_receivers_of_one_tenant_leave_threads_to_the_others(
    world: World, api: Api, settings: Any
) -> None:
    settings.PACKMULE_OUTGOING_AT_ONCE = 3
    acorn, birch = api.using(world.acorn.root_key), api.using(world.birch.root_key)
    sends(acorn, "left", "right", max_in_flight=100)
    sends(birch, "menus")
    for queue in ("left", "right") * 4:
        make(acorn, queue=queue)
    make(birch)
    found = taken()
    assert (len(of(world.acorn, found)), len(of(world.birch, found))) == (3, 1)
    assert taken() == []
    ended = of(world.acorn, found)[0]
    leases.end([(ended.job_id, ended.token)])
    assert len(of(world.acorn, taken())) == 1


@pytest.mark.usefixtures("anywhere")
def test_a_receiver_that_goes_on_by_itself_takes_no_thread(world: World, api: Api, settings: Any) -> None:
    settings.PACKMULE_OUTGOING_AT_ONCE = 1
    me = api.using(world.acorn.root_key)
    sends(me, "menus")
    make(me), make(me)
    (held,) = taken()
    with enter(world.acorn.ref):
        leases.sent(held.job_id, held.token)
    assert len(taken()) == 1


@pytest.mark.usefixtures("anywhere")
def test_idle_workers_hear_that_a_tenant_may_send_more(committing: World, settings: Any) -> None:
    settings.PACKMULE_OUTGOING_AT_ONCE = 1
    with scratch_tenant() as scratch, listening() as heard:
        me = Api(scratch.key)
        sends(me, "left", "right")
        make(me, queue="left"), make(me, queue="right")
        held = next(lease for lease in taken() if lease.place.schema_name == scratch.ref.schema_name)
        heard()
        leases.end([(held.job_id, held.token)])
        assert any(said.startswith("platform") for said in heard())
        forget(scratch)


def test_many_of_one_key_are_set_aside_at_once(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    me.post("/v1/jobs/batch", {"jobs": [{"queue": "menus", "kind": "x", "concurrency_key": "k"}] * 400})
    take(me)
    other = make(me)
    with CaptureQueriesContext(connection) as seen:
        assert [held.id for held in claim(me)] == [other]
    assert len([query for query in seen.captured_queries if "jobs_dispatch" in query["sql"]]) < 9


def test_no_claim_looks_on_and_on(world: World, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is set aside in bulk, a claim ends after some looks all the same."""
    me = api.using(world.acorn.root_key)
    me.post("/v1/jobs/batch", {"jobs": [{"queue": "menus", "kind": "x", "concurrency_key": "k"}] * 40})
    take(me)
    make(me)
    monkeypatch.setattr(turns, "_set_aside", lambda *_: None)
    with CaptureQueriesContext(connection) as seen:
        assert claim(me) == []
    locking = [query for query in seen.captured_queries if "for no key update" in query["sql"]]
    assert len(locking) <= 3 * 10, (
        "each look sees that there is something to count, locks the lane, and counts"
    )
    assert len([held for _ in range(3) for held in claim(me)]) == 1, "the next ones go on"


@pytest.mark.usefixtures("anywhere")
def test_a_look_that_only_sets_aside_is_a_turn(world: World, api: Api, settings: Any) -> None:
    settings.PACKMULE_OUTGOING_AT_ONCE = 100
    me = api.using(world.acorn.root_key)
    sends(me, "crowd")
    for _ in range(3):
        make(me, queue="crowd", concurrency_key="k")
    (first,), _ = turns.claim(1)
    assert first.place.queue == "crowd"
    before = lane(world.acorn, "crowd").virtual_time
    assert turns.claim(1) == ([], True)
    assert lane(world.acorn, "crowd").virtual_time == before + 1
    assert sorted(rows_of_queue(world.acorn, "crowd")) == ["held", "held", "leased"]


def rows_of_queue(space: Space, queue: str) -> list[str]:
    with outside():
        own = Dispatch.objects.filter(schema_name=space.ref.schema_name, queue=queue)
        return list(own.values_list("state", flat=True))


def flood(space: Space, share: UUID, many: int) -> None:
    """Ready rows of a share that is awake, and one of another that nobody ever woke."""
    own: dict[str, Any] = {"schema_name": space.ref.schema_name, "queue": "menus"}
    with registry():
        Lane.objects.create(runner="client", active=True, **own)
        Share.objects.create(share=NOBODY, active=True, **own)
        Dispatch.objects.bulk_create([Dispatch(id=uuid7(), runner="client", **own) for _ in range(many)])
        Dispatch.objects.create(id=uuid7(), runner="client", share=share, **own)


def test_a_flood_of_one_share_does_not_hide_what_sleeps_in_another(world: World) -> None:
    share = uuid7()
    flood(world.acorn, share, 1100)
    sweeping.repair()
    with outside():
        assert Share.objects.get(share=share).active


@pytest.mark.parametrize("bound", [True, False])
def test_nor_from_whoever_claims(world: World, bound: bool) -> None:
    share = uuid7()
    flood(world.acorn, share, 1100)
    asked = {"schema": world.acorn.ref.schema_name, "queue": "menus", "share": share if bound else None}
    assert turns._roused(asked)
    assert not turns._roused(asked)
    with outside():
        assert Share.objects.get(share=share).active


def test_a_queue_that_is_full_is_not_taken_for_asleep(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, max_in_flight=1)
    make(me), make(me)
    take(me)
    assert claim(me) == []
    asked = {"schema": world.acorn.ref.schema_name, "queue": "menus", "share": None}
    assert not turns._roused(asked)
    sweeping.repair()
    assert not lane(world.acorn).active


def test_a_change_of_a_queue_begins_no_new_burst(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, rate={"count": 2, "seconds": 10})
    with clockwork() as now:
        for _ in range(9):
            make(me)
        assert len(claim(me, limit=9)) == 2
        me.patch("/v1/queues/menus", {"weight": 2})
        assert claim(me, limit=9) == []
        me.patch("/v1/queues/menus", {"rate": {"count": 2, "seconds": 20}})
        assert claim(me, limit=9) == []
        later(now, 9)
        assert claim(me, limit=9) == [], "one every ten seconds"
        later(now, 1.5)
        assert len(claim(me, limit=9)) == 1
        me.patch("/v1/queues/menus", {"rate": None})
        assert len(claim(me, limit=9)) == 6


def test_a_key_that_may_have_more_gets_it_at_once(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me)
    jobs = [make(me, concurrency_key="k") for _ in range(4)]
    take(me)
    assert claim(me, limit=9) == []
    me.patch("/v1/queues/menus", {"max_in_flight_per_key": 3})
    assert sorted(rows(*jobs).values()) == ["held", "leased", "ready", "ready"]


def test_a_job_that_goes_before_its_turn_makes_room_for_the_next_of_its_key(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    first, second, third = (make(me, concurrency_key="k") for _ in range(3))
    held = take(me)
    assert claim(me, limit=9) == []
    held.complete()
    assert rows(first, second, third) == {second: "ready", third: "held"}
    me.post(f"/v1/jobs/{second}/cancel")
    assert rows(third) == {third: "ready"}


def test_a_job_whose_time_is_over_makes_room(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, max_in_flight=1)
    with clockwork() as now:
        make(me, deadline_at=(clock.now().replace(year=clock.now().year + 1)).isoformat())
        make(me)
        take(me, lease_seconds=43_200)
        assert (claim(me), lane(world.acorn).active) == ([], False)
        with registry():
            Dispatch.objects.filter(state="leased").update(ends_at=clock.now())
        now.move(clock.now().replace(year=clock.now().year + 1) - clock.now())
        sweeping.expire()
        assert lane(world.acorn).active
        assert len(claim(me)) == 1


def test_whoever_waits_looks_lightly_in_between(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment, me = [50.0], api.using(world.acorn.root_key)
    make(me)
    take(me)
    monkeypatch.setattr("time.monotonic", lambda: moment[0])
    search = Search(turns.Wish(world.acorn.ref.schema_name, "menus"), 1, Ear(listener))
    assert search() == []
    with CaptureQueriesContext(connection) as seen:
        for _ in range(15):
            moment[0] += 0.1
            assert search() == []
    assert (len(seen), [query for query in seen.captured_queries if "for no key" in query["sql"]]) == (15, [])
    make(me)
    assert len(search()) == 1


def test_the_driver_keeps_what_it_read_in_the_claim() -> None:
    for statement in (claiming.CLAIM_ANY, claiming.CLAIM_THAT, claiming.CLAIM_LOCKED, claiming.CLAIM_KEYED):
        assert len(statement) <= MAX_CACHED_STATEMENT_LENGTH

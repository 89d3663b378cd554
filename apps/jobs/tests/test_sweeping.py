"""What is due is done for everybody: a flood of one tenant holds up no other, and what ends, ends once."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from apps.core import clock
from apps.core.ids import decode
from apps.core.strictjson import timestamp
from apps.jobs import sweeping, turns, working
from apps.jobs.inside import performing
from apps.jobs.registry import NOBODY, Dispatch, Place
from apps.jobs.tests.workers import (
    claim,
    clockwork,
    kept,
    later,
    make,
    rows,
    state,
    states,
    take,
)
from apps.tenancy.walls import enter, outside, registry
from tests.client import Api
from tests.world import Space, World


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what comes after the commit at once: a test's transaction has none."""
    monkeypatch.setattr("django.db.transaction.on_commit", lambda work, **_: work())


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Floods are small here, and tenants have their turn in the order of their names."""
    monkeypatch.setattr(sweeping, "BATCH", 4)
    monkeypatch.setattr(sweeping, "SLICE", 2)
    monkeypatch.setattr(sweeping, "random", SimpleNamespace(shuffle=lambda names: names.sort()))


def timed(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Every look at the clock takes so long."""
    moments = count(0.0, seconds)
    monkeypatch.setattr(sweeping, "time", SimpleNamespace(monotonic=lambda: next(moments)))


def leased(space: Space, queue: str = "menus", limit: int = 9) -> list[turns.Lease]:
    """Claim, and stop before an attempt begins."""
    return turns.claim_from(turns.Wish(space.ref.schema_name, queue, seconds=5), limit)


@pytest.mark.usefixtures("few")
def test_all_that_is_due_ripens_in_one_sweep(world: World, api: Api) -> None:
    with clockwork() as now:
        acorn, birch = api.using(world.acorn.root_key), api.using(world.birch.root_key)
        jobs = [make(acorn, delay_seconds=5) for _ in range(11)]
        other = make(birch, delay_seconds=6)
        now.move(timedelta(seconds=7))
        assert sweeping.ripen() == 12
        assert set(rows(*jobs, other).values()) == {"ready"}


@pytest.mark.usefixtures("few")
def test_where_there_is_no_time_for_all_everybody_has_a_turn(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clockwork() as now:
        acorn, birch = api.using(world.acorn.root_key), api.using(world.birch.root_key)
        for _ in range(20):
            make(acorn, delay_seconds=5)
        other = make(birch, delay_seconds=6)
        now.move(timedelta(seconds=7))
        timed(monkeypatch, 0.3)
        assert 4 < sweeping.ripen() < 21
        assert rows(other) == {other: "ready"}


@pytest.mark.usefixtures("few")
def test_all_whose_worker_is_silent_are_lost_in_one_sweep(world: World, api: Api) -> None:
    with clockwork() as now:
        acorn, birch = api.using(world.acorn.root_key), api.using(world.birch.root_key)
        jobs = [make(acorn) for _ in range(9)]
        assert len([held for _ in range(2) for held in claim(acorn, limit=9, lease_seconds=5)]) == 9
        make(birch)
        take(birch, lease_seconds=6)
        now.move(timedelta(seconds=7))
        assert sweeping.lose() == 10
        assert set(states(acorn, *jobs)) == {"ready"}
        assert set(rows(*jobs).values()) == {"scheduled"}


def test_who_cancels_before_the_deadline_has_cancelled(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me, deadline_at=timestamp(clock.now() + timedelta(seconds=60)))
        take(me, lease_seconds=90)
        assert me.post(f"/v1/jobs/{job}/cancel")["state"] == "cancelling"
        later(now, 61)
        assert (state(me, job), rows(job)) == ("cancelled", {})
        (attempt,) = me.get(f"/v1/jobs/{job}/attempts")["data"]
        assert (attempt["state"], attempt["error"]["type"]) == ("cancelled", "cancelled")
        told = me.get("/v1/events?types=job.cancelled,job.expired")["data"]
        assert [event["type"] for event in told] == ["job.cancelled"]


def test_one_that_is_over_before_its_worker_began_ends_once(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me, expires_at=timestamp(clock.now() + timedelta(seconds=60)))
        (lease,) = leased(world.acorn)
        with registry():
            Dispatch.objects.filter(pk=lease.job_id).update(leased_until=clock.now() + timedelta(hours=1))
        assert me.post(f"/v1/jobs/{job}/cancel")["state"] == "cancelled"
        assert rows(job) == {job: "leased"}
        later(now, 61)
        assert (state(me, job), rows(job)) == ("cancelled", {})


def test_a_worker_that_stood_still_before_it_began_begins_nothing(world: World, api: Api) -> None:
    """Its lease ran out between the claim and the beginning, and another one has the job."""
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me)
        late = leased(world.acorn)
        later(now, 6)
        held = take(me)
        assert held.id == job
        with enter(world.acorn.ref):
            assert working.begun(late, "late") == []
        assert kept(world.acorn, job).worker != "late"
        assert held.complete()["state"] == "succeeded"
        assert rows(job) == {}
        assert [each["state"] for each in me.get(f"/v1/jobs/{job}/attempts")["data"]] == ["succeeded"]


def test_nor_does_it_lose_a_job_that_another_one_is_about_to_begin(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me)
        late = leased(world.acorn)
        later(now, 6)
        fresh = leased(world.acorn)
        with enter(world.acorn.ref):
            assert working.begun(late, "late") == []
            assert [begun.pk for begun in working.begun(fresh, "fresh")] == [decode(job, "job")]
        assert (state(me, job), kept(world.acorn, job).worker) == ("running", "fresh")


@pytest.mark.parametrize("way", ["redriven", "released"])
def test_what_is_put_back_while_its_worker_begins_is_that_workers(world: World, api: Api, way: str) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job, claimed = WAYS[way](me, world.acorn, now)
        assert rows(job) == {job: "leased"}
        assert leased(world.acorn) == [], "nobody else gets it"
        with enter(world.acorn.ref):
            assert len(working.begun(claimed, "first")) == 1
        assert (state(me, job), rows(job)) == ("running", {job: "leased"})


def redriven(me: Api, space: Space, now: Any) -> tuple[str, list[turns.Lease]]:
    job = make(me)
    claimed = leased(space)
    me.post(f"/v1/jobs/{job}/cancel")
    assert me.post(f"/v1/jobs/{job}/retry")["state"] == "ready"
    return job, claimed


def released(me: Api, space: Space, now: Any) -> tuple[str, list[turns.Lease]]:
    """The end of its patience comes, and what it waited for as well."""
    job = make(me)
    take(me).wait("paid", event={"type": "order.paid"}, seconds=60)
    later(now, 61)
    claimed = leased(space)
    assert len(claimed) == 1
    me.post("/v1/event-types", {"name": "order.paid", "schema": {"type": "object"}})
    assert me.post("/v1/events", {"type": "order.paid", "data": {}}).status == 201
    return job, claimed


WAYS = {"redriven": redriven, "released": released}


def test_jobs_of_a_tenant_that_is_gone_go(world: World, api: Api) -> None:
    job = make(api.using(world.acorn.root_key))
    with registry():
        Dispatch.objects.filter(pk=decode(job, "job")).update(schema_name="t_gone", queue="packmule.gone")
    turns.wake([(Place("t_gone", "packmule.gone", NOBODY), "platform")])
    for _ in range(3):
        performing.take(5, "worker")
    with outside():
        assert not Dispatch.objects.filter(schema_name="t_gone").exists()

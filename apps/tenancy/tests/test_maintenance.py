"""What nobody may ask for any more is forgotten; what somebody may is kept."""

from __future__ import annotations

from datetime import timedelta
from threading import Event

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError, connections

from apps.core import clock
from apps.core.models import IdempotencyRecord
from apps.tenancy import maintenance
from apps.tenancy.models import RateCounter
from apps.tenancy.walls import enter, outside
from tests.client import Api
from tests.duties import in_every_tenant
from tests.world import World


def test_old_counters_go_and_young_ones_stay(world: World) -> None:
    with outside():
        for key, age in (("old", timedelta(hours=2)), ("young", timedelta(0))):
            RateCounter.objects.create(key=key, arrives_at=clock.now() - age)

    maintenance.forget_counters()

    with outside():
        assert set(RateCounter.objects.filter(key__in=["old", "young"]).values_list("key", flat=True)) == {
            "young"
        }


def test_old_answers_and_ended_sessions_go_in_every_tenant(world: World, api: Api) -> None:
    for space in (world.acorn, world.birch):
        made = api.using(space.root_key).post(
            "/v1/organizations", {"slug": "west", "name": "West"}, idempotency_key="once"
        )
        assert made.status == 201
        with enter(space.ref):
            Session.objects.create(
                session_key=f"ended{space.name}"[:40], expire_date=clock.now() - timedelta(days=1)
            )
    with enter(world.acorn.ref):
        IdempotencyRecord.objects.update(created_at=clock.now() - timedelta(hours=25))

    assert in_every_tenant(maintenance.forget_in_tenant) == 3

    with enter(world.acorn.ref):
        assert not IdempotencyRecord.objects.exists()
    with enter(world.birch.ref):
        assert IdempotencyRecord.objects.count() == 1


def test_chores_are_due_by_the_clock_however_long_others_take(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, done, moment = Event(), list[float](), [100.0]

    def take_long() -> int:
        moment[0] += 30
        if moment[0] > 300:
            stop.set()
        return 0

    def count() -> int:
        done.append(moment[0])
        return 0

    monkeypatch.setattr("time.monotonic", lambda: moment[0])
    listed = [maintenance.Chore("each minute", 60, count), maintenance.Chore("long", 0, take_long)]
    monkeypatch.setattr(maintenance, "chores", lambda _: listed)

    maintenance.work_until(stop, tick=0.001)

    assert done == [100, 160, 220, 280]


def test_a_chore_that_fails_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop, done = Event(), []

    def fail() -> int:
        raise ValueError("made up for the test")

    def refuse() -> int:
        raise OperationalError("made up for the test")

    def finish() -> int:
        done.append(1)
        stop.set()
        return 1

    monkeypatch.setattr(connections, "close_all", lambda: None)
    listed = [maintenance.Chore("bad", 1, fail), maintenance.Chore("refused", 1, refuse)]
    monkeypatch.setattr(maintenance, "chores", lambda _: [*listed, maintenance.Chore("good", 1, finish)])

    maintenance.work_until(stop, tick=0.01)

    assert done == [1]
    assert "bad failed" in caplog.text

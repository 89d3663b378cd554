"""The same worker behind RabbitMQ and behind Redis: doorbells come from there, and what is to be done from the rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from apps.jobs import turns
from apps.jobs.inside import brokers, worker
from apps.jobs.inside.tests.test_worker import await_end, declared, left_clean, working
from apps.jobs.sweeping import repair
from apps.jobs.tasks import Run, Task
from apps.tenancy.walls import enter
from tests.standins.brokers import require_broker, serving
from tests.world import World

pytestmark = pytest.mark.slow
__all__ = ["declared", "left_clean"]


@pytest.fixture(params=["rabbitmq", "redis"], scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A real server, by its URL."""
    require_broker(request.param)
    with serving(request.param) as url:
        yield url


@pytest.fixture
def doorbells(server: str, settings: Any) -> Iterator[None]:
    """Rings through `server`."""
    settings.PACKMULE_BROKER_URL = server
    turns.register_ringer(brokers.ring)
    yield
    turns._ringers.remove(brokers.ring)
    brokers._named(server).flush_all()
    brokers._named(server).close()
    brokers._named.cache_clear()


def nap(run: Run) -> int:
    """A job of a moment."""
    time.sleep(0.01)
    return int(run.payload["n"])


def enqueue(world: World, napping: Task, count: int) -> None:
    for space in (world.acorn, world.birch):
        with enter(space.ref), transaction.atomic():
            napping.enqueue_many(None, [({"n": n}, None) for n in range(count)])


def test_jobs_of_two_tenants_are_done(
    left_clean: World, declared: Callable[..., Task], doorbells: None
) -> None:
    napping = declared(nap)
    with working():
        enqueue(left_clean, napping, 20)
        for space in (left_clean.acorn, left_clean.birch):
            assert [job.result for job in await_end(space, "test.nap", 20)] == list(range(20))


def test_doorbells_that_were_lost_are_rung_again(
    left_clean: World, declared: Callable[..., Task], doorbells: None, server: str
) -> None:
    napping = declared(nap)
    enqueue(left_clean, napping, 5)
    brokers._named(server).flush_all()
    with working():
        time.sleep(1)
        with enter(left_clean.acorn.ref):
            from apps.jobs.models import Job

            assert not Job.objects.filter(kind="test.nap", state="succeeded").exists()
        assert repair() >= 1
        for space in (left_clean.acorn, left_clean.birch):
            await_end(space, "test.nap", 5)


def test_one_doorbell_is_enough_for_all_that_waits(
    left_clean: World,
    declared: Callable[..., Task],
    doorbells: None,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "repair", lambda: 0)
    napping = declared(nap)
    enqueue(left_clean, napping, 150)
    brokers._named(server).flush_all()
    with working():
        brokers.ring(1)
        for space in (left_clean.acorn, left_clean.birch):
            await_end(space, "test.nap", 150)

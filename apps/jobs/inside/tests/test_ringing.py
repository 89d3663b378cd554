"""A broker that is away costs time and nothing else: whoever enqueues hears of no failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction

from apps.jobs import turns
from apps.jobs.inside import brokers
from apps.jobs.inside.tests.test_worker import declared, left_clean
from apps.jobs.models import Job
from apps.jobs.registry import Lane
from apps.jobs.sweeping import repair
from apps.jobs.tasks import Run, Task
from apps.tenancy.walls import enter, registry
from tests.standins.smtp import free_port
from tests.world import World

__all__ = ["declared", "left_clean"]


@pytest.fixture
def no_broker(settings: Any) -> Iterator[None]:
    """The address of a broker at which nobody listens."""
    settings.PACKMULE_BROKER_URL = f"redis://127.0.0.1:{free_port()}/0"
    turns.register_ringer(brokers.ring)
    yield
    turns._ringers.remove(brokers.ring)
    brokers._named.cache_clear()


@pytest.fixture
def broken_ringer() -> Iterator[None]:
    """A ringer that raises."""

    def ring(_times: int) -> None:
        raise ConnectionError("nobody listens")

    turns.register_ringer(ring)
    yield
    turns._ringers.remove(ring)


def rest(_run: Run) -> None: ...


def test_enqueuing_does_not_fail_with_the_broker(
    left_clean: World, declared: Callable[..., Task], no_broker: None, caplog: pytest.LogCaptureFixture
) -> None:
    with enter(left_clean.acorn.ref), transaction.atomic():
        declared(rest).enqueue(None, {})
    assert "no doorbell was rung (ConnectionError" in caplog.text


def test_what_is_done_after_a_commit_does_not_fail_it(
    left_clean: World, declared: Callable[..., Task], broken_ringer: None, caplog: pytest.LogCaptureFixture
) -> None:
    with enter(left_clean.acorn.ref), transaction.atomic():
        job = declared(rest).enqueue(None, {})
    assert "nobody listens" in caplog.text
    with enter(left_clean.acorn.ref):
        assert Job.objects.filter(pk=job.pk).exists()


def test_the_sweep_mends_the_rest_without_the_broker(
    left_clean: World, declared: Callable[..., Task], no_broker: None
) -> None:
    with enter(left_clean.acorn.ref), transaction.atomic():
        declared(rest).enqueue(None, {})
    with registry():
        Lane.objects.update(active=False)
    assert repair() >= 1
    with registry():
        assert Lane.objects.get().active

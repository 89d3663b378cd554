"""Leases that a worker holds: renewed by their own length, and left alone where nobody knows how the attempt ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, transaction

from apps.core import clock
from apps.jobs.inside import performing
from apps.jobs.inside.performing import Held
from apps.jobs.inside.tests.test_worker import await_end, declared, left_clean, working
from apps.jobs.models import Attempt, Job
from apps.jobs.registry import Lane, Runner
from apps.jobs.running import Outcome
from apps.jobs.tasks import AgainLater, Run, Task
from apps.tenancy.walls import enter, registry
from tests.world import Space, World

pytestmark = pytest.mark.slow
__all__ = ["declared", "left_clean"]


def short_leases(space: Space, seconds: int = 1) -> None:
    """Have leases of the tests' lane be good for a moment."""
    with registry():
        Lane.objects.create(
            schema_name=space.ref.schema_name,
            queue="packmule.test",
            runner=Runner.PLATFORM,
            lease_seconds=seconds,
            active=False,
        )


def enqueue(space: Space, made: Task) -> None:
    with enter(space.ref), transaction.atomic():
        made.enqueue(None, {})


def attempts(space: Space, job: Job) -> list[str]:
    """How the attempts ended, in order."""
    with enter(space.ref):
        return list(Attempt.objects.filter(job=job).order_by("started_at").values_list("state", flat=True))


def test_a_lease_is_renewed_in_time_however_short_it_is(
    left_clean: World, declared: Callable[..., Task]
) -> None:
    def linger(_run: Run) -> None:
        time.sleep(3.5)

    lingering, space = declared(linger), left_clean.acorn
    short_leases(space)
    enqueue(space, lingering)
    with working():
        (job,) = await_end(space, "test.linger", 1)
    assert (job.state, attempts(space, job)) == ("succeeded", ["succeeded"])


def test_a_job_of_which_nobody_knows_how_it_ended_runs_again(
    left_clean: World, declared: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stay(_run: Run) -> None: ...

    real, broken = performing.perform, [True]

    def perform(held: Held) -> Outcome | None:
        if broken.pop() if broken else False:
            raise OperationalError("the server is gone")
        return real(held)

    monkeypatch.setattr(performing, "perform", perform)
    staying, space = declared(stay), left_clean.acorn
    short_leases(space)
    enqueue(space, staying)
    with working():
        (job,) = await_end(space, "test.stay", 1)
    assert (job.state, attempts(space, job)) == ("succeeded", ["lost", "succeeded"])


@pytest.mark.parametrize("off", [timedelta(minutes=10), timedelta(minutes=-10)])
def test_nothing_is_begun_by_a_clock_that_is_off(
    left_clean: World, declared: Callable[..., Task], monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    def falter(run: Run) -> None:
        if run.attempt == 1:
            raise AgainLater("not at first")

    faltering = declared(falter, retry={"initial_seconds": 1.5, "jitter": 0})
    space, right = left_clean.acorn, datetime.now(UTC)
    enqueue(space, faltering)
    monkeypatch.setattr(clock, "_offset", timedelta())
    monkeypatch.setattr(clock, "machine_now", lambda: datetime.now(UTC) + off)
    with working():
        (job,) = await_end(space, "test.falter", 1)
    with enter(space.ref):
        first, second = (
            Attempt.objects.filter(job=job).order_by("number").values_list("started_at", flat=True)
        )
    assert right < first < right + timedelta(minutes=1)
    assert timedelta(seconds=1.5) <= second - first < timedelta(seconds=15)

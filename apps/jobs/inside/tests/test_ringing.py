"""A broker that is away costs time and nothing else: whoever enqueues hears of no failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import transaction

from apps.jobs import turns
from apps.jobs.inside.tests.test_worker import await_end, declared, left_clean, working
from apps.jobs.tasks import Run, Task
from apps.tenancy.walls import enter
from tests.world import World

__all__ = ["declared", "left_clean"]


@pytest.fixture
def no_broker() -> Iterator[None]:
    """A ringer that finds nobody, as one does whose broker is down."""

    def ring(_times: int) -> None:
        raise ConnectionError("nobody listens")

    turns.register_ringer(ring)
    yield
    turns._ringers.remove(ring)


def test_enqueuing_does_not_fail_with_the_broker(
    left_clean: World, declared: Callable[..., Task], no_broker: None, caplog: pytest.LogCaptureFixture
) -> None:
    def rest(_run: Run) -> None: ...

    resting, space = declared(rest), left_clean.acorn
    with enter(space.ref), transaction.atomic():
        resting.enqueue(None, {})
    assert "nobody listens" in caplog.text
    with working():
        (job,) = await_end(space, "test.rest", 1)
    assert job.state == "succeeded"

"""Tasks of the tests' own, in the processes of a real installation; see tests/standins/settings.py."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from functools import partial

from django.apps import AppConfig


class StandinJobsConfig(AppConfig):
    """Declares tasks, and has the process behave as its environment says."""

    name = "tests.standins.jobs"
    label = "standin_jobs"

    def ready(self) -> None:
        """Called once in each process."""
        from tests.standins.jobs import tasks

        assert tasks.mark.queue == tasks.QUEUE
        _turn_clock(float(os.environ.get("STANDIN_CLOCK_SECONDS", "0")))
        _ring_too_often(int(os.environ.get("STANDIN_RINGS", "1")))


def _turn_clock(seconds: float) -> None:
    if not seconds:
        return
    from apps.core import clock

    right = clock.machine_now

    def wrong() -> datetime:
        return right() + timedelta(seconds=seconds)

    clock.machine_now = wrong


def _ring_too_often(times: int) -> None:
    from apps.jobs import turns
    from apps.jobs.inside.brokers import ring

    for _ in range(times - 1):
        # Each is another one to the register, which takes the same only once.
        turns.register_ringer(partial(ring))

"""`manage.py worker`: how it ends."""

from __future__ import annotations

from threading import Event

import pytest
from django.core.management import call_command

from apps.jobs.management.commands import worker


def test_its_jobs_end_at_the_signal_and_not_after_the_chore_of_that_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended, in_time = Event(), list[bool]()

    class Idle:
        def __init__(self, threads: int) -> None:
            self.threads = threads

        def start(self) -> None:
            assert not ended.is_set()

        def stop(self) -> None:
            ended.set()

    def long_chore(stop: Event) -> None:
        stop.set()
        in_time.append(ended.wait(5))

    monkeypatch.setattr(worker, "Worker", Idle)
    monkeypatch.setattr(worker, "work_until", long_chore)
    monkeypatch.setattr("apps.core.serving.objections", list)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    call_command("worker", threads=1)
    assert in_time == [True]

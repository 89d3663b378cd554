"""What the platform's workers do in tests of faults."""

from __future__ import annotations

import os
import signal
import time
from typing import Any, Final

from apps.jobs.tasks import AgainLater, Run, task

QUEUE: Final = "packmule.standins"
_QUICK = {"initial_seconds": 0.2, "factor": 1.0, "jitter": 0.0}


@task("standin.mark", queue=QUEUE, max_attempts=30, retry=_QUICK)
def mark(run: Run) -> dict[str, Any]:
    """Take `seconds`, or `first_seconds` where it is the first attempt, and say which attempt it was."""
    first = run.payload.get("first_seconds")
    time.sleep(first if first is not None and run.attempt == 1 else run.payload.get("seconds", 0))
    return {"attempt": run.attempt, "pid": os.getpid()}


@task("standin.stumble", queue=QUEUE, max_attempts=30, retry=_QUICK)
def stumble(run: Run) -> dict[str, Any]:
    """Fail at the first attempt."""
    if run.attempt == 1:
        raise AgainLater("not at the first attempt")
    return {"attempt": run.attempt}


@task("standin.poison", queue=QUEUE, max_attempts=3, retry=_QUICK)
def poison(run: Run) -> None:
    """Kill the worker, each time."""
    assert run.attempt <= 3
    os.kill(os.getpid(), signal.SIGKILL)


TASKS = {each.kind: each for each in (mark, stumble, poison)}

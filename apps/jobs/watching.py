"""Watching a job from a terminal: one job, any number of calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from apps.jobs.states import ENDED

#: Seconds between two looks.
PAUSE = 1.0


def watch(
    read: Callable[[], dict[str, Any]], say: Callable[[str], Any], pause: float = PAUSE
) -> dict[str, Any]:
    """Read a job again and again until it is over, and say a line whenever there is something new about it.

    Returns it as it was read last, also when somebody interrupts. Raises what `read` does.
    """
    said = ""
    while True:
        job = read()
        line = line_of(job)
        if line != said:
            say(line)
            said = line
        if job["state"] in ENDED or not _rested(pause):
            return job


def _rested(seconds: float) -> bool:
    """False when somebody interrupted."""
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        return False
    return True


def line_of(job: Mapping[str, Any]) -> str:
    """Where a job stands: state, attempt, progress and message; of one that failed, the error."""
    words = [str(job["state"])]
    if job["attempt"]:
        words.append(f"attempt {job['attempt']}")
    if job["progress"] is not None:
        words.append(f"{job['progress']:g}")
    words.append(job["message"] or "")
    if job["error"] and job["state"] not in ("running", "succeeded"):
        words.append(f"({job['error'].get('type', '')}: {job['error'].get('message', '')})")
    return " ".join(word for word in words if word)

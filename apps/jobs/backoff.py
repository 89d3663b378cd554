"""Whether a job is tried again after an attempt that failed, and how long it waits."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from apps.core import clock

#: One second, then four times as long after each attempt, up to an hour; a fifth of it is chance.
DEFAULTS: Final[Mapping[str, float]] = {
    "initial_seconds": 1.0,
    "factor": 4.0,
    "max_seconds": 3600.0,
    "jitter": 0.2,
}
#: For what nobody else would do: it is tried again for days, every five minutes in the end.
PATIENT: Final[Mapping[str, float]] = {"initial_seconds": 1.0, "factor": 2.0, "max_seconds": 300.0}
_CHANCE = secrets.SystemRandom()


def seconds_after(attempt: int, *policies: Mapping[str, Any] | None) -> float:
    """Seconds after attempt number `attempt` (from 1). Of `policies` the first that says something counts.

    Jitter spreads the jobs that failed together: the wait lies between (1 - jitter) and (1 + jitter) times its length.
    """
    said = {name: value for policy in reversed(policies) for name, value in (policy or {}).items()}
    wait = {**DEFAULTS, **said}
    steps = min(attempt - 1, 64)
    length = min(wait["initial_seconds"] * wait["factor"] ** steps, wait["max_seconds"])
    return float(length * (1 + wait["jitter"] * _CHANCE.uniform(-1, 1)))


def is_final(error_type: str, *policies: Mapping[str, Any] | None) -> bool:
    """Whether an error of that type ends the job. Of `policies` the first that names such types counts."""
    named = next((policy["never_on"] for policy in policies if policy and "never_on" in policy), ())
    return error_type in named


def time_after(attempt: int, *policies: Mapping[str, Any] | None, at_least: float = 0) -> datetime:
    """When the next attempt begins: `at_least` seconds from now, which is what a worker asked for."""
    return clock.now() + timedelta(seconds=max(seconds_after(attempt, *policies), at_least))

"""The one place time comes from, so that a test can hold it still.

Database clocks (`clock_timestamp()`) are used only where two processes have to agree on the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final


@dataclass(slots=True)
class FrozenClock:
    """A clock that stands still until it is moved."""

    at: datetime

    def move(self, by: timedelta) -> datetime:
        """Move by `by` (backwards when negative) and return the new time."""
        self.at += by
        return self.at


#: The same in SQL, with what `held` says as the parameter `now`. A sub-select, so that an index can be asked by it.
NOW_SQL: Final = "(select coalesce(%(now)s::timestamptz, clock_timestamp()))"
# Process-wide and not per context: a test that freezes time means the server's threads too.
_frozen: list[FrozenClock] = []


#: What this machine's clock lacks to the one that all processes agree on.
_offset = timedelta()


def now() -> datetime:
    """Return the current time, aware, in UTC."""
    return _frozen[-1].at if _frozen else machine_now() + _offset


def machine_now() -> datetime:
    """What the clock of this machine says, which may be wrong."""
    return datetime.now(UTC)


def agree_on(time: datetime) -> timedelta:
    """Have `now()` go on from `time`, which is what the database's clock says at this moment. Returns what was lacking.

    A process whose machine is minutes off would run what is not due, or end what is.
    """
    global _offset
    _offset = time - machine_now()
    return _offset


def held() -> datetime | None:
    """Where the clock is held; None when it runs, so that a statement takes the database's clock instead."""
    return _frozen[-1].at if _frozen else None


@contextmanager
def frozen(at: datetime) -> Iterator[FrozenClock]:
    """Hold `now()` at `at` (aware) inside the block; for tests. Raises ValueError for a naive time."""
    if at.tzinfo is None:
        raise ValueError("a frozen clock needs a time with an offset")
    clock = FrozenClock(at.astimezone(UTC))
    _frozen.append(clock)
    try:
        yield clock
    finally:
        _frozen.remove(clock)

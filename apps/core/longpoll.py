"""Waiting for something to come, in a call that is being answered: a few at a time in each process.

A web process has 8 threads, and each that waits answers nobody else. So there are PACKMULE_LONG_POLLS places; whoever
finds none is answered at once, as if nothing had come, and asks again. Rooms share the places.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TypeVar

from django.conf import settings
from django.db import connection

T = TypeVar("T")
#: The longest that a call waits, in seconds: proxies hang up after 30 and more.
MOST_SECONDS = 20
#: Seconds between two looks.
PAUSE = 0.5

_lock = Lock()
_waiting = 0


def _rest(left: float) -> None:
    time.sleep(min(PAUSE, left))


def await_found(
    look: Callable[[], T],
    is_enough: Callable[[T], bool],
    *,
    seconds: float,
    rest: Callable[[float], object] = _rest,
) -> T:
    """Return what `look` finds, looking again until that is enough, for so many seconds at most.

    `rest` waits between two looks, for the seconds that it is given or less; without it that is PAUSE.

    It looks once where no place is free, and where a transaction is open: that would see the same again, and keep
    others waiting. In between no lock is held; the connection stays this thread's.
    """
    found = look()
    if seconds <= 0 or connection.in_atomic_block or is_enough(found):
        return found
    with _place() as taken:
        ends = time.monotonic() + min(seconds, MOST_SECONDS)
        while taken and not is_enough(found) and (left := ends - time.monotonic()) > 0:
            rest(left)
            found = look()
    return found


@contextmanager
def _place() -> Iterator[bool]:
    """Take a place for as long as the block lasts; yields whether there was one."""
    global _waiting
    with _lock:
        taken = _waiting < settings.PACKMULE_LONG_POLLS
        _waiting += taken
    try:
        yield taken
    finally:
        with _lock:
            _waiting -= taken

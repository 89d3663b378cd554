"""Hearing that a lane was woken: the connection that listens, and those who wait for it in this process.

Calls that wait for jobs share one connection. It begins with the first that rests, and ends when none did for a
while. Where there is none, and behind a pooler that hands out sessions in turns, whoever waits looks often instead.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Any, Final

import psycopg
from django.db import connections

from apps.jobs.turns import CHANNEL

logger = logging.getLogger("packmule.jobs")
#: Seconds between two looks of whoever waits while nobody listens.
PAUSE: Final = 0.1
#: Seconds between two looks whether anybody waits still, and without anybody until the end.
_LOOK, _IDLE = 1.0, 30.0
#: Seconds until another connection is tried: after one that failed, and behind a pooler.
_AGAIN, _POOLED = 2.0, 60.0


class Ear:
    """What one call that waits hears of its queue."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._told = Event()

    def tell(self) -> None:
        """End the rest of whoever waits, or its next one."""
        self._told.set()

    def listens(self) -> bool:
        """Whether it is told of whatever is woken; the connection is begun where there is none."""
        return self._listener.listens()

    def rest(self, seconds: float) -> None:
        """Wait until it is told, for so many seconds at most."""
        self._told.wait(seconds)
        self._told.clear()


class Listener:
    """The one connection of a process, in a thread of its own, and the ears that it tells."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ears: dict[str, set[Ear]] = {}
        self._thread: Thread | None = None
        self._listening = False
        self._used = 0.0

    @contextmanager
    def ear(self, schema_name: str, queue: str) -> Iterator[Ear]:
        """Be told of that queue as long as the block lasts. Nothing is begun before somebody rests."""
        mine, name = Ear(self), f"{schema_name} {queue}"
        with self._lock:
            self._ears.setdefault(name, set()).add(mine)
        try:
            yield mine
        finally:
            self._forget(name, mine)

    def _forget(self, name: str, ear: Ear) -> None:
        with self._lock:
            self._ears[name].discard(ear)
            if not self._ears[name]:
                del self._ears[name]

    def listens(self) -> bool:
        """Whether the connection is there, which is begun if it is not."""
        with self._lock:
            self._used = time.monotonic()
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="jobs listener", daemon=True)
                self._thread.start()
            return self._listening

    def _run(self) -> None:
        while not self._ended():
            try:
                pause = self._listen()
            except psycopg.Error as failure:
                logger.warning("not listening for jobs (%s); trying again", type(failure).__name__)
                pause = _AGAIN
            finally:
                self._say_listening(False)
            time.sleep(pause)

    def _ended(self) -> bool:
        """Whether nobody rested for a while: the thread ends then, and the next who rests begins another."""
        with self._lock:
            if self._is_idle():
                self._thread = None
            return self._thread is None

    def _listen(self) -> float:
        """Tell whoever waits, until nobody does; nobody behind a pooler. Returns the seconds to the next try."""
        with connected() as connection:
            if not is_own(connection):
                return _POOLED
            connection.execute(f"listen {CHANNEL}")
            self._say_listening(True)
            while not self._is_idle():
                for notice in connection.notifies(timeout=_LOOK):
                    self._tell(notice.payload.partition(" ")[2])
        return 0.0

    def _is_idle(self) -> bool:
        return time.monotonic() - self._used > _IDLE

    def _say_listening(self, listening: bool) -> None:
        """Note whether it does. All are told where that is new: something may have been woken while nobody listened."""
        with self._lock:
            is_new, self._listening = listening != self._listening, listening
            told = [ear for ears in self._ears.values() for ear in ears] if is_new else []
        for ear in told:
            ear.tell()

    def _tell(self, name: str) -> None:
        with self._lock:
            told = list(self._ears.get(name, ()))
        for ear in told:
            ear.tell()


#: This process's. A child of a fork has none of its parent's threads, so that processes fork before they wait.
listener: Final = Listener()


def is_own(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server at the other end is this connection's own: a pooler greets with a number it made up."""
    row = connection.execute("select pg_backend_pid()").fetchone()
    return row is not None and row[0] == connection.info.backend_pid


def connected() -> psycopg.Connection[Any]:
    """A connection of its own as the bare login, which may read the registry and nothing else.

    It is made as all others, TLS included, but for `options`: they end a session that idles.
    """
    params = connections["default"].get_connection_params()
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()} - {"options"}
    return psycopg.connect(autocommit=True, **{name: params[name] for name in known if params.get(name)})

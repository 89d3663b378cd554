"""Hearing that a lane was woken, so that an idle worker does not have to ask."""

from __future__ import annotations

import logging
from threading import Event, Thread

import psycopg

from apps.jobs.hearing import connected
from apps.jobs.registry import Runner
from apps.jobs.turns import CHANNEL

logger = logging.getLogger("packmule.jobs")
_LOOK, _PAUSE = 0.25, 2.0


class Listener(Thread):
    """Sets `heard` whenever a lane of the platform was woken. While it has no connection, workers ask by themselves."""

    def __init__(self, heard: Event) -> None:
        super().__init__(name="listener", daemon=True)
        self.heard = heard
        self._stop_asked = Event()

    def run(self) -> None:
        """Listen until the end is asked for, over one connection after another."""
        while not self._stop_asked.is_set():
            try:
                self._listen()
            except psycopg.Error as failure:
                logger.warning("not listening for jobs (%s); trying again", type(failure).__name__)
                self._stop_asked.wait(_PAUSE)

    def finish(self) -> None:
        """End."""
        self._stop_asked.set()
        self.join()

    def _listen(self) -> None:
        with connected() as connection:
            connection.execute(f"listen {CHANNEL}")
            # What was said while nobody listened.
            self.heard.set()
            while not self._stop_asked.is_set():
                for notice in connection.notifies(timeout=_LOOK):
                    if notice.payload.startswith(Runner.PLATFORM):
                        self.heard.set()

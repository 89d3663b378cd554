"""Renewing the leases that this process holds, so that a job may take longer than one of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Event, Lock, Thread
from uuid import UUID

from django.db import DatabaseError, connections

from apps.core import clock
from apps.jobs import leases
from apps.jobs.inside.performing import Held

logger = logging.getLogger("packmule.jobs")
#: Seconds between two looks, which cost nothing while no lease is due. The shortest lease is a second.
_LOOK = 0.25
#: After which part of its length a lease is renewed, and seconds until it is tried again where that failed.
_PART, _PAUSE = 0.25, 0.5


@dataclass(slots=True)
class _Kept:
    """A lease of `seconds`, held since a moment of time.monotonic() and good since a later one."""

    held: Held
    seconds: int
    since: float
    renewed: float

    def is_due(self, now: float) -> bool:
        """Whether to renew it now. A job that takes longer than it may is given up."""
        limit = self.held.job.attempt_seconds
        late = limit is not None and now - self.since > limit
        return not late and now - self.renewed >= self.seconds * _PART


class Keeper(Thread):
    """Renews what is held, each for as long as it was claimed for.

    A job that takes longer than an attempt at it may is given up: its lease runs out.
    """

    def __init__(self) -> None:
        super().__init__(name="keeper", daemon=True)
        self._kept: dict[UUID, _Kept] = {}
        self._lock = Lock()
        self._stop_asked = Event()

    def keep(self, held: Iterable[Held]) -> None:
        """Renew these from now on."""
        now, hour = time.monotonic(), clock.now()
        with self._lock:
            for each in held:
                seconds = max(round((each.lease.until - hour).total_seconds()), 1)
                self._kept[each.job.pk] = _Kept(each, seconds, now, now)

    def forget(self, ids: Iterable[UUID]) -> None:
        """Renew these no more."""
        with self._lock:
            for job_id in ids:
                self._kept.pop(job_id, None)

    def outgoing(self) -> int:
        """How many of those that are held go to receivers of the tenants' choice."""
        with self._lock:
            return sum(each.held.lease.outgoing for each in self._kept.values())

    def run(self) -> None:
        """Renew until the end is asked for."""
        while not self._stop_asked.wait(_LOOK):
            try:
                self._renew()
            except DatabaseError as failure:
                logger.warning("leases not renewed (%s); trying again", type(failure).__name__)
                self._rest()
            except Exception:
                logger.exception("leases not renewed; trying again")
                self._rest()
        connections.close_all()

    def finish(self) -> None:
        """End; leases that are held run out by themselves."""
        self._stop_asked.set()
        self.join()

    def _rest(self) -> None:
        connections.close_all()
        self._stop_asked.wait(_PAUSE)

    def _renew(self) -> None:
        now = time.monotonic()
        with self._lock:
            due = [each for each in self._kept.values() if each.is_due(now)]
        if not due:
            return
        leases.renew_all((each.held.job.pk, each.held.lease.token, each.seconds) for each in due)
        for each in due:
            each.renewed = now

"""Writing down how attempts ended: many at a time, so that a small job does not pay for a whole commit.

A job whose end was not written when the process dies is done again, as one that died in the middle is.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import replace
from queue import Empty, Queue
from threading import Event, Thread

from django.db import InterfaceError, OperationalError, connections

from apps.core.actor import TenantRef
from apps.jobs.inside.keeping import Keeper
from apps.jobs.running import Outcome
from apps.jobs.settling import settle
from apps.jobs.states import AttemptState, JobState
from apps.tenancy.walls import enter

logger = logging.getLogger("packmule.jobs")
#: How many ends are written in one transaction at most, and how many may wait: beyond it, whoever ends a job waits.
_TOGETHER, _WAITING = 256, 2048
_TRIES, _PAUSE = 5, 0.5
_UNKEPT = {"type": "unkept", "message": "What the attempt came to cannot be written down."}


class Finisher(Thread):
    """Takes outcomes from the worker's threads, and writes them."""

    def __init__(self, keeper: Keeper) -> None:
        super().__init__(name="finisher", daemon=True)
        self.keeper = keeper
        self._outcomes: Queue[tuple[TenantRef, Outcome] | None] = Queue(_WAITING)
        self._stop_asked = Event()

    def put(self, tenant: TenantRef, outcome: Outcome) -> None:
        """Have `outcome` written soon."""
        self._outcomes.put((tenant, outcome))

    def run(self) -> None:
        """Write what comes until the end is asked for, and then what is left."""
        while (first := self._outcomes.get()) is not None:
            batch = [first, *self._more()]
            self._write([each for each in batch if each is not None])
            if None in batch:
                break
        connections.close_all()

    def finish(self) -> None:
        """Write what is left, and end. Nothing may be put any more."""
        self._outcomes.put(None)
        self.join()

    def _more(self) -> list[tuple[TenantRef, Outcome] | None]:
        found: list[tuple[TenantRef, Outcome] | None] = []
        try:
            while len(found) < _TOGETHER:
                found.append(self._outcomes.get_nowait())
        except Empty:
            pass
        return found

    def _write(self, batch: list[tuple[TenantRef, Outcome]]) -> None:
        by_tenant: defaultdict[TenantRef, list[Outcome]] = defaultdict(list)
        for tenant, outcome in batch:
            by_tenant[tenant].append(outcome)
        for tenant, outcomes in by_tenant.items():
            self._write_in(tenant, outcomes)
            self.keeper.forget(outcome.job_id for outcome in outcomes)

    def _write_in(self, tenant: TenantRef, outcomes: list[Outcome]) -> None:
        """Write those of one tenant. What cannot be written is done again when its lease is over."""
        for _ in range(_TRIES):
            try:
                with enter(tenant):
                    settle(None, outcomes)
            except (OperationalError, InterfaceError) as failure:
                said = type(failure).__name__
                logger.warning("%s: ends of %d jobs not written (%s)", tenant.name, len(outcomes), said)
                connections.close_all()
                self._stop_asked.wait(_PAUSE)
            except Exception as failure:  # noqa: BLE001 - whatever it was, the others are written
                self._write_apart(tenant, outcomes, failure)
                return
            else:
                return

    def _write_apart(self, tenant: TenantRef, outcomes: list[Outcome], failure: Exception) -> None:
        """Write each by itself: one that cannot be kept takes no other with it, and its job is over."""
        if len(outcomes) > 1:
            for outcome in outcomes:
                self._write_in(tenant, [outcome])
            return
        (outcome,) = outcomes
        logger.error(
            "%s: the end of %s cannot be kept (%s)", tenant.name, outcome.job_id, type(failure).__name__
        )
        if outcome.error != _UNKEPT:
            dead = replace(
                outcome, state=JobState.DEAD, attempt=AttemptState.FAILED, result=None, run_at=None
            )
            self._write_in(tenant, [replace(dead, error=dict(_UNKEPT))])

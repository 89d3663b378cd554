"""A process that does the platform's own jobs: it claims, does, writes down, renews and sweeps until it is stopped."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any
from uuid import UUID

import dramatiq
from django.db import DatabaseError, connection, connections

from apps.core import clock
from apps.jobs.inside import brokers, performing
from apps.jobs.inside.finishing import Finisher
from apps.jobs.inside.keeping import Keeper
from apps.jobs.inside.listening import Listener
from apps.jobs.inside.performing import Held
from apps.jobs.running import Outcome
from apps.jobs.states import AttemptState, JobState
from apps.jobs.sweeping import repair, sweep
from apps.tenancy import agreeing

logger = logging.getLogger("packmule.jobs")
#: Seconds between two sweeps, and between two repairs.
_SWEEP, _REPAIR = 1.0, 10.0
#: What running jobs get to end when the worker is stopped.
_GRACE = 3.0
#: Seconds for which one doorbell is answered at most: brokers take one that is never done with for lost.
_DOORBELL = 60.0
#: Milliseconds after which an idle thread looks whether it is to end.
_IDLE = 250


class Worker:
    """The threads of one worker process. `threads` jobs are done at a time."""

    def __init__(self, threads: int) -> None:
        self.many = threads
        self.name = f"{socket.gethostname()}:{os.getpid()}"[:100]
        self.leases = brokers.Leases()
        self.keeper = Keeper()
        self.finisher = Finisher(self.keeper)
        self.heard = Event()
        self.stopping = Event()
        self.listener: Listener | None = None
        self.agreed = False
        self.sweeper = Thread(target=self._sweep, name="sweeper", daemon=True)
        self.broker = brokers.doorbells() or brokers.EmbeddedBroker(
            self.take, self.leases, self.heard, threads
        )
        self._declare_actor()
        self.threads = dramatiq.Worker(self.broker, worker_threads=threads, worker_timeout=_IDLE)

    def start(self) -> None:
        """Begin; returns at once."""
        for thread in (self.keeper, self.finisher, self.sweeper):
            thread.start()
        if isinstance(self.broker, brokers.EmbeddedBroker):
            self.listener = Listener(self.heard)
            self.listener.start()
        self.threads.start()

    def stop(self) -> None:
        """Begin no job any more, let those that run end for a moment, write how, and give back what was not begun."""
        self.stopping.set()
        self.heard.set()
        self.threads.stop(timeout=int(_GRACE * 1000))
        for held in self.leases.drain():
            self.finisher.put(held.tenant, _given_back(held))
        self.finisher.finish()
        self.keeper.finish()
        if self.listener is not None:
            self.listener.finish()
        self.sweeper.join()

    def take(self, limit: int) -> tuple[list[Held], bool]:
        """Claim up to `limit` jobs, and renew their leases from now on."""
        if self.stopping.is_set():
            # Whoever waits for something to claim looks up, and finds that it is to end.
            self.heard.set()
            time.sleep(0.01)
            return [], False
        try:
            self._agree()
            found, there = performing.take(limit, self.name, self._senders())
        except DatabaseError as failure:
            logger.warning("nothing claimed (%s); trying again", type(failure).__name__)
            connections.close_all()
            return [], False
        self.keeper.keep(found)
        return found, there

    def _senders(self) -> int:
        """How many more threads may wait for receivers: all but one, so that everybody else's jobs go on."""
        return max(1, self.many - 1) - self.keeper.outgoing()

    def _agree(self) -> None:
        """Begin nothing by a clock that nobody has compared yet."""
        if not self.agreed:
            agreeing.agree_on_time()
            self.agreed = True

    def _declare_actor(self) -> None:
        embedded = isinstance(self.broker, brokers.EmbeddedBroker)
        function: Callable[..., None] = self.perform if embedded else self.answer
        declare = dramatiq.actor(broker=self.broker, actor_name=brokers.ACTOR, queue_name=brokers.QUEUE)
        declare(function)

    def perform(self, *job_ids: str) -> None:
        """Do the jobs of leases that this process holds; there is no other way to have one done here."""
        for job_id in job_ids:
            held = self.leases.pop(UUID(job_id))
            if held is None:
                raise RuntimeError(f"{job_id} is not held here.")
            began = time.monotonic()
            self._do(held)
            if isinstance(self.broker, brokers.EmbeddedBroker):
                self.broker.took(held.job.kind, time.monotonic() - began)

    def answer(self, *_: Any) -> None:
        """Answer a doorbell: claim the job whose turn it is, whoever rang, and do it.

        Then the next, until there is none: those who rang for the others may not have been heard.
        """
        until = time.monotonic() + _DOORBELL
        while not self.stopping.is_set() and time.monotonic() < until:
            found, there = self.take(1)
            for held in found:
                self._do(held)
            if not (found or there):
                break
            if not found:
                time.sleep(0.005)

    def _do(self, held: Held) -> None:
        try:
            outcome = performing.perform(held)
        except Exception:
            logger.exception("%s: how its attempt ended is not known; its lease runs out", held.job.pk)
            self.keeper.forget([held.job.pk])
            connections.close_all()
            return
        connection.close_if_unusable_or_obsolete()
        if outcome is None:
            self.keeper.forget([held.job.pk])
            return
        self.finisher.put(held.tenant, outcome)

    def _sweep(self) -> None:
        repaired = agreed = -agreeing.EVERY
        while not self.stopping.wait(_SWEEP):
            try:
                now = time.monotonic()
                if now - agreed > agreeing.EVERY:
                    agreed = now
                    agreeing.agree_on_time()
                if now - repaired > _REPAIR:
                    repaired = now
                    repair()
                if sweep():
                    self.heard.set()
            except DatabaseError as failure:
                logger.warning("not swept (%s); trying again", type(failure).__name__)
                connections.close_all()
            except Exception:
                logger.exception("not swept; trying again")
        connections.close_all()


def _given_back(held: Held) -> Outcome:
    """As if it had not been claimed: ready at once, and the attempt does not count."""
    return Outcome(
        held.job.pk,
        held.lease.token,
        JobState.SCHEDULED,
        AttemptState.WAITS,
        run_at=clock.now(),
        counted=False,
    )

"""What the worker does between jobs: keep spares ready and forget what nobody may ask for any more."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Event
from typing import Any

from allauth.idp.oidc.models import Token
from django.contrib.sessions.models import Session
from django.db import connections
from django.db.models import QuerySet

from apps.core import clock, idempotency
from apps.core.models import CacheEntry
from apps.tenancy.models import RateCounter, Tenant
from apps.tenancy.patrol import Patrol, Rows, register_duty, rows_of, surviving
from apps.tenancy.provisioning import refill_pool
from apps.tenancy.walls import registry

logger = logging.getLogger("packmule.worker")
_COUNTERS_KEPT_FOR = timedelta(hours=1)


@dataclass(slots=True)
class Chore:
    """Something to do every `every` seconds, or every `idle` seconds while there is nothing to do."""

    name: str
    every: float
    work: Callable[[], int]
    idle: float | None = None
    due: float = 0.0


def forget_counters() -> int:
    """Delete rate counters that bound nobody any more; returns how many."""
    with registry():
        return RateCounter.objects.filter(arrives_at__lt=clock.now() - _COUNTERS_KEPT_FOR).delete()[0]


def forget_in_tenant() -> int:
    """Delete old answers, ended sessions and tokens, and what the cache forgot; returns how many rows that were."""
    gone = idempotency.forget_old() + CacheEntry.forget_ended()
    gone += _ended_sessions().delete()[0] + _ended_tokens().delete()[0]
    return int(gone)


def _forgettable(tenant: Tenant) -> list[Rows]:  # noqa: ARG001 - what duties get
    return rows_of(idempotency.old(), CacheEntry.ended(), _ended_sessions(), _ended_tokens())


def _ended_sessions() -> QuerySet[Session]:
    return Session.objects.filter(expire_date__lt=clock.now())


def _ended_tokens() -> QuerySet[Any]:
    found: QuerySet[Any] = Token.objects.filter(expires_at__lt=clock.now())
    return found


register_duty("old answers and sessions", work=forget_in_tenant, due=_forgettable)

#: Those of the rooms above, by name: how often, in seconds, and what to do.
_registered: dict[str, tuple[float, Callable[[], int]]] = {}


def register_chore(name: str, *, every: float, work: Callable[[], int]) -> None:
    """Have `work` done every so many seconds outside of any tenant; it returns how much there was to do."""
    _registered[name] = (every, work)


def chores(stop: Event) -> list[Chore]:
    """All of them. Those that take long look whether `stop` is set."""
    above = [Chore(name, every, work) for name, (every, work) in _registered.items()]
    return [
        *above,
        Chore("spare tenants", 2.0, refill_pool, idle=10.0),
        Chore("rate counters", 600.0, forget_counters),
        Chore("tenants", 0.0, Patrol(stop).step),
    ]


def work_until(stop: Event, tick: float = 0.5) -> None:
    """Do the chores as they fall due until `stop` is set. One that fails is logged and tried again at its next turn."""
    pending = chores(stop)
    while not stop.is_set():
        for chore in pending:
            if chore.due <= time.monotonic() and not stop.is_set():
                _do(chore)
        stop.wait(tick)


def _do(chore: Chore) -> None:
    began = time.monotonic()
    chore.due = began + (chore.idle or chore.every)
    with _tidy(), surviving(chore.name):
        done = chore.work()
        if done:
            chore.due = began + chore.every
            logger.info("%s: %d", chore.name, done)


@contextmanager
def _tidy() -> Iterator[None]:
    """Close connections that are of no more use."""
    try:
        yield
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()

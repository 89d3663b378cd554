"""What the worker does between jobs: keep spares ready and forget what nobody may ask for any more."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Event

from allauth.idp.oidc.models import Token
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connections

from apps.core import clock, idempotency
from apps.core.models import CacheEntry
from apps.tenancy.models import RateCounter, Tenant
from apps.tenancy.provisioning import refill_pool
from apps.tenancy.walls import enter, outside, registry

logger = logging.getLogger("packmule.worker")
_COUNTERS_KEPT_FOR = timedelta(hours=1)


@dataclass(slots=True)
class Chore:
    """Something to do every `every` seconds."""

    name: str
    every: float
    work: Callable[[], int]
    due: float = 0.0


def forget_counters() -> int:
    """Delete rate counters that bound nobody any more; returns how many."""
    with registry():
        return RateCounter.objects.filter(arrives_at__lt=clock.now() - _COUNTERS_KEPT_FOR).delete()[0]


def in_every_tenant(work: Callable[[], int]) -> Callable[[], int]:
    """`work`, done in every active tenant, standing in the tenant as a whole; adds up what it returns.

    Where it fails that is logged, and the other tenants have their turn.
    """

    def everywhere() -> int:
        with outside():
            tenants = [tenant.ref for tenant in Tenant.objects.active()]
        done = 0
        for tenant in tenants:
            with _surviving(f"A chore in {tenant.name}"), enter(tenant):
                done += work()
        return done

    return everywhere


def forget_in_tenant() -> int:
    """Delete old answers, ended sessions and tokens, and what the cache forgot; returns how many rows that were."""
    gone = idempotency.forget_old() + CacheEntry.forget_ended()
    gone += Session.objects.filter(expire_date__lt=clock.now()).delete()[0]
    gone += Token.objects.filter(expires_at__lt=clock.now()).delete()[0]
    return int(gone)


#: Those of the rooms above, by name: how often, in seconds, and what to do.
_registered: dict[str, tuple[float, Callable[[], int]]] = {}


def register_chore(name: str, *, every: float, work: Callable[[], int]) -> None:
    """Have `work` done every so many seconds outside of any tenant; it returns how much there was to do."""
    _registered[name] = (every, work)


def chores() -> list[Chore]:
    """All of them."""
    above = [Chore(name, every, work) for name, (every, work) in _registered.items()]
    return [
        *above,
        Chore("spare tenants", 2.0, refill_pool),
        Chore("rate counters", 600.0, forget_counters),
        Chore("old answers and sessions", 3600.0, in_every_tenant(forget_in_tenant)),
    ]


def work_until(stop: Event, tick: float = 0.5) -> None:
    """Do the chores as they fall due until `stop` is set. One that fails is logged and tried again at its next turn."""
    pending = chores()
    elapsed = 0.0
    while not stop.is_set():
        for chore in pending:
            if chore.due <= elapsed and not stop.is_set():
                chore.due = elapsed + chore.every
                with _tidy(), _surviving(chore.name):
                    done = chore.work()
                    if done:
                        logger.info("%s: %d", chore.name, done)
        stop.wait(tick)
        elapsed += tick


@contextmanager
def _surviving(what: str) -> Iterator[None]:
    try:
        yield
    except DatabaseError as failure:
        logger.warning("%s: the database refused (%s); trying again later", what, type(failure).__name__)
        connections.close_all()
    except Exception:
        logger.exception("%s failed; trying again later", what)


@contextmanager
def _tidy() -> Iterator[None]:
    """Close connections that are of no more use."""
    try:
        yield
    finally:
        for connection in connections.all(initialized_only=True):
            connection.close_if_unusable_or_obsolete()

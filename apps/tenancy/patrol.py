"""What the worker does in tenants: it goes from one to the next, asks what is due, and does that alone.

A tenant in which nothing is due costs one statement, and then nothing is asked for some seconds: however many tenants
there are, an idle worker asks for no more. What must not wait until its tenant is reached is an errand: a row in the
registry, put there by the tenant itself. Both go on as long as there is something to do.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, connections
from django.db.models import QuerySet

from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.clock import NOW_SQL
from apps.tenancy.models import Errand, Tenant
from apps.tenancy.walls import current_schema, enter, outside, registry, registry_statement

logger = logging.getLogger("packmule.worker")
#: A statement that selects rows, and its parameters.
Rows = tuple[str, Sequence[Any]]
#: Seconds until the next tenant is asked after one in which nothing was due, and between two looks for errands.
REST, LOOK = 10.0, 5.0
#: Seconds that one call takes about, and until what found something to do is done again.
_SECONDS, _AGAIN = 5.0, 1.0
#: Seconds after which an errand is due again that somebody took and did not end, and days after which one is dropped
#: that nobody knows.
_TAKEN, _UNKNOWN = 60, 7
#: How many tenants are read at a time.
_AHEAD = 10
#: Those that this code knows; another process may know more.
_DUE = f"""
from public.tenancy_errand where due_at <= {NOW_SQL}
    and (duty = any(%(known)s) or due_at <= {NOW_SQL} - make_interval(days => {_UNKNOWN}))
"""
_IS_THERE = f"select exists (select {_DUE})"
#: One, with those that ask for the same.
_TAKE = f"""
with first as materialized (
    select schema_name, duty {_DUE} order by due_at limit 1 for update skip locked
), same as materialized (
    select e.id from public.tenancy_errand e join first using (schema_name, duty)
    where e.due_at <= {NOW_SQL} for update of e skip locked
)
update public.tenancy_errand set due_at = {NOW_SQL} + make_interval(secs => {_TAKEN})
where id in (select id from same) returning id, schema_name, duty, due_at
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do in tenants: `work` does some of it in the one that stands, and returns how much.

    `due` are the rows on account of which there is something to do in a tenant: it is done where one is found.
    """

    name: str
    work: Callable[[], int]
    due: Callable[[Tenant], Iterable[Rows]]


_duties: dict[str, Duty] = {}


def register_duty(name: str, *, work: Callable[[], int], due: Callable[[Tenant], Iterable[Rows]]) -> None:
    """Have `work` done in every active tenant in which it is `due`; see Duty. Each call does a few seconds' work."""
    _duties[name] = Duty(name, work, due)


def rows_of(*querysets: QuerySet[Any]) -> list[Rows]:
    """What `due` returns, out of querysets none of which is empty by itself."""
    return [found.order_by().values("pk").query.sql_with_params() for found in querysets]


def ask_for(name: str) -> None:
    """Have the duty `name` done soon in the tenant that stands, whether it seems due or not."""
    Errand(schema_name=current_schema(), duty=name).save(force_insert=True)


@dataclass(frozen=True, slots=True)
class _Taken:
    """An errand that this process does, in as many rows as ask for it. They are its own while they hold `until`."""

    ids: list[UUID]
    schema_name: str
    duty: str
    until: datetime


class Patrol:
    """One worker's way through all tenants, until `stop` is set. Several may be on their way at the same time.

    Each begins somewhere else: processes that do not live long enough for a round reach all tenants together.
    """

    def __init__(self, stop: Event | None = None) -> None:
        self._stop = stop or Event()
        self._ahead: deque[Tenant] = deque()
        self._after: UUID | None = None
        self._rests_until = self._looks_at = 0.0

    def step(self) -> int:
        """Do errands, and what is due in the next tenants, for some seconds at most; returns how much that was."""
        until, done = time.monotonic() + _SECONDS, 0
        while time.monotonic() < until and not self._stop.is_set():
            errand, visited = self._next_errand(), self._visit()
            done += visited + (_do_errand(errand) if errand is not None else 0)
            if errand is None and not visited:
                break
        return done

    def _next_errand(self) -> _Taken | None:
        if time.monotonic() < self._looks_at:
            return None
        found = _taken()
        self._looks_at = 0.0 if found else time.monotonic() + LOOK
        return found

    def _visit(self) -> int:
        """Do what is due in the next tenant; returns how much there was."""
        if time.monotonic() < self._rests_until:
            return 0
        tenant = self._next()
        done = self._visited(tenant) if tenant is not None else 0
        if not done:
            self._rests_until = time.monotonic() + REST
        return done

    def _visited(self, tenant: Tenant) -> int:
        done = 0
        with surviving(f"A look into {tenant.name}"), enter(tenant.ref):
            for duty in _due_in(tenant):
                if not self._stop.is_set():
                    done += _done_when_due(duty, tenant.ref)
        return done

    def _next(self) -> Tenant | None:
        if not self._ahead:
            self._ahead.extend(_anywhere() if self._after is None else _some_after(self._after))
            self._after = self._ahead[-1].pk if self._ahead else UUID(int=0)
        return self._ahead.popleft() if self._ahead else None


def _some_after(after: UUID) -> list[Tenant]:
    with outside():
        return list(Tenant.objects.active().order_by("pk").filter(pk__gt=after)[:_AHEAD])


def _anywhere() -> list[Tenant]:
    """Any one. A made-up id would not do: those of tenants lie close together, by the times at which they were made."""
    with outside():
        return list(Tenant.objects.active().order_by("?")[:1])


def _due_in(tenant: Tenant) -> list[Duty]:
    """The duties for which there is something in the tenant that stands; one statement for all of them."""
    asked = [(duty, sql, params) for duty in _duties.values() for sql, params in duty.due(tenant)]
    if not asked:
        return []
    statement = ", ".join(f"exists ({sql})" for _, sql, _ in asked)
    with connection.cursor() as cursor:
        cursor.execute(f"select {statement}", [value for _, _, params in asked for value in params])
        answers = cursor.fetchone()
    found = [duty for (duty, _, _), is_there in zip(asked, answers, strict=True) if is_there]
    return list(dict.fromkeys(found))


def _done(duty: Duty, tenant: TenantRef) -> int | None:
    """Do one duty in one tenant; returns how much there was, or None where it failed."""
    done = None
    with surviving(f"{duty.name} in {tenant.name}"), enter(tenant):
        done = duty.work()
    if done:
        logger.info("%s in %s: %d", duty.name, tenant.name, done)
    return done


def _done_when_due(duty: Duty, tenant: TenantRef) -> int:
    """Do it, and have it done again soon where there was something; the others come first."""
    done = _done(duty, tenant) or 0
    if done:
        with surviving(f"Asking again for {duty.name} in {tenant.name}"):
            _ask_again(duty, tenant)
    return done


def _again() -> datetime:
    return clock.now() + timedelta(seconds=_AGAIN)


def _ask_again(duty: Duty, tenant: TenantRef) -> None:
    again = _again()
    with registry():
        # One that is due later is being done, and may have passed by what this is about.
        soon = Errand.objects.filter(schema_name=tenant.schema_name, duty=duty.name, due_at__lte=again)
        if not soon.exists():
            Errand(schema_name=tenant.schema_name, duty=duty.name, due_at=again).save(force_insert=True)


def _taken() -> _Taken | None:
    """The errand that is due first, which nobody else gets for a while."""
    asked = {"now": clock.held(), "known": list(_duties)}
    with outside(), connection.cursor() as cursor:
        cursor.execute(_IS_THERE, asked)
        if not cursor.fetchone()[0]:
            return None
    with registry_statement(), connection.cursor() as cursor:
        cursor.execute(_TAKE, asked)
        rows = cursor.fetchall()
    if not rows:
        return None
    _, schema_name, duty, until = rows[0]
    return _Taken([row[0] for row in rows], schema_name, duty, until)


def _do_errand(errand: _Taken) -> int:
    """Do it where its tenant serves and somebody knows how; returns how much there was to do.

    One that fails is left as it is, and so is due again later.
    """
    duty = _duties.get(errand.duty)
    with outside():
        tenant = Tenant.objects.active().filter(schema_name=errand.schema_name).first()
    done = _done(duty, tenant.ref) if duty is not None and tenant is not None else 0
    if done is not None:
        with surviving(f"Ending the errand {errand.duty} in {errand.schema_name}"):
            _end(errand, again=bool(done))
    return done or 0


def _end(errand: _Taken, *, again: bool) -> None:
    """Be through with an errand that nobody else took meanwhile, or have it done `again` soon."""
    first, *others = errand.ids
    own = Errand.objects.filter(due_at=errand.until)
    with registry():
        own.filter(pk__in=others if again else errand.ids).delete()
        if again:
            own.filter(pk=first).update(due_at=_again())


@contextmanager
def surviving(what: str) -> Iterator[None]:
    """Log a failure of `what` and go on: whatever it is, it is tried again later."""
    try:
        yield
    except DatabaseError as failure:
        logger.warning("%s: the database refused (%s); trying again later", what, type(failure).__name__)
        connections.close_all()
    except Exception:
        logger.exception("%s failed; trying again later", what)

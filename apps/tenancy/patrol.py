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
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, connections
from django.db.models import QuerySet

from apps.core import clock
from apps.core.actor import TenantRef
from apps.tenancy.models import Errand, Tenant
from apps.tenancy.walls import current_schema, enter, outside, registry, registry_statement

logger = logging.getLogger("packmule.worker")
#: A statement that selects rows, and its parameters.
Rows = tuple[str, Sequence[Any]]
#: Seconds until the next tenant is asked after one in which nothing was due, and between two looks for errands.
REST, LOOK = 10.0, 5.0
#: Seconds that one call takes about, and until what found something to do is done again.
_SECONDS, _AGAIN = 5.0, 1.0
#: How many tenants are read at a time, and how many errands.
_AHEAD = 10
_DUE = "from public.tenancy_errand where due_at <= coalesce(%(now)s::timestamptz, clock_timestamp())"
_IS_THERE = f"select exists (select {_DUE})"
_TAKE = f"""
delete from public.tenancy_errand where id = any(array(
    select id {_DUE}
    order by due_at limit %(most)s for update skip locked))
returning schema_name, chore
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
    Errand(schema_name=current_schema(), chore=name).save(force_insert=True)


class Patrol:
    """One worker's way through all tenants. Several may be on their way at the same time."""

    def __init__(self) -> None:
        self._ahead: deque[Tenant] = deque()
        self._after = UUID(int=0)
        self._rests_until = self._looks_at = 0.0

    def step(self) -> int:
        """Do errands, and what is due in the next tenants, for some seconds at most; returns how much that was."""
        until, done = time.monotonic() + _SECONDS, 0
        while time.monotonic() < until:
            now = self._do_errands() + self._visit()
            done += now
            if not now:
                break
        return done

    def _do_errands(self) -> int:
        if time.monotonic() < self._looks_at:
            return 0
        found = _taken()
        self._looks_at = 0.0 if found else time.monotonic() + LOOK
        return sum(_do_errand(schema_name, chore) for schema_name, chore in found)

    def _visit(self) -> int:
        """Do what is due in the next tenant; returns how much there was."""
        if time.monotonic() < self._rests_until:
            return 0
        tenant = self._next()
        done = _visited(tenant) if tenant is not None else 0
        if not done:
            self._rests_until = time.monotonic() + REST
        return done

    def _next(self) -> Tenant | None:
        if not self._ahead:
            with outside():
                rest = Tenant.objects.active().order_by("pk").filter(pk__gt=self._after)
                self._ahead.extend(rest[:_AHEAD])
            self._after = self._ahead[-1].pk if self._ahead else UUID(int=0)
        return self._ahead.popleft() if self._ahead else None


def _visited(tenant: Tenant) -> int:
    done = 0
    with surviving(f"A look into {tenant.name}"), enter(tenant.ref):
        for duty in _due_in(tenant):
            done += _done(duty, tenant.ref)
    return done


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


def _done(duty: Duty, tenant: TenantRef) -> int:
    """Do one duty in one tenant, and have it done again soon where there was something; the others come first."""
    done = 0
    with surviving(f"{duty.name} in {tenant.name}"), enter(tenant):
        done = duty.work()
    if done:
        logger.info("%s in %s: %d", duty.name, tenant.name, done)
        _ask_again(duty, tenant)
    return done


def _ask_again(duty: Duty, tenant: TenantRef) -> None:
    with registry():
        if not Errand.objects.filter(schema_name=tenant.schema_name, chore=duty.name).exists():
            again = clock.now() + timedelta(seconds=_AGAIN)
            Errand(schema_name=tenant.schema_name, chore=duty.name, due_at=again).save(force_insert=True)


def _taken() -> list[tuple[str, str]]:
    """Errands that are due now, which nobody else gets."""
    asked = {"now": clock.held(), "most": _AHEAD}
    with outside(), connection.cursor() as cursor:
        cursor.execute(_IS_THERE, asked)
        if not cursor.fetchone()[0]:
            return []
    with registry_statement(), connection.cursor() as cursor:
        cursor.execute(_TAKE, asked)
        return list(dict.fromkeys(cursor.fetchall()))


def _do_errand(schema_name: str, chore: str) -> int:
    """Do it where its tenant serves and somebody knows how; returns how much there was to do."""
    duty = _duties.get(chore)
    with outside():
        tenant = Tenant.objects.active().filter(schema_name=schema_name).first()
    return _done(duty, tenant.ref) if duty is not None and tenant is not None else 0


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

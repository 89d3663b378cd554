"""What no worker does: jobs whose time has come, leases that ran out, deadlines, and wakings that were missed.

Any number of processes may sweep at once; rows that another one holds are left to it.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.clock import NOW_SQL
from apps.jobs import expiring, key_turns, leases
from apps.jobs.claiming import LOCK_THAT_LANE
from apps.jobs.models import Job
from apps.jobs.registry import Dispatch, DispatchState, Place
from apps.jobs.settling import failure, settle
from apps.jobs.turns import UNWOKEN, alone, ring, ringing, wake
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside, registry

logger = logging.getLogger("packmule.jobs")
P = TypeVar("P")
#: How many at a time, how many of one tenant where many have some, and for how many seconds.
BATCH, SLICE, SECONDS = 1000, key_turns.SLICE, 1.0
#: How many leases whoever claims loses at a time.
FEW = 50
_LOST = {"type": "lost", "message": "The worker did not renew its lease in time."}
#: One look a second, whatever there is and however many tenants.
_LOOK = f"""
select exists (select from public.jobs_dispatch where state = 'scheduled' and run_at <= {NOW_SQL}),
    exists (select from public.jobs_dispatch where state = 'leased' and leased_until < {NOW_SQL}),
    exists (select from public.jobs_dispatch where ends_at <= {NOW_SQL}),
    exists (select from public.jobs_key_turn where blocked_until <= {NOW_SQL}),
    exists (select from public.jobs_lane where runner = 'platform' and active and not paused
            and coalesce(blocked_until <= {NOW_SQL}, true))
"""  # noqa: S608 - made of constants
_RIPEN = f"""
with due as (
    select id from public.jobs_dispatch
    where state = 'scheduled' and run_at <= {NOW_SQL} {{of}}
    order by run_at limit %(most)s for update skip locked
), ripe as (
    update public.jobs_dispatch d set state = 'ready' from due where d.id = due.id
    returning d.schema_name, d.queue, d.share, d.runner
)
select schema_name, queue, share, runner, count(*) from ripe group by 1, 2, 3, 4
"""  # noqa: S608 - made of constants
#: The same for one queue, of what keeps its workers waiting.
_LOOK_AT = f"""
select exists (
    select from public.jobs_dispatch
    where state = 'leased' and schema_name = %(schema)s and queue = %(queue)s and leased_until < {NOW_SQL}
), exists (
    select from public.jobs_dispatch
    where state = 'scheduled' and schema_name = %(schema)s and queue = %(queue)s and run_at <= {NOW_SQL}
), exists (
    select from public.jobs_key_turn
    where schema_name = %(schema)s and queue = %(queue)s and blocked_until <= {NOW_SQL})
"""  # noqa: S608 - made of constants
#: The tenants in which something of a kind is due, one after the other.
_TENANTS = f"""
with recursive tenants as (
    (select d.schema_name from public.jobs_dispatch d where {{kind}} order by d.schema_name limit 1)
    union all
    select n.schema_name from tenants t, lateral (
        select d.schema_name from public.jobs_dispatch d where {{kind}} and d.schema_name > t.schema_name
        order by d.schema_name limit 1) n
)
select t.schema_name from tenants t where exists (
    select from public.jobs_dispatch d
    where {{kind}} and d.schema_name = t.schema_name and d.{{column}} <= {NOW_SQL})
"""  # noqa: S608 - made of constants
#: One share after the other that has something ready: a flood of one hides no other.
_ASLEEP = f"""
with recursive waiting as (
    (select d.schema_name, d.queue, d.share, d.runner from public.jobs_dispatch d
     where d.state = 'ready' order by d.schema_name, d.queue, d.share limit 1)
    union all
    select n.* from waiting w, lateral (
        select d.schema_name, d.queue, d.share, d.runner from public.jobs_dispatch d
        where d.state = 'ready' and (d.schema_name, d.queue, d.share) > (w.schema_name, w.queue, w.share)
        order by d.schema_name, d.queue, d.share limit 1) n
)
select w.* from waiting w left join public.jobs_lane l using (schema_name, queue)
left join public.jobs_share s using (schema_name, queue, share)
where {UNWOKEN}
limit {BATCH}
"""  # noqa: S608 - made of constants
#: Workers that are at it anyway find the rest: as many as one of them claims are enough.
_WAITING = """
select count(*) from (
    select from public.jobs_lane l join public.jobs_dispatch d using (schema_name, queue)
    where l.runner = 'platform' and l.active and not l.paused and d.state = 'ready' limit 100) w
"""


@dataclass(frozen=True, slots=True)
class _Due:
    """Rows of one kind, which are due when the time in a column has come."""

    kind: str
    column: str
    among: Q


_LAPSED = _Due("d.state = 'leased'", "leased_until", Q(state=DispatchState.LEASED))
_OVER = _Due("d.ends_at is not null", "ends_at", Q())
_SCHEDULED = _Due(
    "d.state = 'scheduled' and d.run_at is not null", "run_at", Q(state=DispatchState.SCHEDULED)
)


def sweep() -> int:
    """Do what is due now; returns how much that was, and one more where workers of the platform may claim something.

    That may be so because a rate lets the next one in, which nobody tells.
    """
    ripe, lost, over, opening, claimable = (bool(found) for found in _asked(_LOOK)[0])
    done = (expire() if over else 0) + (lose() if lost else 0) + (open_keys() if opening else 0)
    # Last, since jobs that were lost are due at once.
    return done + (ripen() if ripe or lost else 0) + claimable


def ripen() -> int:
    """Make scheduled jobs ready whose time has come, and wake their places.

    As many as there are in a second, and where that is a flood, of one tenant after the other.
    """
    done = _ripen()
    if done < BATCH:
        return done
    return done + _fairly(_tenants(_SCHEDULED), _ripen)


def _ripen(schema_name: str = "", queue: str = "") -> int:
    """The same once: everywhere, in a tenant, or in one queue of it."""
    most = SLICE if schema_name else BATCH
    of = "and schema_name = %(schema)s" if schema_name else ""
    statement = _RIPEN.format(of=f"{of} and queue = %(queue)s" if queue else of)
    asked = {"now": clock.held(), "schema": schema_name, "queue": queue, "most": most}
    with registry(), connection.cursor() as cursor:
        cursor.execute(statement, asked)
        rows = cursor.fetchall()
    wake([(Place(*row[:3]), row[3]) for row in rows for _ in range(row[4])])
    return sum(row[4] for row in rows)


def open_keys() -> int:
    """Let jobs go on whose concurrency key was out of its rate, and may have another now."""
    with outside(), connection.cursor() as cursor:
        due = key_turns.lanes_due(cursor)
    return _fairly(due, _open_keys)


def _open_keys(lane: tuple[str, str]) -> int:
    schema_name, queue = lane
    with registry(), connection.cursor() as cursor:
        cursor.execute(LOCK_THAT_LANE, {"schema": schema_name, "queue": queue, "alone": alone()})
        opened = key_turns.open_due(cursor, schema_name, queue)
    wake(opened.ready)
    return opened.looked


def lose() -> int:
    """End the attempts of workers that said nothing for longer than their lease; the jobs are tried again."""
    return _each_tenant(_LAPSED, _lose_in)


def _lose_in(rows: list[Dispatch]) -> None:
    held = {row.pk: (row.token, row.leased_until) for row in rows if row.token}
    jobs = Job.objects.light().filter(pk__in=held)
    outcomes = [failure(job, held[job.pk][0], dict(_LOST), lost_at=held[job.pk][1]) for job in jobs]
    settled = settle(None, outcomes)
    # Of those of which the job knows nothing the rows alone are left.
    leases.end((pk, token) for pk, (token, _) in held.items() if pk not in settled)


def relieve(schema_name: str, queue: str) -> int:
    """Lose the leases of one queue that ran out, and make its jobs ready whose time or rate has come: some of each.

    For whoever finds nothing to claim there, so that its workers need no sweep. Returns how much was done.
    """
    lapsed, due, opening = _asked(_LOOK_AT, {"schema": schema_name, "queue": queue})[0]
    lost = _surviving(schema_name, partial(_lose_of, queue)) if lapsed else 0
    opened = _surviving((schema_name, queue), _open_keys) if opening else 0
    # Jobs that were lost are due at once.
    return lost + opened + (_ripen(schema_name, queue) if lost or due else 0)


def _lose_of(queue: str, schema_name: str) -> int:
    own = replace(_LAPSED, among=_LAPSED.among & Q(queue=queue))
    return _worked(own, schema_name, _lose_in, FEW)


def expire() -> int:
    """End jobs whose time is over, whoever works on them."""
    return _each_tenant(_OVER, _expire_in)


def _expire_in(rows: list[Dispatch]) -> None:
    expiring.end_due([row.pk for row in rows])


def repair() -> int:
    """Wake what sleeps although there is something in it, and release what is held back by nothing any more.

    Both happen when a process ends between a commit and what it does after it.
    """
    asleep = [(Place(*row[:3]), row[3]) for row in _asked(_ASLEEP)]
    wake(asleep)
    return len(asleep) + leases.release_stuck() + _rung()


def _rung() -> int:
    """Ring for what waits for the platform's workers, where a broker carries doorbells: some may have been lost."""
    if not ringing():
        return 0
    waiting = int(_asked(_WAITING)[0][0])
    ring(waiting)
    return waiting


def _asked(statement: str, names: Mapping[str, Any] | None = None) -> list[Any]:
    with outside(), connection.cursor() as cursor:
        cursor.execute(statement, {"now": clock.held(), **(names or {})})
        return list(cursor.fetchall())


def _tenants(due: _Due) -> list[str]:
    """The schemas in which something is due."""
    return [row[0] for row in _asked(_TENANTS.format(kind=due.kind, column=due.column))]


def _each_tenant(due: _Due, work: Callable[[list[Dispatch]], None]) -> int:
    """Do `work` with what is due, tenant by tenant, each time in a transaction that locks the rows."""
    with outside():
        found = list(_chosen(due).values_list("schema_name", flat=True)[:BATCH])
    schemas = list(set(found)) if len(found) < BATCH else _tenants(due)
    return _fairly(schemas, lambda schema_name: _worked(due, schema_name, work))


def _fairly(places: list[P], work: Callable[[P], int]) -> int:
    """Do a slice of `work` in each tenant, or lane, round after round while there is more, for some time at most.

    The order is another one each time: where the time is over, none comes last again and again.
    """
    ends, done = time.monotonic() + SECONDS, 0
    while places:
        random.shuffle(places)
        busy = []
        for place in places:
            if time.monotonic() > ends:
                return done
            count = _surviving(place, work)
            done += count
            if count == SLICE:
                busy.append(place)
        places = busy
    return done


def _surviving(place: P, work: Callable[[P], int]) -> int:
    try:
        return work(place)
    except Exception:
        # The next one has its turn; this one again at the next sweep.
        logger.exception("%s: not swept", place)
        return 0


def _worked(
    due: _Due, schema_name: str, work: Callable[[list[Dispatch]], None], most: int | None = None
) -> int:
    with transaction.atomic():
        with registry(savepoint=False):
            own = _chosen(due).filter(schema_name=schema_name).select_for_update(skip_locked=True)
            rows = list(own[: most or SLICE])
        with _inside(schema_name) as tenant:
            if tenant is None:
                _drop(rows)
            elif rows:
                work(rows)
        return len(rows)


def _chosen(due: _Due) -> QuerySet[Dispatch]:
    """Rows that are due by the database's clock, those that have been for longest first."""
    now = clock.held() or Now()
    return Dispatch.objects.filter(due.among, **{f"{due.column}__lte": now}).order_by(due.column)


@contextmanager
def _inside(schema_name: str) -> Iterator[TenantRef | None]:
    """Stand in the tenant of that schema; None when there is none any more."""
    with outside():
        tenant = Tenant.objects.filter(schema_name=schema_name).first()
    if tenant is None:
        yield None
        return
    with enter(tenant.ref):
        yield tenant.ref


def _drop(rows: list[Dispatch]) -> None:
    with registry(savepoint=False):
        Dispatch.objects.filter(pk__in=[row.pk for row in rows]).delete()

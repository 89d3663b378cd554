"""What no worker does: jobs whose time has come, leases that ran out, deadlines, and wakings that were missed.

Any number of processes may sweep at once; rows that another one holds are left to it.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.clock import NOW_SQL
from apps.jobs import ending, leases
from apps.jobs.models import Attempt, Job
from apps.jobs.registry import Dispatch, DispatchState
from apps.jobs.states import AttemptState, JobState
from apps.jobs.turns import UNWOKEN, Place, ring, ringing, wake
from apps.jobs.working import failure, settle
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside, registry

logger = logging.getLogger("packmule.jobs")
#: How many at a time, how many of one tenant where many have some, and for how many seconds.
BATCH, SLICE, SECONDS = 1000, 200, 1.0
_IGNORED = {"type": "cancelled", "message": "Its worker went on until its lease was over."}
_LOST = {"type": "lost", "message": "The worker did not renew its lease in time."}
#: One look a second, whatever there is and however many tenants.
_LOOK = f"""
select exists (select from public.jobs_dispatch where state = 'scheduled' and run_at <= {NOW_SQL}),
    exists (select from public.jobs_dispatch where state = 'leased' and leased_until < {NOW_SQL}),
    exists (select from public.jobs_dispatch where ends_at <= {NOW_SQL}),
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
    ripe, lost, over, claimable = (bool(found) for found in _asked(_LOOK)[0])
    done = (expire() if over else 0) + (lose() if lost else 0)
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


def _ripen(schema_name: str | None = None) -> int:
    most = SLICE if schema_name else BATCH
    statement = _RIPEN.format(of="and schema_name = %(schema)s" if schema_name else "")
    with registry(), connection.cursor() as cursor:
        cursor.execute(statement, {"now": clock.held(), "schema": schema_name, "most": most})
        rows = cursor.fetchall()
    wake([(Place(*row[:3]), row[3]) for row in rows for _ in range(row[4])])
    return sum(row[4] for row in rows)


def lose() -> int:
    """End the attempts of workers that said nothing for longer than their lease; the jobs are tried again."""
    return _each_tenant(_LAPSED, _lose_in)


def _lose_in(rows: list[Dispatch]) -> None:
    tokens = {row.pk: row.token for row in rows}
    jobs = Job.objects.light().filter(pk__in=tokens)
    outcomes = [
        failure(job, token, dict(_LOST), attempt=AttemptState.LOST)
        for job in jobs
        if (token := tokens[job.pk])
    ]
    settled = settle(None, outcomes)
    # Of those of which the job knows nothing the rows alone are left.
    leases.end((pk, token) for pk, token in tokens.items() if token and pk not in settled)


def expire() -> int:
    """End jobs whose time is over, whoever works on them."""
    return _each_tenant(_OVER, _expire_in)


def _expire_in(rows: list[Dispatch]) -> None:
    ids = [row.pk for row in rows]
    locked = Job.objects.light().select_for_update(of=("self",)).filter(pk__in=ids)
    jobs = list(locked.order_by("id"))
    over = [job for job in jobs if not job.is_over and _ends_as(job)]
    _end(over)
    # Of those that are gone, or were over before their worker began them, the rows alone are left.
    left = [job for job in jobs if not job.is_over]
    leases.drop(set(ids) - {job.pk for job in left})
    with registry(savepoint=False):
        for job in left:
            Dispatch.objects.filter(pk=job.pk).update(ends_at=ending.ends_at(job))


def _ends_as(job: Job) -> JobState | None:
    """How a job ends whose row says that it is time; None when it is not. Who cancelled it came first."""
    now = clock.now()
    if job.state == JobState.CANCELLING:
        return JobState.CANCELLED
    ends_at = ending.ends_at(job)
    return JobState.EXPIRED if ends_at is not None and ends_at <= now else None


def _end(jobs: list[Job]) -> None:
    now = clock.now()
    for job in jobs:
        state = _ends_as(job)
        missed = "deadline_at" if job.deadline_at and job.deadline_at <= now else "expires_at"
        expired = {"type": "expired", "message": f"Its {missed} has passed."}
        job.error = dict(_IGNORED) if state == JobState.CANCELLED else expired
        job.state, job.finished_at, job.lease_token, job.worker = str(state), now, None, ""
    if not jobs:
        return
    Job.objects.bulk_update(jobs, ["state", "finished_at", "lease_token", "worker", "error"])
    for ended in (AttemptState.CANCELLED, AttemptState.EXPIRED):
        ids = [job.pk for job in jobs if job.state == ended.value]
        running = Attempt.objects.filter(job__in=ids, state=AttemptState.RUNNING)
        said = {"error": dict(_IGNORED)} if ended == AttemptState.CANCELLED else {}
        running.update(state=ended, ended_at=now, **said)
    ending.announce(None, jobs)
    ending.release_dependents(None, jobs)


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


def _asked(statement: str) -> list[Any]:
    with outside(), connection.cursor() as cursor:
        cursor.execute(statement, {"now": clock.held()})
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


def _fairly(schemas: list[str], work: Callable[[str], int]) -> int:
    """Do a slice of `work` in each tenant, round after round while there is more, for some time at most.

    The order is another one each time: where the time is over, none comes last again and again.
    """
    ends, done = time.monotonic() + SECONDS, 0
    while schemas:
        random.shuffle(schemas)
        busy = []
        for schema_name in schemas:
            if time.monotonic() > ends:
                return done
            count = _surviving(schema_name, work)
            done += count
            if count == SLICE:
                busy.append(schema_name)
        schemas = busy
    return done


def _surviving(schema_name: str, work: Callable[[str], int]) -> int:
    try:
        return work(schema_name)
    except Exception:
        # The next tenant has its turn; this one again at the next sweep.
        logger.exception("%s: not swept", schema_name)
        return 0


def _worked(due: _Due, schema_name: str, work: Callable[[list[Dispatch]], None]) -> int:
    with transaction.atomic():
        with registry(savepoint=False):
            own = _chosen(due).filter(schema_name=schema_name).select_for_update(skip_locked=True)
            rows = list(own[:SLICE])
        with _inside(schema_name) as tenant:
            if tenant is None:
                _drop(rows)
            elif rows:
                work(rows)
        return len(rows)


def _chosen(due: _Due) -> QuerySet[Dispatch]:
    """Rows that are due, those that have been for longest first."""
    return Dispatch.objects.filter(due.among, **{f"{due.column}__lte": clock.now()}).order_by(due.column)


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

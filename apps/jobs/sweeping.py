"""What no worker does: jobs whose time has come, leases that ran out, deadlines, and wakings that were missed.

Any number of processes may sweep at once; rows that another one holds are left to it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from apps.core import clock
from apps.core.actor import TenantRef
from apps.jobs import ending, leases
from apps.jobs.leases import NOW
from apps.jobs.models import Attempt, Job
from apps.jobs.registry import Dispatch, DispatchState
from apps.jobs.running import Outcome
from apps.jobs.states import AttemptState, JobState
from apps.jobs.turns import Place, ring, ringing, wake
from apps.jobs.working import failure, settle
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside, registry

logger = logging.getLogger("packmule.jobs")
BATCH = 1000
_IGNORED = {"type": "cancelled", "message": "Its worker went on until its lease was over."}
_LOST = {"type": "lost", "message": "The worker did not renew its lease in time."}
#: One look a second, whatever there is and however many tenants.
_LOOK = f"""
select exists (select from public.jobs_dispatch where state = 'scheduled' and run_at <= {NOW}),
    exists (select from public.jobs_dispatch where state = 'leased' and leased_until < {NOW}),
    exists (select from public.jobs_dispatch where ends_at <= {NOW})
"""  # noqa: S608 - made of constants
_RIPEN = f"""
with due as (
    select id from public.jobs_dispatch where state = 'scheduled' and run_at <= {NOW}
    order by run_at limit {BATCH} for update skip locked
), ripe as (
    update public.jobs_dispatch d set state = 'ready' from due where d.id = due.id
    returning d.schema_name, d.queue, d.share, d.runner
)
select schema_name, queue, share, runner, count(*) from ripe group by 1, 2, 3, 4
"""  # noqa: S608 - made of constants
_ASLEEP = f"""
select distinct d.schema_name, d.queue, d.share, d.runner from (
    select * from public.jobs_dispatch order by id limit {BATCH}) d
where d.state = 'ready' and not exists (
    select from public.jobs_share s join public.jobs_lane l using (schema_name, queue)
    where s.schema_name = d.schema_name and s.queue = d.queue and s.share = d.share and s.active and l.active)
union
select s.schema_name, s.queue, s.share, l.runner
from public.jobs_share s join public.jobs_lane l using (schema_name, queue)
where not (s.active and l.active) and exists (
    select from public.jobs_dispatch d where d.state = 'ready'
    and d.schema_name = s.schema_name and d.queue = s.queue and d.share = s.share)
limit {BATCH}
"""  # noqa: S608 - made of constants
#: Workers that are at it anyway find the rest: as many as one of them claims are enough.
_WAITING = """
select count(*) from (
    select from public.jobs_lane l join public.jobs_dispatch d using (schema_name, queue)
    where l.runner = 'platform' and l.active and not l.paused and d.state = 'ready' limit 100) w
"""
_STUCK = f"""
select distinct on (h.schema_name, h.queue, h.share, h.concurrency_key)
    h.id, h.schema_name, h.queue, h.share, h.runner, h.concurrency_key
from public.jobs_dispatch h
where h.state = 'held' and not exists (
    select from public.jobs_dispatch b where b.state = 'leased' and b.schema_name = h.schema_name
    and b.queue = h.queue and b.share = h.share and b.concurrency_key = h.concurrency_key)
limit {BATCH}
"""  # noqa: S608 - made of constants


def sweep() -> int:
    """Do what is due now; returns how much that was."""
    ripe, lost, over = _look()
    done = (expire() if over else 0) + (lose() if lost else 0)
    # Last, since jobs that were lost are due at once.
    return done + (ripen() if ripe or lost else 0)


def _look() -> tuple[bool, bool, bool]:
    rows = _asked(_LOOK)
    return bool(rows[0][0]), bool(rows[0][1]), bool(rows[0][2])


def ripen() -> int:
    """Make scheduled jobs ready whose time has come, and wake their places."""
    with registry(), connection.cursor() as cursor:
        cursor.execute(_RIPEN, {"now": clock.held()})
        rows = cursor.fetchall()
    wake([(Place(*row[:3]), row[3]) for row in rows for _ in range(row[4])])
    return sum(row[4] for row in rows)


def lose() -> int:
    """End the attempts of workers that said nothing for longer than their lease; the jobs are tried again."""
    lapsed = Q(state=DispatchState.LEASED, leased_until__lt=clock.now())
    return sum(_each_tenant(lapsed, _lose_in))


def _lose_in(rows: list[Dispatch]) -> None:
    tokens = {row.pk: row.token for row in rows}
    jobs = Job.objects.filter(pk__in=tokens)
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
    return sum(_each_tenant(Q(ends_at__lte=clock.now()), _expire_in))


def _expire_in(rows: list[Dispatch]) -> None:
    now = clock.now()
    jobs = list(Job.objects.select_for_update(of=("self",)).filter(pk__in=[row.pk for row in rows]))
    over = [job for job in jobs if (job.deadline_at and job.deadline_at <= now) or job.started_at is None]
    cancelling = {job.pk for job in jobs if job not in over and job.state == JobState.CANCELLING}
    _end(over)
    given_up = _cancel([row for row in rows if row.pk in cancelling])
    with registry(savepoint=False):
        Dispatch.objects.filter(pk__in={row.pk for row in rows} - {job.pk for job in jobs}).delete()
        for job in jobs:
            if job not in over and job.pk not in given_up:
                Dispatch.objects.filter(pk=job.pk).update(ends_at=job.deadline_at)


def _cancel(rows: list[Dispatch]) -> set[UUID]:
    """End jobs whose workers went on although they were cancelled. Returns their ids."""
    outcomes = [
        Outcome(row.pk, row.token, JobState.DEAD, AttemptState.CANCELLED, error=dict(_IGNORED))
        for row in rows
        if row.token
    ]
    return settle(None, outcomes)


def _end(jobs: list[Job]) -> None:
    now, ids = clock.now(), [job.pk for job in jobs]
    for job in jobs:
        missed = "deadline_at" if job.deadline_at and job.deadline_at <= now else "expires_at"
        job.state, job.finished_at, job.lease_token = JobState.EXPIRED, now, None
        job.error = {"type": "expired", "message": f"Its {missed} has passed."}
    with registry(savepoint=False):
        Dispatch.objects.filter(pk__in=ids).delete()
    Job.objects.bulk_update(jobs, ["state", "finished_at", "lease_token", "error"])
    running = Attempt.objects.filter(job__in=ids, state=AttemptState.RUNNING)
    running.update(state=AttemptState.EXPIRED, ended_at=now)
    ending.announce(None, jobs)
    ending.release_dependents(None, jobs)


def repair() -> int:
    """Wake what sleeps although there is something in it, and release what is held back by nothing any more.

    Both happen when a process ends between a commit and what it does after it.
    """
    asleep = [(Place(*row[:3]), row[3]) for row in _asked(_ASLEEP)]
    wake(asleep)
    held = [leases.Ended(row[0], Place(*row[1:4]), row[4], row[5]) for row in _asked(_STUCK)]
    leases.release(held)
    return len(asleep) + len(held) + _rung()


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


def _each_tenant(chosen: Q, work: Callable[[list[Dispatch]], None]) -> Iterator[int]:
    """Do `work` with the dispatch rows that are `chosen`, tenant by tenant, each in a transaction that locks them."""
    with outside():
        found = Dispatch.objects.filter(chosen).order_by("id").values_list("schema_name", "id")[:BATCH]
        by_schema: defaultdict[str, list[UUID]] = defaultdict(list)
        for schema_name, pk in found:
            by_schema[schema_name].append(pk)
    for schema_name, ids in by_schema.items():
        try:
            yield _worked(chosen & Q(pk__in=ids), schema_name, work)
        except Exception:
            # The next tenant has its turn; this one again at the next sweep.
            logger.exception("%s: not swept", schema_name)


def _worked(chosen: Q, schema_name: str, work: Callable[[list[Dispatch]], None]) -> int:
    with transaction.atomic(), _locked(chosen) as rows, _inside(schema_name) as tenant:
        if tenant is None:
            _drop(rows)
        elif rows:
            work(rows)
        return len(rows)


@contextmanager
def _locked(chosen: Q) -> Iterator[list[Dispatch]]:
    with registry(savepoint=False):
        rows = list(Dispatch.objects.select_for_update(skip_locked=True).filter(chosen).order_by("id"))
    yield rows


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

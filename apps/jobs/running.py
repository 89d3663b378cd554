"""The tenant's side of an attempt: a job begins, and its attempt ends in one of the ways that there are.

Everything here works on many jobs of one tenant with the same few statements, and in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from apps.core import clock
from apps.core.ids import uuid7
from apps.jobs.expiring import passed
from apps.jobs.models import Job
from apps.jobs.states import AttemptState, JobState
from apps.jobs.turns import Lease

_BEGIN = """
with begun as (
    update jobs_job j set state = 'running', attempt = j.attempt + 1, lease_token = x.token, worker = %(worker)s,
        started_at = coalesce(j.started_at, %(now)s), message = ''
    from unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) x(id, token)
    where j.id = x.id and j.state in ('ready', 'scheduled', 'retry_wait', 'waiting', 'running')
        and (j.deadline_at is null or j.deadline_at > %(now)s)
        and (j.expires_at is null or j.expires_at > %(now)s or j.started_at is not null)
    returning j.id, j.organization_id, j.attempt, x.token
), lost as (
    update jobs_attempt a set state = 'lost', ended_at = %(now)s
    from begun b where a.job_id = b.id and a.state = 'running'
)
insert into jobs_attempt (id, job_id, organization_id, number, state, token, worker, messages, started_at)
select x.attempt_id, b.id, b.organization_id, b.attempt, 'running', b.token, %(worker)s, '[]', %(now)s
from begun b join unnest(%(ids)s::uuid[], %(attempts)s::uuid[]) x(id, attempt_id) on x.id = b.id
"""
#: A job whose deadline has come is over, whatever its worker says. Who cancelled it came first.
_LATE = "j.state <> 'cancelling' and j.deadline_at <= %(now)s"
_END = f"""
with ended as (
    update jobs_job j set
        state = case when j.state = 'cancelling' then 'cancelled' when {_LATE} then 'expired' else x.state end,
        result = case when {_LATE} then null else x.result end,
        error = case when {_LATE} then %(late)s::jsonb else coalesce(x.error, j.error) end,
        run_at = coalesce(x.run_at, j.run_at), attempt = j.attempt - x.uncounted,
        finished_at = case when x.state in ('retry_wait', 'waiting', 'scheduled') and j.state <> 'cancelling'
            and not coalesce({_LATE}, false) then null else %(now)s end,
        lease_token = null, worker = ''
    from unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(states)s::text[], %(results)s::jsonb[], %(errors)s::jsonb[],
        %(times)s::timestamptz[], %(uncounted)s::int[]) x(id, token, state, result, error, run_at, uncounted)
    where j.id = x.id and j.lease_token = x.token and j.state in ('running', 'cancelling')
    returning j.id, j.kind, j.state, j.system, x.token
), tried as (
    update jobs_attempt a set ended_at = %(now)s, error = x.error,
        state = case when e.state in ('cancelled', 'expired') then e.state else x.attempt end
    from unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(attempts)s::text[], %(errors)s::jsonb[])
        x(id, token, attempt, error) join ended e on e.id = x.id and e.token = x.token
    where a.job_id = x.id and a.token = x.token
)
select id, kind, state, system from ended
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, and where its job stands then. `run_at` is when a job goes on that is not over.

    One that is `forsaken` is dead without having meant it: its last attempt was lost, or failed as the others did.
    """

    job_id: UUID
    token: UUID
    state: JobState
    attempt: AttemptState
    result: Any = None
    error: dict[str, Any] | None = None
    run_at: datetime | None = None
    counted: bool = True
    forsaken: bool = False


@dataclass(frozen=True, slots=True)
class Settled:
    """Where the jobs stand after their outcomes were written, and which of them are told of and may be waited for.

    The others are the platform's own; `forsaken` are the kinds of those that are forsaken, see Outcome.
    """

    states: dict[UUID, str]
    told: frozenset[UUID]
    forsaken: frozenset[str]


def begin(leases: Sequence[Lease], worker: str) -> list[Job]:
    """Begin an attempt at each leased job of the tenant that stands; returns those that may run, in that order.

    A job that ended meanwhile, or whose time is over, is left out. Each says how long an attempt may take, as its
    `attempt_seconds`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _BEGIN,
            {
                "ids": [lease.job_id for lease in leases],
                "tokens": [lease.token for lease in leases],
                "attempts": [uuid7() for _ in leases],
                "worker": worker,
                "now": clock.now(),
            },
        )
    tokens = {lease.job_id: lease.token for lease in leases}
    held = Job.objects.timed().filter(pk__in=tokens, lease_token__in=list(tokens.values()))
    found = {job.pk: job for job in held}
    return [found[job_id] for job_id in tokens if job_id in found]


def end(outcomes: Sequence[Outcome], now: datetime) -> Settled:
    """Write how attempts ended at `now`, in the tenant that stands. Those that came after their deadline are expired.

    Whoever does not hold the job's token changes nothing.
    """
    asked: dict[str, Any] = {**_columns(outcomes), "now": now, "late": _json(passed("deadline_at"))}
    with connection.cursor() as cursor:
        cursor.execute(_END, asked)
        rows = cursor.fetchall()
    forsaken = {outcome.job_id for outcome in outcomes if outcome.forsaken}
    return Settled(
        {job_id: state for job_id, _, state, _ in rows},
        frozenset(job_id for job_id, _, _, system in rows if not system),
        frozenset(kind for job_id, kind, _, system in rows if system and job_id in forsaken),
    )


def _columns(outcomes: Sequence[Outcome]) -> dict[str, list[Any]]:
    return {
        "ids": [outcome.job_id for outcome in outcomes],
        "tokens": [outcome.token for outcome in outcomes],
        "states": [outcome.state.value for outcome in outcomes],
        "attempts": [outcome.attempt.value for outcome in outcomes],
        "results": [_json(outcome.result) for outcome in outcomes],
        "errors": [_json(outcome.error) for outcome in outcomes],
        "times": [outcome.run_at for outcome in outcomes],
        "uncounted": [0 if outcome.counted else 1 for outcome in outcomes],
    }


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()

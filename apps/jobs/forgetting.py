"""Jobs that ended are kept as long as their queue says, and forgotten then, with their attempts and steps."""

from __future__ import annotations

from typing import Final

from django.db import connection

from apps.core import clock
from apps.jobs.models import RETENTION_DAYS
from apps.tenancy.models import Tenant
from apps.tenancy.patrol import Rows

BATCH: Final = 1000
_ROUNDS = 20
_FORGET = """
with old as materialized (
    select j.id from jobs_job j left join jobs_queue q on q.name = j.queue
    where j.finished_at < %(now)s - make_interval(days => coalesce(q.retention_days, %(days)s))
    order by j.finished_at limit %(batch)s for update of j skip locked
), steps as (
    delete from jobs_step s using old where s.job_id = old.id
), attempts as (
    delete from jobs_attempt a using old where a.job_id = old.id
), firings as (
    update jobs_firing f set job_id = null from old where f.job_id = old.id
)
delete from jobs_job j using old where j.id = old.id
"""
#: One whose time is over by its own queue. By the shortest of all times, which an index finds, it only may be.
_DUE = """
select from jobs_job j left join jobs_queue q on q.name = j.queue
where j.finished_at < %s - make_interval(days => least(%s, (select min(retention_days) from jobs_queue)))
    and j.finished_at < %s - make_interval(days => coalesce(q.retention_days, %s))
"""


def due(tenant: Tenant) -> list[Rows]:  # noqa: ARG001 - what duties get
    """What there may be to forget in the tenant that stands."""
    return [(_DUE, [clock.now(), RETENTION_DAYS] * 2)]


def forget_old() -> int:
    """Delete jobs of the tenant that stands whose time is over; returns how many. More than some thousands wait."""
    gone = 0
    for _ in range(_ROUNDS):
        with connection.cursor() as cursor:
            cursor.execute(_FORGET, {"now": clock.now(), "days": RETENTION_DAYS, "batch": BATCH})
            gone += cursor.rowcount
            if cursor.rowcount < BATCH:
                break
    return gone

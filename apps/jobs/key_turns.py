"""Rates of concurrency keys: what of a key may begin now, and what it has to wait for.

A key whose rate is used up holds its jobs back, as one whose jobs run does: they are `held`, in their order, however
many there are. Its turn says when the next one may begin, and whoever claims then, or sweeps, lets as many go as may.
Nothing of a job is changed by that. All of it needs the lane's lock, so that times and counts are true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.core import clock
from apps.core.clock import NOW_SQL
from apps.jobs.claiming import BY_KEY_RATE, IN_FLIGHT
from apps.jobs.registry import Place
from apps.tenancy.walls import registry

#: How many keys are looked at in one statement, and how many turns are forgotten in one, so many times each minute.
SLICE, BATCH, _BATCHES = 200, 1000, 20
FORGOTTEN_EVERY = 60.0
#: A turn after whose jobs some are left that wait is looked at again, even where the next one may begin at once.
_CHARGE: Final = f"""
with begun as (
    select d.schema_name, d.queue, d.share, d.concurrency_key, l.key_rate, l.key_burst, count(*) as taken
    from public.jobs_dispatch d join public.jobs_lane l using (schema_name, queue)
    where d.id = any(%(ids)s) and d.concurrency_key <> '' group by 1, 2, 3, 4, 5, 6
), charged as (
    select b.*, greatest(t.tat, {NOW_SQL}) + make_interval(secs => b.taken * b.key_rate) as tat
    from begun b left join public.jobs_key_turn t using (schema_name, queue, share, concurrency_key)
), timed as (
    select c.*, c.tat - make_interval(secs => (c.key_burst - 1) * c.key_rate) as opens_at from charged c
)
insert into public.jobs_key_turn as k (id, schema_name, queue, share, concurrency_key, tat, blocked_until)
select gen_random_uuid(), c.schema_name, c.queue, c.share, c.concurrency_key, c.tat,
    case when c.opens_at > {NOW_SQL} or exists (
        select from public.jobs_dispatch d where d.state = 'held' and d.schema_name = c.schema_name
        and d.queue = c.queue and d.share = c.share and d.concurrency_key = c.concurrency_key) then c.opens_at end
from timed c
on conflict (schema_name, queue, share, concurrency_key)
do update set tat = excluded.tat, blocked_until = excluded.blocked_until
"""  # noqa: S608 - made of constants
#: A turn all of whose jobs somebody else has locked at this moment stays due.
_OPEN: Final = f"""
with clock as (select {NOW_SQL}), due as materialized (
    select t.id, t.schema_name, t.queue, t.share, t.concurrency_key, t.blocked_until,
        least({BY_KEY_RATE}, l.key_max_in_flight - {IN_FLIGHT.format(key="t.concurrency_key", turn="t")}) as free
    from public.jobs_lane l join public.jobs_key_turn t using (schema_name, queue)
    where l.schema_name = %(schema)s and l.queue = %(queue)s and t.blocked_until <= (table clock)
    order by t.blocked_until limit %(most)s
), chosen as materialized (
    select h.id, due.id as turn from due, lateral (
        select d.id from public.jobs_dispatch d
        where d.state = 'held' and d.schema_name = due.schema_name and d.queue = due.queue
          and d.share = due.share and d.concurrency_key = due.concurrency_key
        order by d.rank, d.id limit greatest(due.free, 0) for update skip locked) h
), opened as (
    update public.jobs_key_turn t set blocked_until = case when due.free >= 1
        and not exists (select from chosen c where c.turn = due.id) and exists (
            select from public.jobs_dispatch d where d.state = 'held' and d.schema_name = due.schema_name
            and d.queue = due.queue and d.share = due.share and d.concurrency_key = due.concurrency_key
        ) then due.blocked_until end
    from due where t.id = due.id
), released as (
    update public.jobs_dispatch d set state = 'ready' from chosen c where d.id = c.id
    returning d.share, d.runner
)
select n.looked, r.share, r.runner, r.ready from (select count(*) as looked from due) n
left join (select share, runner, count(*) as ready from released group by 1, 2) r on true
"""  # noqa: S608 - made of constants
_DUE: Final = f"""
select l.schema_name, l.queue from public.jobs_lane l where l.key_rate is not null and exists (
    select from public.jobs_key_turn t
    where t.schema_name = l.schema_name and t.queue = l.queue and t.blocked_until <= {NOW_SQL})
"""  # noqa: S608 - made of constants
_FORGET: Final = f"""
delete from public.jobs_key_turn where id in (
    select id from public.jobs_key_turn where blocked_until is null and tat <= {NOW_SQL}
    order by tat limit {BATCH} for update skip locked)
"""  # noqa: S608 - made of constants


@dataclass(frozen=True, slots=True)
class Opened:
    """How many keys of a lane were looked at, and the place and Runner of each job of theirs that became ready."""

    looked: int
    ready: list[tuple[Place, str]]


def charge(cursor: Any, ids: Sequence[UUID]) -> None:
    """Count jobs that were leased just now against the rates of their keys. Needs the lane's lock."""
    if ids:
        cursor.execute(_CHARGE, {"ids": list(ids), "now": clock.held()})


def open_due(cursor: Any, schema_name: str, queue: str) -> Opened:
    """Let go what the rates of some keys let through by now, the first ones first. Needs the lane's lock."""
    asked: dict[str, Any] = {
        "schema": schema_name,
        "queue": queue,
        "most": SLICE,
        "now": clock.held(),
    }
    cursor.execute(_OPEN, asked)
    rows = cursor.fetchall()
    ready = [
        (Place(schema_name, queue, share), runner)
        for _, share, runner, many in rows
        for _ in range(many or 0)
    ]
    return Opened(rows[0][0], ready)


def lanes_due(cursor: Any) -> list[tuple[str, str]]:
    """The schemas and queues in which the rate of a key lets something through by now."""
    cursor.execute(_DUE, {"now": clock.held()})
    return list(cursor.fetchall())


def forget() -> int:
    """Delete turns that say nothing any more, some thousands at most; returns how many.

    A claim that reads one meanwhile makes it anew.
    """
    forgotten = 0
    for _ in range(_BATCHES):
        with registry(), connection.cursor() as cursor:
            cursor.execute(_FORGET, {"now": clock.held()})
            forgotten += cursor.rowcount
            if cursor.rowcount < BATCH:
                break
    return forgotten

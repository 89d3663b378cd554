"""The dispatch rows of jobs: put there with the job, leased to a worker, renewed, given back, and gone at the end.

Whoever holds the token of a lease may go on; for anybody else there is no row to change, which is the fence. The
dispatch row is always changed before the job's, so that two who meet at one job wait for each other in one order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Least

from apps.core import clock
from apps.core.clock import NOW_SQL
from apps.core.commits import after_commit
from apps.jobs.claiming import BY_KEY_RATE, LOCK_THAT_LANE
from apps.jobs.inserting import insert
from apps.jobs.registry import NOBODY, Dispatch, DispatchState, Place
from apps.jobs.turns import alone, wake
from apps.tenancy.walls import current_schema, outside, registry

#: A tenant ends, renews and gives back leases of its own; whoever stands outside of all goes by the tokens alone.
_END = """
with gone as (
    delete from public.jobs_dispatch d using unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) x(id, token)
    where d.id = x.id and d.token = x.token and %(schema)s in ('', d.schema_name)
    returning d.id, d.schema_name, d.queue, d.share, d.runner, d.concurrency_key
)
select g.id, g.schema_name, g.queue, g.share, g.runner, g.concurrency_key,
    l.outgoing or l.max_in_flight is not null or l.share_max_in_flight is not null
from gone g left join public.jobs_lane l using (schema_name, queue)
"""
_DROP = """
with gone as (
    delete from public.jobs_dispatch d where d.schema_name = %(schema)s and d.id = any(%(ids)s)
    returning d.id, d.schema_name, d.queue, d.share, d.runner, d.concurrency_key, d.state
)
select g.id, g.schema_name, g.queue, g.share, g.runner, g.concurrency_key,
    g.state = 'leased' and (l.outgoing or l.max_in_flight is not null or l.share_max_in_flight is not null)
from gone g left join public.jobs_lane l using (schema_name, queue)
"""
_KEEP_LEASED = """
update public.jobs_dispatch d set rank = x.rank, ends_at = x.ends_at
from unnest(%(ids)s::uuid[], %(ranks)s::smallint[], %(ends)s::timestamptz[]) x(id, rank, ends_at)
where d.id = x.id and d.schema_name = %(schema)s and d.state = 'leased'
returning d.id
"""
_HOLD = """
select d.id from public.jobs_dispatch d join unnest(%(ids)s::uuid[], %(tokens)s::uuid[]) x(id, token) using (id)
where d.token = x.token and d.schema_name = %(schema)s order by d.id for no key update of d
"""
_SENT = """
update public.jobs_dispatch d set outgoing = false
where d.id = %(id)s and d.token = %(token)s and d.schema_name = %(schema)s and d.outgoing
returning d.id, d.schema_name, d.queue, d.share, d.runner, d.concurrency_key
"""
_RENEW = f"""
update public.jobs_dispatch set leased_until = {NOW_SQL} + make_interval(secs => %(seconds)s), touched_at = {NOW_SQL}
where id = %(id)s and token = %(token)s and state = 'leased' and %(schema)s in ('', schema_name)
returning leased_until
"""  # noqa: S608 - made of constants
_RENEW_ALL = f"""
update public.jobs_dispatch d set leased_until = {NOW_SQL} + make_interval(secs => x.seconds), touched_at = {NOW_SQL}
from unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(seconds)s::float[]) x(id, token, seconds)
where d.id = x.id and d.token = x.token and d.state = 'leased'
"""  # noqa: S608 - made of constants
_GIVE_BACK = f"""
update public.jobs_dispatch d set token = null, leased_until = null, touched_at = {NOW_SQL}, run_at = x.run_at,
    state = 'scheduled'
from unnest(%(ids)s::uuid[], %(tokens)s::uuid[], %(times)s::timestamptz[]) x(id, token, run_at)
where d.id = x.id and d.token = x.token and %(schema)s in ('', d.schema_name)
returning d.id, d.schema_name, d.queue, d.share, d.runner, d.concurrency_key
"""  # noqa: S608 - made of constants
#: The lane is locked first: whoever claims and holds a job back for its key has done so before this looks.
#: An array, which is made once: rows of a subquery with a limit could be chosen anew for each row that is looked at.
_RELEASE_HELD = f"""
with clock as (select {NOW_SQL}), room as (
    select least({BY_KEY_RATE}, l.key_max_in_flight - (
        select count(*) from public.jobs_dispatch b
        where b.state = 'leased' and b.schema_name = %(schema)s and b.queue = %(queue)s
          and b.share = %(share)s and b.concurrency_key = %(key)s)) as free
    from public.jobs_lane l left join public.jobs_key_turn t on l.key_rate is not null
        and t.schema_name = l.schema_name and t.queue = l.queue and t.share = %(share)s
        and t.concurrency_key = %(key)s
    where l.schema_name = %(schema)s and l.queue = %(queue)s
)
update public.jobs_dispatch set state = 'ready' where id = any(array(
    select d.id from public.jobs_dispatch d
    where d.state = 'held' and d.schema_name = %(schema)s and d.queue = %(queue)s and d.share = %(share)s
      and d.concurrency_key = %(key)s
    order by d.rank, d.id
    limit greatest(0, coalesce((select free from room), 1)) for update skip locked))
"""  # noqa: S608 - made of constants
#: One key after the other that holds something back, of all places or of one.
_STUCK = f"""
with recursive keys as (
    (select d.id, d.schema_name, d.queue, d.share, d.runner, d.concurrency_key from public.jobs_dispatch d
     where d.state = 'held' and (d.schema_name, d.queue) >= (%(schema)s, %(queue)s)
     order by d.schema_name, d.queue, d.share, d.concurrency_key limit 1)
    union all
    select n.* from keys k, lateral (
        select d.id, d.schema_name, d.queue, d.share, d.runner, d.concurrency_key from public.jobs_dispatch d
        where d.state = 'held' and (d.schema_name, d.queue, d.share, d.concurrency_key)
            > (k.schema_name, k.queue, k.share, k.concurrency_key)
        order by d.schema_name, d.queue, d.share, d.concurrency_key limit 1) n
    where %(schema)s in ('', k.schema_name) and %(queue)s in ('', k.queue)
)
select k.* from keys k left join public.jobs_lane l using (schema_name, queue)
where %(schema)s in ('', k.schema_name) and %(queue)s in ('', k.queue)
  and coalesce(l.key_max_in_flight, 1) > (
    select count(*) from public.jobs_dispatch b where b.state = 'leased' and b.schema_name = k.schema_name
    and b.queue = k.queue and b.share = k.share and b.concurrency_key = k.concurrency_key)
  and not exists (
    select from public.jobs_key_turn t where t.schema_name = k.schema_name and t.queue = k.queue
    and t.share = k.share and t.concurrency_key = k.concurrency_key and t.blocked_until > {NOW_SQL})
limit %(most)s
"""  # noqa: S608 - made of constants
#: How many keys are looked at for what is held back for nothing.
_MOST_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Ended:
    """A dispatch row that is gone, or given back."""

    id: UUID
    place: Place
    runner: str
    concurrency_key: str


def dispatch_row(*, job_id: UUID, share: UUID | None, queue: str, runner: str, **more: Any) -> Dispatch:
    """The row that goes with a new job of the tenant that stands; `more` are its other columns.

    `share` is the organization, None for the tenant itself, or what else the jobs of the queue are told apart by.
    """
    run_at = more.get("run_at")
    later = run_at is not None and run_at > clock.now()
    state = DispatchState.SCHEDULED if later else DispatchState.READY
    return Dispatch(
        id=job_id,
        schema_name=current_schema(),
        queue=queue,
        share=share or NOBODY,
        runner=runner,
        state=state,
        **more,
    )


def put(rows: Sequence[Dispatch]) -> None:
    """Insert dispatch rows as the tenant itself, and wake their places after the commit. Needs a transaction."""
    insert(rows)
    _wake_after_commit(rows)


def _wake_after_commit(rows: Sequence[Dispatch]) -> None:
    ready = [(place_of(row), row.runner) for row in rows if row.state == DispatchState.READY]
    if ready:
        after_commit(wake, ready)


def put_again(rows: Sequence[Dispatch]) -> None:
    """The same for jobs that went on before, of which there may be rows still: those are as said here now.

    One that was claimed, and whose attempt has not begun, keeps its lease: its worker is about to begin it.
    """
    asked: dict[str, Any] = {
        "schema": current_schema(),
        "ids": [row.id for row in rows],
        "ranks": [row.rank for row in rows],
        "ends": [row.ends_at for row in rows],
    }
    with registry(savepoint=False), connection.cursor() as cursor:
        cursor.execute(_KEEP_LEASED, asked)
        kept = {row[0] for row in cursor.fetchall()}
    anew = [row for row in rows if row.id not in kept]
    drop([row.id for row in anew])
    put(anew)


def drop(ids: Collection[UUID]) -> None:
    """Delete the dispatch rows of jobs of the tenant that stands, whoever holds them."""
    if not ids:
        return
    asked: dict[str, Any] = {"schema": current_schema(), "ids": list(ids)}
    with registry(savepoint=False), connection.cursor() as cursor:
        cursor.execute(_DROP, asked)
        rows = cursor.fetchall()
    _make_room([(_ended(row), bool(row[6])) for row in rows])


def lock(ids: Collection[UUID]) -> None:
    """Keep the dispatch rows of jobs of the tenant that stands as they are until the transaction ends."""
    own = _own(ids).select_for_update().order_by("id")
    with registry(savepoint=False):
        list(own.values_list("pk"))


def _own(ids: Collection[UUID]) -> QuerySet[Dispatch]:
    """Rows of the tenant that stands: ids that came with an archive may be another tenant's, too."""
    return Dispatch.objects.filter(pk__in=ids, schema_name=current_schema())


def place_of(row: Dispatch) -> Place:
    """Where a dispatch row waits."""
    return Place(row.schema_name, row.queue, row.share)


def end(tokens: Iterable[tuple[UUID, UUID]]) -> set[UUID]:
    """Delete the dispatch rows of jobs that end, by id and token. Returns the ids of those whose token was right."""
    pairs = list(tokens)
    columns = {"ids": [pair[0] for pair in pairs], "tokens": [pair[1] for pair in pairs]}
    asked = columns | {"schema": current_schema()}
    with registry(savepoint=False), connection.cursor() as cursor:
        cursor.execute(_END, asked)
        rows = cursor.fetchall()
    _make_room([(_ended(row), bool(row[6])) for row in rows])
    return {row[0] for row in rows}


def give_back(jobs: Sequence[tuple[UUID, UUID, datetime]]) -> set[UUID]:
    """Have jobs run again: id, token and the time of each. Returns the ids of those whose token was right."""
    columns = {
        "ids": [job[0] for job in jobs],
        "tokens": [job[1] for job in jobs],
        "times": [job[2] for job in jobs],
    }
    asked: dict[str, Any] = {**columns, "now": clock.held(), "schema": current_schema()}
    with registry(savepoint=False), connection.cursor() as cursor:
        cursor.execute(_GIVE_BACK, asked)
        rows = cursor.fetchall()
    _make_room([(_ended(row), True) for row in rows])
    return {row[0] for row in rows}


def renew(job_id: UUID, token: UUID, seconds: float) -> datetime | None:
    """Hold a lease for `seconds` from now on; None when it is lost."""
    asked: dict[str, Any] = {
        "id": job_id,
        "token": token,
        "seconds": seconds,
        "now": clock.held(),
        "schema": current_schema(),
    }
    with registry(savepoint=False), connection.cursor() as cursor:
        cursor.execute(_RENEW, asked)
        row = cursor.fetchone()
    return row[0] if row else None


def renew_all(held: Iterable[tuple[UUID, UUID, float]]) -> None:
    """Hold many leases, by id and token, each for so many seconds from now on. Those that are lost stay lost."""
    rows = list(held)
    columns: dict[str, Any] = {
        "ids": [row[0] for row in rows],
        "tokens": [row[1] for row in rows],
        "seconds": [row[2] for row in rows],
    }
    with registry(), connection.cursor() as cursor:
        cursor.execute(_RENEW_ALL, columns | {"now": clock.held()})


def hold(job_id: UUID, token: UUID) -> bool:
    """Keep a lease as it is until the transaction ends. False when it is lost."""
    held = _own([job_id]).filter(token=token).select_for_update()
    with registry(savepoint=False):
        return bool(held.values_list("pk"))


def hold_all(held: Iterable[tuple[UUID, UUID]]) -> set[UUID]:
    """The same for many, by id and token. Returns the ids of those that are not lost."""
    rows = list(held)
    columns = {"ids": [row[0] for row in rows], "tokens": [row[1] for row in rows]}
    asked: dict[str, Any] = {**columns, "schema": current_schema()}
    with registry(savepoint=False), connection.cursor() as cursor:
        cursor.execute(_HOLD, asked)
        return {row[0] for row in cursor.fetchall()}


def sent(job_id: UUID, token: UUID) -> None:
    """Note that a receiver took a job and goes on by itself: another one of its tenant may be on its way."""
    asked: dict[str, Any] = {"id": job_id, "token": token, "schema": current_schema()}
    with registry(savepoint=False), connection.cursor() as cursor:
        cursor.execute(_SENT, asked)
        rows = cursor.fetchall()
    _make_room([(_ended(row), True) for row in rows])


def withdraw(job_id: UUID) -> bool:
    """Delete the dispatch row of a job that no worker holds. False, and nothing done, when one does.

    A row that is leased is locked until the transaction ends, so that its worker cannot end the job meanwhile.
    """
    own = _own([job_id])
    with registry(savepoint=False):
        row = own.select_for_update().first()
    if row is None:
        return True
    if row.state == DispatchState.LEASED:
        return False
    # Others of its key may have waited for it: one that is ready is the next one.
    drop([job_id])
    return True


def end_with_lease(job_id: UUID) -> None:
    """Have the sweep end a job that is being cancelled when its present lease is over, even where it is renewed."""
    own = _own([job_id])
    with registry(savepoint=False):
        own.update(ends_at=Least("ends_at", "leased_until"))


def touch(job_id: UUID) -> None:
    """Let those who watch the job know that something about it changed which its dispatch row does not say."""
    own = _own([job_id])
    with registry(savepoint=False):
        own.update(touched_at=clock.now())


def _ended(row: Sequence[Any]) -> Ended:
    job_id, schema_name, queue, share, runner, key = row[:6]
    return Ended(job_id, Place(schema_name, queue, share), runner, key)


def _make_room(ended: Sequence[tuple[Ended, bool]]) -> None:
    """After the commit, let in what waited for these: others of their keys, and of places that were full."""
    rows = [row for row, limited in ended if limited or row.concurrency_key]
    if rows:
        after_commit(release, rows)


def release(rows: Sequence[Ended]) -> None:
    """Make jobs ready that were held back for the concurrency key of one of `rows`, and wake their places."""
    for place, key in dict.fromkeys((row.place, row.concurrency_key) for row in rows if row.concurrency_key):
        _release_held(place, key)
    wake([(row.place, row.runner) for row in rows], room=True)


def release_stuck(place: tuple[str, str] | None = None) -> int:
    """Release what is held back for nothing any more, everywhere, or in a `place`: a schema and its queue.

    Returns for how many keys that was. So it is where a process ended before it could, or a key may have more now.
    """
    schema_name, queue = place or ("", "")
    asked: dict[str, Any] = {
        "schema": schema_name,
        "queue": queue,
        "most": _MOST_KEYS,
        "now": clock.held(),
    }
    with outside(), connection.cursor() as cursor:
        cursor.execute(_STUCK, asked)
        rows = cursor.fetchall()
    release([_ended(row) for row in rows])
    return len(rows)


def _release_held(place: Place, key: str) -> None:
    names: dict[str, Any] = {
        "schema": place.schema_name,
        "queue": place.queue,
        "share": place.share,
        "key": key,
        "now": clock.held(),
        "alone": alone(),
    }
    with registry(), connection.cursor() as cursor:
        cursor.execute(LOCK_THAT_LANE, names)
        cursor.execute(_RELEASE_HELD, names)

"""Whose turn it is: claiming from lanes and shares, waking those that have something, and putting to rest the others.

A lane is a queue of one tenant, a share what one organization has of it. Both carry a virtual time that grows with
what they got (start-time fair queueing, Goyal, Vin and Cheng 1996), and the smallest is next. Enqueuing transactions
touch neither, so that nobody waits for them; who enqueued wakes the lane after the commit, and a sweep wakes what was
missed. Locks are taken in one order: lane, share, dispatch rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from apps.core import clock
from apps.core.ids import uuid7
from apps.jobs.registry import Runner
from apps.tenancy.walls import outside, registry, registry_statement

#: Told when something was woken; whoever listens looks again.
CHANNEL = "packmule_jobs"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job waits: the tenant's schema, the queue, and the share (see registry.NOBODY)."""

    schema_name: str
    queue: str
    share: UUID


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one job until a time, unless it is renewed."""

    job_id: UUID
    token: UUID
    until: datetime
    place: Place
    lane_id: UUID


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker of the product asks for: jobs of one queue of one tenant, of one organization where it is bound."""

    schema_name: str
    queue: str
    share: UUID | None = None
    seconds: int | None = None


#: Make workers claim so many jobs of the platform, where they do not listen to the database.
_ringers: list[Callable[[int], None]] = []


def register_ringer(ringer: Callable[[int], None]) -> None:
    """Have `ringer` called with the number of jobs of the platform that became ready."""
    if ringer not in _ringers:
        _ringers.append(ringer)


_NOW = "(select coalesce(%(now)s::timestamptz, clock_timestamp()))"
_FREE = "coalesce({turn}.blocked_until <= " + _NOW + ", true)"
#: How many more the rate limit lets through now; GCRA with the burst as its tolerance.
_BY_RATE = (
    "case when {rate} is null then %(limit)s else {burst} - "
    "ceil(greatest(extract(epoch from {turn}.tat - " + _NOW + "), 0) / {rate}) end"
)
_ANY_LANE = f"""
    select l.* from public.jobs_lane l
    where l.runner = 'platform' and l.active and not l.paused and {_FREE.format(turn="l")}
    order by l.virtual_time limit 1 for no key update skip locked"""  # noqa: S608 - made of constants
_THAT_LANE = f"""
    select l.* from public.jobs_lane l
    where l.schema_name = %(schema)s and l.queue = %(queue)s and l.runner = 'client' and not l.paused
      and {_FREE.format(turn="l")}
    for no key update"""  # noqa: S608 - made of constants
_LEASED = """(select count(*) from public.jobs_dispatch b
        where b.state = 'leased' and b.schema_name = {turn}.schema_name and b.queue = {turn}.queue{more})"""
_CLAIM = """
with lane as materialized ({lane}
), share as materialized (
    select s.* from lane l join public.jobs_share s using (schema_name, queue)
    where s.active and {share_free} and (%(share)s::uuid is null or s.share = %(share)s)
    order by s.virtual_time limit 1 for no key update of s
), room as materialized (
    select least(
        %(limit)s,
        {lane_rate}, {share_rate},
        l.max_in_flight - {lane_leased},
        l.share_max_in_flight - {share_leased}
    ) as free from lane l, share s
), ready as materialized (
    select d.id, d.concurrency_key, d.rank from share s join public.jobs_dispatch d using (schema_name, queue, share)
    where d.state = 'ready'
    order by d.rank, d.id limit greatest((select free from room), 0) for update of d skip locked
), judged as materialized (
    select r.id, r.concurrency_key = '' or l.key_max_in_flight >= {key_leased}
        + row_number() over (partition by r.concurrency_key order by r.rank, r.id) as fits
    from ready r, share s, lane l
), taken as (
    update public.jobs_dispatch d set state = 'leased', token = gen_random_uuid(), touched_at = {now},
        leased_until = {now} + make_interval(secs => coalesce(%(seconds)s, l.lease_seconds))
    from judged j, lane l where d.id = j.id and j.fits
    returning d.id, d.token, d.leased_until, d.rank
), held as (
    update public.jobs_dispatch d set state = 'held' from judged j where d.id = j.id and not j.fits
    returning 1
), share_served as (
    update public.jobs_share s set virtual_time = s.virtual_time + n.n, tat = case when l.share_rate is not null
            then greatest(s.tat, {now}) + make_interval(secs => n.n * l.share_rate) end,
        blocked_until = case when l.share_rate is not null
            then greatest(s.tat, {now}) + make_interval(secs => (n.n - l.share_burst + 1) * l.share_rate) end
    from share p, lane l, (select count(*) as n from taken) n where s.id = p.id and n.n > 0
), lane_served as (
    update public.jobs_lane l set virtual_time = l.virtual_time + n.n / p.weight::float,
        tat = case when p.rate is not null
            then greatest(l.tat, {now}) + make_interval(secs => n.n * p.rate) end,
        blocked_until = case when p.rate is not null
            then greatest(l.tat, {now}) + make_interval(secs => (n.n - p.burst + 1) * p.rate) end
    from lane p, (select count(*) as n from taken) n where l.id = p.id and n.n > 0
)
select l.id, l.schema_name, l.queue, s.id, s.share, t.id, t.token, t.leased_until, (select count(*) from held)
from lane l left join share s on true left join taken t on true order by t.rank, t.id
"""
_PARTS = {
    "now": _NOW,
    "share_free": _FREE.format(turn="s"),
    "lane_rate": _BY_RATE.format(turn="l", rate="l.rate", burst="l.burst"),
    "share_rate": _BY_RATE.format(turn="s", rate="l.share_rate", burst="l.share_burst"),
    "lane_leased": _LEASED.format(turn="l", more=""),
    "share_leased": _LEASED.format(turn="s", more=" and b.share = s.share"),
    "key_leased": _LEASED.format(
        turn="s", more=" and b.share = s.share and b.concurrency_key = r.concurrency_key"
    ),
}
_CLAIM_ANY = _CLAIM.format(lane=_ANY_LANE, **_PARTS)
_CLAIM_THAT = _CLAIM.format(lane=_THAT_LANE, **_PARTS)

#: A share that sleeps begins again where the others are: time that it did not use it cannot use up later.
_WAKE = """
with lane as (
    update public.jobs_lane l set active = true, virtual_time = greatest(l.virtual_time, coalesce((
        select min(o.virtual_time) from public.jobs_lane o
        where o.runner = l.runner and o.active and not o.paused), 0)),
        blocked_until = case when l.rate is not null
            then l.tat - make_interval(secs => (l.burst - 1) * l.rate) end
    where l.schema_name = %(schema)s and l.queue = %(queue)s
      and (not l.active or (l.share_rate is not null and l.blocked_until is not null))
    returning l.runner
), share as (
    update public.jobs_share s set active = true, virtual_time = greatest(s.virtual_time, coalesce((
        select min(o.virtual_time) from public.jobs_share o
        where o.schema_name = s.schema_name and o.queue = s.queue and o.active), 0))
    where s.schema_name = %(schema)s and s.queue = %(queue)s and s.share = %(share)s and not s.active
      and (select count(*) from lane) >= 0
    returning 1
)
select (select pg_notify(%(channel)s, runner || ' ' || %(schema)s || ' ' || %(queue)s) is null from lane),
    (select count(*) from share),
    exists (select from public.jobs_share
            where schema_name = %(schema)s and queue = %(queue)s and share = %(share)s),
    (select runner from public.jobs_lane where schema_name = %(schema)s and queue = %(queue)s)
"""
_FOUND_LANE = """
insert into public.jobs_lane (id, schema_name, queue, runner, active, virtual_time, paused, weight, lease_seconds,
    max_in_flight, share_max_in_flight, key_max_in_flight, burst, share_burst)
values (%(lane)s, %(schema)s, %(queue)s, %(runner)s, false, 0, false, 1, 60, %(most)s, %(most_of_share)s, 1, 1, 1)
on conflict (schema_name, queue) do nothing
"""
_FOUND_SHARE = """
insert into public.jobs_share (id, schema_name, queue, share, active, virtual_time)
values (%(id)s, %(schema)s, %(queue)s, %(share)s, false, 0)
on conflict (schema_name, queue, share) do nothing
"""
#: Of the first thousand only: with more than that in it, a queue is not asleep.
_ASLEEP = """
select d.share, d.runner from (
    select share, runner from public.jobs_dispatch
    where state = 'ready' and schema_name = %(schema)s and queue = %(queue)s
      and (%(share)s::uuid is null or share = %(share)s)
    limit 1000) d
where not exists (
    select from public.jobs_lane l join public.jobs_share s using (schema_name, queue)
    where l.schema_name = %(schema)s and l.queue = %(queue)s and s.share = d.share and l.active and s.active)
limit 1
"""
_LOCK_LANE = "select 1 from public.jobs_lane where id = %(lane)s for no key update"
_LOCK_SHARE = "select 1 from public.jobs_share where id = %(share)s for no key update"
_SETTLE_SHARE = f"""
update public.jobs_share s set active = exists (
        select from public.jobs_dispatch d
        where d.schema_name = s.schema_name and d.queue = s.queue and d.share = s.share and d.state = 'ready'
    ) and coalesce(l.share_max_in_flight > {_PARTS["share_leased"]}, true)
from public.jobs_lane l where s.id = %(share)s and l.id = %(lane)s
returning s.active
"""  # noqa: S608 - made of constants
_SETTLE_LANE = f"""
update public.jobs_lane l set
    active = exists (select from public.jobs_share s
                     where s.schema_name = l.schema_name and s.queue = l.queue and s.active)
        and coalesce(l.max_in_flight > {_PARTS["lane_leased"]}, true),
    blocked_until = nullif(greatest(l.blocked_until, (
        select min(coalesce(s.blocked_until, '-infinity')) from public.jobs_share s
        where s.schema_name = l.schema_name and s.queue = l.queue and s.active)), '-infinity')
where l.id = %(lane)s
"""  # noqa: S608 - made of constants


_NO_LIMITS: dict[str, int | None] = {"most": None, "most_of_share": None}
_limits: dict[str, dict[str, int | None]] = {}


@dataclass(frozen=True, slots=True)
class _Look:
    """What one claim came to: what was leased, whether there was a lane, and whether there may be more in it.

    There may be when a share of it was put to rest, and when jobs were held back for their keys.
    """

    leases: list[Lease]
    lane: bool = False
    more: bool = False


def claim(limit: int) -> tuple[list[Lease], bool]:
    """Lease up to `limit` jobs of the platform's lane whose turn it is; the second value says that there was a lane.

    When there was one and nothing in it, it was put to rest, and the next one may be asked.
    """
    look = _claim(_CLAIM_ANY, {"limit": limit, "share": None, "seconds": None})
    return look.leases, look.lane


def claim_from(wish: Wish, limit: int) -> list[Lease]:
    """Lease up to `limit` jobs of one queue of the product's own workers, from one share or from several of them."""
    asked = {
        "schema": wish.schema_name, "queue": wish.queue, "share": wish.share, "seconds": wish.seconds,
    }  # fmt: skip
    found = _from_shares(asked, limit)
    return found if found or not _roused(asked) else _from_shares(asked, limit)


def _from_shares(asked: dict[str, Any], limit: int) -> list[Lease]:
    """One share after the other, the fairest first, until there is enough or nothing."""
    found: list[Lease] = []
    while len(found) < limit:
        look = _claim(_CLAIM_THAT, asked | {"limit": limit - len(found)})
        found += look.leases
        if not look.more:
            break
    return found


def _roused(asked: dict[str, Any]) -> bool:
    """Wake what sleeps although there is something in it: whoever enqueued it ended before it could do so."""
    with outside(), connection.cursor() as cursor:
        cursor.execute(_ASLEEP, asked)
        row = cursor.fetchone()
    if row is None:
        return False
    _wake(Place(asked["schema"], asked["queue"], row[0]), row[1])
    return True


def _claim(statement: str, asked: dict[str, Any]) -> _Look:
    with registry_statement(), connection.cursor() as cursor:
        cursor.execute(statement, asked | {"now": clock.held()})
        rows = cursor.fetchall()
    if not rows:
        return _Look([])
    if rows[0][5] is not None or rows[0][8]:
        leases = [_lease(row[:8]) for row in rows if row[5] is not None]
        return _Look(leases, lane=True, more=True)
    lane, share = rows[0][0], rows[0][3]
    if share is None and statement is _CLAIM_THAT:
        # Nobody is kept from another lane by this one, so that it need not be put to rest.
        return _Look([], lane=True)
    return _Look([], lane=True, more=_settled(lane, share) and share is not None)


def _lease(row: Sequence[Any]) -> Lease:
    lane_id, schema_name, queue, _, share, job_id, token, until = row
    return Lease(job_id, token, until, Place(schema_name, queue, share), lane_id)


def _settled(lane: UUID, share: UUID | None) -> bool:
    """Put a lane and a share to rest in which nothing could be claimed; returns whether the share rests now.

    Looked at twice: who enqueued between the look and the rest saw something active and woke nobody; the second look
    sees its row.
    """
    return not (_share_active(lane, share) or _share_active(lane, share))


def _share_active(lane: UUID, share: UUID | None) -> bool:
    """Write down whether there is something to claim, and say so. It is locked first, so that the look is new."""
    names = {"lane": lane, "share": share}
    active = False
    with registry(), connection.cursor() as cursor:
        cursor.execute(_LOCK_LANE, names)
        if share is not None:
            cursor.execute(_LOCK_SHARE, names)
            cursor.execute(_SETTLE_SHARE, names)
            active = bool((cursor.fetchone() or [False])[0])
        cursor.execute(_SETTLE_LANE, names)
    return active


def limit(queue: str, *, most: int | None, most_of_share: int | None) -> None:
    """Let every tenant's lane of `queue`, which is one of the platform's own, begin with these limits in flight."""
    _limits[queue] = {"most": most, "most_of_share": most_of_share}


def wake(places: Sequence[tuple[Place, str]]) -> None:
    """Say that there is something to claim in `places`, one for each job, with its Runner. Call it after the commit."""
    # Whether the platform runs a queue may have changed since the rows were made: the lane says it.
    runners = {place: _wake(place, runner) for place, runner in dict.fromkeys(places)}
    ring(sum(runners[place] == Runner.PLATFORM for place, _ in places))


def ringing() -> bool:
    """True where a broker carries doorbells."""
    return bool(_ringers)


def ring(times: int) -> None:
    """Make workers claim so many jobs of the platform."""
    if times:
        for ringer in _ringers:
            ringer(times)


def _wake(place: Place, runner: str) -> str:
    """Wake one place, which is founded for `runner` where there is none; returns who takes jobs out of it."""
    names = {
        "schema": place.schema_name, "queue": place.queue, "share": place.share,
        "runner": Runner(runner).value, "channel": CHANNEL, "lane": uuid7(), "id": uuid7(),
        **_limits.get(place.queue, _NO_LIMITS),
    }  # fmt: skip
    with registry(), connection.cursor() as cursor:
        cursor.execute(_WAKE, names)
        _, _, there, found = cursor.fetchone() or (None, 0, False, None)
        if not there:
            cursor.execute(_FOUND_LANE, names)
            cursor.execute(_FOUND_SHARE, names)
            cursor.execute(_WAKE, names)
    return str(found or runner)

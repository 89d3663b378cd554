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
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from apps.core import clock
from apps.core.ids import uuid7
from apps.jobs import key_turns
from apps.jobs.claiming import (
    ALONE_IN_TENANT,
    CLAIM_ANY,
    CLAIM_KEYED,
    CLAIM_LOCKED,
    CLAIM_THAT,
    LANE_LEASED,
    LOCK_LANE,
    SET_ASIDE,
    SHARE_LEASED,
    SOFT,
)
from apps.jobs.registry import NOBODY, Place, Runner
from apps.tenancy.walls import outside, registry, registry_statement

#: Told when something was woken; whoever listens looks again.
CHANNEL = "packmule_jobs"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one job until a time, unless it is renewed.

    From `ends_at` on, the job may be over: see expiring.
    """

    job_id: UUID
    token: UUID
    until: datetime
    place: Place
    lane_id: UUID
    outgoing: bool = False
    ends_at: datetime | None = None


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


#: Shares that sleep begin again where the others are, and those that wake together at the same: time that they did not
#: use they cannot use up later. One of them is told of in a lane that is awake, too: a worker of the product may be
#: bound to that organization.
_WAKE = f"""
with lane as (
    update public.jobs_lane l set active = true, virtual_time = greatest(l.virtual_time, coalesce((
        select min(o.virtual_time) from public.jobs_lane o
        where o.runner = l.runner and o.active and not o.paused), 0)),
        blocked_until = case when l.rate is not null
            then l.tat - make_interval(secs => (l.burst - 1) * l.rate) end
    where l.schema_name = %(schema)s and l.queue = %(queue)s
      and (not l.active or (l.share_rate is not null and l.blocked_until is not null))
    returning l.runner
), asleep as materialized (
    select s.id from public.jobs_share s
    where s.schema_name = %(schema)s and s.queue = %(queue)s and s.share = any(%(shares)s) and not s.active
      and (select count(*) from lane) >= 0
    order by s.share for no key update
), share as (
    update public.jobs_share s set active = true, virtual_time = greatest(s.virtual_time, coalesce((
        select min(o.virtual_time) from public.jobs_share o
        where o.schema_name = %(schema)s and o.queue = %(queue)s and o.active), (
        select max(o.virtual_time) from public.jobs_share o where o.id in (select id from asleep))))
    from asleep a where s.id = a.id
    returning 1
)
select l.runner, (
        select count(*) from public.jobs_share
        where schema_name = %(schema)s and queue = %(queue)s and share = any(%(shares)s)),
    case when exists (select from lane) or (l.runner = 'client' and exists (select from share))
            or (%(room)s and l.outgoing)
        then pg_notify(%(channel)s, l.runner || ' ' || %(schema)s || ' ' || %(queue)s) end, (select {SOFT})
from public.jobs_lane l where l.schema_name = %(schema)s and l.queue = %(queue)s
"""  # noqa: S608 - made of constants
_FOUND_LANE = """
insert into public.jobs_lane (id, schema_name, queue, runner, active, virtual_time, paused, weight, lease_seconds,
    max_in_flight, share_max_in_flight, key_max_in_flight, burst, share_burst, outgoing)
values (%(lane)s, %(schema)s, %(queue)s, %(runner)s, false, 0, false, 1, 60, %(most)s, %(most_of_share)s, 1, 1, 1,
    %(outgoing)s)
on conflict (schema_name, queue) do nothing
"""
_FOUND_SHARES = """
insert into public.jobs_share (id, schema_name, queue, share, active, virtual_time)
select x.id, %(schema)s, %(queue)s, x.share, false, 0 from unnest(%(ids)s::uuid[], %(shares)s) x(id, share)
on conflict (schema_name, queue, share) do nothing
"""
#: A lane `l` or share `s` that sleeps, or is none, and may have more in flight.
UNWOKEN = f"""not coalesce(l.active and s.active, false)
  and (l.max_in_flight is null or l.max_in_flight > {LANE_LEASED})
  and (l.share_max_in_flight is null or s.share is null or l.share_max_in_flight > {SHARE_LEASED})"""
#: One share after the other that has something ready, until one sleeps in spite of it that may have more.
_ASLEEP = f"""
with recursive waiting as (
    (select d.share, d.runner from public.jobs_dispatch d
     where d.state = 'ready' and d.schema_name = %(schema)s and d.queue = %(queue)s
       and d.share >= coalesce(%(share)s::uuid, %(nobody)s) order by d.share limit 1)
    union all
    select n.share, n.runner from waiting w, lateral (
        select d.share, d.runner from public.jobs_dispatch d
        where d.state = 'ready' and d.schema_name = %(schema)s and d.queue = %(queue)s and d.share > w.share
          and %(share)s::uuid is null order by d.share limit 1) n
)
select w.share, w.runner from waiting w
left join public.jobs_lane l on l.schema_name = %(schema)s and l.queue = %(queue)s
left join public.jobs_share s on s.schema_name = %(schema)s and s.queue = %(queue)s and s.share = w.share
where {UNWOKEN} and (%(share)s::uuid is null or w.share = %(share)s)
limit 1
"""  # noqa: S608 - made of constants
_LOCK_SHARE = "select 1 from public.jobs_share where id = %(share)s for no key update"
_SETTLE_SHARE = f"""
update public.jobs_share s set active = exists (
        select from public.jobs_dispatch d
        where d.schema_name = s.schema_name and d.queue = s.queue and d.share = s.share and d.state = 'ready'
    ) and coalesce(l.share_max_in_flight > {SHARE_LEASED}, true)
from public.jobs_lane l where s.id = %(share)s and l.id = %(lane)s
returning s.active
"""  # noqa: S608 - made of constants
_SETTLE_LANE = f"""
update public.jobs_lane l set
    active = exists (select from public.jobs_share s
                     where s.schema_name = l.schema_name and s.queue = l.queue and s.active)
        and coalesce(l.max_in_flight > {LANE_LEASED}, true),
    blocked_until = nullif(greatest(l.blocked_until, (
        select min(coalesce(s.blocked_until, '-infinity')) from public.jobs_share s
        where s.schema_name = l.schema_name and s.queue = l.queue and s.active)), '-infinity')
where l.id = %(lane)s
"""  # noqa: S608 - made of constants


#: Looks of one claim that goes from share to share.
_LOOKS = 10
#: As many as there are.
ANY = 1_000_000
_NO_LIMITS: dict[str, Any] = {"most": None, "most_of_share": None, "outgoing": False}
_limits: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class _Look:
    """What one claim came to: what was leased, whether there was a lane, and whether there may be more in it.

    There may be when a share of it was put to rest, and when jobs were held back for their keys.
    """

    leases: list[Lease]
    lane: bool = False
    more: bool = False


def claim(limit: int, senders: int = ANY) -> tuple[list[Lease], bool]:
    """Lease up to `limit` jobs of the platform's lane whose turn it is; the second value says that there was a lane.

    When there was one and nothing in it, it was put to rest, and the next one may be asked. `senders` bounds the jobs
    among them that go to receivers of the tenants' choice.
    """
    look = _claim(CLAIM_ANY, {"limit": limit, "share": None, "seconds": None, "senders": senders})
    return look.leases, look.lane


def claim_from(wish: Wish, limit: int) -> list[Lease]:
    """Lease up to `limit` jobs of one queue of the product's own workers, from one share or from several of them.

    It may find less than there is: after some looks it ends, so that no claim takes seconds.
    """
    asked = {
        "schema": wish.schema_name, "queue": wish.queue, "share": wish.share, "seconds": wish.seconds,
        "senders": ANY,
    }  # fmt: skip
    found = _from_shares(asked, limit)
    return found if found or not _roused(asked) else _from_shares(asked, limit)


def _from_shares(asked: dict[str, Any], limit: int) -> list[Lease]:
    """One share after the other, the fairest first, until there is enough or nothing."""
    found: list[Lease] = []
    for _ in range(_LOOKS):
        look = _claim(CLAIM_THAT, asked | {"limit": limit - len(found)})
        found += look.leases
        if not look.more or len(found) >= limit:
            break
    return found


def _roused(asked: dict[str, Any]) -> bool:
    """Wake what sleeps although there is something in it: whoever enqueued it ended before it could do so."""
    with outside(), connection.cursor() as cursor:
        cursor.execute(_ASLEEP, asked | {"nobody": NOBODY})
        row = cursor.fetchone()
    if row is None:
        return False
    _wake(asked["schema"], asked["queue"], [row[0]], row[1])
    return True


def _claim(statement: str, asked: dict[str, Any]) -> _Look:
    said = {"now": clock.held(), "alone": alone(), "outgoing": settings.PACKMULE_OUTGOING_AT_ONCE}
    with registry_statement(), connection.cursor() as cursor:
        cursor.execute(statement, asked | said)
        rows = cursor.fetchall()
    if not rows:
        return _Look([])
    if rows[0][8]:
        rows = _claim_counting(rows[0][0], asked | said)
        if not rows:
            return _Look([], lane=True)
    if rows[0][5] is not None or rows[0][8]:
        leases = [_lease(row) for row in rows if row[5] is not None]
        return _Look(leases, lane=True, more=True)
    lane, share = rows[0][0], rows[0][3]
    if share is None and statement is CLAIM_THAT:
        # Nobody is kept from another lane by this one, so that it need not be put to rest.
        return _Look([], lane=True)
    return _Look([], lane=True, more=_settled(lane, share) and share is not None)


def _claim_counting(lane: UUID, asked: dict[str, Any]) -> list[Any]:
    """Claim from a lane in which something is counted; see claiming. Nobody else claims from it meanwhile."""
    with registry(), connection.cursor() as cursor:
        cursor.execute(LOCK_LANE, asked | {"lane": lane})
        outgoing, schema_name, queue, keyed, _ = cursor.fetchone() or (False, "", "", False, None)
        if outgoing:
            cursor.execute(ALONE_IN_TENANT, {"schema": schema_name})
        opened = key_turns.open_due(cursor, schema_name, queue) if keyed else None
        cursor.execute(CLAIM_KEYED if keyed else CLAIM_LOCKED, asked | {"lane": lane})
        rows = list(cursor.fetchall())
        if keyed:
            key_turns.charge(cursor, [row[5] for row in rows if row[5] is not None])
        if rows and rows[0][8]:
            _set_aside(cursor, rows[0][3])
    if opened:
        wake(opened.ready)
    return rows


def _set_aside(cursor: Any, share: UUID) -> None:
    """Keep what waits for others of its key out of the way of the next claims, many at a time."""
    cursor.execute(SET_ASIDE, {"share": share})


def _lease(row: Sequence[Any]) -> Lease:
    lane_id, schema_name, queue, _, share, job_id, token, until, _, _, outgoing, ends_at = row
    return Lease(job_id, token, until, Place(schema_name, queue, share), lane_id, outgoing, ends_at)


def _settled(lane: UUID, share: UUID | None) -> bool:
    """Put a lane and a share to rest in which nothing could be claimed; returns whether the share rests now.

    Looked at twice: who enqueued between the look and the rest saw something active and woke nobody; the second look
    sees its row.
    """
    return not (_share_active(lane, share) or _share_active(lane, share))


def _share_active(lane: UUID, share: UUID | None) -> bool:
    """Write down whether there is something to claim, and say so. It is locked first, so that the look is new."""
    names = {"lane": lane, "share": share, "alone": alone()}
    active = False
    with registry(), connection.cursor() as cursor:
        cursor.execute(LOCK_LANE, names)
        if share is not None:
            cursor.execute(_LOCK_SHARE, names)
            cursor.execute(_SETTLE_SHARE, names)
            active = bool((cursor.fetchone() or [False])[0])
        cursor.execute(_SETTLE_LANE, names)
    return active


def limit(queue: str, *, most: int | None, most_of_share: int | None, outgoing: bool = False) -> None:
    """Let every tenant's lane of `queue`, which is one of the platform's own, begin with these limits in flight.

    `outgoing` says that its jobs wait for receivers of the tenant's choice.
    """
    _limits[queue] = {"most": most, "most_of_share": most_of_share, "outgoing": outgoing}


def alone() -> bool:
    """True where a statement is a transaction of its own."""
    return not connection.in_atomic_block


def wake(places: Sequence[tuple[Place, str]], *, room: bool = False) -> None:
    """Say that there is something to claim in `places`, one for each job, with its Runner. Call it after the commit.

    `room` says that something ended there: its tenant may have more on its way to receivers, from whatever queue.
    It is one statement for each lane, however many shares of it there are.
    """
    found_for = dict(places)
    lanes: dict[tuple[str, str], list[Place]] = {}
    for place in sorted(found_for, key=attrgetter("schema_name", "queue", "share")):
        lanes.setdefault((place.schema_name, place.queue), []).append(place)
    # Whether the platform runs a queue may have changed since the rows were made: the lane says it.
    runners = {
        lane: _wake(*lane, [place.share for place in together], found_for[together[0]], room)
        for lane, together in lanes.items()
    }
    ring(sum(runners[place.schema_name, place.queue] == Runner.PLATFORM for place, _ in places))


def tell(schema_name: str, queue: str, runner: str) -> None:
    """Have whoever listens look at that lane again: at once, or when the transaction that stands is committed."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify(%s, %s)", [CHANNEL, f"{runner} {schema_name} {queue}"])


def ringing() -> bool:
    """True where a broker carries doorbells."""
    return bool(_ringers)


def ring(times: int) -> None:
    """Make workers claim so many jobs of the platform."""
    if times:
        for ringer in _ringers:
            ringer(times)


def _wake(schema_name: str, queue: str, shares: list[UUID], runner: str, room: bool = False) -> str:
    """Wake shares of one lane, founded for `runner` where there is none; returns who takes jobs out of it.

    `shares` are in order, so that two who wake the same ones wait for each other in one direction.
    """
    names = {
        "schema": schema_name, "queue": queue, "shares": shares, "room": room, "alone": alone(),
        "runner": Runner(runner).value, "channel": CHANNEL, "lane": uuid7(), "ids": [uuid7() for _ in shares],
        **_limits.get(queue, _NO_LIMITS),
    }  # fmt: skip
    with registry_statement(), connection.cursor() as cursor:
        cursor.execute(_WAKE, names)
        found, there = (cursor.fetchone() or (None, 0))[:2]
        if there < len(shares):
            cursor.execute(_FOUND_LANE, names)
            cursor.execute(_FOUND_SHARES, names)
            cursor.execute(_WAKE, names)
    return str(found or runner)

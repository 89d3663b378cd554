"""What the pages about jobs ask the registry: what holds a queue, whose turn it is in it, and which leases run out.

Who is bound to one organization is told of that organization's share alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Count, QuerySet

from apps.core import clock
from apps.core.actor import Actor
from apps.jobs.admin_figures import MOST_COUNTED
from apps.jobs.enqueuing import RESERVED
from apps.jobs.models import Job
from apps.jobs.registry import NOBODY, Dispatch, DispatchState, Lane, Share
from apps.tenancy.walls import outside

#: A lease that has less than this left, and less than a quarter of its time, is about to lapse.
_SOON = timedelta(seconds=15)
_QUARTER = 4
_READY = """
select s.share, (select count(*) from (
    select 1 from public.jobs_dispatch d
    where d.state = 'ready' and d.schema_name = %(schema)s and d.queue = %(queue)s and d.share = s.share
    limit %(most)s) looked)
from unnest(%(shares)s::uuid[]) s(share)
"""
_OUT_OF_RATE = """
select t.concurrency_key, t.share, (select count(*) from (
    select 1 from public.jobs_dispatch d
    where d.state = 'held' and d.schema_name = t.schema_name and d.queue = t.queue and d.share = t.share
      and d.concurrency_key = t.concurrency_key limit %(most)s) looked), t.blocked_until
from public.jobs_key_turn t
where t.schema_name = %(schema)s and t.queue = %(queue)s and t.blocked_until > %(now)s
  and (%(share)s::uuid is null or t.share = %(share)s)
order by t.blocked_until limit %(most_keys)s
"""
_MOST_LEASES, _MOST_SHARES, _MOST_KEYS, _MOST_LOOKED_AT = 10, 50, 20, 50


@dataclass(frozen=True, slots=True)
class Turn:
    """A queue as claims see it: how many of its jobs run, how many are held back for their keys, and what limits it.

    `most` is how many may run at a time, None for any number; `blocked_until` is when its rate lets the next one in.
    """

    leased: int = 0
    held: int = 0
    most: int | None = None
    blocked_until: datetime | None = None

    @property
    def is_full(self) -> bool:
        """True while no more may run."""
        return self.most is not None and self.leased >= self.most

    @property
    def is_limited(self) -> bool:
        """True while the rate lets nothing through."""
        return self.blocked_until is not None and self.blocked_until > clock.now()


@dataclass(frozen=True, slots=True)
class Served:
    """What one organization has of a queue; `share` is None for the tenant itself. The least `had` is next."""

    share: UUID | None
    active: bool
    had: float
    leased: int
    ready: int
    blocked_until: datetime | None


@dataclass(frozen=True, slots=True)
class OutOfRate:
    """A concurrency key whose rate lets the next job in at `until`; `share` is None for the tenant itself."""

    key: str
    share: UUID | None
    held: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Lapsing:
    """A job whose worker has not renewed its lease for most of its time."""

    job: Job
    until: datetime
    heard_at: datetime | None


def turns(actor: Actor) -> dict[str, Turn]:
    """How the queues of the tenant stand with claims, by name."""
    with outside():
        lanes = list(Lane.objects.filter(schema_name=actor.tenant.schema_name))
        shares = [] if actor.is_tenant_wide else list(_shares(actor))
        found = _dispatched(actor).filter(state__in=(DispatchState.LEASED, DispatchState.HELD))
        counted = list(found.order_by().values_list("queue", "state").annotate(number=Count("pk")))
    counts = Counter({(queue, state): number for queue, state, number in counted})
    own = {share.queue: share for share in shares}
    return {
        lane.queue: _turn(lane, counts, None if actor.is_tenant_wide else own.get(lane.queue, Share()))
        for lane in lanes
        if not lane.queue.startswith(RESERVED)
    }


def _turn(lane: Lane, counts: Counter[tuple[str, str]], share: Share | None) -> Turn:
    return Turn(
        counts[lane.queue, DispatchState.LEASED],
        counts[lane.queue, DispatchState.HELD],
        lane.max_in_flight if share is None else lane.share_max_in_flight,
        lane.blocked_until if share is None else share.blocked_until,
    )


def served(actor: Actor, queue: str) -> list[Served]:
    """Who has what of a queue, whoever is next first."""
    with outside():
        shares = list(_shares(actor).filter(queue=queue).order_by("-active", "virtual_time")[:_MOST_SHARES])
        rows = _dispatched(actor).filter(queue=queue)
        leased = _by_share(rows.filter(state=DispatchState.LEASED), shares)
        ready = _ready(actor, queue, shares)
    return [
        Served(
            None if one.share == NOBODY else one.share,
            one.active,
            one.virtual_time,
            leased.get(one.share, 0),
            ready[one.share],
            one.blocked_until,
        )
        for one in shares
    ]


def keys_out_of_rate(actor: Actor, queue: str) -> list[OutOfRate]:
    """Concurrency keys of a queue whose rate is used up, the first to go on first."""
    asked: dict[str, Any] = {
        "schema": actor.tenant.schema_name,
        "queue": queue,
        "share": _own(actor).get("share"),
        "now": clock.now(),
        "most": MOST_COUNTED + 1,
        "most_keys": _MOST_KEYS,
    }
    with outside(), connection.cursor() as cursor:
        cursor.execute(_OUT_OF_RATE, asked)
        return [
            OutOfRate(key, None if share == NOBODY else share, held, until)
            for key, share, held, until in cursor.fetchall()
        ]


def lapsing(actor: Actor) -> list[Lapsing]:
    """Jobs whose leases are about to lapse, or have lapsed, the first to go first."""
    now = clock.now()
    with outside():
        soon = _dispatched(actor).filter(state=DispatchState.LEASED, leased_until__lt=now + _SOON)
        rows = list(soon.order_by("leased_until")[:_MOST_LOOKED_AT])
    late = [row for row in rows if _is_late(row, now)][:_MOST_LEASES]
    jobs = Job.objects.visible_to(actor).of_the_product().defer("payload", "result")
    found = jobs.in_bulk([row.pk for row in late])
    return [
        Lapsing(found[row.pk], row.leased_until, row.touched_at)
        for row in late
        if row.pk in found and row.leased_until is not None
    ]


def lease_end(job: Job) -> datetime | None:
    """Until when the worker of a job holds it; None when nobody does."""
    with outside():
        found = Dispatch.objects.filter(pk=job.pk, token=job.lease_token, state=DispatchState.LEASED)
        return found.values_list("leased_until", flat=True).first()


def _is_late(row: Dispatch, now: datetime) -> bool:
    if row.leased_until is None or row.touched_at is None:
        return True
    return row.leased_until - now < (row.leased_until - row.touched_at) / _QUARTER


def _dispatched(actor: Actor) -> QuerySet[Dispatch]:
    return Dispatch.objects.filter(schema_name=actor.tenant.schema_name, **_own(actor))


def _shares(actor: Actor) -> QuerySet[Share]:
    return Share.objects.filter(schema_name=actor.tenant.schema_name, **_own(actor))


def _own(actor: Actor) -> dict[str, UUID]:
    """What keeps whoever is bound to an organization to that one; without one there is nothing to see."""
    if actor.is_tenant_wide:
        return {}
    return {"share": actor.organization.id if actor.organization else _NOTHING}


#: No organization has it, and the tenant itself does not.
_NOTHING = UUID(int=1)


def _by_share(rows: QuerySet[Dispatch], shares: Sequence[Share]) -> dict[UUID, int]:
    found = rows.filter(share__in=[share.share for share in shares]).order_by()
    return dict(found.values_list("share").annotate(number=Count("pk")))


def _ready(actor: Actor, queue: str, shares: Sequence[Share]) -> dict[UUID, int]:
    ids = [share.share for share in shares]
    asked: dict[str, Any] = {
        "schema": actor.tenant.schema_name,
        "queue": queue,
        "shares": ids,
        "most": MOST_COUNTED + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_READY, asked)
        return dict(cursor.fetchall())

"""The lane of a queue in the registry: what the queue's rules say, where claims read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import Min, QuerySet, Value
from django.db.models.functions import Greatest

from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.clock import NOW_SQL
from apps.core.commits import after_commit
from apps.jobs import leases, turns
from apps.jobs.models import Queue
from apps.jobs.registry import KeyTurn, Lane, Runner, Share
from apps.tenancy.walls import registry

#: So many jobs of a queue that sends them are in flight unless it says otherwise: each may hold one of the platform's
#: threads for as long as its receiver takes to answer.
PUSHED_AT_ONCE = 4


_CARRIED = f"""
update public.{{table}} set
    tat = case when %(factor)s::float is not null then t.now + greatest(tat - t.now, interval '0') * %(factor)s end,
    blocked_until = case when %(factor)s::float is not null then t.now + greatest(tat - t.now, interval '0')
        * %(factor)s - make_interval(secs => %(slack)s::float) end
from (select {NOW_SQL} as now) t
where schema_name = %(schema)s and queue = %(queue)s and (tat is not null or blocked_until is not null)
"""  # noqa: S608 - made of constants


def set_rules(tenant: TenantRef, queue: Queue) -> None:
    """Have the lane of `queue` follow its rules from the next claim on. Needs a transaction."""
    said, own = _rules(queue), {"schema_name": tenant.schema_name, "queue": queue.name}
    with registry(savepoint=False):
        before = Lane.objects.select_for_update(no_key=True).filter(**own).first() or Lane()
        Lane.objects.bulk_create(
            [Lane(active=False, **own, **said)],
            update_conflicts=True,
            unique_fields=["schema_name", "queue"],
            update_fields=list(said),
        )
        # Whatever held them back may do so no longer; the next claim finds out.
        _rouse(Lane.objects.filter(**own), Lane.objects.filter(runner=said["runner"], paused=False))
        # In the order in which they are woken, so that neither waits for the other.
        list(Share.objects.select_for_update(no_key=True).filter(**own).order_by("share").values_list("pk"))
        _rouse(Share.objects.filter(**own), Share.objects.filter(**own))
        _carry("jobs_lane", own, (before.rate, said["rate"]), said["burst"])
        _carry("jobs_share", own, (before.share_rate, said["share_rate"]), said["share_burst"])
        _carry_keys(own, before, said)
        turns.tell(tenant.schema_name, queue.name, said["runner"])
    if said["key_max_in_flight"] > before.key_max_in_flight or _has_another_key_rate(before, said):
        after_commit(leases.release_stuck, (tenant.schema_name, queue.name))


def _rouse(those: QuerySet[Any], others: QuerySet[Any]) -> None:
    """Let `those` be asked again. Those that slept begin where `others` are by now."""
    now = others.filter(active=True).aggregate(least=Min("virtual_time"))["least"] or 0.0
    those.filter(active=False).update(active=True, virtual_time=Greatest("virtual_time", Value(now)))


def _carry(table: str, own: Mapping[str, str], rates: tuple[float | None, float | None], burst: int) -> None:
    """Let what began under the rate before count under the one that is now, so that a change begins no new burst.

    `rates` are seconds between two jobs, None without a limit.
    """
    before, now = rates
    asked = {
        "schema": own["schema_name"],
        "queue": own["queue"],
        "now": clock.held(),
        "factor": now / before if now and before else None,
        "slack": (burst - 1) * (now or 0),
    }
    with connection.cursor() as cursor:
        cursor.execute(_CARRIED.format(table=table), asked)


def _has_another_key_rate(before: Lane, said: Mapping[str, Any]) -> bool:
    return (before.key_rate, before.key_burst) != (said["key_rate"], said["key_burst"])


def _carry_keys(own: Mapping[str, str], before: Lane, said: Mapping[str, Any]) -> None:
    """The same for the keys of the queue, of which there may be many: where their rate is another one now."""
    if before.key_rate is None or not _has_another_key_rate(before, said):
        return
    if said["key_rate"] is None:
        KeyTurn.objects.filter(**own).delete()
    else:
        _carry("jobs_key_turn", own, (before.key_rate, said["key_rate"]), said["key_burst"])


def _rules(queue: Queue) -> dict[str, Any]:
    rate, share_rate = queue.rate, queue.rate_per_organization
    return {
        "runner": Runner.PLATFORM if queue.push_url else Runner.CLIENT,
        "outgoing": bool(queue.push_url),
        "paused": queue.paused_at is not None,
        "weight": queue.weight,
        "lease_seconds": queue.lease_seconds,
        "max_in_flight": queue.max_in_flight or (PUSHED_AT_ONCE if queue.push_url else None),
        "share_max_in_flight": queue.max_in_flight_per_organization,
        "key_max_in_flight": queue.max_in_flight_per_key,
        "rate": _interval(rate),
        "burst": _burst(rate),
        "share_rate": _interval(share_rate),
        "share_burst": _burst(share_rate),
        "key_rate": _interval(queue.rate_per_key),
        "key_burst": _burst(queue.rate_per_key),
    }


def _interval(rate: Mapping[str, float] | None) -> float | None:
    """Seconds between two jobs at that rate."""
    return rate["seconds"] / rate["count"] if rate else None


def _burst(rate: Mapping[str, float] | None) -> int:
    return int(rate["count"]) if rate else 1

"""The lane of a queue in the registry: what the queue's rules say, where claims read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Min, QuerySet, Value
from django.db.models.functions import Greatest

from apps.core.actor import TenantRef
from apps.jobs.models import Queue
from apps.jobs.registry import Lane, Runner, Share
from apps.tenancy.walls import registry

#: So many jobs of a queue that sends them are in flight unless it says otherwise: each may hold one of the platform's
#: threads for as long as its receiver takes to answer.
PUSHED_AT_ONCE = 4


def set_rules(tenant: TenantRef, queue: Queue) -> None:
    """Have the lane of `queue` follow its rules from the next claim on. Needs a transaction."""
    said = _rules(queue)
    with registry(savepoint=False):
        Lane.objects.bulk_create(
            [Lane(schema_name=tenant.schema_name, queue=queue.name, active=False, **said)],
            update_conflicts=True,
            unique_fields=["schema_name", "queue"],
            update_fields=list(said),
        )
        # Whatever held them back may do so no longer; the next claim finds out.
        own = {"schema_name": tenant.schema_name, "queue": queue.name}
        _rouse(Lane.objects.filter(**own), Lane.objects.filter(runner=said["runner"], paused=False))
        _rouse(Share.objects.filter(**own), Share.objects.filter(**own))


def _rouse(turns: QuerySet[Any], others: QuerySet[Any]) -> None:
    """Let `turns` be asked again, unblocked. Those that slept begin where `others` are by now."""
    now = others.filter(active=True).aggregate(least=Min("virtual_time"))["least"] or 0.0
    turns.filter(active=False).update(active=True, virtual_time=Greatest("virtual_time", Value(now)))
    turns.update(blocked_until=None)


def _rules(queue: Queue) -> dict[str, Any]:
    rate, share_rate = queue.rate, queue.rate_per_organization
    return {
        "runner": Runner.PLATFORM if queue.push_url else Runner.CLIENT,
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
        "tat": None,
        "blocked_until": None,
    }


def _interval(rate: Mapping[str, float] | None) -> float | None:
    """Seconds between two jobs at that rate."""
    return rate["seconds"] / rate["count"] if rate else None


def _burst(rate: Mapping[str, float] | None) -> int:
    return int(rate["count"]) if rate else 1

"""What nobody asks for about deliveries: forgetting them, and ending those whose job ended without a word."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from apps.core import clock
from apps.events.webhooks.models import Delivery, DeliveryState, Ear, WebhookEndpoint
from apps.jobs.models import Job
from apps.jobs.states import ENDED
from apps.tenancy.models import Tenant
from apps.tenancy.patrol import Rows, rows_of

#: What the worker does about deliveries, by its name.
DUTY: Final = "deliveries"
KEPT_FOR: Final = timedelta(days=30)
_BATCH = 5000


def look_after() -> int:
    """Do it all in the tenant that stands; returns how many rows that were."""
    return _end_forsaken() + _forget_old() + _forget_orphans()


def due(tenant: Tenant) -> list[Rows]:  # noqa: ARG001 - what duties get
    """What there is to do in the tenant that stands."""
    return rows_of(_forsaken(), _old(), *_orphans())


def _old() -> QuerySet[Delivery]:
    return Delivery.objects.filter(finished_at__lt=clock.now() - KEPT_FOR)


def _orphans() -> tuple[QuerySet[Ear], QuerySet[Delivery]]:
    """What an organization that was deleted has left, and deliveries of events that were written at that moment."""
    endpoints = WebhookEndpoint.objects.values("pk")
    failed = Delivery.objects.filter(state=DeliveryState.FAILED)
    return Ear.objects.exclude(endpoint__in=endpoints), failed.exclude(endpoint__in=endpoints)


def _forsaken() -> QuerySet[Delivery]:
    """A job that was lost in its last attempt, or cancelled, could say nothing about its delivery any more."""
    states = Job.objects.filter(pk=OuterRef("job")).values("state")
    pending = Delivery.objects.filter(state=DeliveryState.PENDING).annotate(job_state=Subquery(states))
    return pending.filter(job_state__in=sorted(ENDED))


def _forget_old() -> int:
    old = _old()
    with transaction.atomic():
        # Locked, so that none of them is sent again meanwhile; those that are sent again now are left alone.
        rows = old.select_for_update(of=("self",), skip_locked=True).order_by("finished_at")
        chosen = list(rows.values_list("pk", flat=True)[:_BATCH])
        return Delivery.objects.filter(pk__in=chosen).delete()[0]


def _forget_orphans() -> int:
    return sum(rows.delete()[0] for rows in _orphans())


def _end_forsaken() -> int:
    """End them. One that is sent again meanwhile has another job, and is left to that."""
    over = list(_forsaken().values_list("job", flat=True)[:_BATCH])
    ended = Delivery.objects.filter(job__in=over, state=DeliveryState.PENDING)
    return ended.update(state=DeliveryState.FAILED, next_at=None, finished_at=clock.now())

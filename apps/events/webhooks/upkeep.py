"""What nobody asks for about deliveries: forgetting them, and ending those whose job ended without a word."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models import OuterRef, Subquery

from apps.core import clock
from apps.events.webhooks.models import Delivery, DeliveryState, Ear, WebhookEndpoint
from apps.jobs.models import Job
from apps.jobs.states import ENDED

#: Seconds between two looks.
EVERY: Final = 300.0
KEPT_FOR: Final = timedelta(days=30)
_BATCH = 5000


def look_after() -> int:
    """Do it all in the tenant that stands; returns how many rows that were."""
    return _end_forsaken() + _forget_old() + _forget_orphans()


def _forget_old() -> int:
    old = Delivery.objects.filter(finished_at__lt=clock.now() - KEPT_FOR).order_by("finished_at")
    return Delivery.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:_BATCH])).delete()[0]


def _forget_orphans() -> int:
    """What an organization that was deleted has left, and deliveries of events that were written at that moment."""
    endpoints = WebhookEndpoint.objects.values("pk")
    gone = Ear.objects.exclude(endpoint__in=endpoints).delete()[0]
    return (
        gone + Delivery.objects.filter(state=DeliveryState.FAILED).exclude(endpoint__in=endpoints).delete()[0]
    )


def _end_forsaken() -> int:
    """A job that was lost in its last attempt, or cancelled, could say nothing about its delivery any more."""
    states = Job.objects.filter(pk=OuterRef("job")).values("state")
    pending = Delivery.objects.filter(state=DeliveryState.PENDING).annotate(job_state=Subquery(states))
    over = list(pending.filter(job_state__in=sorted(ENDED)).values_list("pk", flat=True)[:_BATCH])
    ended = Delivery.objects.filter(pk__in=over, state=DeliveryState.PENDING)
    return ended.update(state=DeliveryState.FAILED, next_at=None, finished_at=clock.now())

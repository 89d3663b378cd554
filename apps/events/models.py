"""What happened in a tenant, and which types of events its product writes."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.core.ids import Identified
from apps.core.models import Versioned
from apps.core.walls import unwalled, walled
from apps.events.fields import CurrentTransaction, TransactionField
from apps.events.naming import MAX_TYPE
from apps.events.querysets import EventQuerySet
from apps.events.webhooks.models import Delivery, WebhookEndpoint

__all__ = ["Delivery", "Event", "EventType", "WebhookEndpoint"]

#: How long a subject may be: a shown id, or the product's own name of something.
MAX_SUBJECT = 200


@walled("organization_id", append_only=True)
class Event(Identified):
    """One thing that happened. What it says is a snapshot, with ids as they are shown outside.

    Readers go by (`xid`, `id`): rows of one transaction become visible together, in the order in which they were made.
    """

    id_prefix = "evt"

    xid = TransactionField(db_default=CurrentTransaction(), editable=False)
    at = models.DateTimeField()
    type = models.CharField(max_length=MAX_TYPE)
    subject = models.CharField(max_length=MAX_SUBJECT, null=True)  # noqa: DJ001 - some are about nothing in particular
    organization_id = models.UUIDField(null=True)
    actor: Any = models.JSONField(help_text="Who did it: kind, id and name")
    on_behalf_of: Any = models.JSONField(null=True)
    request_id = models.CharField(max_length=80, blank=True)
    data: Any = models.JSONField(default=dict)

    objects: ClassVar[EventQuerySet] = EventQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [
            models.Index(fields=["xid", "id"], name="events_event_order"),
            models.Index(fields=["organization_id", "xid", "id"], name="events_event_organization"),
            models.Index(fields=["subject", "xid", "id"], name="events_event_subject"),
        ]

    def __str__(self) -> str:
        return self.type


@unwalled(
    "definitions: whoever may read event types of the tenant may; only who decides for the whole tenant changes them,"
    " which services and the columns kept here enforce",
    kept=("id", "version", "name", "description", "schema", "created_at"),
)
class EventType(Identified, Versioned):
    """A type of events that the product writes, and the JSON Schema that their data satisfies."""

    id_prefix = "evy"

    name = models.CharField(max_length=MAX_TYPE, unique=True)
    description = models.CharField(max_length=500, blank=True)
    schema: Any = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager[EventType]]

    def __str__(self) -> str:
        return self.name

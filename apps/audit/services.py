"""Reading the trail. Nothing here writes it: the recorder does."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from apps.audit.models import Event
from apps.audit.querysets import EventQuerySet
from apps.audit.serializers import EntryOutput, TrailParameters
from apps.core.actor import Actor
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import missing


@operation(
    "audit.list", scope="audit:read", risk=Risk.READ, input=TrailParameters, output=EntryOutput, lists=True
)
def list_events(
    actor: Actor,
    *,
    resource: str = "",
    principal: str = "",
    through: str = "",
    request: str = "",
    operation: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> EventQuerySet:
    """List what was done here, the newest first.

    `resource`, `actor` and `credential` are ids, `request` is a Request-Id, `operation` a name such as agents.create;
    `since` is included, `until` is not. An actor of an organization sees its organization's trail, one of the tenant
    all of it.
    """
    told = {
        "resource_id": resource,
        "actor_id": principal,
        "credential_id": through,
        "request_id": request,
        "operation": operation,
    }
    found = Event.objects.visible_to(actor).filter(**{name: value for name, value in told.items() if value})
    return found.between(since, until).order_by("-id")


@operation("audit.get", scope="audit:read", risk=Risk.READ, output=EntryOutput)
def get_event(actor: Actor, *, event_id: UUID) -> Event:
    """Show one entry of the trail."""
    event = Event.objects.visible_to(actor).filter(pk=event_id).first()
    if event is None:
        raise not_found(Event, event_id)
    return event


@operation("timeline.get", scope="audit:read", risk=Risk.READ, output=EntryOutput, lists=True)
def get_timeline(actor: Actor, *, thing: str) -> EventQuerySet:
    """Show all that happened to one thing and around it, the oldest first.

    These are the entries about it, those whose changes touch it or point at it, and what else the same calls did.
    `thing` is any id; one that nothing here tells of is answered with 404.
    """
    story = Event.objects.visible_to(actor).around(thing)
    if not story.exists():
        raise missing("story of", thing)
    return story.order_by("id")

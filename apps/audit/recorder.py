"""Writing the event of record: in the operation's transaction, once, after its function has returned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apps.audit.changes import MAX_CHANGES, Change, collecting, documents
from apps.audit.models import Event, Touch
from apps.audit.snapshots import circumstances, organization_of, resource_columns, slug_of
from apps.core.actor import Actor
from apps.core.operations import Operation, Recording, register_recorder
from apps.orgs.models import Organization
from apps.tenancy import walls
from apps.tenancy.models import Tenant


@contextmanager
def record(actor: Actor, operation: Operation[..., Any]) -> Iterator[Recording]:
    """Be the recorder of the trail: collect changes while the operation runs, then write its event.

    An operation that raises leaves no event; its transaction is rolled back anyway.
    """
    recording = Recording()
    with collecting() as collector:
        yield recording
    write(actor, operation, recording.resource, collector.standing())


def register() -> None:
    """Register this room's recorder."""
    register_recorder(record)


def write(actor: Actor, operation: Operation[..., Any], resource: Any, changes: list[Change]) -> Event:
    """Write the event of `operation` where its organization can read it, and its mirror in the actor's home."""
    organization_id = organization_of(actor, resource, changes)
    event = Event(
        **circumstances(actor, operation),
        **resource_columns(resource, changes),
        organization_id=organization_id,
        organization_slug=slug_of(actor, resource, organization_id),
        changes=documents(changes),
    )
    # Who creates an organization stands in none or in another; what it did belongs to the new one's trail.
    with walls.reaching([organization_id]):
        event.save(force_insert=True)
        _touch(event, changes)
    if actor.is_away:
        _mirror(actor, operation, event)
    return event


def _touch(event: Event, changes: list[Change]) -> None:
    """Make the event findable by what it changed or pointed at beside its resource, and by the delegation behind it.

    Most have neither.
    """
    shown = changes[:MAX_CHANGES]
    others = dict.fromkeys(thing for change in shown for thing in (change.public_id, *change.references))
    if by := (event.on_behalf_of or {}).get("delegation"):
        others[by] = None
    others.pop(event.resource_id or "", None)
    if others:
        columns = {"organization_id": event.organization_id, "request_id": event.request_id}
        Touch.objects.bulk_create(Touch(resource_id=thing, event_id=event.id, **columns) for thing in others)


def _mirror(actor: Actor, operation: Operation[..., Any], event: Event) -> None:
    """Say in the home of an actor from elsewhere what it did, in the trail of the organization that owns the tenant.

    The mirror names the event and holds neither names nor fields: the data of a product's customers stays in its
    environment.
    """
    with walls.outside():
        owners = Tenant.objects.filter(pk=actor.tenant.id).values_list("owner_organization_id", flat=True)
        owner_id = owners.get()
    with walls.enter(actor.home, owner_id):
        owner = Organization.objects.filter(pk=owner_id).first() if owner_id else None
        told = circumstances(actor, operation)
        if told["on_behalf_of"]:
            told["on_behalf_of"]["name"] = ""
        Event(
            **told,
            resource_type=event.resource_type,
            resource_id=event.resource_id,
            organization_id=owner_id,
            organization_slug=owner.slug if owner else "",
            mirror_of=event.public_id,
        ).save(force_insert=True)

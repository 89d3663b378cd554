"""What was done through a key, and the end of keys in the trail of what ended them."""

from __future__ import annotations

from uuid import UUID

from apps.apikeys.lineage import line_of
from apps.apikeys.minting import on_revoked
from apps.audit.changes import Change, current_collector
from apps.audit.models import Event
from apps.audit.querysets import EventQuerySet
from apps.audit.serializers import ActivityOutput
from apps.core.actor import Actor
from apps.core.ids import encode
from apps.core.operations import Risk, operation


@operation("keys.activity", scope="audit:read", risk=Risk.READ, output=ActivityOutput, lists=True)
def get_activity(actor: Actor, *, key_id: UUID) -> EventQuerySet:
    """List everything that a key did here, and the keys and OAuth clients that were made with it; the newest first.

    `depth` says how far a key is from the one that was asked about: 0 is that one itself, 1 what it minted or rotated.
    A key that is revoked or expired, or whose principal was deleted, is told of like a living one.
    """
    depths = {one.public_id: one.depth for one in line_of(actor, key_id) if one.tenant_id == actor.tenant.id}
    return Event.objects.visible_to(actor).done_with(depths).order_by("-id")


def note_ends(key_ids: list[UUID]) -> None:
    """Put the keys that a revocation ended into the trail of the operation that runs."""
    collector = current_collector()
    for key_id in key_ids if collector is not None else ():
        collector.add(  # type: ignore[union-attr] # asked above
            Change(
                prefix="key",
                public_id=encode("key", key_id),
                action="updated",
                fields={"status": ["active", "revoked"]},
                name="",
                organization_id=None,
                references=(),
            )
        )


def register() -> None:
    """Register with the room that revokes."""
    on_revoked(note_ends)

"""Who enqueued a job, as the job keeps it."""

from __future__ import annotations

from typing import Any

from apps.audit.snapshots import principal
from apps.core.actor import Actor


def snapshot_of(actor: Actor) -> dict[str, Any]:
    """A snapshot of who acts: kind, id and name, for whom, and through which credential."""
    said = principal(actor.principal)
    if actor.on_behalf_of is not None:
        said["on_behalf_of"] = principal(actor.on_behalf_of)
    said["credential"] = actor.credential.public_id
    return said

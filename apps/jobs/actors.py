"""Who enqueued a job, as the job keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.audit.snapshots import principal
from apps.core.actor import Actor, PrincipalKind, PrincipalRef


def snapshot_of(actor: Actor | None) -> dict[str, Any]:
    """A snapshot of who acts, None for the platform: kind, id and name, for whom, and through which credential."""
    if actor is None:
        return principal(PrincipalRef(PrincipalKind.SYSTEM, None, "system"))
    said = principal(actor.principal)
    if actor.on_behalf_of is not None:
        said["on_behalf_of"] = principal(actor.on_behalf_of)
    said["credential"] = actor.credential.public_id
    return said


def is_platforms(snapshot: Mapping[str, Any] | None) -> bool:
    """True for a snapshot of the platform itself; one that is missing is nobody's."""
    return snapshot is not None and snapshot["kind"] == PrincipalKind.SYSTEM.value

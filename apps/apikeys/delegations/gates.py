"""The delegation gate: who acts for somebody stays within what was handed on, and within what that one may do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.apikeys.delegations.errors import DelegationExceeded, DelegatorUnable, NotDelegable, asking
from apps.apikeys.delegations.rights import role_named, why_not_delegable
from apps.apikeys.gates import ABOUT_ONESELF
from apps.apikeys.snapshots import shown
from apps.core.actor import Actor
from apps.core.operations import Operation, Verdict, register_gate
from apps.core.problems import Remedy


def stays_within_its_delegation(
    actor: Actor, operation: Operation[..., Any], _arguments: Mapping[str, Any]
) -> Verdict | None:
    """Object to what the delegation does not cover, and to what those who gave it may not do themselves (any more)."""
    grant, needed = actor.delegation, operation.scope
    if grant is None or ABOUT_ONESELF.covers(needed):
        return None
    why = why_not_delegable(needed)
    if why:
        return Verdict(
            f"{operation.name} is not done for somebody else: {needed} {why}.", NotDelegable.code, str(needed)
        )
    if not grant.scopes.allow(needed):
        held = ", ".join(grant.scopes.texts()) or "nothing"
        because = f"{operation.name} needs {needed}, and the delegation holds: {held}."
        return Verdict(because, DelegationExceeded.code, str(needed), _asking_for(actor, str(needed)))
    for giver, name, permissions in grant.limits:
        if not role_named(name, permissions).allows(needed):
            because = (
                f"{giver.name}, for whom you act, has the role {name}, which does not allow {operation.name}."
            )
            return Verdict(because, DelegatorUnable.code, str(needed))
    return None


def register() -> None:
    """Register the gate."""
    register_gate("delegation", stays_within_its_delegation)


def _asking_for(actor: Actor, scope: str) -> Remedy:
    whom = shown(actor.on_behalf_of)["id"] if actor.on_behalf_of else None
    return asking(whom or "usr_…", [scope])

"""What a credential and a role allow: three of the gates of every decision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.accounts.authority import role_of
from apps.accounts.roles import ROLES
from apps.core.actor import Actor, PrincipalKind
from apps.core.operations import Operation, Verdict, register_gate
from apps.core.problems import Remedy
from apps.core.scopes import Scope

AnyOperation = Operation[..., Any]
Arguments = Mapping[str, Any]
#: What everybody may ask, whatever their scopes and role: who they are.
ABOUT_ONESELF = Scope("self", "read")


def publishable_is_enough(actor: Actor, operation: AnyOperation, _arguments: Arguments) -> Verdict | None:
    """The credential gate: a publishable key, which everybody can read, opens only what is meant for everybody."""
    if actor.kind is not PrincipalKind.VISITOR or operation.publishable or operation.open:
        return None
    return Verdict(
        f"{operation.name} needs a secret key, and the one that was sent is publishable.",
        code="secret_key_needed",
        remedy=_minting(operation),
    )


def scopes_cover(actor: Actor, operation: AnyOperation, _arguments: Arguments) -> Verdict | None:
    """The scope gate: the credential must hold the operation's scope."""
    needed = operation.scope
    if operation.open or ABOUT_ONESELF.covers(needed) or actor.credential.scopes.allow(needed):
        return None
    held = ", ".join(actor.credential.scopes.texts()) or "none"
    return Verdict(
        f"{operation.name} needs the scope {needed}; this credential holds: {held}.",
        code="scope_missing",
        rule=str(needed),
        remedy=_minting(operation),
    )


def role_allows(actor: Actor, operation: AnyOperation, _arguments: Arguments) -> Verdict | None:
    """The permit gate: the role must allow the operation. Visitors have none; the credential gate bounds them.

    What people do about themselves, such as leaving an organization, is no matter of their role there.
    """
    needed = operation.scope
    if operation.open or actor.kind is PrincipalKind.VISITOR or needed.resource == ABOUT_ONESELF.resource:
        return None
    role = role_of(actor)
    if role.allows(needed):
        return None
    able = [other.label for other in sorted(ROLES.values(), key=lambda one: one.rank) if other.allows(needed)]
    return Verdict(
        f"{operation.name} is not among what the role {role.name} may do; it takes at least {able[0]}.",
        code="role_missing",
        rule=str(needed),
    )


def register() -> None:
    """Register this room's gates."""
    register_gate("credential", publishable_is_enough)
    register_gate("scope", scopes_cover)
    register_gate("permit", role_allows)


def _minting(operation: AnyOperation) -> Remedy:
    scope = str(operation.scope)
    return Remedy(
        command=f"manage.py keys create --name NAME --scopes {scope}",
        method="POST",
        path="/v1/keys",
        body={"name": operation.name, "kind": "secret", "scopes": [scope]},
    )

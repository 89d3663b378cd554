"""Asking for a second factor where the tenant wants one for a role."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from apps.accounts.roles import ROLES, custom_role
from apps.core.actor import Actor
from apps.core.operations import Operation, Verdict, register_gate
from apps.core.problems import Remedy
from apps.core.scopes import Scopes

#: What a person without one may still do: things about themselves, which setting one up is.
_ONESELF = "self"


def wants_second_factor(named: Collection[str], role: str, permissions: Scopes | None) -> bool:
    """True when a tenant that wants a second factor for the roles `named` wants one for `role`.

    No tenant can name its customers' own roles, which have `permissions`. Such a one counts as named when it allows
    anything beyond what the built-in roles below the lowest named one do.
    """
    if permissions is None or not named:
        return role in named
    lowest = min(ROLES[name].rank for name in named)
    below = max((known for known in ROLES.values() if known.rank < lowest), key=lambda known: known.rank)
    return not below.may_grant(custom_role(role, role, permissions))


def second_factor_is_there(
    actor: Actor, operation: Operation[..., Any], _arguments: Mapping[str, Any]
) -> Verdict | None:
    """Object when a person who signed in acts in a role for which their tenant wants a second factor, without one."""
    if not actor.lacks_second_factor or operation.scope.resource == _ONESELF:
        return None
    return Verdict(
        f"{actor.home.name} wants a second factor of everybody in the role {actor.role}, and you have none yet. "
        "Add an authenticator app or a passkey at /accounts/2fa/ on this tenant's host, or through /_allauth/.",
        code="second_factor_needed",
        rule=f"second_factor_for:{actor.role}",
        remedy=Remedy(method="GET", path="/accounts/2fa/"),
    )


def register() -> None:
    """Register this gate."""
    register_gate("credential", second_factor_is_there)

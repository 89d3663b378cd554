"""Asking for a second factor where the tenant wants one for a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.core.actor import Actor
from apps.core.operations import Operation, Verdict, register_gate
from apps.core.problems import Remedy

#: What a person without one may still do: things about themselves, which setting one up is.
_ONESELF = "self"


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

"""Asking for a second factor where the tenant wants one for a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allauth.mfa.models import Authenticator

from apps.accounts.signin.factors import FACTORS
from apps.accounts.signin.models import SignInSettings
from apps.core.actor import Actor, PrincipalKind
from apps.core.operations import Operation, Verdict, register_gate
from apps.core.problems import Remedy
from apps.tenancy.walls import whole_tenant

#: What a person without one may still do: things about themselves, which setting one up is.
_ONESELF = "self"


def second_factor_is_there(
    actor: Actor, operation: Operation[..., Any], _arguments: Mapping[str, Any]
) -> Verdict | None:
    """Object when a person's session acts in a role that the tenant wants a second factor for, and there is none."""
    if actor.credential.kind != "session" or actor.kind is not PrincipalKind.USER or actor.is_away:
        return None
    if operation.scope.resource == _ONESELF or actor.role == "none":
        return None
    with whole_tenant():
        asked = SignInSettings.objects.filter(second_factor_for__contains=[actor.role]).exists()
        if not asked or Authenticator.objects.filter(user_id=actor.principal.id, type__in=FACTORS).exists():
            return None
    return Verdict(
        f"{actor.tenant.name} wants a second factor of everybody in the role {actor.role}, and you have none yet. "
        "Add an authenticator app or a passkey at /accounts/2fa/ on this tenant's host, or through /_allauth/.",
        code="second_factor_needed",
        rule=f"second_factor_for:{actor.role}",
        remedy=Remedy(method="GET", path="/accounts/2fa/"),
    )


def register() -> None:
    """Register this gate."""
    register_gate("credential", second_factor_is_there)

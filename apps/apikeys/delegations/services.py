"""Operations on delegations: giving, asking, answering, looking and ending."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.apikeys.delegations import asking, endings, giving
from apps.apikeys.delegations import serializers as forms
from apps.apikeys.delegations.models import Delegation
from apps.apikeys.delegations.querysets import DelegationQuerySet
from apps.apikeys.delegations.serializers import NamedPrincipal
from apps.core import clock
from apps.core.actor import Actor
from apps.core.models import not_found
from apps.core.operations import Risk, operation


@operation(
    "delegations.list",
    scope="delegations:read",
    risk=Risk.READ,
    input=forms.DelegationParameters,
    output=forms.DelegationOutput,
    lists=True,
)
def list_delegations(
    actor: Actor,
    *,
    direction: str = "",
    status: str = "",
    of: NamedPrincipal | None = None,
    delegate: NamedPrincipal | None = None,
) -> DelegationQuerySet:
    """List delegations and requests for them: those that you gave and received.

    Who looks after an organization's members sees all of its, and a credential of the whole tenant all of them.
    """
    found = Delegation.objects.visible_to(actor)
    if direction == "given":
        found = found.given_by(actor.on_behalf_of or actor.principal)
    elif direction == "received":
        found = found.received_by(actor)
    if of is not None:
        found = found.filter(delegator_kind=of.kind.value, delegator_id=of.id)
    if delegate is not None:
        found = found.filter(delegate_kind=delegate.kind.value, delegate_id=delegate.id)
    return found.with_standing(status) if status else found


@operation("delegations.get", scope="delegations:read", risk=Risk.READ, output=forms.DelegationOutput)
def get_delegation(actor: Actor, *, delegation_id: UUID) -> Delegation:
    """Read one delegation or request."""
    found = Delegation.objects.visible_to(actor).filter(pk=delegation_id).first()
    if found is None:
        raise not_found(Delegation, delegation_id)
    return found


@operation(
    "delegations.create",
    scope="delegations:write",
    risk=Risk.WRITE,
    input=forms.DelegationInput,
    output=forms.DelegationOutput,
)
def create_delegation(
    actor: Actor,
    *,
    delegate: NamedPrincipal,
    scopes: list[str],
    expires_at: datetime,
    max_uses: int | None = None,
    purpose: str = "",
) -> Delegation:
    """Let a principal of your organization act for you, within plain scopes and until a time.

    Only you do this, in person: an agent asks instead (`POST /v1/delegations/requests`). Who acts on somebody's behalf
    by a delegation with `delegations:write` passes on at most what it has, once.
    """
    asked: dict[str, Any] = {"expires_at": expires_at, "max_uses": max_uses, "purpose": purpose}
    grant, whom = actor.delegation, actor.on_behalf_of
    if grant is None or whom is None:
        return giving.given(actor, delegate, scopes, **asked)
    return giving.passed_on(actor, grant, whom, delegate, scopes, **asked)


@operation(
    "delegations.request",
    scope="delegations:request",
    risk=Risk.WRITE,
    input=forms.RequestInput,
    output=forms.DelegationOutput,
)
def request_delegation(
    actor: Actor,
    *,
    of: NamedPrincipal,
    scopes: list[str],
    expires_at: datetime,
    purpose: str,
    max_uses: int | None = None,
) -> Delegation:
    """Ask somebody to let you act for them. They answer on the page that `consent` names, within a day.

    One request waits at a time. An agent of the console asks people of an environment in the same way.
    """
    return asking.asked(actor, of, scopes, purpose, expires_at=expires_at, max_uses=max_uses)


@operation(
    "delegations.approve",
    scope="delegations:write",
    risk=Risk.WRITE,
    input=forms.ApprovalInput,
    output=forms.DelegationOutput,
)
def approve_request(
    actor: Actor,
    *,
    delegation_id: UUID,
    scopes: list[str] | None = None,
    expires_at: datetime | None = None,
    max_uses: int | None = None,
) -> Delegation:
    """Agree to a request that asks you, as it is or with less. Only you do this, in person."""
    request = asking.pending(actor, delegation_id)
    return asking.agreed(actor, request, scopes, expires_at, max_uses)


@operation("delegations.deny", scope="delegations:write", risk=Risk.WRITE, output=forms.DelegationOutput)
def deny_request(actor: Actor, *, delegation_id: UUID) -> Delegation:
    """Say no to a request that asks you. Only you do this, in person."""
    request = asking.pending(actor, delegation_id)
    request.denied_at = clock.now()
    request.save(update_fields=["denied_at"])
    return request


@operation("delegations.revoke", scope="delegations:write", risk=Risk.WRITE)
def revoke_delegation(actor: Actor, *, delegation_id: UUID) -> Delegation:
    """End a delegation or withdraw a request: what was passed on and minted through it ends too, at once.

    Who gave it, who acts by it, and who looks after the organization's members may do this.
    """
    found = get_delegation.function(actor, delegation_id=delegation_id)
    endings.end(Q(pk=found.pk), actor.principal)
    return found

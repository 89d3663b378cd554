"""Asking for a delegation, and the person's answer. Plain functions for the operations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.apikeys.delegations import errors
from apps.apikeys.delegations.giving import (
    bounded,
    origin,
    principal,
    require_able,
    require_in_person,
    require_time,
)
from apps.apikeys.delegations.models import WAITS_FOR, Delegation
from apps.apikeys.delegations.rights import checked_scopes
from apps.apikeys.delegations.serializers import NamedPrincipal
from apps.apikeys.errors import OrganizationRequired
from apps.apikeys.makers import require_maker
from apps.core import clock
from apps.core.actor import Actor, PrincipalKind
from apps.core.models import not_found
from apps.core.problems import FieldError, Remedy, ValidationFailed
from apps.core.scopes import Scopes

_ASKERS = (PrincipalKind.AGENT, PrincipalKind.SERVICE_ACCOUNT, PrincipalKind.USER)


def asked(actor: Actor, of: NamedPrincipal, texts: Sequence[str], purpose: str, **fields: Any) -> Delegation:
    """A request of `actor` to act for `of`, which lets nobody act before it is answered.

    Raises DelegationTooDeep on somebody's behalf, DelegationLoop, RequestOpen, and NotFound for who is not seen.
    """
    _require_asker(actor)
    if not actor.is_away and (of.kind, of.id) == (actor.kind, actor.principal.id):
        raise errors.DelegationLoop(f"That would be you. {errors.DelegationLoop.advice}")
    scopes = checked_scopes(texts)
    require_time(fields["expires_at"])
    # Before anybody is looked for, so that the answer says nothing about who there is.
    if actor.organization is None and of.kind is PrincipalKind.USER:
        raise OrganizationRequired(
            "Say in which organization you want to act. Send its id as Packmule-Organization."
        )
    whom = principal(actor, of)
    _require_first(actor, of)
    made = Delegation(  # type: ignore[misc] # who asks has an id
        organization_id=actor.organization.id if actor.organization else None,
        delegator_kind=of.kind.value,
        delegator_id=of.id,
        delegator_name=str(whom),
        delegate_kind=actor.kind.value,
        delegate_id=actor.principal.id,
        delegate_name=actor.principal.name,
        delegate_home_id=actor.home.id if actor.is_away else None,
        delegate_owner=actor.owner.name if actor.owner else "",
        scopes=scopes.texts(),
        purpose=purpose,
        asked_until=clock.now() + WAITS_FOR,
        **fields,
    )
    made.save(force_insert=True)
    return made


def pending(actor: Actor, delegation_id: UUID) -> Delegation:
    """The request, locked, if `actor` is in person whoever it asks. Raises NotFound and RequestAnswered."""
    require_in_person(actor)
    require_maker(actor)
    visible = Delegation.objects.visible_to(actor).given_by(actor.principal)
    found = visible.select_for_update().filter(pk=delegation_id).first()
    if found is None:
        raise not_found(Delegation, delegation_id)
    if found.standing != "pending":
        raise errors.RequestAnswered(
            f"{found.public_id} is {found.standing}.", remedy=Remedy(method="GET", path="/v1/delegations")
        )
    return found


def agreed(
    actor: Actor,
    request: Delegation,
    scopes: Sequence[str] | None,
    expires_at: datetime | None,
    max_uses: int | None,
) -> Delegation:
    """Let who asked act, as far as the person says: never further than was asked for, or than they may do now."""
    chosen = _narrowed(request, scopes)
    require_able(actor, chosen)
    end = expires_at or request.expires_at
    require_time(end, until=request.expires_at)
    request.scopes, request.expires_at = chosen.texts(), bounded(actor, end)
    request.max_uses = _fewer(request.max_uses, max_uses)
    request.granted_at = clock.now()
    for name, value in origin(actor, actor.principal).items():
        setattr(request, name, value)
    request.save()
    return request


def _require_asker(actor: Actor) -> None:
    if actor.on_behalf_of is not None:
        raise errors.DelegationTooDeep("Nobody asks on somebody's behalf. Ask as yourself.")
    away_but_no_agent = actor.is_away and actor.kind is not PrincipalKind.AGENT
    if actor.kind not in _ASKERS or away_but_no_agent:
        raise errors.DelegationNotInPerson(
            "From another tenant, an agent of the console asks for a delegation, and nobody else."
        )


def _require_first(actor: Actor, of: NamedPrincipal) -> None:
    """Raise RequestOpen while an earlier one waits: nobody is pressed."""
    mine = Delegation.objects.received_by(actor).with_standing("pending")
    place = actor.organization.id if actor.organization else None
    open_one = mine.filter(delegator_kind=of.kind.value, delegator_id=of.id, organization=place).first()
    if open_one is not None:
        path = f"/v1/delegations/{open_one.public_id}"
        raise errors.RequestOpen(
            f"{open_one.public_id} waits for an answer. {errors.RequestOpen.advice}",
            remedy=Remedy(f"manage.py delegations revoke {open_one.public_id}", "DELETE", path),
        )


def _narrowed(request: Delegation, scopes: Sequence[str] | None) -> Scopes:
    if scopes is None:
        return request.held_scopes
    chosen = checked_scopes(scopes)
    beyond = chosen.missing_from(request.held_scopes)
    if beyond:
        detail = f"Not asked for: {', '.join(beyond)}."
        raise ValidationFailed(detail, errors=[FieldError("scopes", "not_asked_for", detail)])
    return chosen


def _fewer(wanted: int | None, allowed: int | None) -> int | None:
    if wanted is not None and allowed is not None and allowed > wanted:
        raise errors.DelegationUsesExceeded(f"{wanted} uses were asked for.")
    return wanted if allowed is None else allowed

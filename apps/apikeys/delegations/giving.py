"""Making delegations: what may be given by whom, to whom, until when. Plain functions for the operations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.accounts.authority import is_represented, role_of
from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys import halts
from apps.apikeys.delegations import errors
from apps.apikeys.delegations.models import LONGEST, Delegation
from apps.apikeys.delegations.rights import PASSING_ON, checked_scopes
from apps.apikeys.delegations.serializers import NamedPrincipal
from apps.apikeys.errors import OrganizationRequired
from apps.apikeys.makers import require_maker
from apps.apikeys.minting import end_of, key_of
from apps.apikeys.models import KeyIndex
from apps.apikeys.snapshots import chain_after, write_chain
from apps.core import clock
from apps.core.actor import Actor, Delegated, PrincipalKind, PrincipalRef
from apps.core.ids import encode
from apps.core.problems import Remedy, missing
from apps.core.scopes import Scopes
from apps.tenancy.walls import outside

_MODELS: dict[PrincipalKind, Any] = {
    PrincipalKind.USER: User,
    PrincipalKind.SERVICE_ACCOUNT: ServiceAccount,
    PrincipalKind.AGENT: Agent,
}
_PREFIXES = {PrincipalKind.USER: "usr", PrincipalKind.SERVICE_ACCOUNT: "svc", PrincipalKind.AGENT: "agt"}
_GIVERS = (PrincipalKind.USER, PrincipalKind.SERVICE_ACCOUNT)


def principal(actor: Actor, named: NamedPrincipal) -> Any:
    """The principal that `named` names, among those whom `actor` sees. Raises NotFound, alike for all others."""
    found = _MODELS[named.kind].objects.visible_to(actor).filter(pk=named.id).first()
    if found is None:
        prefix = _PREFIXES[named.kind]
        raise missing(named.kind.value.replace("_", " "), encode(prefix, named.id))
    return found


def place_of(actor: Actor) -> UUID | None:
    """The organization in which what `actor` gives or asks for holds; None is the tenant as a whole, for its machines.

    Raises OrganizationRequired.
    """
    if actor.organization is not None:
        return actor.organization.id
    if actor.kind is not PrincipalKind.SERVICE_ACCOUNT or actor.is_away:
        raise OrganizationRequired(
            "A delegation holds in one organization. Send its id as Packmule-Organization."
        )
    return None


def require_in_person(actor: Actor) -> None:
    """Raise DelegationNotInPerson unless whoever it is about acts: no agent or program for them, nor an agent's key."""
    if is_represented(actor) or actor.is_away or actor.kind not in _GIVERS or actor.principal.id is None:
        raise errors.DelegationNotInPerson(remedy=errors.asking())


def require_able(actor: Actor, scopes: Scopes) -> None:
    """Raise DelegatorLacks unless `actor` may do all of `scopes` now."""
    role, held = role_of(actor), actor.scopes
    lacking = sorted(str(scope) for scope in scopes if not (held.allow(scope) and role.allows(scope)))
    if lacking:
        raise errors.DelegatorLacks(
            f"You may not do this yourself now: {', '.join(lacking)}.",
            remedy=Remedy(method="GET", path="/v1/whoami"),
            extra={"missing": lacking},
        )


def require_time(expires_at: datetime, *, until: datetime | None = None) -> None:
    """Raise DelegationTooLong for an end that is over, too far away, or after `until`."""
    now = clock.now()
    if expires_at <= now:
        raise errors.DelegationTooLong("expires_at is over already.")
    if expires_at > now + LONGEST:
        raise errors.DelegationTooLong(f"A delegation holds for {LONGEST.days} days at the most.")
    if until is not None and expires_at > until:
        raise errors.DelegationTooLong(f"It may hold until {until:%Y-%m-%d %H:%M:%S} UTC at the latest.")


def given(actor: Actor, delegate: NamedPrincipal, texts: Sequence[str], **asked: Any) -> Delegation:
    """A delegation that `actor` gives in person. Raises what the requirements above raise, and DelegationLoop."""
    require_in_person(actor)
    require_maker(actor)
    if (delegate.kind, delegate.id) == (actor.kind, actor.principal.id):
        raise errors.DelegationLoop(f"That would be you. {errors.DelegationLoop.advice}")
    scopes = checked_scopes(texts)
    require_able(actor, scopes)
    require_time(asked["expires_at"])
    asked["expires_at"] = bounded(actor, asked["expires_at"])
    place_of(actor)
    return _made(actor, actor.principal, principal(actor, delegate), scopes, **asked)


def passed_on(
    actor: Actor,
    grant: Delegated,
    whom: PrincipalRef,
    delegate: NamedPrincipal,
    texts: Sequence[str],
    **asked: Any,
) -> Delegation:
    """What `actor` passes on of `grant`, by which it acts for `whom`: not more, not longer, not oftener, no further.

    Raises DelegationTooDeep, DelegationLoop, DelegationUsesExceeded and what the requirements above raise.
    """
    if grant.via is not None or actor.is_away:
        raise errors.DelegationTooDeep
    require_maker(actor)
    if (delegate.kind, delegate.id) in ((whom.kind, whom.id), (actor.kind, actor.principal.id)):
        raise errors.DelegationLoop(f"That would come back to where it began. {errors.DelegationLoop.advice}")
    parent = Delegation.objects.select_for_update().get(pk=grant.id)
    scopes = checked_scopes(texts, passing_on=True)
    require_able(actor, scopes)
    require_time(asked["expires_at"], until=parent.expires_at)
    asked["expires_at"] = bounded(actor, asked["expires_at"])
    asked["max_uses"] = _uses_of(parent, asked["max_uses"])
    return _made(actor, whom, principal(actor, delegate), scopes, parent=parent, **asked)


def bounded(actor: Actor, expires_at: datetime) -> datetime:
    """When it ends: what is given with a key or token ends with it."""
    end = end_of(actor)
    return expires_at if end is None else min(expires_at, end)


def origin(actor: Actor, delegator: PrincipalRef) -> dict[str, Any]:
    """The columns that say through what `actor` gives something on behalf of `delegator`, or as it."""
    key = key_of(actor)
    marks = halts.marks_of(actor, chain=key is None)
    if key is not None:
        with outside():
            shown = KeyIndex.objects.filter(pk=key).values_list("lineage", flat=True).first()
        marks = halts.joined(shown or [], marks)
    # How the delegator stands is read live with the delegation itself. An agent that passes it on can be halted too.
    known = halts.Behind(actor.tenant.id, delegator.kind, delegator.id).mark if delegator.id else None
    return {
        "credential_id": key,
        "chain": write_chain(chain_after(actor)),
        "lineage": [mark for mark in marks if mark != known],
    }


def _uses_of(parent: Delegation, wanted: int | None) -> int | None:
    left = parent.uses_left
    if left is None:
        return wanted
    if left == 0 or (wanted is not None and wanted > left):
        raise errors.DelegationUsesExceeded(
            f"{parent.public_id} has {left} uses left, this call's own not among them."
        )
    return left if wanted is None else wanted


def _made(actor: Actor, delegator: PrincipalRef, delegate: Any, scopes: Scopes, **fields: Any) -> Delegation:
    made = Delegation(  # type: ignore[misc] # who delegates has an id
        organization_id=place_of(actor),
        delegator_kind=delegator.kind.value,
        delegator_id=delegator.id,
        delegator_name=delegator.name,
        delegate_kind=delegate.kind.value,
        delegate_id=delegate.pk,
        delegate_name=str(delegate),
        delegate_owner=delegate.owner.name if isinstance(delegate, Agent) else "",
        scopes=scopes.texts(),
        granted_at=clock.now(),
        **origin(actor, delegator),
        **fields,
    )
    made.save(force_insert=True)
    return made


__all__ = ["PASSING_ON", "bounded", "given", "origin", "passed_on", "place_of", "principal", "require_able"]

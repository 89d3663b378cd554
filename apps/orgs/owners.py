"""Owning an organization: the guard of the last owner, handing it over, and leaving."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.accounts.authority import require_person, require_whole_credential
from apps.accounts.models import Machine, User
from apps.core.actor import Actor
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.orgs import hooks
from apps.orgs import serializers as forms
from apps.orgs.errors import LastOwner, NewOwnerUnfit, OwnerNeeded, PersonalOrganizationStays
from apps.orgs.models import Membership, Organization
from apps.orgs.services import find_organization
from apps.tenancy import walls


def lock_owners(organization_id: UUID) -> None:
    """Lock the owners of an organization, always in the same order.

    Two owners who leave at once meet here, and the second sees what the first did.
    """
    owners = Membership.objects.filter(organization_id=organization_id).owners()
    list(owners.select_for_update(of=("self",)).order_by("id"))


def require_another_owner(member: Membership) -> None:
    """Raise LastOwner when `member` is the only owner who can act. The owners must be locked."""
    if member.role == "owner" and not _others(member).owners().able().exists():
        raise LastOwner(f"{member.user} is the last owner who can act. {LastOwner.advice}")


def end_membership(member: Membership) -> None:
    """Let a member go who is locked, with what they made there. Raises LastOwner."""
    require_another_owner(member)
    hooks.about_to_leave(member)
    Membership.objects.filter(pk=member.pk).delete()


def keep_an_owner(principal: Machine | User) -> None:
    """Raise LastOwner when a suspended person leaves other members without an owner who can act.

    Who is the only member of an organization leaves nobody behind.
    """
    if not isinstance(principal, User):
        return
    with walls.whole_tenant():
        owned = Membership.objects.filter(user=principal).owners().select_related("organization")
        for seat in owned.order_by("organization_id"):
            lock_owners(seat.organization_id)
            if _others(seat).exists() and not _others(seat).owners().able().exists():
                raise LastOwner(
                    f"{principal} is the last owner of {seat.organization} who can act, and it has other members. "
                    f"{LastOwner.advice}"
                )


@operation(
    "organizations.transfer",
    scope="self:write",
    risk=Risk.DESTRUCTIVE,
    input=forms.TransferInput,
    output=forms.MemberOutput,
)
def transfer_organization(
    actor: Actor,
    *,
    organization_id: UUID,
    membership: UUID,
    reason: str,  # noqa: ARG001 - the trail keeps it
) -> Membership:
    """Make another member the owner in your place; you become an admin.

    For an owner in person, with a credential that holds `*`: not with a key that an agent minted, and not on somebody's
    behalf. The new owner must be active. A personal organization stays with its person.
    """
    # Asked here and not by the gates, which would refuse the repeat of a call that made the caller an admin.
    person = require_person(actor, in_person=True)
    organization = find_organization(actor, organization_id)
    if organization.personal:
        raise PersonalOrganizationStays
    require_whole_credential(actor, "owner")
    lock_owners(organization_id)
    seats = Membership.objects.filter(organization_id=organization_id).select_related("user")
    new = Membership.locked(seats, membership, None)
    own = seats.owners().filter(user_id=person).first()
    if own is None:
        raise OwnerNeeded
    if new.pk == own.pk or not new.user.is_active:
        why = "That is your own membership" if new.pk == own.pk else f"{new.user} is suspended"
        raise NewOwnerUnfit(f"{why}. {NewOwnerUnfit.advice}")
    own.apply({"role": "admin"})
    return new.apply({"role": "owner"})


@operation(
    "organizations.leave", scope="self:write", risk=Risk.DESTRUCTIVE, anywhere=True, event="member.left"
)
def leave_organization(actor: Actor, *, organization_id: UUID) -> Membership:
    """Leave an organization. Your keys in it, and what you minted there, are revoked.

    The last owner hands it over first, and nobody leaves their personal organization.
    """
    person = require_person(actor)
    with walls.whole_tenant():
        lock_owners(organization_id)
        seats: Any = Membership.objects.filter(organization_id=organization_id, user_id=person)
        if _is_bound_elsewhere(actor, organization_id):
            seats = seats.none()
        own = seats.select_related("user", "organization").select_for_update(of=("self",)).first()
        if own is None:
            raise not_found(Organization, organization_id)
        if own.organization.personal:
            raise PersonalOrganizationStays
        end_membership(own)
    return own  # type: ignore[no-any-return]


def _is_bound_elsewhere(actor: Actor, organization_id: UUID) -> bool:
    return actor.credential.bound_to not in (None, organization_id)


def _others(member: Membership) -> Any:
    return Membership.objects.filter(organization_id=member.organization_id).exclude(pk=member.pk)

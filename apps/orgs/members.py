"""Operations on the members of an organization."""

from __future__ import annotations

import shlex
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts.authority import require_grantable, require_whole_credential
from apps.accounts.models import User
from apps.core.actor import Actor
from apps.core.ids import encode
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import FieldError, NotFound, Remedy, ValidationFailed, show
from apps.orgs import serializers as forms
from apps.orgs.errors import AlreadyMember, InvitationNeeded
from apps.orgs.models import Membership
from apps.orgs.owners import end_membership, lock_owners, require_another_owner
from apps.orgs.querysets import MembershipQuerySet
from apps.orgs.services import require_organization


@operation("members.list", scope="members:read", risk=Risk.READ, output=forms.MemberOutput, lists=True)
def list_members(actor: Actor, *, organization_id: UUID) -> MembershipQuerySet:
    """List the members of an organization."""
    return _members(actor, organization_id)


@operation("members.get", scope="members:read", risk=Risk.READ, output=forms.MemberOutput)
def get_member(actor: Actor, *, organization_id: UUID, membership_id: UUID) -> Membership:
    """Read one member of an organization."""
    member = _members(actor, organization_id).filter(pk=membership_id).first()
    if member is None:
        raise not_found(Membership, membership_id)
    return member


@operation(
    "members.add",
    scope="members:write",
    risk=Risk.WRITE,
    input=forms.MemberInput,
    output=forms.MemberOutput,
)
def add_member(
    actor: Actor,
    *,
    organization_id: UUID,
    user: UUID | None = None,
    email: str | None = None,
    role: str = "developer",
) -> Membership:
    """Add an existing person to an organization without asking them, with a role up to the caller's own.

    By id this takes a person whom the caller sees, by e-mail a credential of the whole tenant; others invite.
    The first member of an organization that a credential of the whole tenant made may be its owner in any case.
    """
    require_organization(actor, organization_id)
    require_giving(actor, organization_id, role)
    person = _person(actor, organization_id, user, email, role)
    try:
        with transaction.atomic():
            return Membership.objects.create(organization_id=organization_id, user=person, role=role)
    except IntegrityError:
        raise AlreadyMember(f"{person.email} is a member already. {AlreadyMember.advice}") from None


@operation(
    "members.update",
    scope="members:write",
    risk=Risk.WRITE,
    input=forms.MemberPatch,
    output=forms.MemberOutput,
    versioned=True,
)
def update_member(
    actor: Actor,
    *,
    organization_id: UUID,
    membership_id: UUID,
    role: str | None = None,
    expected_version: int | None = None,
) -> Membership:
    """Change a member's role. The last owner stays one."""
    member = _decided(actor, organization_id, membership_id, expected_version)
    if role is None:
        return member
    [wanted] = require_grantable(actor, role, within=organization_id)
    require_whole_credential(actor, wanted)
    if role != "owner":
        require_another_owner(member)
    return member.apply({"role": role})


@operation("members.remove", scope="members:write", risk=Risk.DESTRUCTIVE, versioned=True)
def remove_member(
    actor: Actor, *, organization_id: UUID, membership_id: UUID, expected_version: int | None = None
) -> Membership:
    """Remove a member from an organization. The last owner stays."""
    member = _decided(actor, organization_id, membership_id, expected_version)
    end_membership(member)
    return member


def require_giving(actor: Actor, organization_id: UUID, role: str) -> None:
    """Raise a Forbidden unless `actor` may give `role` to a person of the organization; RoleUnknown for none there."""
    if not is_first_owner(actor, organization_id, role):
        [wanted] = require_grantable(actor, role, within=organization_id)
        require_whole_credential(actor, wanted)
        return
    require_whole_credential(actor, role)


def is_first_owner(actor: Actor, organization_id: UUID, role: str) -> bool:
    """True where nobody could give the role otherwise: a product's backend founds, and it holds less than an owner."""
    founding = actor.is_tenant_wide and role == "owner"
    return founding and not Membership.objects.filter(organization_id=organization_id).exists()


def _members(actor: Actor, organization_id: UUID) -> MembershipQuerySet:
    require_organization(actor, organization_id)
    members = Membership.objects.visible_to(actor).filter(organization_id=organization_id)
    return members.select_related("user")


def _decided(
    actor: Actor, organization_id: UUID, membership_id: UUID, expected_version: int | None
) -> Membership:
    """The member, locked, for an actor that may decide about its role. The owners are locked before it."""
    members = _members(actor, organization_id)
    lock_owners(organization_id)
    member = Membership.locked(members, membership_id, expected_version)
    require_grantable(actor, member.role, within=organization_id)
    return member


def _person(actor: Actor, organization_id: UUID, user: UUID | None, email: str | None, role: str) -> User:
    """The person whom exactly one of the two names: an e-mail for who sees everybody, an id only whom `actor` sees."""
    if (user is None) == (email is None):
        error = FieldError("user", "one_of", "Name the person by user or by email, by one of the two.")
        raise ValidationFailed(error.detail, errors=[error])
    found: User | None
    if email is None:
        found = User.objects.visible_to(actor).filter(pk=user).first()
        if found is None and user is not None:
            raise not_found(User, user)
    elif not actor.is_tenant_wide:
        raise InvitationNeeded(remedy=_inviting(organization_id, email, role))
    else:
        found = User.objects.filter(email=email.lower()).first()
    if found is None:
        raise NotFound(f"There is no person with the e-mail {show(email)} in this tenant.")
    return found


def _inviting(organization_id: UUID, email: str, role: str) -> Remedy:
    shown = encode("org", organization_id)
    return Remedy(
        f"manage.py invitations create {shown} --email {shlex.quote(email)} --role {role}",
        "POST",
        f"/v1/organizations/{shown}/invitations",
        {"email": email, "role": role},
    )

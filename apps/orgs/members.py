"""Operations on the members of an organization."""

from __future__ import annotations

from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts.authority import require_grantable, require_whole_credential
from apps.accounts.models import Status, User
from apps.core.actor import Actor
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import FieldError, NotFound, ValidationFailed, show
from apps.orgs import hooks
from apps.orgs import serializers as forms
from apps.orgs.errors import AlreadyMember, LastOwner
from apps.orgs.models import Membership, Organization
from apps.orgs.querysets import MembershipQuerySet


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
    """Add an existing person to an organization, by id or by e-mail, with a role up to the caller's own.

    The first member of an organization that a credential of the whole tenant made may be its owner in any case.
    """
    _organization(actor, organization_id)
    if not _is_first_owner(actor, organization_id, role):
        require_grantable(actor, role)
    require_whole_credential(actor, role)
    person = _person(actor, user, email)
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
    require_grantable(actor, role)
    require_whole_credential(actor, role)
    if role != "owner":
        _require_another_owner(member)
    return member.apply({"role": role})


@operation("members.remove", scope="members:write", risk=Risk.DESTRUCTIVE, versioned=True)
def remove_member(
    actor: Actor, *, organization_id: UUID, membership_id: UUID, expected_version: int | None = None
) -> Membership:
    """Remove a member from an organization. The last owner stays."""
    member = _decided(actor, organization_id, membership_id, expected_version)
    _require_another_owner(member)
    hooks.about_to_leave(member)
    Membership.objects.filter(pk=member.pk).delete()
    return member


def _organization(actor: Actor, organization_id: UUID) -> None:
    """Raise NotFound for an organization that is not there for `actor`. Asks the database for tenant-wide ones only."""
    own = actor.organization is not None and actor.organization.id == organization_id
    if not own and not Organization.objects.visible_to(actor).filter(pk=organization_id).exists():
        raise not_found(Organization, organization_id)


def _is_first_owner(actor: Actor, organization_id: UUID, role: str) -> bool:
    """True where nobody could give the role otherwise: a product's backend founds, and it holds less than an owner."""
    founding = actor.is_tenant_wide and role == "owner"
    return founding and not Membership.objects.filter(organization_id=organization_id).exists()


def _members(actor: Actor, organization_id: UUID) -> MembershipQuerySet:
    _organization(actor, organization_id)
    members = Membership.objects.visible_to(actor).filter(organization_id=organization_id)
    return members.select_related("user")


def _decided(
    actor: Actor, organization_id: UUID, membership_id: UUID, expected_version: int | None
) -> Membership:
    """The member, locked, for an actor that may decide about its role.

    The owners are locked before it, always in the same order: two owners who leave at once meet here, and the second
    sees what the first did.
    """
    members = _members(actor, organization_id)
    list(members.owners().select_for_update(of=("self",)).order_by("id"))
    member = Membership.locked(members, membership_id, expected_version)
    require_grantable(actor, member.role)
    return member


def _require_another_owner(member: Membership) -> None:
    """Raise LastOwner when `member` is the only owner who can act. The owners must be locked."""
    if member.role != "owner":
        return
    others = Membership.objects.filter(organization_id=member.organization_id).owners().exclude(pk=member.pk)
    if not others.filter(user__status=Status.ACTIVE).exists():
        raise LastOwner(f"{member.user} is the last owner who can act. {LastOwner.advice}")


def _person(actor: Actor, user: UUID | None, email: str | None) -> User:
    """The person whom exactly one of the two names. An e-mail finds everybody, an id only whom `actor` sees."""
    if (user is None) == (email is None):
        error = FieldError("user", "one_of", "Name the person by user or by email, by one of the two.")
        raise ValidationFailed(error.detail, errors=[error])
    found: User | None
    if email is None:
        found = User.objects.visible_to(actor).filter(pk=user).first()
        if found is None and user is not None:
            raise not_found(User, user)
    else:
        found = User.objects.filter(email=email.lower()).first()
    if found is None:
        raise NotFound(f"There is no person with the e-mail {show(email)} in this tenant.")
    return found

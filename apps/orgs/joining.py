"""Joining an organization by an invitation: plain functions for this room's operations and for the sign-up.

Whoever holds the token received the mail, so it proves the address. It works once, for that address, while the inviter
could still give the role by the credential with which they invited.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from uuid import UUID

from django.db.models import Q

from apps.accounts.models import Agent, Machine, ServiceAccount, Status, User
from apps.accounts.roles import Role, find_roles
from apps.core.actor import PrincipalKind
from apps.core.problems import Problem
from apps.orgs import errors, hooks
from apps.orgs.models import Invitation, InvitationStatus, Membership
from apps.orgs.teams import join_teams
from apps.tenancy import walls
from apps.tenancy.models import Tenant

_MACHINES: dict[str, type[Machine]] = {
    PrincipalKind.SERVICE_ACCOUNT: ServiceAccount,
    PrincipalKind.AGENT: Agent,
}
_CLOSED: dict[str, type[Problem]] = {
    InvitationStatus.ACCEPTED: errors.InvitationUsed,
    InvitationStatus.DECLINED: errors.InvitationUsed,
    InvitationStatus.REVOKED: errors.InvitationRevoked,
    InvitationStatus.EXPIRED: errors.InvitationExpired,
}


def digest_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def peek_invitation(token: str) -> Invitation:
    """The open invitation of `token` in the tenant that stands, with its organization, without using it.

    Raises InvitationUnknown, InvitationExpired, InvitationRevoked, InvitationUsed, InvitationVoid.
    """
    with walls.whole_tenant():
        return _open_invitation(token, locked=False)


def accept(user: User, token: str) -> Membership:
    """The membership that the invitation of `token` gives `user`; who is a member already stays what they are.

    Needs a transaction. Raises what `peek_invitation` does, and InvitationForAnother.
    """
    with walls.whole_tenant():
        invitation = _for_person(user, token)
        seats = Membership.objects.select_related("organization", "user")
        member = seats.filter(organization=invitation.organization, user=user).first()
        if member is None:
            member = Membership(organization=invitation.organization, user=user, role=invitation.role)
            member.save(force_insert=True)
        join_teams(member, [UUID(text) for text in invitation.teams])
        invitation.apply({"status": InvitationStatus.ACCEPTED.value})
        return member


def decline(user: User, token: str) -> Invitation:
    """Close the invitation of `token` without joining. Needs a transaction. Raises what `accept` does."""
    with walls.whole_tenant():
        return _for_person(user, token).apply({"status": InvitationStatus.DECLINED.value})


def void_those_through(marks: Collection[UUID], which: Q) -> None:
    """Make void the open invitations, of those that `which` finds, that were sent through what one of `marks` names.

    For delegations and tokens that are over: their marks are halted nowhere.
    """
    through = Q(pk__in=[])
    for mark in marks:
        through |= Q(lineage__contains=[str(mark)])
    with walls.whole_tenant():
        Invitation.objects.filter(which, through, status=InvitationStatus.PENDING).update(is_void=True)


def require_open(invitation: Invitation) -> None:
    """Raise the problem that says how `invitation` ended, unless it is open."""
    closed = _CLOSED.get(invitation.standing)
    if closed is not None:
        raise closed


def _for_person(user: User, token: str) -> Invitation:
    invitation = _open_invitation(token, locked=True)
    if user.email.lower() != invitation.email:
        raise errors.InvitationForAnother
    return invitation


def _open_invitation(token: str, *, locked: bool) -> Invitation:
    rows = Invitation.objects.select_related("organization").filter(digest=digest_of(token))
    if locked:
        rows = rows.select_for_update(of=("self",))
    invitation = rows.first()
    if invitation is None:
        raise errors.InvitationUnknown
    require_open(invitation)
    if not _may_still_invite(invitation, locked=locked):
        raise errors.InvitationVoid
    return invitation


def _may_still_invite(invitation: Invitation, *, locked: bool) -> bool:
    """True while the inviter is there, can act through what they invited by, and could give the role as it is now."""
    if invitation.inviter_kind == PrincipalKind.SYSTEM:
        return True
    if invitation.is_void or hooks.inviting().is_stopped(invitation):
        return False
    role = find_roles([invitation.role], invitation.organization_id, locked=locked).get(invitation.role)
    held = _role_of_inviter(invitation)
    if role is None or held is None:
        return False
    return held.may_grant(role) or (role.name == "owner" and _is_first_owner(invitation))


def _role_of_inviter(invitation: Invitation) -> Role | None:
    """The inviter's role at this moment, where they are at home; None for who is gone or suspended."""
    here = walls.current_tenant()
    if invitation.inviter_home_id == here.id:
        return _role_in(invitation, invitation.organization_id)
    with walls.outside():
        home = Tenant.objects.active().filter(pk=invitation.inviter_home_id).first()
        owner = Tenant.objects.filter(pk=here.id).values_list("owner_organization_id", flat=True).get()
    if home is None or owner is None:
        return None
    with walls.enter(home.ref):
        return _role_in(invitation, owner)


def _role_in(invitation: Invitation, organization_id: UUID) -> Role | None:
    if invitation.inviter_kind == PrincipalKind.USER:
        seats = Membership.objects.able().filter(organization_id=organization_id)
        name = seats.filter(user=invitation.inviter_id).values_list("role", flat=True).first()
        return find_roles([name], organization_id).get(name) if name else None
    model, inviter = _MACHINES.get(invitation.inviter_kind), invitation.inviter_id
    if model is None or inviter is None:
        return None
    machine = model.objects.filter(pk=inviter, status=Status.ACTIVE).first()
    if machine is None or machine.organization_id not in (None, organization_id):
        return None
    return find_roles([machine.role], machine.organization_id).get(machine.role)


def _is_first_owner(invitation: Invitation) -> bool:
    """True where the whole tenant's credential named the first owner of what it founded, and there is no member yet."""
    model, inviter = _MACHINES.get(invitation.inviter_kind), invitation.inviter_id
    away = invitation.inviter_home_id != walls.current_tenant().id
    whole = away or (
        model is not None
        and inviter is not None
        and model.objects.filter(pk=inviter, organization_id__isnull=True).exists()
    )
    return whole and not Membership.objects.filter(organization_id=invitation.organization_id).exists()

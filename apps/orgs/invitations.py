"""Operations on invitations: inviting into an organization, and what the invited do with the link.

The token is in the mail alone. No answer holds it, and of it the database keeps the SHA-256.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts import mails
from apps.accounts.authority import require_person
from apps.accounts.models import User
from apps.accounts.roles import label_of
from apps.accounts.signin import links
from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import encode
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import Remedy
from apps.orgs import hooks, joining
from apps.orgs import serializers as forms
from apps.orgs.errors import AlreadyMember, InvitationJustSent, InvitationPending
from apps.orgs.members import require_giving
from apps.orgs.models import Invitation, InvitationStatus, Membership, Role, Team
from apps.orgs.querysets import InvitationQuerySet
from apps.orgs.services import find_organization, require_organization

TOKEN_BYTES = 32
#: How long the same mail is not sent again.
PAUSE = timedelta(minutes=1)


@operation(
    "invitations.list",
    scope="invitations:read",
    risk=Risk.READ,
    input=forms.InvitationParameters,
    output=forms.InvitationOutput,
    lists=True,
)
def list_invitations(
    actor: Actor, *, organization_id: UUID, status: str | None = None, email: str | None = None
) -> InvitationQuerySet:
    """List the invitations of an organization, also those that ended; their tokens are shown nowhere."""
    found = _invitations(actor, organization_id)
    found = found.with_standing(status) if status else found
    return found.filter(email=email.lower()) if email else found


@operation("invitations.get", scope="invitations:read", risk=Risk.READ, output=forms.InvitationOutput)
def get_invitation(actor: Actor, *, organization_id: UUID, invitation_id: UUID) -> Invitation:
    """Read one invitation."""
    invitation = _invitations(actor, organization_id).filter(pk=invitation_id).first()
    if invitation is None:
        raise not_found(Invitation, invitation_id)
    return invitation


@operation(
    "invitations.create",
    scope="invitations:write",
    risk=Risk.WRITE,
    input=forms.InvitationInput,
    output=forms.InvitationOutput,
)
def create_invitation(
    actor: Actor,
    *,
    organization_id: UUID,
    email: str,
    role: str = "developer",
    teams: Sequence[UUID] = (),
    expires_in_days: int = forms.INVITED_FOR,
) -> Invitation:
    """Invite somebody by e-mail, with a role up to the caller's own. They become a member when they accept.

    Who has an account and who has none get the same mail, and the answer tells nothing about it. There is one open
    invitation for an e-mail in an organization. Who joins by it is looked at again then: it is void once the inviter
    could not give the role any more, nobody answers for them, or the key by which it was sent was revoked.
    """
    organization = find_organization(actor, organization_id)
    require_giving(actor, organization_id, role)
    _require_teams(actor, organization_id, teams)
    email = email.lower()
    if Membership.objects.filter(organization_id=organization_id, user__email=email).exists():
        raise AlreadyMember(f"{email} is a member already. {AlreadyMember.advice}")
    made = Invitation(organization=organization, email=email, role=role, teams=[str(team) for team in teams])
    token = _renew(made, actor, expires_in_days)
    _insert(made)
    _send(made, token)
    return made


@operation(
    "invitations.resend",
    scope="invitations:write",
    risk=Risk.WRITE,
    input=forms.ResendInput,
    output=forms.InvitationOutput,
    versioned=True,
)
def resend_invitation(
    actor: Actor,
    *,
    organization_id: UUID,
    invitation_id: UUID,
    expires_in_days: int = forms.INVITED_FOR,
    expected_version: int | None = None,
) -> Invitation:
    """Send an invitation again, with a new link; the earlier one ends. One that has expired is open again.

    The caller is the inviter from then on. At most once a minute.
    """
    invitation = _decided(actor, organization_id, invitation_id, expected_version)
    if invitation.status != InvitationStatus.PENDING:
        joining.require_open(invitation)
    wait = (invitation.sent_at + PAUSE - clock.now()).total_seconds()
    if wait > 0:
        raise InvitationJustSent(retry_after=wait)
    token = _renew(invitation, actor, expires_in_days)
    invitation.version += 1
    invitation.save()
    _send(invitation, token)
    return invitation


@operation("invitations.revoke", scope="invitations:write", risk=Risk.DESTRUCTIVE, versioned=True)
def revoke_invitation(
    actor: Actor, *, organization_id: UUID, invitation_id: UUID, expected_version: int | None = None
) -> Invitation:
    """Take an invitation back: its link works no more. The row stays, as revoked."""
    invitation = _decided(actor, organization_id, invitation_id, expected_version)
    if invitation.status != InvitationStatus.PENDING:
        joining.require_open(invitation)
    return invitation.apply({"status": InvitationStatus.REVOKED.value})


@operation(
    "invitations.preview",
    scope="self:read",
    risk=Risk.READ,
    input=forms.TokenInput,
    output=forms.PreviewOutput,
    publishable=True,
    anywhere=True,
)
def preview_invitation(_actor: Actor, *, token: str) -> dict[str, Any]:
    """Show whoever holds an invitation's token what it offers: organization, inviter, role, and half of the e-mail."""
    invitation = joining.peek_invitation(token)
    return {
        "organization": {"name": invitation.organization.name},
        "inviter": {"kind": invitation.inviter_kind, "name": invitation.inviter_name},
        "role": invitation.role,
        "email": masked(invitation.email),
        "expires_at": invitation.expires_at,
    }


@operation(
    "invitations.accept",
    scope="self:write",
    risk=Risk.WRITE,
    input=forms.TokenInput,
    output=forms.OwnMembershipOutput,
    anywhere=True,
)
def accept_invitation(actor: Actor, *, token: str) -> Membership:
    """Join the organization that the invitation is of, as the person whose e-mail it was sent to."""
    return joining.accept(_person(actor), token)


@operation(
    "invitations.decline",
    scope="self:write",
    risk=Risk.WRITE,
    input=forms.TokenInput,
    anywhere=True,
)
def decline_invitation(actor: Actor, *, token: str) -> Invitation:
    """Turn an invitation down, as the person whose e-mail it was sent to. Its link works no more."""
    return joining.decline(_person(actor), token)


def masked(email: str) -> str:
    """An e-mail that its owner recognises, and nobody else learns."""
    local, _, domain = email.partition("@")
    return f"{local[:1]}***@{domain[:1]}***.{domain.rpartition('.')[2]}"


def _person(actor: Actor) -> User:
    person: User = User.objects.get(pk=require_person(actor))
    return person


def _invitations(actor: Actor, organization_id: UUID) -> InvitationQuerySet:
    require_organization(actor, organization_id)
    return Invitation.objects.visible_to(actor).filter(organization_id=organization_id)


def _decided(
    actor: Actor, organization_id: UUID, invitation_id: UUID, expected_version: int | None
) -> Invitation:
    """The invitation, locked, for an actor that may give its role."""
    rows = _invitations(actor, organization_id).select_related("organization")
    invitation = Invitation.locked(rows, invitation_id, expected_version)
    require_giving(actor, organization_id, invitation.role)
    return invitation


def _require_teams(actor: Actor, organization_id: UUID, teams: Sequence[UUID]) -> None:
    known = set(
        Team.objects.visible_to(actor)
        .filter(organization_id=organization_id, pk__in=teams)
        .values_list("pk", flat=True)
    )
    for team in teams:
        if team not in known:
            raise not_found(Team, team)


def _renew(invitation: Invitation, actor: Actor, days: int) -> str:
    """Give it a new token, which is returned, a new end, and `actor` as its inviter."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    invitation.digest = joining.digest_of(token)
    invitation.sent_at = clock.now()
    invitation.expires_at = invitation.sent_at + timedelta(days=days)
    who, origin = actor.principal, hooks.inviting().origin(actor)
    invitation.inviter_kind, invitation.inviter_id = who.kind.value, who.id
    invitation.inviter_name, invitation.inviter_home_id = who.name, actor.home.id
    invitation.credential_id, invitation.lineage = origin.credential_id, origin.lineage
    invitation.is_void = False
    return token


def _insert(invitation: Invitation) -> None:
    """Write it. One to the same e-mail that expired makes room. Raises InvitationPending, which names the open one."""
    same = Invitation.objects.filter(organization_id=invitation.organization_id, email=invitation.email)
    for expired in same.filter(status="pending", expires_at__lte=clock.now()).select_for_update():
        expired.apply({"status": InvitationStatus.EXPIRED.value})
    try:
        with transaction.atomic():
            invitation.save(force_insert=True)
    except IntegrityError:
        raise _pending(invitation, same.pending().first()) from None


def _pending(wanted: Invitation, there: Invitation | None) -> InvitationPending:
    if there is None:
        return InvitationPending()
    path = f"/v1/organizations/{encode('org', wanted.organization_id)}/invitations/{there.public_id}/resend"
    return InvitationPending(
        f"{there.public_id} invites {there.email} already. {InvitationPending.advice}",
        remedy=Remedy(method="POST", path=path, body={}),
        extra={"invitation": there.public_id},
    )


def _send(invitation: Invitation, token: str) -> None:
    days = round((invitation.expires_at - invitation.sent_at).total_seconds() / 86400)
    own = Role.objects.filter(organization_id=invitation.organization_id, slug=invitation.role)
    mails.send(
        "invitation",
        invitation.email,
        {
            "link": links.invitation(token),
            "organization": invitation.organization.name,
            "inviter": invitation.inviter_name,
            "role": own.values_list("name", flat=True).first() or label_of(invitation.role),
            "days": str(days),
        },
    )

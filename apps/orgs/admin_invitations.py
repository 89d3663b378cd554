"""Invitations to organizations in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin

from apps.accounts.authority import role_choices
from apps.accounts.roles import label_of
from apps.core.actor import Actor
from apps.core.admin import site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, link, status_badge, when
from apps.orgs import invitations
from apps.orgs.admin_parts import OfOrganizationAdmin, newest_of, own
from apps.orgs.models import Invitation, InvitationStatus, Membership, Organization


@admin.register(Invitation, site=site)
class InvitationAdmin(OfOrganizationAdmin):
    """Who was invited, and what became of it."""

    reads, reads_one = invitations.list_invitations, invitations.get_invitation
    headline = "Invitations"
    intro = "People join by the link in their mail. It works once, and nobody else can see it."
    empty = "Nobody was invited yet."
    list_display = ("email", "role_shown", "standing_shown", "inviter_shown", "expires_shown")
    search_fields = ("email",)

    @admin.display(description="Role")
    def role_shown(self, row: Invitation) -> str:
        """As what."""
        return label_of(row.role)

    @admin.display(description="Status")
    def standing_shown(self, row: Invitation) -> Any:
        """How it stands now."""
        return self.state(row)

    @admin.display(description="Invited by")
    def inviter_shown(self, row: Invitation) -> str:
        """Who sent it."""
        return row.inviter_name

    @admin.display(description="Until")
    def expires_shown(self, row: Invitation) -> Any:
        """Until when the link works."""
        return when(row.expires_at)

    def state(self, row: Invitation) -> Any:
        """How it stands now."""
        return status_badge(row.standing)

    def facts(self, row: Invitation) -> Sequence[Fact]:
        """Who invited whom, as what, and for how long."""
        return [
            Fact("E-mail", row.email),
            Fact("Role", label_of(row.role)),
            Fact("Invited by", row.inviter_name),
            Fact("Sent", when(row.sent_at)),
            Fact("Until", when(row.expires_at)),
            *self.whose(row),
        ]

    def target(self, row: Invitation) -> dict[str, Any]:
        """Its organization and its id."""
        return _invitation(None, row)


def _invitation(_actor: Actor | None, row: Invitation) -> dict[str, Any]:
    return {"organization_id": row.organization_id, "invitation_id": row.pk}


def _is_pending(row: Invitation) -> bool:
    return row.status == InvitationStatus.PENDING


def invitations_of(actor: Actor, row: Organization) -> list[list[Any]]:
    """The newest open invitations, for the page of their organization."""
    found = newest_of(Invitation.objects.pending(), actor, row)
    return [[link(one), label_of(one.role), one.inviter_name, when(one.expires_at)] for one in found]


#: Offered wherever one looks for people.
INVITE = Action(
    invitations.create_invitation,
    "Invite somebody",
    "They get a mail with a link, and are a member once they accept. The link works once.",
    own,
    fields=("email", "role", "expires_in_days"),
    choices={"role": role_choices},
    within=True,
)

act_above(Invitation, INVITE)
act_above(Membership, INVITE)
act_on(
    Invitation,
    Action(
        invitations.resend_invitation,
        "Send again",
        "They get a new link, and the earlier one ends. You are the inviter from then on.",
        _invitation,
        applies=_is_pending,
    ),
    Action(
        invitations.revoke_invitation,
        "Revoke",
        "The link works no more.",
        _invitation,
        applies=_is_pending,
    ),
)

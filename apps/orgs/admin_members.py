"""Members of organizations in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from apps.accounts.authority import role_choices
from apps.accounts.roles import label_of
from apps.core.actor import Actor
from apps.core.admin import site
from apps.core.admin_actions import Action, act_on
from apps.core.admin_story import Fact, badge, link, when
from apps.orgs import members
from apps.orgs.admin_parts import MOST_SHOWN, OfOrganizationAdmin
from apps.orgs.models import Membership, Organization


@admin.register(Membership, site=site)
class MemberAdmin(OfOrganizationAdmin):
    """Members, with their roles."""

    reads, reads_one = members.list_members, members.get_member
    headline = "Members"
    intro = "People in an organization. What they may do there is their role."
    empty = "No members yet."
    list_display = ("person_shown", "role_shown", "status_shown", "created_shown")
    search_fields = ("user__email", "user__name")
    list_filter = ("role",)

    def rows(self, actor: Actor) -> QuerySet[Any]:
        """The members with who they are."""
        return super().rows(actor).select_related("organization", "user")

    @admin.display(description="Person")
    def person_shown(self, row: Membership) -> str:
        """Who it is."""
        return row.user.email

    @admin.display(description="Role")
    def role_shown(self, row: Membership) -> str:
        """The role."""
        return label_of(row.role)

    @admin.display(description="Status")
    def status_shown(self, row: Membership) -> Any:
        """Whether the person can act at all."""
        return badge(row.user.get_status_display(), "good" if row.user.is_active else "bad")

    def state(self, row: Membership) -> Any:
        """The role."""
        return badge(label_of(row.role), "info")

    def facts(self, row: Membership) -> Sequence[Fact]:
        """Who, and as what."""
        return [
            Fact("Person", link(row.user, row.user.email)),
            Fact("Role", label_of(row.role)),
            Fact("Since", when(row.created_at)),
            *self.whose(row),
        ]

    def target(self, row: Membership) -> dict[str, Any]:
        """Its organization and its id."""
        return _member(None, row)


def _member(_actor: Actor | None, row: Membership) -> dict[str, Any]:
    return {"organization_id": row.organization_id, "membership_id": row.pk}


def members_of(actor: Actor, row: Organization) -> list[list[Any]]:
    """The members who came first, for the page of their organization."""
    found = Membership.objects.visible_to(actor).filter(organization_id=row.pk).select_related("user")
    return [
        [link(one, one.user.email), label_of(one.role), when(one.created_at)]
        for one in found.order_by("id")[:MOST_SHOWN]
    ]


act_on(
    Membership,
    Action(
        members.update_member,
        "Change role",
        "The new role counts from the person's next call on.",
        _member,
        initial=lambda row: {"role": row.role},
        choices={"role": role_choices},
    ),
    Action(
        members.remove_member,
        "Remove",
        "The person loses this organization at once; their sessions and keys see nothing of it any more.",
        _member,
        confirms=lambda row: row.user.email,
    ),
)

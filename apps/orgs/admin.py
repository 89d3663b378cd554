"""Organizations and members in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, Related, badge, code, link, relate, when
from apps.orgs import members
from apps.orgs import services as do
from apps.orgs.models import Membership, Organization


@admin.register(Organization, site=site)
class OrganizationAdmin(StoryAdmin):
    """The organization in which a builder works now."""

    reads, reads_one = do.list_organizations, do.get_organization
    headline = "Organization"
    intro = "You work inside one organization at a time; switch at the top of the page."
    list_display = ["name", "slug", "created_shown"]

    @admin.display(description="Founded")
    def created_shown(self, row: Organization) -> Any:
        """Since when it exists."""
        return when(row.created_at)

    def state(self, row: Organization) -> Any:
        """Whether it is somebody's own."""
        return badge("Personal", "info") if row.personal else ""

    def facts(self, row: Organization) -> Sequence[Fact]:
        """What it is called."""
        return [
            Fact("Slug", code(row.slug)),
            Fact("Id", code(row.public_id)),
            Fact("Founded", when(row.created_at)),
        ]

    def target(self, row: Organization) -> dict[str, Any]:
        """Its id."""
        return {"organization_id": row.pk}


@admin.register(Membership, site=site)
class MemberAdmin(StoryAdmin):
    """Members, with their roles."""

    reads, reads_one = members.list_members, members.get_member
    headline = "Members"
    intro = "People in this organization. What they may do is their role."
    empty = "No members yet."
    list_display = ["person_shown", "role_shown", "status_shown", "created_shown"]
    search_fields = ["user__email", "user__name"]
    list_filter = ["role"]

    def rows(self, actor: Actor) -> QuerySet[Membership]:
        """Those of the actor's organization."""
        if actor.organization is None:
            return Membership.objects.none()
        return members.list_members(actor, organization_id=actor.organization.id).select_related(
            "organization"
        )

    def list_target(self, actor: Actor) -> dict[str, Any]:
        """The actor's organization."""
        return (
            {"organization_id": actor.organization.id} if actor.organization else {"organization_id": "org_…"}
        )

    @admin.display(description="Person")
    def person_shown(self, row: Membership) -> str:
        """Who it is."""
        return row.user.email

    @admin.display(description="Role")
    def role_shown(self, row: Membership) -> str:
        """The role."""
        return row.get_role_display()

    @admin.display(description="Status")
    def status_shown(self, row: Membership) -> Any:
        """Whether the person can act at all."""
        return badge(row.user.get_status_display(), "good" if row.user.is_active else "bad")

    @admin.display(description="Since")
    def created_shown(self, row: Membership) -> Any:
        """Since when."""
        return when(row.created_at)

    def state(self, row: Membership) -> Any:
        """The role."""
        return badge(row.get_role_display(), "info")

    def facts(self, row: Membership) -> Sequence[Fact]:
        """Who, and as what."""
        return [
            Fact("Person", link(row.user, row.user.email)),
            Fact("Role", row.get_role_display()),
            Fact("Id", code(row.public_id)),
            Fact("Since", when(row.created_at)),
        ]

    def target(self, row: Membership) -> dict[str, Any]:
        """Its organization and its id."""
        return _member(None, row)


def _member(_actor: Actor | None, row: Membership) -> dict[str, Any]:
    return {"organization_id": row.organization_id, "membership_id": row.pk}


def _own(actor: Actor, _row: object) -> dict[str, Any]:
    return {"organization_id": actor.organization.id if actor.organization else None}


def _itself(_actor: Actor, row: Organization) -> dict[str, Any]:
    return {"organization_id": row.pk}


def _members_of(actor: Actor, row: Organization) -> list[list[Any]]:
    found = Membership.objects.visible_to(actor).filter(organization_id=row.pk).select_related("user")
    return [
        [link(one, one.user.email), one.get_role_display(), when(one.created_at)]
        for one in found.order_by("id")[:20]
    ]


act_on(
    Organization,
    Action(
        do.update_organization,
        "Rename",
        "The new name and slug count everywhere at once; the id stays.",
        _itself,
        initial=lambda row: {"name": row.name, "slug": row.slug},
    ),
)
act_on(
    Membership,
    Action(
        members.update_member,
        "Change role",
        "The new role counts from the person's next call on.",
        _member,
        initial=lambda row: {"role": row.role},
    ),
    Action(
        members.remove_member,
        "Remove",
        "The person loses this organization at once; their sessions and keys see nothing of it any more.",
        _member,
        confirms=lambda row: row.user.email,
    ),
)
act_above(
    Organization,
    Action(
        do.create_organization,
        "Found an organization",
        "You become its owner. It is walled from this one: switch to it at the top of the page.",
        fields=("name",),
    ),
)
act_above(
    Membership,
    Action(
        members.add_member,
        "Add a member",
        "The person, who must be known in the console, sees this organization from their next page on.",
        _own,
        fields=("email", "role"),
    ),
)
relate(Organization, Related("Members", ("Person", "Role", "Since"), _members_of, "No members."))

"""Organizations in the admin. Their members, roles, teams and invitations are in the modules beside this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib import admin

from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, Related, badge, code, relate, when
from apps.orgs import owners
from apps.orgs import services as do
from apps.orgs.admin_invitations import INVITE, invitations_of
from apps.orgs.admin_members import members_of
from apps.orgs.admin_parts import seats
from apps.orgs.admin_roles import roles_of
from apps.orgs.admin_teams import teams_of
from apps.orgs.models import Organization


@admin.register(Organization, site=site)
class OrganizationAdmin(StoryAdmin):
    """The organization in which a builder works now; in an environment the product's customers."""

    reads, reads_one = do.list_organizations, do.get_organization
    headline = "Organizations"
    intro = "Organizations are walled from each other. You work inside one at a time; switch at the top of the page."
    list_display = ["name", "slug", "created_shown"]
    search_fields = ["name", "slug"]

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


def _itself(_actor: Actor, row: Organization) -> dict[str, Any]:
    return {"organization_id": row.pk}


def _others(actor: Actor, row: Organization) -> list[tuple[str, str]]:
    return seats(actor, row, besides=actor.principal.id)


def _is_shared(row: Organization) -> bool:
    return not row.personal


act_above(
    Organization,
    Action(
        do.create_organization,
        "Found an organization",
        "You become its owner. It is walled from this one: switch to it at the top of the page.",
        fields=("name",),
        only="console",
    ),
    Action(
        do.create_organization,
        "Add a customer",
        "It begins without members and is walled from the others. Invite its owner next.",
        fields=("name", "slug"),
        only="environment",
    ),
)
act_on(
    Organization,
    replace(INVITE, target=_itself),
    Action(
        do.update_organization,
        "Rename",
        "The new name and slug count everywhere at once; the id stays.",
        _itself,
        initial=lambda row: {"name": row.name, "slug": row.slug},
    ),
    Action(
        owners.transfer_organization,
        "Hand it over",
        "The member whom you choose becomes the owner in your place, and you become an admin.",
        _itself,
        applies=_is_shared,
        choices={"membership": _others},
        labels={"membership": "New owner"},
        only="console",
    ),
    Action(
        owners.leave_organization,
        "Leave",
        "You lose this organization at once, with the keys that you have or made in it.",
        _itself,
        applies=_is_shared,
        only="console",
    ),
    Action(
        do.delete_organization,
        "Delete",
        "It goes with its members, agents, service accounts and keys, and cannot be brought back.",
        _itself,
        applies=_is_shared,
    ),
)
relate(
    Organization,
    Related("Members", ("Person", "Role", "Since"), members_of, "No members."),
    Related(
        "Open invitations", ("E-mail", "Role", "Invited by", "Until"), invitations_of, "Nobody is invited."
    ),
    Related("Roles", ("Name", "Slug", "Allows"), roles_of, "No roles beside the built-in ones."),
    Related("Teams", ("Name", "Slug", "Since"), teams_of, "No teams."),
)

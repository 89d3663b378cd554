"""Teams of organizations, and who is in them, in the admin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from apps.accounts.roles import label_of
from apps.core.actor import Actor
from apps.core.admin import site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, Related, code, link, relate, when
from apps.orgs import teams
from apps.orgs.admin_parts import OfOrganizationAdmin, newest_of, own, seats
from apps.orgs.models import Membership, Organization, Team, TeamMember

_MOST_MEMBERS = 50


@admin.register(Team, site=site)
class TeamAdmin(OfOrganizationAdmin):
    """Teams of the organization."""

    reads, reads_one = teams.list_teams, teams.get_team
    headline = "Teams"
    intro = "Members under one name. A team gives nobody a right; access rules can name it."
    empty = "No teams yet."
    list_display = ("name", "slug_shown", "created_shown")

    @admin.display(description="Slug")
    def slug_shown(self, row: Team) -> Any:
        """What rules name it by."""
        return code(row.slug)

    def facts(self, row: Team) -> Sequence[Fact]:
        """What it is called, and for what it is there."""
        return [Fact("Slug", code(row.slug)), Fact("For", row.description or "—"), *self.whose(row)]

    def target(self, row: Team) -> dict[str, Any]:
        """Its organization and its id."""
        return _team(None, row)


def _team(_actor: Actor | None, row: Team) -> dict[str, Any]:
    return {"organization_id": row.organization_id, "team_id": row.pk}


def _known(row: Team) -> Mapping[str, Any]:
    return {"name": row.name, "slug": row.slug, "description": row.description}


def _places(actor: Actor, row: Team) -> QuerySet[TeamMember]:
    found = TeamMember.objects.visible_to(actor).filter(team=row).select_related("membership__user")
    return found.order_by("id")


def _members_of(actor: Actor, row: Team) -> list[list[Any]]:
    return [
        [link(one.membership, one.membership.user.email), label_of(one.membership.role), when(one.created_at)]
        for one in _places(actor, row)[:_MOST_MEMBERS]
    ]


def _inside(actor: Actor, row: Team) -> list[tuple[str, str]]:
    found = (place.membership for place in _places(actor, row))
    return [(seat.public_id, seat.user.email) for seat in found]


def _outside(actor: Actor, row: Team) -> list[tuple[str, str]]:
    inside = dict(_inside(actor, row))
    return [(shown, email) for shown, email in seats(actor, row) if shown not in inside]


def _teams_of_member(actor: Actor, row: Membership) -> list[list[Any]]:
    found = TeamMember.objects.visible_to(actor).filter(membership=row).select_related("team")
    return [[link(one.team), when(one.created_at)] for one in found.order_by("id")[:_MOST_MEMBERS]]


def teams_of(actor: Actor, row: Organization) -> list[list[Any]]:
    """The newest teams, for the page of their organization."""
    found = newest_of(Team.objects, actor, row)
    return [[link(one), code(one.slug), when(one.created_at)] for one in found]


act_above(
    Team,
    Action(
        teams.create_team,
        "Make a team",
        "It begins without members, and gives nobody a right.",
        own,
        fields=("name", "slug", "description"),
        within=True,
    ),
)
act_on(
    Team,
    Action(
        teams.add_team_member,
        "Add a member",
        "The member is named with this team from now on. It changes nothing about what they may do.",
        _team,
        choices={"membership": _outside},
        labels={"membership": "Member"},
    ),
    Action(
        teams.remove_team_member,
        "Take a member out",
        "The member stays in the organization, with the role that they have.",
        _team,
        picks={"membership_id": _inside},
        labels={"membership_id": "Member"},
    ),
    Action(
        teams.update_team,
        "Change",
        "The new name counts everywhere at once; the id stays.",
        _team,
        initial=_known,
    ),
    Action(teams.delete_team, "Delete", "Its members stay in the organization.", _team),
)
relate(Team, Related("Members", ("Person", "Role", "Since"), _members_of, "Nobody is in it yet."))
relate(Membership, Related("Teams", ("Team", "Since"), _teams_of_member, "In no team."))

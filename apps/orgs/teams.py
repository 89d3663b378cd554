"""Operations on teams and who is in them. A team carries no rights in itself; access rules may name it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.core.actor import Actor
from apps.core.ids import encode
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import NotFound, show
from apps.orgs import serializers as forms
from apps.orgs.errors import AlreadyInTeam, TeamSlugTaken
from apps.orgs.models import Membership, Team, TeamMember
from apps.orgs.querysets import TeamMemberQuerySet, TeamQuerySet
from apps.orgs.services import require_organization


@operation("teams.list", scope="teams:read", risk=Risk.READ, output=forms.TeamOutput, lists=True)
def list_teams(actor: Actor, *, organization_id: UUID) -> TeamQuerySet:
    """List the teams of an organization."""
    return _teams(actor, organization_id)


@operation("teams.get", scope="teams:read", risk=Risk.READ, output=forms.TeamOutput)
def get_team(actor: Actor, *, organization_id: UUID, team_id: UUID) -> Team:
    """Read one team."""
    return _team(actor, organization_id, team_id)


def _team(actor: Actor, organization_id: UUID, team_id: UUID) -> Team:
    team = Team.objects.visible_to(actor).filter(organization_id=organization_id, pk=team_id).first()
    if team is None:
        require_organization(actor, organization_id)
        raise not_found(Team, team_id)
    return team


@operation(
    "teams.create", scope="teams:write", risk=Risk.WRITE, input=forms.TeamInput, output=forms.TeamOutput
)
def create_team(actor: Actor, *, organization_id: UUID, slug: str, name: str, description: str = "") -> Team:
    """Make a team in an organization, without members."""
    require_organization(actor, organization_id)
    made = Team(organization_id=organization_id, slug=slug, name=name, description=description)
    return _saved(made, force_insert=True)


@operation(
    "teams.update",
    scope="teams:write",
    risk=Risk.WRITE,
    input=forms.TeamPatch,
    output=forms.TeamOutput,
    versioned=True,
)
def update_team(
    actor: Actor,
    /,
    *,
    organization_id: UUID,
    team_id: UUID,
    expected_version: int | None = None,
    **changes: Any,
) -> Team:
    """Change a team's slug, name or description."""
    team = Team.locked(_teams(actor, organization_id), team_id, expected_version)
    changed = {name: value for name, value in changes.items() if getattr(team, name) != value}
    if not changed:
        return team
    for name, value in changed.items():
        setattr(team, name, value)
    team.version += 1
    return _saved(team, update_fields=[*changed, "version"])


@operation("teams.delete", scope="teams:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_team(
    actor: Actor, *, organization_id: UUID, team_id: UUID, expected_version: int | None = None
) -> Team:
    """Delete a team. Its members stay in the organization."""
    team = Team.locked(_teams(actor, organization_id), team_id, expected_version)
    Team.objects.filter(pk=team.pk).delete()
    return team


@operation("teams.members", scope="teams:read", risk=Risk.READ, output=forms.TeamMemberOutput, lists=True)
def list_team_members(actor: Actor, *, organization_id: UUID, team_id: UUID) -> TeamMemberQuerySet:
    """List who is in a team."""
    team = _team(actor, organization_id, team_id)
    return TeamMember.objects.visible_to(actor).filter(team=team).select_related("membership__user")


@operation(
    "teams.add-member",
    scope="teams:write",
    risk=Risk.WRITE,
    input=forms.TeamMemberInput,
    output=forms.TeamMemberOutput,
)
def add_team_member(actor: Actor, *, organization_id: UUID, team_id: UUID, membership: UUID) -> TeamMember:
    """Put a member of the organization into a team. It changes nothing about what they may do."""
    team = Team.locked(_teams(actor, organization_id), team_id, None)
    seat = _seat(actor, organization_id, membership)
    try:
        with transaction.atomic():
            made = TeamMember(organization_id=organization_id, team=team, membership=seat)
            made.save(force_insert=True)
            return made
    except IntegrityError:
        raise AlreadyInTeam(f"{seat.user} is in {team} already.") from None


@operation("teams.remove-member", scope="teams:write", risk=Risk.WRITE)
def remove_team_member(
    actor: Actor, *, organization_id: UUID, team_id: UUID, membership_id: UUID
) -> TeamMember:
    """Take a member out of a team; they stay in the organization."""
    team = Team.locked(_teams(actor, organization_id), team_id, None)
    seat = _seat(actor, organization_id, membership_id)
    place = TeamMember.objects.filter(team=team, membership=seat).select_related("membership__user").first()
    if place is None:
        raise NotFound(f"{encode('mem', membership_id)} is not in {team}.")
    TeamMember.objects.filter(pk=place.pk).delete()
    return place


def join_teams(membership: Membership, team_ids: list[UUID]) -> None:
    """Put a member into those of the teams that are still there, and in which they are not yet."""
    there = Team.objects.filter(organization_id=membership.organization_id, pk__in=team_ids).order_by("id")
    locked = list(there.select_for_update(no_key=True))
    joined = set(TeamMember.objects.filter(membership=membership).values_list("team_id", flat=True))
    for team in (team for team in locked if team.pk not in joined):
        TeamMember.objects.create(
            organization_id=membership.organization_id, team=team, membership=membership
        )


def _teams(actor: Actor, organization_id: UUID) -> TeamQuerySet:
    require_organization(actor, organization_id)
    return Team.objects.visible_to(actor).filter(organization_id=organization_id)


def _seat(actor: Actor, organization_id: UUID, membership_id: UUID) -> Membership:
    """The membership, of this organization and no other. Raises NotFound."""
    seats = Membership.objects.visible_to(actor).filter(organization_id=organization_id)
    # Locked, so that nobody leaves the organization while they join a team of it.
    locked = seats.select_related("user").select_for_update(of=("self",), no_key=True)
    seat = locked.filter(pk=membership_id).first()
    if seat is None:
        raise not_found(Membership, membership_id)
    return seat


def _saved(team: Team, **options: Any) -> Team:
    try:
        with transaction.atomic():
            team.save(**options)
    except IntegrityError:
        raise TeamSlugTaken(f"There is a team {show(team.slug)} already; choose another slug.") from None
    return team

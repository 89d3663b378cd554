"""URLs of organizations, their members, roles, teams and invitations, below /v1/."""

from django.urls import path

from apps.core.endpoints import endpoint
from apps.orgs import invitations, members, memberships, owners, roles, services, teams

_ONE = "organizations/<org:organization_id>"
_TEAM = f"{_ONE}/teams/<tea:team_id>"
_INVITATION = f"{_ONE}/invitations/<inv:invitation_id>"

urlpatterns = [
    path("memberships", endpoint(GET=memberships.list_memberships)),
    path("organizations", endpoint(GET=services.list_organizations, POST=services.create_organization)),
    path(
        _ONE,
        endpoint(
            GET=services.get_organization,
            PATCH=services.update_organization,
            DELETE=services.delete_organization,
        ),
    ),
    path(f"{_ONE}/transfer", endpoint(POST=owners.transfer_organization, status=200)),
    path(f"{_ONE}/leave", endpoint(POST=owners.leave_organization)),
    path(f"{_ONE}/members", endpoint(GET=members.list_members, POST=members.add_member)),
    path(
        f"{_ONE}/members/<mem:membership_id>",
        endpoint(GET=members.get_member, PATCH=members.update_member, DELETE=members.remove_member),
    ),
    path(f"{_ONE}/roles", endpoint(GET=roles.list_roles, POST=roles.create_role)),
    path(
        f"{_ONE}/roles/<rol:role_id>",
        endpoint(GET=roles.get_role, PATCH=roles.update_role, DELETE=roles.delete_role),
    ),
    path(f"{_ONE}/teams", endpoint(GET=teams.list_teams, POST=teams.create_team)),
    path(_TEAM, endpoint(GET=teams.get_team, PATCH=teams.update_team, DELETE=teams.delete_team)),
    path(f"{_TEAM}/members", endpoint(GET=teams.list_team_members, POST=teams.add_team_member)),
    path(f"{_TEAM}/members/<mem:membership_id>", endpoint(DELETE=teams.remove_team_member)),
    path(
        f"{_ONE}/invitations",
        endpoint(GET=invitations.list_invitations, POST=invitations.create_invitation),
    ),
    path(
        _INVITATION,
        endpoint(GET=invitations.get_invitation, DELETE=invitations.revoke_invitation),
    ),
    path(f"{_INVITATION}/resend", endpoint(POST=invitations.resend_invitation, status=200)),
    path("invitations/preview", endpoint(POST=invitations.preview_invitation, status=200)),
    path("invitations/accept", endpoint(POST=invitations.accept_invitation, status=200)),
    path("invitations/decline", endpoint(POST=invitations.decline_invitation)),
]

"""Finding organizations, members, roles, teams and invitations, in the words of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar
from uuid import UUID

from django.db import models

from apps.accounts.models import Status
from apps.core import clock
from apps.core.actor import Actor

if TYPE_CHECKING:
    from apps.orgs.models import (  # noqa: F401 - named in the classes' bases
        Invitation,
        Membership,
        Organization,
        Role,
        Team,
        TeamMember,
    )

M = TypeVar("M", bound=models.Model)


class OrganizationQuerySet(models.QuerySet["Organization"]):
    """Organizations of a tenant."""

    def visible_to(self, actor: Actor) -> OrganizationQuerySet:
        """All for an actor of the tenant, its own for an actor of one."""
        if actor.organization is not None:
            return self.filter(pk=actor.organization.id)
        return self if actor.is_tenant_wide else self.none()


class _OfOrganizations(models.QuerySet[M]):
    """Rows that belong to organizations."""

    def visible_to(self, actor: Actor) -> Self:
        """All for an actor of the tenant, its own organization's for an actor of one."""
        if actor.organization is not None:
            return self.filter(organization_id=actor.organization.id)
        return self if actor.is_tenant_wide else self.none()


class MembershipQuerySet(_OfOrganizations["Membership"]):
    """Members of organizations."""

    def owners(self) -> MembershipQuerySet:
        """Those who own their organization; the last one stays."""
        return self.filter(role="owner")

    def able(self) -> MembershipQuerySet:
        """Those who can act: their account is not suspended."""
        return self.filter(user__status=Status.ACTIVE)


class RoleQuerySet(_OfOrganizations["Role"]):
    """Custom roles of organizations."""


class TeamQuerySet(_OfOrganizations["Team"]):
    """Teams of organizations."""


class TeamMemberQuerySet(_OfOrganizations["TeamMember"]):
    """Members of teams."""


class InvitationQuerySet(_OfOrganizations["Invitation"]):
    """Invitations to organizations."""

    def pending(self) -> InvitationQuerySet:
        """Those that can be accepted now."""
        return self.filter(status="pending", expires_at__gt=clock.now())

    def with_standing(self, standing: str) -> InvitationQuerySet:
        """Those that are in `standing` now, which for the pending ones depends on the time."""
        if standing == "pending":
            return self.pending()
        ended = models.Q(status=standing)
        if standing == "expired":
            ended |= models.Q(status="pending", expires_at__lte=clock.now())
        return self.filter(ended)

    def giving(self, role: str, organization_id: UUID) -> InvitationQuerySet:
        """Those that would still give `role`."""
        return self.pending().filter(role=role, organization_id=organization_id)

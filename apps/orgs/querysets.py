"""Finding organizations and members, in the words of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from apps.core.actor import Actor

if TYPE_CHECKING:
    from apps.orgs.models import Membership, Organization  # noqa: F401 - named in the classes' bases


class OrganizationQuerySet(models.QuerySet["Organization"]):
    """Organizations of a tenant."""

    def visible_to(self, actor: Actor) -> OrganizationQuerySet:
        """All for an actor of the tenant, its own for an actor of one."""
        if actor.organization is not None:
            return self.filter(pk=actor.organization.id)
        return self if actor.is_tenant_wide else self.none()


class MembershipQuerySet(models.QuerySet["Membership"]):
    """Members of organizations."""

    def visible_to(self, actor: Actor) -> MembershipQuerySet:
        """All for an actor of the tenant, its own organization's for an actor of one."""
        if actor.organization is not None:
            return self.filter(organization_id=actor.organization.id)
        return self if actor.is_tenant_wide else self.none()

    def owners(self) -> MembershipQuerySet:
        """Those who own their organization; the last one stays."""
        return self.filter(role="owner")

"""Finding clients and consents."""

from __future__ import annotations

from typing import Any

from django.db import models

from apps.core.actor import Actor, PrincipalKind


class OAuthClientQuerySet(models.QuerySet[Any]):
    """Clients that were registered in a tenant."""

    def visible_to(self, actor: Actor) -> OAuthClientQuerySet:
        """All for an actor of the tenant, its own organization's for an actor of one."""
        if actor.organization is not None:
            return self.filter(organization_id=actor.organization.id)
        return self if actor.is_tenant_wide else self.none()


class OAuthGrantQuerySet(models.QuerySet[Any]):
    """What people let clients do."""

    def visible_to(self, actor: Actor) -> OAuthGrantQuerySet:
        """A person's own, and nobody else's."""
        own = actor.kind is PrincipalKind.USER and not actor.is_away
        return self.filter(user_id=actor.principal.id) if own else self.none()

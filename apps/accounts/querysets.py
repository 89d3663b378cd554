"""Finding principals, in the words of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.base_user import BaseUserManager
from django.db import models

from apps.core.actor import Actor, PrincipalKind

if TYPE_CHECKING:
    from apps.accounts.models import User


class UserQuerySet(models.QuerySet["User"]):
    """People of a tenant."""

    def visible_to(self, actor: Actor) -> UserQuerySet:
        """Everybody for an actor of the tenant, those who share its organization for one of one; else only oneself."""
        if actor.organization is not None:
            return self.filter(memberships__organization_id=actor.organization.id)
        if actor.is_tenant_wide:
            return self
        oneself = actor.principal.id if actor.kind is PrincipalKind.USER else None
        return self.filter(pk=oneself) if oneself else self.none()


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Makes people; e-mails are compared in lower case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A new person with `email`; without a password nobody can sign in with one."""
        user: User = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> User:
        """The person with that e-mail."""
        return self.get(email=(username or "").strip().lower())  # type: ignore[no-any-return]


class MachineQuerySet(models.QuerySet[Any]):
    """Service accounts or agents of a tenant."""

    def visible_to(self, actor: Actor) -> MachineQuerySet:
        """All for an actor of the tenant, the organization's own for an actor of one."""
        if actor.organization is not None:
            return self.filter(organization_id=actor.organization.id)
        return self if actor.is_tenant_wide else self.none()

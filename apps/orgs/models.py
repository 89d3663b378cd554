"""Organizations and their members. In the console a company of builders, elsewhere a customer of the product."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.accounts.roles import ROLE_CHOICES
from apps.core.actor import OrganizationRef
from apps.core.ids import Identified
from apps.core.models import Versioned
from apps.core.walls import walled
from apps.orgs.querysets import MembershipQuerySet, OrganizationQuerySet


@walled("id")
class Organization(Identified, Versioned):
    """What rows of a tenant belong to, and whom they are walled from each other for."""

    id_prefix = "org"

    slug = models.SlugField(max_length=40, db_index=False, unique=True)
    name = models.CharField(max_length=120)
    personal = models.BooleanField(default=False, help_text="Made for one person who signed up")
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[OrganizationQuerySet] = OrganizationQuerySet.as_manager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name

    @property
    def organization_id(self) -> object:
        """Its own id: an organization belongs to itself."""
        return self.id

    @property
    def ref(self) -> OrganizationRef:
        """The organization as an actor carries it."""
        return OrganizationRef(self.id, self.slug)


@walled("organization")
class Membership(Identified, Versioned):
    """A person in an organization, with a role."""

    id_prefix = "mem"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=40, choices=ROLE_CHOICES, default="developer")
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[MembershipQuerySet] = MembershipQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "user"], name="orgs_membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization}"

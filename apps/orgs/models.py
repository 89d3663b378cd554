"""Organizations, their members, roles, teams and invitations.

In the console an organization is a company of builders, elsewhere a customer of the product.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.accounts import roles
from apps.accounts.roles import ROLE_CHOICES
from apps.core import clock
from apps.core.actor import OrganizationRef, PrincipalKind, PrincipalRef
from apps.core.ids import Identified, encode
from apps.core.models import Versioned
from apps.core.scopes import Scopes
from apps.core.walls import walled
from apps.orgs.querysets import (
    InvitationQuerySet,
    MembershipQuerySet,
    OrganizationQuerySet,
    RoleQuerySet,
    TeamMemberQuerySet,
    TeamQuerySet,
)


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
    # The choices are the built-in roles; the slug of one of the organization's own is taken too.
    role = models.CharField(max_length=40, choices=ROLE_CHOICES, default="developer")
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[MembershipQuerySet] = MembershipQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "user"], name="orgs_membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.organization}"


@walled("organization")
class Role(Identified, Versioned):
    """A custom role: a bundle of permissions that an organization made. Holders name it by its slug."""

    id_prefix = "rol"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="roles")
    slug = models.SlugField(max_length=40, db_index=False)
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=500, blank=True)
    permissions = models.JSONField(default=list, help_text="Scopes that a holder may use, as texts")
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[RoleQuerySet] = RoleQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="orgs_role_slug_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def built_in(self) -> bool:
        """Never: the organization made it."""
        return False

    @property
    def allowed(self) -> roles.Role:
        """The role as it is compared with others."""
        return roles.custom_role(self.slug, self.name, Scopes.parse(self.permissions))


@walled("organization")
class Team(Identified, Versioned):
    """Some members of an organization under one name. A team carries no rights; access rules may name it."""

    id_prefix = "tea"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="teams")
    slug = models.SlugField(max_length=40, db_index=False)
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[TeamQuerySet] = TeamQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organization", "slug"], name="orgs_team_slug_once")]

    def __str__(self) -> str:
        return self.name


@walled("organization")
class TeamMember(Identified):
    """A member of an organization in one of its teams. Who leaves the organization leaves its teams."""

    id_prefix = "tmb"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="members")
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="team_seats")
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[TeamMemberQuerySet] = TeamMemberQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "membership"], name="orgs_teammember_once")]

    def __str__(self) -> str:
        return f"{self.membership.user} in {self.team}"


class InvitationStatus(models.TextChoices):
    """How an invitation ended, if it did."""

    PENDING = "pending", "Pending"
    ACCEPTED = "accepted", "Accepted"
    DECLINED = "declined", "Declined"
    REVOKED = "revoked", "Revoked"
    EXPIRED = "expired", "Expired"


@walled("organization")
class Invitation(Identified, Versioned):
    """An offer to join an organization, sent to an e-mail. Of its token only the SHA-256 is kept.

    The inviter is a snapshot with the tenant that they are at home in: they are asked about again at acceptance, and so
    are those behind the credential by which they invited (`lineage`) and its key.
    """

    id_prefix = "inv"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=40)
    teams = models.JSONField(default=list, help_text="Ids of the teams to join")
    digest = models.BinaryField(max_length=32, unique=True)
    status = models.CharField(max_length=16, choices=InvitationStatus, default=InvitationStatus.PENDING)
    expires_at = models.DateTimeField()
    inviter_kind = models.CharField(max_length=20)
    inviter_id = models.UUIDField(null=True)
    inviter_name = models.CharField(max_length=254)
    sent_at = models.DateTimeField(default=clock.now)
    inviter_home_id = models.UUIDField(help_text="The tenant in which the inviter is known")
    credential_id = models.UUIDField(
        null=True, help_text="The key by which it was sent; void once it is revoked"
    )
    lineage = models.JSONField(default=list, help_text="The marks of everybody behind the credential")
    is_void = models.BooleanField(default=False, help_text="What it was sent through is over")
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[InvitationQuerySet] = InvitationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "email"],
                condition=models.Q(status="pending"),
                name="orgs_invitation_pending_once",
            )
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def standing(self) -> str:
        """Its status at this moment: one that waited for too long has expired."""
        late = self.status == InvitationStatus.PENDING and self.expires_at <= clock.now()
        return InvitationStatus.EXPIRED.value if late else str(self.status)

    @property
    def team_ids(self) -> list[str]:
        """The teams to join, as ids that clients see."""
        return [encode(Team.id_prefix, UUID(text)) for text in self.teams]

    @property
    def inviter(self) -> PrincipalRef:
        """Who invited, as known when it was sent."""
        return PrincipalRef(PrincipalKind(self.inviter_kind), self.inviter_id, self.inviter_name)

"""The three kinds of principal: users, service accounts and agents. All belong to one tenant's directory."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare

from apps.accounts.querysets import MachineQuerySet, UserManager
from apps.accounts.roles import ROLE_CHOICES
from apps.core.actor import PrincipalKind, PrincipalRef
from apps.core.ids import Identified, encode
from apps.core.models import Versioned
from apps.core.walls import unwalled, walled

_PREFIXES: dict[str, str] = {
    PrincipalKind.USER: "usr",
    PrincipalKind.SERVICE_ACCOUNT: "svc",
    PrincipalKind.AGENT: "agt",
}


def principal_public_id(kind: str, identity: UUID | str | None) -> str | None:
    """The id of a principal as clients see it; None for the system, which has none."""
    prefix = _PREFIXES.get(kind)
    return encode(prefix, UUID(str(identity))) if prefix and identity else None


class Status(models.TextChoices):
    """A suspended principal is refused everywhere, at once, whatever it shows."""

    ACTIVE = "active", "Active"
    SUSPENDED = "suspended", "Suspended"


@unwalled(
    "the tenant's directory; querysets show an organization's actor only the people it shares an organization with",
    kept=("email", "password", "is_operator"),
)
class User(Identified, Versioned, AbstractBaseUser):
    """A person, known in one tenant by e-mail. The same e-mail in another tenant is another person."""

    id_prefix = "usr"
    kind = PrincipalKind.USER

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    status_reason = models.CharField(max_length=500, blank=True, help_text="Why it has this status")
    is_operator = models.BooleanField(
        default=False, help_text="May see the installation; means nothing outside the console"
    )
    created_at = models.DateTimeField(db_default=Now())
    signed_out_at = models.DateTimeField(
        null=True, editable=False, help_text="Sessions from before this moment are over for good"
    )

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """False for a suspended person, whom Django then refuses to sign in."""
        return self.status == Status.ACTIVE

    @property
    def ref(self) -> PrincipalRef:
        """The person as the trail names it."""
        return PrincipalRef(PrincipalKind.USER, self.id, str(self))

    def is_still_in(self, begun_with: str) -> bool:
        """True while what began with the session hash `begun_with` goes on: same password, not signed out since."""
        known = [self.get_session_auth_hash(), *self.get_session_auth_fallback_hash()]
        return any(constant_time_compare(begun_with, one) for one in known)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What Django compares a session with: besides the password, when the person was signed out everywhere."""
        known: str = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]
        return f"{known}{self.signed_out_at.timestamp():.6f}" if self.signed_out_at else known


class Machine(Identified, Versioned):
    """What service accounts and agents have in common. Without an organization it belongs to the tenant as a whole."""

    kind: ClassVar[PrincipalKind]

    name = models.CharField(max_length=120)
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+"
    )
    role = models.CharField(max_length=40, choices=ROLE_CHOICES, default="developer")
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    status_reason = models.CharField(max_length=500, blank=True, help_text="Why it has this status")
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[MachineQuerySet] = MachineQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        """False for a suspended one."""
        return self.status == Status.ACTIVE

    @property
    def ref(self) -> PrincipalRef:
        """The principal as the trail names it."""
        return PrincipalRef(self.kind, self.id, self.name)


@walled("organization")
class ServiceAccount(Machine):
    """A program of the product: a backend, a worker, a continuous integration."""

    id_prefix = "svc"
    kind = PrincipalKind.SERVICE_ACCOUNT


@walled("organization")
class Agent(Machine):
    """An AI agent. Somebody answers for it: its owner, a snapshot because that may be a person of the console."""

    id_prefix = "agt"
    kind = PrincipalKind.AGENT

    purpose = models.CharField(max_length=500, blank=True)
    owner_kind = models.CharField(max_length=20)
    owner_id = models.UUIDField(null=True)
    owner_name = models.CharField(max_length=254)
    owner_home_id = models.UUIDField(
        null=True,
        editable=False,
        help_text="The tenant whose directory holds the owner, where it is another one",
    )

    @property
    def owner_public_id(self) -> str | None:
        """The owner's id as clients see it; None when the system made the agent."""
        return principal_public_id(self.owner_kind, self.owner_id)

    @property
    def owner(self) -> PrincipalRef:
        """Who answers for it."""
        return PrincipalRef(PrincipalKind(self.owner_kind), self.owner_id, self.owner_name)

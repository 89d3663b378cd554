"""Clients, consents and signing keys: what this platform knows beside allauth's rows of clients and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from allauth.idp.oidc.models import Client
from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.accounts.models import principal_public_id
from apps.accounts.oauth.querysets import OAuthClientQuerySet, OAuthGrantQuerySet
from apps.core import clock
from apps.core.ids import Identified
from apps.core.models import Versioned
from apps.core.walls import unwalled, walled


class ClientKind(models.TextChoices):
    """Whether a client can keep a secret."""

    PUBLIC = "public", "Public"
    CONFIDENTIAL = "confidential", "Confidential"


class ClientStatus(models.TextChoices):
    """A disabled client gets nothing, and what it was given opens nothing."""

    ACTIVE = "active", "Active"
    DISABLED = "disabled", "Disabled"


@walled("organization")
class OAuthClient(Identified, Versioned):
    """A client that was registered here. allauth's row of the same id (`client`) is written after it, for its tokens.

    With a service account or agent it acts as that machine by client credentials; whatever people let such a client do
    counts as the machine's doing too. `chain`, `lineage`, `minted_by` and `rotated_by` are who registered it and who
    knows its secret, as keys have it. A client that acts as a machine is as good as a key, and ends as one would; every
    client ends when somebody behind it goes for good (`endings`).
    """

    id_prefix = "oac"

    client = models.OneToOneField(Client, on_delete=models.CASCADE, related_name="facts", editable=False)
    name = models.CharField(max_length=100)
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+"
    )
    kind = models.CharField(max_length=12, choices=ClientKind)
    status = models.CharField(max_length=8, choices=ClientStatus, default=ClientStatus.ACTIVE)
    grants = models.JSONField(default=list)
    redirect_uris = models.JSONField(default=list)
    scopes = models.JSONField(default=list)
    service_account = models.ForeignKey(
        "accounts.ServiceAccount", null=True, on_delete=models.CASCADE, related_name="+"
    )
    agent = models.ForeignKey("accounts.Agent", null=True, on_delete=models.CASCADE, related_name="+")
    digest = models.BinaryField(max_length=32, null=True)
    previous_digest = models.BinaryField(max_length=32, null=True)
    previous_until = models.DateTimeField(null=True)
    chain = models.JSONField(default=list, help_text="Who registered it, the first one first, as snapshots")
    lineage = models.JSONField(default=list, help_text="The marks of everybody in the chain")
    minted_by = models.UUIDField(null=True, help_text="The key by which it was registered")
    rotated_by = models.UUIDField(null=True, help_text="The key by which its secret was last rotated")
    ends_at = models.DateTimeField(
        null=True, help_text="A machine's ends with its registrar's key or token, any with who is behind it"
    )
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[OAuthClientQuerySet] = OAuthClientQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="accounts_oauthclient_one_machine",
                condition=models.Q(service_account=None) | models.Q(agent=None),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_confidential(self) -> bool:
        """True for a client with a secret."""
        return self.kind == ClientKind.CONFIDENTIAL

    @property
    def registrars(self) -> list[dict[str, str | None]]:
        """The chain with shown ids."""
        return [link | {"id": principal_public_id(link["kind"], link["id"])} for link in self.chain]

    @property
    def previous_secret_until(self) -> datetime | None:
        """Until when the secret before a rotation works; None when it does not."""
        if self.previous_until is None or self.previous_until <= clock.now():
            return None
        return self.previous_until


@unwalled("a person's own consents; operations show each person theirs alone")
class OAuthGrant(Identified):
    """What a person let a client do for them; its tokens end with it. One for each person and client."""

    id_prefix = "oag"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100, help_text="The client's name when it was given")
    scopes = models.JSONField(default=list)
    listeners = models.JSONField(
        default=list, help_text="Who was to get the codes when it was given on a page, the last one last"
    )
    created_at = models.DateTimeField(db_default=Now())
    given_at = models.DateTimeField(help_text="When it was last given or changed")

    objects: ClassVar[OAuthGrantQuerySet] = OAuthGrantQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "client"], name="accounts_oauthgrant_once")]

    def __str__(self) -> str:
        return self.name


@unwalled(
    "signs the tenant's id tokens; the private part is sealed, and only actors of the tenant list the others"
)
class SigningKey(Identified):
    """A key that signs id tokens; the newest signs, and those that have not ended are published."""

    id_prefix = "osk"

    secret = models.TextField(help_text="The private key, sealed for this tenant")
    key_id = models.CharField(max_length=64, help_text="`kid` in what it signed")
    created_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, help_text="Until when it is published; the newest has none")

    def __str__(self) -> str:
        return self.key_id

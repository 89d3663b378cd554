"""The providers with whose accounts people sign in to a tenant: one row each, with the tenant's own credentials."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.urls import reverse

from apps.accounts.signin.models import sign_in_settings
from apps.core import clock
from apps.core.ids import Identified
from apps.core.models import Versioned
from apps.core.walls import unwalled
from apps.tenancy.sealing import fingerprint, open_sealed, seal


class ProviderKind(models.TextChoices):
    """How a provider is talked to."""

    GOOGLE = "google", "Google"
    GITHUB = "github", "GitHub"
    OPENID_CONNECT = "openid_connect", "OpenID Connect"


#: Where people of the kinds that are one website each come from.
GOOGLE_URL = "https://accounts.google.com"
DEFAULT_SCOPES = {
    ProviderKind.GOOGLE: ["openid", "profile", "email"],
    ProviderKind.GITHUB: ["user:email"],
    ProviderKind.OPENID_CONNECT: ["openid", "profile", "email"],
}


class SignInProviderQuerySet(models.QuerySet["SignInProvider"]):
    """The providers of a tenant."""

    def offered(self) -> SignInProviderQuerySet:
        """Those with which somebody can sign in now: enabled, in a tenant whose settings offer this way at all."""
        return self.filter(enabled=True) if "social" in sign_in_settings().methods else self.none()


@unwalled("configuration of the tenant: every sign-in reads it, and only actors of the tenant are shown it")
class SignInProvider(Identified, Versioned):
    """One provider. Kind and server never change: whoever an account of it belongs to is known by them.

    `callback_url` is set where a provider is shown.
    """

    id_prefix = "sip"
    callback_url: str

    slug = models.CharField(max_length=40)
    kind = models.CharField(max_length=20, choices=ProviderKind)
    name = models.CharField(max_length=60)
    client_id = models.CharField(max_length=255)
    client_secret = models.TextField(blank=True, help_text="Sealed for this tenant and this row")
    fingerprint = models.CharField(max_length=16, blank=True)
    set_at = models.DateTimeField(null=True)
    server_url = models.CharField(max_length=500, blank=True)
    scopes = models.JSONField(default=list)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[SignInProviderQuerySet] = SignInProviderQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["slug"], name="accounts_signinprovider_slug")]

    def __str__(self) -> str:
        return self.name

    @property
    def issuer(self) -> str:
        """The address of an OpenID provider; '' for a provider that is none."""
        return GOOGLE_URL if self.kind == ProviderKind.GOOGLE else self.server_url

    @property
    def wanted_scopes(self) -> list[str]:
        """What people are asked to let this tenant see."""
        return list(self.scopes or DEFAULT_SCOPES[ProviderKind(self.kind)])

    @property
    def callback_path(self) -> str:
        """Where the provider sends people back to, on the tenant's own host."""
        return reverse("sign_in_provider_callback", args=[self.slug])

    def sealed(self, secret: str) -> dict[str, object]:
        """The columns that hold `secret`; none of them when it is the one that is held already."""
        mark = fingerprint(self._sealed_as, secret) if secret else ""
        if mark == self.fingerprint:
            return {}
        box = seal(self._sealed_as, secret) if secret else ""
        return {"client_secret": box, "fingerprint": mark, "set_at": clock.now() if secret else None}

    def open_secret(self) -> str:
        """The client secret, '' for a client that has none. Raises SealError."""
        return open_sealed(self._sealed_as, self.client_secret) if self.client_secret else ""

    @property
    def _sealed_as(self) -> str:
        return f"client secret of {self.public_id}"

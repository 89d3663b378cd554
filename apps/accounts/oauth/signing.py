"""The keys that sign a tenant's id tokens: its own, sealed, made when first needed, rotated with an overlap."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from allauth.core.internal import jwkkit
from allauth.idp.oidc.models import PrivateKey
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db.models import F, Q

from apps.accounts.configuring import require_configurer
from apps.accounts.oauth import serializers as forms
from apps.accounts.oauth.models import SigningKey
from apps.core import clock
from apps.core.actor import Actor
from apps.core.operations import Risk, operation
from apps.tenancy.sealing import open_sealed, seal

_SEALED_AS = "oauth signing key"
_BITS = 2048


@operation(
    "oauth_signing_keys.list",
    scope="oauth-signing-keys:read",
    risk=Risk.READ,
    output=forms.SigningKeyOutput,
    lists=True,
)
def list_signing_keys(actor: Actor) -> Any:
    """List the keys that sign id tokens, those that have ended included; never their private part."""
    require_configurer(actor)
    return SigningKey.objects.all()


@operation(
    "oauth_signing_keys.rotate",
    scope="oauth-signing-keys:write",
    risk=Risk.SECRET,
    input=forms.RotateSecretInput,
    output=forms.SigningKeyOutput,
)
def rotate_signing_key(actor: Actor, *, overlap_seconds: int = 0) -> SigningKey:
    """Sign id tokens with a new key from now on. The previous ones stay published for `overlap_seconds` more.

    An id token is good for five minutes, and clients keep the published keys for an hour.
    """
    require_configurer(actor)
    until = clock.now() + timedelta(seconds=overlap_seconds)
    SigningKey.objects.filter(Q(ends_at=None) | Q(ends_at__gt=until)).update(ends_at=until)
    return _made()


def private_keys() -> list[PrivateKey]:
    """The keys that are published, as allauth takes them, the one that signs last; the first one is made here."""
    published = Q(ends_at=None) | Q(ends_at__gt=clock.now())
    rows = list(
        SigningKey.objects.filter(published).order_by(F("ends_at").asc(nulls_last=True), "created_at")
    )
    if not any(row.ends_at is None for row in rows):
        rows.append(_made())
    return [
        PrivateKey(pem=open_sealed(_SEALED_AS, row.secret), issued_at=row.created_at, expires_at=row.ends_at)
        for row in rows
    ]


def _made(at: datetime | None = None) -> SigningKey:
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public, _ = jwkkit.load_jwk_from_pem(pem)
    made = SigningKey(secret=seal(_SEALED_AS, pem), key_id=public["kid"], created_at=at or clock.now())
    made.save(force_insert=True)
    return made

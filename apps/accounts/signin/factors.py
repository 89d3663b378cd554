"""Second factors and passkeys: sealed at rest, and bound to the website that they were made for."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, urlsplit

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth
from django.http.request import split_domain_port
from fido2.server import Fido2Server
from fido2.webauthn import PublicKeyCredentialRpEntity

from apps.accounts.mails.rendering import mail_brand
from apps.accounts.signin.models import sign_in_settings
from apps.tenancy.sealing import open_sealed, seal

_SEALED_AS = "second factor"
#: Kinds of authenticator that count as a second factor; recovery codes only stand in for one.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets are sealed for the tenant; apps and passkeys show the product's name."""

    def encrypt(self, text: str) -> str:
        """The secret as it is kept: it opens in this tenant alone."""
        return seal(_SEALED_AS, text)

    def decrypt(self, encrypted_text: str) -> str:
        """What was sealed. Raises SealError."""
        return open_sealed(_SEALED_AS, encrypted_text)

    def get_totp_issuer(self) -> str:
        """The product's name, under which an authenticator app lists the account."""
        return product_name()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The website that passkeys are made for: the tenant's own, or the product's front end that asks."""
        return {"id": website().hostname or "", "name": product_name()}


def product_name() -> str:
    """What the product calls itself towards the people who sign in: as set, or the application's slug."""
    return sign_in_settings().product_name or mail_brand()


def has_second_factor(user_id: Any) -> bool:
    """True when the person has an authenticator app or a passkey."""
    return bool(Authenticator.objects.filter(user_id=user_id, type__in=FACTORS).exists())


def website() -> SplitResult:
    """The website on which somebody signs in, split: the origin that the publishable key allows, or our own host."""
    request = context.request
    origin = str(getattr(request, "sign_in_origin", ""))
    if origin:
        return urlsplit(origin)
    host, _ = split_domain_port(request.get_host())
    return urlsplit(f"https://{host}")


def is_secure(origin: str) -> bool:
    """True for what browsers call a secure context: https, and plain http on this machine's own names."""
    split = urlsplit(origin)
    host = split.hostname or ""
    local = host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")
    return split.scheme == "https" or (split.scheme == "http" and local)


def may_use_passkeys(origin: str) -> bool:
    """Say whether the page of `origin` may make and use passkeys in this call.

    A front end that came with a publishable key has to be the very origin that the key names; on our own pages the
    host has to be ours, to the letter: a subdomain's page is another website.
    """
    if not is_secure(origin):
        return False
    expected = str(getattr(context.request, "sign_in_origin", ""))
    if expected:
        return origin == expected
    return urlsplit(origin).hostname == website().hostname


def _server() -> Fido2Server:
    """The verifier of passkeys; in the place of allauth's, which takes subdomains, or with a setting everything."""
    entity = PublicKeyCredentialRpEntity(**MFAAdapter().get_public_key_credential_rp_entity())
    return Fido2Server(entity, verify_origin=may_use_passkeys)


def install() -> None:
    """Put our verifier where allauth's flows look for theirs; it has no hook for it.

    Raises AttributeError when allauth has moved it, so that nobody starts with the looser one.
    """
    _ = auth.get_server
    auth.get_server = _server

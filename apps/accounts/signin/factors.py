"""Second factors and passkeys: sealed at rest, and bound to the website that they were made for."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import SplitResult, urlsplit

from allauth.core import context
from allauth.mfa import app_settings
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import flows
from allauth.mfa.totp.internal.auth import TOTP
from allauth.mfa.webauthn.internal import auth
from django.core.cache import cache
from django.http import HttpRequest
from django.http.request import split_domain_port
from fido2.server import Fido2Server
from fido2.webauthn import PublicKeyCredentialRpEntity

from apps.accounts.mails.rendering import mail_brand
from apps.core.addresses import is_this_machine
from apps.tenancy.sealing import open_sealed, seal

_SEALED_AS = "second factor"
#: How reading something that a passkey never sent may fail.
_UNREADABLE = (LookupError, AttributeError, TypeError, ValueError, struct.error)
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
        return mail_brand()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The website that passkeys are made for: the tenant's own, or the product's front end that asks."""
        return {"id": website().hostname or "", "name": mail_brand()}


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
    return split.scheme == "https" or (split.scheme == "http" and is_this_machine(split.hostname or ""))


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


def _careful(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`read` of allauth's, for which what is no passkey's answer at all is a wrong one, too."""

    @wraps(read)
    def read_carefully(response: Any) -> Any:
        try:
            return read(response)
        except _UNREADABLE:
            raise get_adapter().validation_error("incorrect_code") from None

    return read_carefully


def _take_code(app: TOTP, code: str) -> bool:
    """Take a code of an authenticator app, once for as long as it would be right; False when it was taken already.

    allauth's own remembers it for one step, while a clock that is off lets it live for several.
    """
    steps = 2 * app_settings.TOTP_TOLERANCE + 1
    return bool(cache.add(app._get_used_cache_key(code), "y", timeout=steps * app_settings.TOTP_PERIOD))


def _taking_code(activate: Callable[[HttpRequest, Any], Any]) -> Callable[[HttpRequest, Any], Any]:
    """`activate` of allauth's, for which the code that proved the app is used up, too."""

    @wraps(activate)
    def activate_and_take(request: HttpRequest, form: Any) -> Any:
        made = activate(request, form)
        _take_code(TOTP(made[0]), form.cleaned_data["code"])
        return made

    return activate_and_take


def install() -> None:
    """Put our verifiers where allauth's flows look for theirs; it has no hook for them.

    Raises AttributeError when allauth has moved one, so that nobody starts with the looser one.
    """
    _ = auth.get_server, TOTP._mark_code_used
    auth.get_server = _server
    auth.parse_registration_response = _careful(auth.parse_registration_response)
    auth.parse_authentication_response = _careful(auth.parse_authentication_response)
    TOTP._mark_code_used = _take_code
    flows.activate_totp = _taking_code(flows.activate_totp)

"""Where a sign-in comes from, and by which ways somebody proved who they are."""

from __future__ import annotations

from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from django.http import HttpRequest

from apps.accounts.models import User
from apps.core.actor import Call, Edge
from apps.core.addresses import client_address

_AGENT_LENGTH = 200
#: Stands for clients without an address: a server behind a Unix socket does not say one.
NO_ADDRESS = "0.0.0.0"  # noqa: S104 - a word for none, nothing is bound to it
_WAYS = {"socialaccount": "social", "password_reset": "password"}
_FACTORS = {"webauthn": "passkey", "totp": "authenticator app", "recovery_codes": "recovery code"}


def address_of(request: HttpRequest) -> str:
    """The client's address; proxies are believed as far as PACKMULE_TRUSTED_PROXIES goes."""
    return client_address(request.META) or NO_ADDRESS


def agent_of(request: HttpRequest) -> str:
    """What the client calls itself."""
    return str(request.META.get("HTTP_USER_AGENT") or "")[:_AGENT_LENGTH].replace("\0", "")


def call_of(request: HttpRequest, reason: str = "") -> Call:
    """The circumstances of a sign-in as the trail keeps them."""
    edge = Edge.API if request.path_info.startswith("/_allauth/") else Edge.ADMIN
    return Call(
        str(getattr(request, "request_id", "")), edge, client_address(request.META), agent_of(request), reason
    )


def ways_of(request: HttpRequest, user: User) -> list[str]:
    """By which ways `user` proved who they are in this session, the first one first."""
    return list(dict.fromkeys(_proofs(request, user)))


def newest_way_of(request: HttpRequest, user: User) -> str:
    """By which way `user` proved who they are just now, '' for none."""
    return next(reversed(_proofs(request, user)), "")


def _proofs(request: HttpRequest, user: User) -> list[str]:
    records = get_authentication_records(request, user)
    return [_way(record) for record in records if not record.get("reauthenticated")]


def _way(record: dict[str, Any]) -> str:
    if record["method"] == "mfa":
        return _FACTORS.get(str(record.get("type")), "second factor")
    return _WAYS.get(record["method"], str(record["method"]))

"""What people do about their own account, as operations: the same gates and the same record as everything else.

They are carried out by the pages of signing in and by allauth's API, and by no call of /v1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from allauth.account.internal.flows.login import get_authentication_records
from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.signin.circumstances import call_of
from apps.core.actor import Actor, Credential, PrincipalKind, PrincipalRef
from apps.core.operations import Operation, Risk, operation
from apps.core.scopes import Scopes
from apps.tenancy.walls import current_tenant

_SCOPE = "self:write"
Made = Callable[[], User]


def session_id(token: str) -> UUID:
    """The id by which a session is shown: made from its token, which it does not tell."""
    return UUID(bytes=hashlib.sha256(token.encode()).digest()[:16])


@operation("users.sign_up", scope=_SCOPE, risk=Risk.WRITE, event="user.signed_up")
def sign_up(_actor: Actor, *, made: Made) -> User:
    """Make an account for oneself, on the pages of sign-up or through allauth's API."""
    return made()


@operation("sessions.start", scope=_SCOPE, risk=Risk.WRITE)
def start_session(_actor: Actor, *, made: Made) -> User:
    """Sign in. The reason of the record says by which ways the person proved who they are."""
    return made()


@operation(
    "sessions.refuse",
    scope=_SCOPE,
    risk=Risk.WRITE,
    publishable=True,
    untold="an attempt that failed changes nothing, and anybody can make any number of them",
)
def refuse_session(_actor: Actor, *, made: Made) -> User:
    """Turn away somebody who tried to sign in as a person that there is, with a wrong password or code."""
    return made()


@operation("sessions.end", scope=_SCOPE, risk=Risk.WRITE)
def end_session(_actor: Actor, *, made: Made) -> User:
    """Sign out."""
    return made()


@operation("users.set_password", scope=_SCOPE, risk=Risk.WRITE)
def set_password(_actor: Actor, *, made: Made) -> User:
    """Set, change or reset one's password. Sessions begun with the old one are over."""
    return made()


@operation("users.change_email", scope=_SCOPE, risk=Risk.WRITE)
def change_email(_actor: Actor, *, made: Made) -> User:
    """Confirm a new e-mail address, which replaces the one before."""
    return made()


@operation("users.add_second_factor", scope=_SCOPE, risk=Risk.WRITE)
def add_second_factor(_actor: Actor, *, made: Made) -> User:
    """Add an authenticator app or a passkey, or make new recovery codes."""
    return made()


@operation("users.remove_second_factor", scope=_SCOPE, risk=Risk.WRITE)
def remove_second_factor(_actor: Actor, *, made: Made) -> User:
    """Remove an authenticator app or a passkey."""
    return made()


@operation("users.connect_account", scope=_SCOPE, risk=Risk.WRITE)
def connect_account(_actor: Actor, *, made: Made) -> User:
    """Connect an account of another provider, by which one can sign in from then on."""
    return made()


@operation("users.disconnect_account", scope=_SCOPE, risk=Risk.WRITE)
def disconnect_account(_actor: Actor, *, made: Made) -> User:
    """Disconnect an account of another provider."""
    return made()


_FACTORS: dict[str, tuple[Operation[..., Any], str]] = {
    "mfa/email/totp_activated": (add_second_factor, "authenticator app"),
    "mfa/email/totp_deactivated": (remove_second_factor, "authenticator app"),
    "mfa/email/webauthn_added": (add_second_factor, "passkey"),
    "mfa/email/webauthn_removed": (remove_second_factor, "passkey"),
    "mfa/email/recovery_codes_generated": (add_second_factor, "recovery codes"),
}


def record(
    verb: Operation[..., Any], request: HttpRequest, user: User, *, reason: str = "", made: Made | None = None
) -> None:
    """Carry out `made` (by default nothing is left to do) as the operation `verb` by `user`, and record it.

    Raises Refused when a gate objects.
    """
    actor = _nobody(request, reason) if verb is refuse_session else _person(request, user, reason)
    verb(actor, made=made or (lambda: user))


def note_factor(request: HttpRequest, user: User, notification: str) -> None:
    """Record the change that allauth tells people of by `notification`, where no other hook tells of it."""
    if notification in _FACTORS:
        verb, what = _FACTORS[notification]
        record(verb, request, user, reason=what)


def _person(request: HttpRequest, user: User, reason: str) -> Actor:
    here = current_tenant()
    session = getattr(request, "session", None)
    token = session.session_key if session is not None else None
    signed_in = bool(token and get_authentication_records(request, user))
    shown = Credential(session_id(cast(str, token)) if signed_in else None, "session", Scopes.everything())
    return Actor(user.ref, here, here, shown, call_of(request, reason), "none")


def _nobody(request: HttpRequest, reason: str) -> Actor:
    here = current_tenant()
    who = PrincipalRef(PrincipalKind.VISITOR, None, "somebody who is not signed in")
    shown = Credential(None, "session", Scopes.everything())
    return Actor(who, here, here, shown, call_of(request, reason), "none")

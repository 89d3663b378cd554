"""The device flow from the other side: how the command line signs somebody in, at any tenant of any installation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

from apps.accounts.oauth.clients import CLI
from apps.core import clock, remote
from apps.core.commands import BadUsage
from apps.core.logins import Login
from apps.core.problems import Forbidden, NotFound, Problem, RateLimited, show

METADATA = "/.well-known/oauth-authorization-server"
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_INTERVAL = 5
_NEEDED = ("device_authorization_endpoint", "token_endpoint", "revocation_endpoint")


class NoAuthorizationServer(NotFound):
    """The address that somebody wanted to sign in to is no tenant's, or says things about itself that do not fit."""

    code, title = "no_authorization_server", "Nobody can sign in there"
    advice = "Name the installation's own address for the console, or the host of an environment for that environment."


class LoginDenied(Forbidden):
    """The person denied on the approval page what the command line asked for."""

    code, title = "login_denied", "It was denied"
    advice = "Begin again, and ask for less with --scopes if that was too much."


class LoginTimedOut(Problem):
    """Nobody approved the code in time."""

    status, code, title = 408, "login_timed_out", "Nobody approved it in time"
    advice = "Begin again, and approve the code within ten minutes."


class LoginFailed(Problem):
    """The authorization server answered something that the command line does not know what to do with."""

    status, code, title = 502, "login_failed", "The sign-in failed"
    advice = "Try again; if it fails again, show `detail` to who runs the installation."


@dataclass(frozen=True, slots=True)
class Server:
    """What a tenant says about itself as an authorization server."""

    issuer: str
    device_authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str


@dataclass(frozen=True, slots=True)
class Begun:
    """What the person is to be told, and by what the server knows the request."""

    page: str
    user_code: str
    whole_page: str
    expires_in: int
    interval: int
    device_code: str = field(repr=False)


def find_server(address: str) -> Server:
    """The authorization server at `address` (scheme://host[:port]), whose endpoints all have to lie there too.

    Raises NoAuthorizationServer and InstallationUnreachable.
    """
    reply = remote.request("GET", address + METADATA)
    said = reply.document()
    if reply.status != 200 or not all(isinstance(said.get(name), str) for name in _NEEDED):
        raise NoAuthorizationServer(f"{address} answered {reply.status} where it would say how to sign in.")
    # RFC 8414, 3.3: another name would be somebody else's, and so would be what is sent to other hosts.
    if said.get("issuer") != address:
        raise NoAuthorizationServer(f"{address} calls itself {show(said.get('issuer'))}: use that address.")
    abroad = [said[name] for name in _NEEDED if not said[name].startswith(f"{address}/")]
    if abroad:
        raise NoAuthorizationServer(f"{address} would have tokens sent to {show(abroad[0])}.")
    return Server(address, *(said[name] for name in _NEEDED))


def begin(server: Server, scopes: Sequence[str]) -> Begun:
    """Ask for `scopes`. Raises BadUsage for scopes that the server does not know, RateLimited, LoginFailed."""
    fields = {"client_id": CLI, "scope": " ".join(scopes), "resource": f"{server.issuer}/v1"}
    reply = remote.post_form(server.device_authorization_endpoint, fields)
    said = reply.document()
    if reply.status != 200:
        _refused(server, reply)
    try:
        return Begun(
            str(said["verification_uri"]),
            str(said["user_code"]),
            str(said.get("verification_uri_complete") or said["verification_uri"]),
            int(said["expires_in"]),
            int(said.get("interval") or _INTERVAL),
            str(said["device_code"]),
        )
    except (KeyError, TypeError, ValueError):
        raise LoginFailed(f"{server.issuer} began no sign-in.") from None


def wait(server: Server, begun: Begun, pause: Callable[[float], Any] | None = None) -> Login:
    """Ask again and again until the person has decided, as slowly as the server says (RFC 8628, 3.5).

    A server that does not answer for a moment, or is asked too much, is asked again later. Raises LoginDenied,
    LoginTimedOut and LoginFailed.
    """
    sleep, interval = pause or time.sleep, begun.interval
    ends = clock.now() + timedelta(seconds=begun.expires_in)
    while clock.now() < ends:
        sleep(interval)
        reply = _polled(server, begun)
        if reply is not None and reply.status == 200:
            return _login(server, reply)
        error = "" if reply is None else reply.document().get("error")
        if reply is None or reply.status >= 429 or error == "slow_down":
            interval += _INTERVAL
        elif error != "authorization_pending":
            _refused(server, reply)
    raise LoginTimedOut


def _polled(server: Server, begun: Begun) -> remote.Reply | None:
    fields = {"grant_type": GRANT, "client_id": CLI, "device_code": begun.device_code}
    try:
        return remote.post_form(server.token_endpoint, fields)
    except remote.InstallationUnreachable:
        return None


def _login(server: Server, reply: remote.Reply) -> Login:
    given = reply.document()
    if not isinstance(given.get("access_token"), str) or str(given.get("token_type")).lower() != "bearer":
        raise LoginFailed(f"{server.issuer} gave no token that can be used.")
    nothing = Login(server.issuer, server.token_endpoint, server.revocation_endpoint, CLI, [], "", "", "")
    return nothing.with_tokens(given)


def _refused(server: Server, reply: remote.Reply) -> NoReturn:
    """Raise what a refusal of the server means for whoever types the command."""
    said = reply.document()
    error = said.get("error")
    if error == "access_denied":
        raise LoginDenied
    if error == "expired_token":
        raise LoginTimedOut
    if error == "invalid_scope":
        raise BadUsage(
            f"{server.issuer} knows no such scope. Write resource:action, or * for all that you may do."
        )
    if reply.status == 429:
        raise RateLimited(f"{server.issuer} was asked too often.")
    raise LoginFailed(
        f"{server.issuer} answered {reply.status}: {show(said.get('error_description') or error)}."
    )

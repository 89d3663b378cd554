"""The sign-in that commands use where PACKMULE_KEY is not set: `manage.py login` keeps it, `logout` ends it.

It is one file, which its owner alone may read: where somebody signed in, and the tokens. A refresh token is good once,
so commands that run at the same time refresh one after the other.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.core import clock, remote
from apps.core.local_api import LocalAnswer, LocalCall
from apps.core.problems import Problem, Remedy, Unauthenticated

#: An access token that ends sooner than this is exchanged first.
_SPARE = timedelta(seconds=60)


class LoginOver(Unauthenticated):
    """The sign-in that a command would have used ended: it was revoked, or was not used for a month."""

    code, title = "login_over", "You are not signed in any more"
    advice = "Sign in again with `manage.py login`, or set PACKMULE_KEY."


class LoginUnreadable(Problem):
    """The file in which a sign-in is kept holds something else, or cannot be read or written."""

    status, code, title = 500, "login_unreadable", "The sign-in that is kept cannot be used"
    advice = "Delete the file and sign in again with `manage.py login`."


@dataclass(frozen=True, slots=True)
class Login:
    """A sign-in: the tenant's address, what it answers at, and the tokens."""

    address: str
    token_endpoint: str
    revocation_endpoint: str
    client_id: str
    scopes: list[str]
    expires_at: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)

    @property
    def is_fresh(self) -> bool:
        """True when the access token is good for a while."""
        return datetime.fromisoformat(self.expires_at) > clock.now() + _SPARE

    def with_tokens(self, given: Mapping[str, Any]) -> Login:
        """The same sign-in with the tokens that a token endpoint gave."""
        ends = clock.now() + timedelta(seconds=int(given.get("expires_in", 0)))
        return replace(
            self,
            scopes=str(given.get("scope", " ".join(self.scopes))).split(),
            expires_at=ends.isoformat(),
            access_token=str(given["access_token"]),
            refresh_token=str(given.get("refresh_token", "")),
        )


def kept_in() -> Path:
    """The file."""
    return Path(settings.PACKMULE_LOGIN_FILE)


def load() -> Login | None:
    """The sign-in that is kept, or None. Raises LoginUnreadable."""
    try:
        return Login(**json.loads(kept_in().read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else "it holds no sign-in"
        raise LoginUnreadable(f"{kept_in()} cannot be used: {reason}.") from None


def load_any() -> Login | None:
    """The same; None also where the file is of no use."""
    try:
        return load()
    except LoginUnreadable:
        return None


def keep(login: Login) -> None:
    """Keep `login` instead of what was kept, readable by its owner alone. Raises LoginUnreadable."""
    place = kept_in()
    fresh = place.with_name(f"{place.name}.new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(login), file)
        fresh.replace(place)
    except OSError as wrong:
        raise LoginUnreadable(f"{place} cannot be written: {wrong.strerror}.") from None


def forget() -> None:
    """Keep nothing any more."""
    kept_in().unlink(missing_ok=True)


def send(call: LocalCall) -> LocalAnswer | None:
    """Carry `call` out where somebody signed in; None where nobody did.

    Raises LoginOver, LoginUnreadable, InstallationUnreachable.
    """
    login = load()
    if login is None:
        return None
    if not login.is_fresh:
        login = _refreshed()
    return remote.send(call, login.address, login.access_token)


def revoke(login: Login) -> None:
    """End `login` at its installation. Raises InstallationUnreachable, also when that says no."""
    fields = {"client_id": login.client_id, "token": login.refresh_token or login.access_token}
    reply = remote.post_form(login.revocation_endpoint, fields)
    if reply.status != 200:
        said = f"{login.address} answered {reply.status} and may not have ended it."
        raise remote.InstallationUnreachable(said, remedy=Remedy("manage.py logout --forget"))


def revoke_quietly(login: Login) -> bool:
    """End `login` at its installation; False when that could not be told."""
    try:
        revoke(login)
    except remote.InstallationUnreachable:
        return False
    return True


def _refreshed() -> Login:
    """The kept sign-in with a fresh access token; whoever came first has refreshed it for all."""
    with _alone():
        login = load()
        if login is None or not login.refresh_token:
            raise LoginOver(remedy=Remedy("manage.py login"))
        if login.is_fresh:
            return login
        fields = {"grant_type": "refresh_token", "client_id": login.client_id}
        reply = remote.post_form(login.token_endpoint, fields | {"refresh_token": login.refresh_token})
        if reply.status != 200 or "access_token" not in reply.document():
            raise _over(login, reply)
        fresh = login.with_tokens(reply.document())
        keep(fresh)
        return fresh


def _over(login: Login, reply: remote.Reply) -> Problem:
    if reply.document().get("error") in ("invalid_grant", "invalid_client"):
        again = Remedy(f"manage.py login --host {login.address}")
        return LoginOver(f"The sign-in at {login.address} is over.", remedy=again)
    return remote.InstallationUnreachable(
        f"{login.address} answered {reply.status} instead of a fresh token."
    )


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock beside the file."""
    lock = os.open(kept_in().with_name(f"{kept_in().name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)

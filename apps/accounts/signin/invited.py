"""Signing up by invitation. Invitations belong to the room above, which registers how to read and take one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from django.http import HttpRequest

from apps.accounts.models import User
from apps.core.problems import Problem

#: The session's entries: the token of the invitation that is being taken, and the address for which one was.
_PENDING, _JOINED = "invitation", "invitation_joined"


class Invitation(Protocol):
    """As much of an invitation as signing up needs to know."""

    email: str


_read: Callable[[str], Any] | None = None
_join: Callable[[User, str], Any] | None = None


def use_invitations(read: Callable[[str], Any], join: Callable[[User, str], Any]) -> None:
    """Let `read` find the open invitation of a token, and `join` take it for somebody new; both raise Problems."""
    global _read, _join
    _read, _join = read, join


def read(token: str) -> Any:
    """The open invitation of `token`. Raises the Problem that says why there is none."""
    if _read is None:
        raise RuntimeError("No room has registered how to read invitations.")
    return _read(token)


def begin(request: HttpRequest, token: str) -> None:
    """Remember, in the session, that the invitation of `token` is being taken."""
    request.session[_PENDING] = token


def pending(request: HttpRequest) -> Any:
    """The open invitation that is being taken in this session, or that the call names; None where there is none."""
    token = _token(request)
    if not token or _read is None:
        return None
    try:
        return _read(token)
    except Problem:
        return None


def join(request: HttpRequest, user: User) -> bool:
    """Take the session's invitation for `user`, who is new; False when there is none for their address."""
    invitation = pending(request)
    if invitation is None or _join is None or invitation.email != user.email:
        return False
    _join(user, _token(request))
    request.session.pop(_PENDING, None)
    request.session[_JOINED] = user.email
    return True


def joined(request: HttpRequest) -> str:
    """The address for which an invitation was taken in this session; '' for none."""
    return str(request.session.get(_JOINED, "")) if hasattr(request, "session") else ""


def _token(request: HttpRequest) -> str:
    """The token of the header, for front ends of products, or the one that our page of the invitation has kept."""
    if not hasattr(request, "session"):
        return ""
    return str(request.META.get("HTTP_PACKMULE_INVITATION") or request.session.get(_PENDING) or "")

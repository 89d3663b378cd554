"""Codes that were wrong, told in the trail: whoever types one may not be whose account it is."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import login_code_rejected
from allauth.mfa.signals import authentication_failed
from django.http import HttpRequest

from apps.accounts.models import User
from apps.accounts.signin import trail


def note_wrong_code(request: HttpRequest, user: User, **_: Any) -> None:
    """Record that somebody typed a wrong code from a mail."""
    trail.record(trail.refuse_session, request, user, reason="wrong code")


def note_wrong_factor(request: HttpRequest, user: User, **_: Any) -> None:
    """Record that somebody had the first proof, and typed a wrong code of an app or a wrong recovery code."""
    trail.record(trail.refuse_session, request, user, reason="wrong second factor")


def register() -> None:
    """Listen for refusals that allauth has no other hook for."""
    login_code_rejected.connect(note_wrong_code, dispatch_uid="packmule.note_wrong_code")
    authentication_failed.connect(note_wrong_factor, dispatch_uid="packmule.note_wrong_factor")

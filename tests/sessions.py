"""Sessions as signing in begins them, without the pages."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from apps.accounts.models import User
from apps.apikeys.middleware import CHOSEN_ORGANIZATION
from apps.core.ids import decode
from apps.tenancy.walls import enter
from tests.world import Party, Space


def begin_session(space: Space, user: User, *, chosen: str = "") -> str:
    """The token of a new session of `user` in the tenant: X-Session-Token, or what the cookie holds."""
    with enter(space.ref):
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session[CHOSEN_ORGANIZATION] = chosen
        session.save()
        token = str(session.session_key)
        UserSession.objects.create(user=user, session_key=token, ip="127.0.0.1", user_agent="test")
    return token


def person_of(space: Space, party: Party) -> User:
    """The party's person."""
    with enter(space.ref):
        user: User = User.objects.get(pk=decode(party.person, "usr"))
    return user


def session_token(space: Space, party: Party) -> str:
    """The token of a new session of the party's person."""
    return begin_session(space, person_of(space, party))


def session_cookie(space: Space, party: Party) -> str:
    """The Cookie header of the party's person, signed in to the tenant."""
    return f"{settings.SESSION_COOKIE_NAME}={session_token(space, party)}"

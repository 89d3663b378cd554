"""Signing a person out everywhere, for good."""

from allauth.idp.oidc.models import Token
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session

from apps.accounts.models import User


def end_sign_ins(user: User, *, keep: str | None = None) -> None:
    """End the sessions of `user` and the OAuth tokens that were given out in their name, in the tenant that stands.

    The sessions are refused already by `User.signed_out_at`, or by a new password, also those that no list knows of;
    here their rows go. The session with the key `keep` goes on.
    """
    entries = UserSession.objects.filter(user=user).exclude(session_key=keep or "")
    Session.objects.filter(session_key__in=list(entries.values_list("session_key", flat=True))).delete()
    entries.delete()
    Token.objects.filter(user=user).delete()

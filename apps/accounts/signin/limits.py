"""How often people may try, counted in the tenant's cache, over all workers.

What is counted by address of mail and network address together binds who tries, and nobody else. Beside it stands a
wide and short limit on the address of mail alone, which many networks together reach. See docs/sign-in.md.
"""

from __future__ import annotations

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.core.internal.ratelimit import RateLimitUsage
from django.http import HttpRequest

_APP = "allauth.account"
_MAILS = ("mail", "mail_anywhere")
_FAILED_ANYWHERE = "login_failed_anywhere"


def from_here(request: HttpRequest, email: str) -> str:
    """The account of `email` as seen from where the call comes from."""
    return f"{email.lower()}|{ratelimit.get_ip(request)}"


def take_mail(request: HttpRequest, email: str) -> None:
    """Count a mail that somebody, who may be anybody, has sent to `email`.

    Raises ImmediateHttpResponse, with a 429, for one too many; an address with an account and one without are alike.
    """
    for action, key in zip(_MAILS, (from_here(request, email), email.lower()), strict=True):
        if not ratelimit.consume(request, app=_APP, action=action, key=key, limit_get=True):
            raise ImmediateHttpResponse(ratelimit.respond_429(request))


def take_failure(request: HttpRequest, email: str) -> RateLimitUsage | None:
    """Count a try of the password of `email` from anywhere, until it turns out right; None for one too many."""
    return ratelimit.consume(request, app=_APP, action=_FAILED_ANYWHERE, key=email)


def forget_failures(request: HttpRequest, email: str) -> None:
    """Forget the wrong passwords of `email` from anywhere: it has a new one."""
    ratelimit.clear(request, app=_APP, action=_FAILED_ANYWHERE, key=email)

"""Signing in, signing out and passwords, by allauth, on the console only: environments have no pages yet."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account import urls
from django.conf import settings
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern

View = Callable[..., HttpResponseBase]

_SIGNUP = "account_signup"
#: What is served: getting in and out, and passwords; who was added by somebody else gets the first one by a reset.
#: The rest of allauth manages addresses, and would make one a person's own before it was confirmed.
_SERVED = frozenset(
    {
        _SIGNUP,
        "account_login",
        "account_logout",
        "account_inactive",
        "account_change_password",
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key",
        "account_reset_password_from_key_done",
    }
)


def console_only(view: View) -> View:
    """Answer 404 on every host that is not the console's."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        tenant = getattr(request, "tenant", None)
        if tenant is None or tenant.kind != "console":
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def while_open(view: View) -> View:
    """Answer 404 while people may not sign up."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not settings.PACKMULE_OPEN_SIGNUP:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def absent(_request: HttpRequest, **_kwargs: Any) -> HttpResponseBase:
    """Answer 404. allauth makes addresses by name even of pages that it never leads to, so the names stay."""
    raise Http404


def _view(entry: URLPattern) -> View:
    if entry.name not in _SERVED:
        return absent
    return console_only(while_open(entry.callback) if entry.name == _SIGNUP else entry.callback)


urlpatterns = [
    URLPattern(entry.pattern, _view(entry), entry.default_args, entry.name) for entry in urls.urlpatterns
]

"""Forms of signing in, where allauth's do not know of the tenant's settings."""

from __future__ import annotations

from allauth.account.forms import LoginForm
from django.http import HttpRequest, HttpResponse

from apps.accounts.signin import lifetime


class SignInForm(LoginForm):  # type: ignore[misc]
    """Sign-in by password."""

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        """Begin the session, and let it end when the tenant's settings say: allauth sets its own end afterwards."""
        response: HttpResponse = super().login(request, redirect_url)
        if request.user.is_authenticated:
            lifetime.limit(request)
        return response

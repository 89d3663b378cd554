"""Forms of signing in, where allauth's do not know of the tenant's settings."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm, SignupForm
from allauth.core import context
from django.http import HttpRequest, HttpResponse

from apps.accounts.signin import invited, lifetime
from apps.accounts.signin.models import sign_in_settings


class SignInForm(LoginForm):  # type: ignore[misc]
    """Sign-in by password."""

    def login(self, request: HttpRequest, redirect_url: str | None = None) -> HttpResponse:
        """Begin the session, and let it end when the tenant's settings say: allauth sets its own end afterwards."""
        response: HttpResponse = super().login(request, redirect_url)
        if request.user.is_authenticated:
            lifetime.limit(request)
        return response


class SignUpForm(SignupForm):  # type: ignore[misc]
    """Sign-up; who takes an invitation does so with the address that it was sent to.

    Nobody is asked for a password where none is taken.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "password" not in sign_in_settings().methods:
            self.fields.pop("password1", None)
        invitation = invited.pending(context.request)
        if invitation is not None:
            self.fields["email"].disabled = True
            self.initial["email"] = invitation.email

"""The pages of signing in that allauth does not have: a person's own account, and an invitation."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Show people what they can look after about their own account; who is not signed in is sent to sign in."""
    if not request.user.is_authenticated:
        return redirect("account_login")
    return render(request, "account/home.html")


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show the invitation that `token` opens, and take it."""
    return render(request, "account/invitation.html", {"token": token})

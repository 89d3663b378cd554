"""The pages of signing in that allauth does not have: a person's own account, and an invitation."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts.models import User
from apps.accounts.roles import label_of
from apps.accounts.signin import invited, links
from apps.accounts.signin.models import sign_in_settings
from apps.core.operations import find_operation
from apps.core.problems import Problem

_ANSWERS = ("accept", "decline")


@require_GET
def home(request: HttpRequest) -> HttpResponseBase:
    """Show people what they can look after about their own account; who is not signed in is sent to sign in."""
    if not request.user.is_authenticated:
        return redirect("account_login")
    return render(request, "account/home.html")


@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponseBase:
    """Show the invitation that `token` opens, and let who is signed in accept or decline it.

    Who is new signs up from here, with the invitation's address, which counts as confirmed: they have read its mail.
    """
    try:
        found = invited.read(token)
        if request.method == "POST":
            return _answer(request, token)
    except Problem as problem:
        return render(request, "account/invitation.html", {"problem": problem}, status=problem.status)
    if not request.user.is_authenticated:
        invited.begin(request, token)
    return render(request, "account/invitation.html", _shown(request, found))


def _answer(request: HttpRequest, token: str) -> HttpResponse:
    verb, actor = request.POST.get("action"), getattr(request, "actor", None)
    if actor is None or verb not in _ANSWERS:
        return redirect(request.path)
    find_operation(f"invitations.{verb}")(actor, token=token)
    return redirect(links.home(request))


def _shown(request: HttpRequest, found: Any) -> dict[str, Any]:
    return {
        "invitation": found,
        "role": label_of(found.role),
        "has_account": User.objects.filter(email=found.email).exists(),
        "login_url": f"{reverse('account_login')}?{urlencode({'next': request.path})}",
        "signup_url": reverse("account_signup"),
    }


def product(request: HttpRequest) -> dict[str, Any]:
    """For templates of the pages of signing in: the product, where its tenant has named it, and the ways in."""
    if not request.path_info.startswith("/accounts/") or not hasattr(request, "tenant"):
        return {}
    wanted = sign_in_settings()
    named = {"product": {"name": wanted.product_name}} if wanted.product_name else {}
    return {"offered": wanted.methods, **named}

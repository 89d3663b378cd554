"""The page of who acts for a person: those whom they let act for them, and the programs that they let in."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from apps.accounts.oauth.grants import list_oauth_grants, revoke_oauth_grant
from apps.apikeys.delegations.models import Delegation
from apps.apikeys.delegations.querysets import DelegationQuerySet
from apps.apikeys.delegations.services import revoke_delegation
from apps.apikeys.middleware import call_within
from apps.core.actor import Actor
from apps.core.ids import decode
from apps.core.models import not_found
from apps.core.problems import NotFound, Problem


@require_http_methods(["GET", "POST"])
def access(request: HttpRequest) -> HttpResponseBase:
    """Show people who acts for them and what waits for their answer; a POST ends the `access` that it names by its id.

    All of their organizations are on it: somebody who looks for a stranger does not know where to look.
    """
    actor: Actor | None = getattr(request, "actor", None)
    if actor is None:
        return redirect_to_login(request.get_full_path())
    problem: Problem | None = None
    if request.method == "POST":
        try:
            messages.success(request, _end(request, actor, request.POST.get("access", "")))
            return redirect("account_access")
        except Problem as refusal:
            problem = refusal
    shown = {**_shown(actor), "problem": problem}
    return render(request, "account/access.html", shown, status=problem.status if problem else 200)


def _shown(actor: Actor) -> dict[str, Any]:
    own = _own(actor).select_related("organization").order_by("-id")
    return {
        "delegations": own.with_standing("active"),
        "requests": own.with_standing("pending"),
        "programs": list_oauth_grants(actor).order_by("-id"),
    }


def _own(actor: Actor) -> DelegationQuerySet:
    """What the person gave, and what asks them, in all of their organizations."""
    return Delegation.objects.given_by(actor.principal)


def _end(request: HttpRequest, actor: Actor, shown_id: str) -> str:
    """End what was named, and say so. What has ended meanwhile is as good as ended now."""
    try:
        if shown_id.startswith("oag_"):
            revoke_oauth_grant(actor, oauth_grant_id=decode(shown_id, "oag"))
        else:
            _end_delegation(request, actor, shown_id)
    except (ValueError, NotFound):
        return "It was ended already."
    return "It is ended."


def _end_delegation(request: HttpRequest, actor: Actor, shown_id: str) -> None:
    """End one that the person gave, in the organization where it holds, so that this is on record there.

    Raises ValueError and NotFound, and whatever refuses them to do so.
    """
    delegation_id = decode(shown_id, "dlg")
    given = _own(actor).filter(pk=delegation_id, revoked_at=None).first()
    if given is None or given.organization_id is None:
        raise not_found(Delegation, delegation_id)
    with call_within(request, given.organization_id) as there:
        revoke_delegation(there, delegation_id=delegation_id)

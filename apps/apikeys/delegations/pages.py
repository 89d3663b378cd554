"""The page on which a person answers a request for a delegation: who asks, for what, until when."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from apps.apikeys.delegations import services as do
from apps.apikeys.delegations.errors import NothingChosen, RequestAnswered
from apps.apikeys.delegations.models import Delegation
from apps.apikeys.resolver import actor_of_cookie, within
from apps.apikeys.visits import call_of
from apps.core.actor import Actor, Edge
from apps.core.ids import encode
from apps.core.problem_handlers import page_not_found
from apps.core.problems import NotFound, Problem
from apps.core.scope_texts import scope_texts
from apps.orgs.models import Organization
from apps.tenancy.walls import enter

ASKS, ANSWERED = "delegations/consent.html", "delegations/done.html"


@never_cache
@csrf_protect
@require_http_methods(["GET", "POST"])
def consent(request: HttpRequest, delegation_id: UUID) -> HttpResponseBase:
    """Show the request to the person whom it asks, and take their answer. 404 for everybody else.

    The form sends `action` (allow or deny) and, to agree, the `scopes` that stay ticked: at least one.
    """
    if getattr(request, "tenant_row", None) is None or not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    try:
        actor = _person(request, delegation_id)
        with enter(actor.tenant, within(actor)):
            return _answered(request, actor, delegation_id)
    except NotFound as failure:
        return page_not_found(request, failure)


def _person(request: HttpRequest, delegation_id: UUID) -> Actor:
    """The person in the organization that the request is about, if that is theirs; else in their own."""
    found = Delegation.objects.filter(pk=delegation_id).values_list("organization_id", flat=True).first()
    call = call_of(request, Edge.ADMIN)
    home: Any = request.tenant_row  # type: ignore[attr-defined]
    return actor_of_cookie(home, str(request.session.session_key), found, call)


def _answered(request: HttpRequest, actor: Actor, delegation_id: UUID) -> HttpResponse:
    asked = _asked(actor, delegation_id)
    problem: Problem | None = None
    if request.method == "POST" and asked.standing == "pending":
        try:
            asked = _carried_out(request, actor, delegation_id)
        except RequestAnswered as late:
            problem = late
        except Problem as refusal:
            chosen = request.POST.getlist("scopes")
            return render(request, ASKS, _shown(asked, chosen, refusal), status=refusal.status)
    if asked.standing == "pending" and problem is None:
        return render(request, ASKS, _shown(asked, asked.scopes))
    allowed = asked.granted_at is not None and asked.revoked_at is None
    return render(request, ANSWERED, {"allowed": allowed, "delegate": asked.delegate_name})


def _asked(actor: Actor, delegation_id: UUID) -> Delegation:
    """What asks this very person: who looks after others' delegations does so elsewhere. Raises NotFound."""
    found = do.get_delegation(actor, delegation_id=delegation_id)
    if found.delegator_id != actor.principal.id or found.asked_until is None:
        raise NotFound(f"There is no request {encode('dlg', delegation_id)} to you.")
    return found


def _carried_out(request: HttpRequest, actor: Actor, delegation_id: UUID) -> Delegation:
    """What the form says. Without an answer it is shown again."""
    action = request.POST.get("action")
    if action == "allow":
        chosen = request.POST.getlist("scopes")
        if not chosen:
            raise NothingChosen
        return do.approve_request(actor, delegation_id=delegation_id, scopes=chosen)
    if action == "deny":
        return do.deny_request(actor, delegation_id=delegation_id)
    return _asked(actor, delegation_id)


def _shown(asked: Delegation, chosen: list[str], problem: Problem | None = None) -> dict[str, Any]:
    place = asked.organization_id
    return {
        "delegate": asked.delegate_name,
        "kind": asked.delegate_kind,
        "from_console": asked.from_console,
        "owner": asked.delegate_owner,
        "purpose": asked.purpose,
        "scopes": scope_texts(asked.scopes),
        "chosen": chosen,
        "expires_at": asked.expires_at,
        "max_uses": asked.max_uses,
        "organization": Organization.objects.filter(pk=place).first() if place else None,
        "problem": problem,
    }

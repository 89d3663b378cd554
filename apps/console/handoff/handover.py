"""The console's side: from the page of an environment to its host, and from there back with what lets one in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from apps.apikeys.middleware import call_within
from apps.applications.models import Environment
from apps.console.handoff.addresses import ENTRANCE, environment_url, page_or_first
from apps.console.handoff.entrance import unshared
from apps.console.handoff.services import open_environment, tenant_of
from apps.core.actor import Actor
from apps.core.admin import site
from apps.core.admin_pages import page
from apps.core.admin_story import story_url
from apps.core.endpoints import acting
from apps.core.operations import Decision, decide
from apps.core.problems import MalformedRequest, Problem, missing
from apps.orgs.models import Membership
from apps.tenancy.walls import whole_tenant

_NONCE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an environment's host asks for in the name of a browser: the environment, the nonce's hash, and a page."""

    environment: str
    nonce: str
    page: str


class ReasonForm(forms.Form):
    """Why somebody opens a protected environment."""

    reason = forms.CharField(
        max_length=500,
        help_text="A sentence for the people who will read the timeline, there and here.",
        widget=forms.Textarea(attrs={"class": "pm-input", "rows": 2}),
    )


def go(request: HttpRequest, environment: UUID) -> HttpResponseBase:
    """Lead the browser to the environment's own host, where it asks to be let in."""
    found = _found(acting(request), pk=environment)
    query = urlencode({"console": _own_host(request)})
    return redirect(environment_url(tenant_of(found), f"{ENTRANCE}?{query}"))


def hand_over(request: HttpRequest) -> HttpResponseBase:
    """Give the browser the code with which it comes in; for a protected environment, when its person said why.

    A page of any other site may send a browser here. What it gets in the end is a session of that browser's own person,
    and only if the browser asked the environment's host for it.
    """
    wanted = _read(request)
    found = _found(acting(request), tenant_name=wanted.environment)
    with call_within(request, found.organization_id) as actor:
        return unshared(_answer(request, actor, found, wanted))


def _answer(request: HttpRequest, actor: Actor, found: Environment, wanted: Wanted) -> HttpResponseBase:
    decision = decide(actor, open_environment, {})
    form = ReasonForm(request.POST if request.method == "POST" else None)
    problem: Problem | None = None
    if decision.decision != "deny" and (form.is_valid() or not found.protected):
        try:
            return _handed_over(request, actor, found, wanted, form)
        except Problem as refusal:
            problem = refusal
    return _asked_why(request, found, form, decision, problem)


def _handed_over(
    request: HttpRequest, actor: Actor, found: Environment, wanted: Wanted, form: ReasonForm
) -> HttpResponseBase:
    opened = open_environment(
        actor,
        slug=found.application.slug,
        environment=found.name,
        nonce=wanted.nonce,
        page=wanted.page,
        reason=form.cleaned_data["reason"] if form.is_bound and form.is_valid() else "",
        console_host=_own_host(request),
    )
    return redirect(opened.url)


def _asked_why(
    request: HttpRequest, found: Environment, form: ReasonForm, decision: Decision, problem: Problem | None
) -> HttpResponse:
    title = f"Open {found.tenant_name}"
    context: dict[str, Any] = {
        "title": title,
        "crumbs": [(found.tenant_name, story_url(found)), ("Open admin", "")],
        "environment": found,
        "form": form,
        "decision": decision,
        "problem": problem,
        "back": story_url(found),
    }
    refused = 403 if decision.decision == "deny" else 200
    return page(site, request, "admin/hand_off.html", context, problem.status if problem else refused)


def _read(request: HttpRequest) -> Wanted:
    """What the address asks for. Raises MalformedRequest for one that no environment's host made."""
    environment, nonce = request.GET.get("environment", ""), request.GET.get("nonce", "")
    if not environment or not environment.isprintable() or not _NONCE.fullmatch(nonce):
        raise MalformedRequest(
            "This address is not whole. Open the environment from its page in the console."
        )
    return Wanted(environment, nonce, page_or_first(request.GET.get("next", "")))


def _found(actor: Actor, **named: object) -> Environment:
    """The environment, of whichever organization of the person's. Raises NotFound."""
    with whole_tenant():
        found = Environment.objects.live().filter(**named).select_related("application").first()
        places = Membership.objects.filter(user=actor.principal.id)
        if found is None or not places.filter(organization_id=found.organization_id).exists():
            raise missing("environment", named.get("tenant_name", "of that id"))
    return found  # type: ignore[no-any-return]


def _own_host(request: HttpRequest) -> str:
    return split_domain_port(request.get_host())[0]

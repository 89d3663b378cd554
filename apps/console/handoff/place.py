"""The site of one environment, for builders who were handed off to it: what its pages share, and its dashboard."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys.middleware import CHOSEN_ORGANIZATION
from apps.apikeys.models import Key
from apps.apikeys.sessions import ADMIN_PATH, HAND_OFF_COOKIE
from apps.audit.admin import latest
from apps.console.handoff.addresses import console_url
from apps.console.handoff.entrance import CONSOLE, closed
from apps.console.handoff.services import sign_out
from apps.core.actor import Actor
from apps.core.admin import environments, site
from apps.core.admin_pages import base_url
from apps.core.admin_story import Way, lead_on, needs_of
from apps.core.endpoints import acting
from apps.core.ids import decode
from apps.core.problems import missing
from apps.orgs.models import Organization
from apps.orgs.services import get_organization
from apps.tenancy.walls import whole_tenant

Context = dict[str, Any]
#: More customers than this are not offered for choosing at the top of the page; the page of each leads there.
MOST_CHOICES = 50
_WITHIN = Way(
    "Act within it",
    get_organization,
    lambda _row: reverse("admin:switch"),
    sends=lambda row: {"organization": row.public_id},
    only="environment",
)
#: The menu: title, and model, name and icon of each entry, and its page where that is not the list. What has no admin
#: is left out.
_MENU: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    (
        "Customers",
        (
            ("orgs_organization", "Organizations", "apartment"),
            ("orgs_membership", "Members", "group"),
            ("orgs_invitation", "Invitations", "mail"),
            ("orgs_team", "Teams", "groups"),
            ("orgs_role", "Roles", "badge"),
            ("accounts_user", "People", "person"),
        ),
    ),
    (
        "Data",
        (
            ("data_collection", "Collections", "table"),
            ("data_record", "Records", "data_object"),
            ("storage_bucket", "Buckets", "inventory_2"),
            ("storage_file", "Files", "draft"),
        ),
    ),
    (
        "Work",
        (
            ("jobs_job", "Jobs overview", "monitoring", "jobs_job_overview"),
            ("jobs_job", "Jobs", "work_history"),
            ("jobs_queue", "Queues", "low_priority"),
            ("jobs_schedule", "Schedules", "schedule"),
        ),
    ),
    (
        "Who acts",
        (
            ("accounts_agent", "Agents", "smart_toy"),
            ("accounts_serviceaccount", "Service accounts", "terminal"),
            ("apikeys_key", "Keys", "key"),
        ),
    ),
    (
        "Record",
        (
            ("audit_event", "Timeline", "history"),
            ("events_event", "Events", "bolt"),
            ("events_eventtype", "Event types", "category"),
            ("events_webhookendpoint", "Webhook endpoints", "webhook"),
            ("events_delivery", "Deliveries", "outbox"),
            ("apikeys_handoff", "Hand-offs", "door_open"),
        ),
    ),
)
_COUNTED = (
    ("People", User, "accounts_user"),
    ("Organizations", Organization, "orgs_organization"),
    ("Agents", Agent, "accounts_agent"),
    ("Service accounts", ServiceAccount, "accounts_serviceaccount"),
    ("Keys", Key, "apikeys_key"),
)


def shared(request: HttpRequest) -> Context:
    """What every page shows: which environment this is, who opened it from where, and for which customer one acts."""
    actor: Actor | None = getattr(request, "actor", None)
    if actor is None:
        return {}
    with whole_tenant():
        customers = list(Organization.objects.order_by("name", "id")[: MOST_CHOICES + 1])
    return {
        "place": actor.tenant,
        "opened_by": actor.principal.name,
        "closes_at": actor.credential.expires_at,
        "console_url": request.session.get(CONSOLE, ""),
        "customers": customers if len(customers) <= MOST_CHOICES else [],
        "customer": actor.organization,
    }


def navigation(_request: HttpRequest) -> list[Context]:
    """The menu of an environment."""
    known = {f"{model._meta.app_label}_{model._meta.model_name}" for model in environments._registry}
    dashboard = {"title": "Dashboard", "icon": "space_dashboard", "link": reverse("admin:index")}
    groups = [
        {"title": title, "items": [_item(*one) for one in entries if one[0] in known]}
        for title, entries in _MENU
    ]
    return [{"items": [dashboard]}, *groups]


def dashboard(request: HttpRequest) -> Context:
    """What waits for a person, how much there is, and what happened last."""
    actor = acting(request)
    return {
        "needs": needs_of(actor),
        "figures": [
            (label, model.objects.visible_to(actor).count(), _list(name)) for label, model, name in _COUNTED
        ],
        "events": latest(actor),
        "base_url": base_url(request),
    }


@require_POST
def leave(request: HttpRequest) -> HttpResponseBase:
    """End the session here, and go back to the console, where the person stays signed in."""
    sign_out(acting(request))
    answer = redirect(str(request.session.get(CONSOLE, "")) or console_url(ADMIN_PATH))
    request.session.flush()
    answer.delete_cookie(HAND_OFF_COOKIE, path=ADMIN_PATH, samesite="Lax")
    return answer


@require_POST
def switch(request: HttpRequest) -> HttpResponseBase:
    """Act within one customer from now on, or across all of them."""
    asked = str(request.POST.get("organization", ""))
    if asked:
        request.session[CHOSEN_ORGANIZATION] = str(_customer(asked).pk)
    else:
        request.session.pop(CHOSEN_ORGANIZATION, None)
    return redirect("admin:index")


def wire() -> None:
    """Give the environments' site its pages: those of the console's site whose models an environment has too."""
    environments.door = closed
    environments.navigation, environments.dashboard, environments.extras = navigation, dashboard, [shared]
    environments.pages = [("leave/", leave, "leave"), ("switch/", switch, "switch")]
    has = set(settings.TENANT_TYPES["environment"]["APPS"])
    for model, shown in site._registry.items():
        if model._meta.app_config.name in has:
            environments.register(model, type(shown))
    lead_on(Organization, _WITHIN)


def _customer(shown: str) -> Organization:
    """The organization with that shown id. Raises NotFound."""
    try:
        identity = decode(shown, "org")
    except ValueError:
        raise missing("organization", shown) from None
    with whole_tenant():
        found: Organization | None = Organization.objects.filter(pk=identity).first()
    if found is None:
        raise missing("organization", shown)
    return found


def _item(model: str, title: str, icon: str, shown: str = "") -> Context:
    return {"title": title, "icon": icon, "link": reverse(f"admin:{shown}") if shown else _list(model)}


def _list(model: str) -> str:
    return reverse(f"admin:{model}_changelist")

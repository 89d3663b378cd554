"""The builders' site: what its pages share, its dashboard, and switching between organizations."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from apps.apikeys.middleware import CHOSEN_ORGANIZATION
from apps.applications import services as applications
from apps.audit.admin import latest
from apps.console.handoff import handover
from apps.console.handoff.services import open_environment
from apps.core.actor import Actor
from apps.core.admin import operators, site
from apps.core.admin_pages import base_url
from apps.core.admin_story import Need, needs_of
from apps.core.endpoints import acting
from apps.core.ids import decode, encode
from apps.core.operations import decide
from apps.core.problems import missing
from apps.orgs.founding import member_of
from apps.tenancy.blueprint import is_behind
from apps.tenancy.models import Tenant
from apps.tenancy.walls import outside

Context = dict[str, Any]
_MOST_APPLICATIONS = 12


def shared(request: HttpRequest) -> Context:
    """What every page of both sites shows: whose organization this is, and where else the person may go."""
    actor: Actor | None = getattr(request, "actor", None)
    if actor is None:
        return {}
    seats = member_of(request.user)  # type: ignore[arg-type] # who is signed in is a user
    here = actor.organization.id if actor.organization else None
    current = next((seat for seat in seats if seat.organization_id == here), None)
    return {"seats": seats, "seat": current, "is_operator": actor.is_operator}


def _item(title: str, icon: str, link: str) -> Context:
    return {"title": title, "icon": icon, "link": link}


def _list(title: str, icon: str, model: str) -> Context:
    return _item(title, icon, reverse(f"admin:{model}_changelist"))


def navigation(_request: HttpRequest) -> list[Context]:
    """The builders' menu."""
    return [
        {"items": [_item("Dashboard", "space_dashboard", reverse("admin:index"))]},
        {
            "title": "Build",
            "items": [
                _list("Applications", "deployed_code", "applications_application"),
                _list("Environments", "dns", "applications_environment"),
                _list("Keys", "key", "apikeys_key"),
            ],
        },
        {
            "title": "Data",
            "items": [
                _list("Collections", "table", "data_collection"),
                _list("Records", "data_object", "data_record"),
                _list("Buckets", "inventory_2", "storage_bucket"),
                _list("Files", "draft", "storage_file"),
            ],
        },
        {
            "title": "Work",
            "items": [
                _item("Jobs overview", "monitoring", reverse("admin:jobs_job_overview")),
                _list("Jobs", "work_history", "jobs_job"),
                _list("Queues", "low_priority", "jobs_queue"),
                _list("Schedules", "schedule", "jobs_schedule"),
            ],
        },
        {
            "title": "Who acts",
            "items": [
                _list("Agents", "smart_toy", "accounts_agent"),
                _list("Service accounts", "terminal", "accounts_serviceaccount"),
            ],
        },
        {
            "title": "Company",
            "items": [
                _list("Organization", "apartment", "orgs_organization"),
                _list("Members", "group", "orgs_membership"),
                _list("Invitations", "mail", "orgs_invitation"),
                _list("Teams", "groups", "orgs_team"),
                _list("Roles", "badge", "orgs_role"),
                _list("People", "person", "accounts_user"),
            ],
        },
        {
            "title": "Record",
            "items": [
                _list("Timeline", "history", "audit_event"),
                _list("Events", "bolt", "events_event"),
                _list("Event types", "category", "events_eventtype"),
                _list("Webhook endpoints", "webhook", "events_webhookendpoint"),
                _list("Deliveries", "outbox", "events_delivery"),
                _list("Hand-offs", "door_open", "apikeys_handoff"),
            ],
        },
    ]


def dashboard(request: HttpRequest) -> Context:
    """What there is, what waits for a person, and what happened last."""
    actor = acting(request)
    tenants = _tenants(actor)
    late = [tenant for tenant in tenants.values() if is_behind(tenant)]
    behind = [
        Need(f"{tenant.name} is behind the code that runs", reverse("admin:index"), "bad") for tenant in late
    ]
    return {
        "cards": _cards(actor, tenants),
        "needs": [*behind, *needs_of(actor)],
        "events": latest(actor),
        "base_url": base_url(request),
        "create_url": reverse("admin:applications_application_do", args=["applications.create"]),
        "mint_url": reverse("admin:apikeys_key_do", args=["keys.create"]),
    }


def switch(request: HttpRequest) -> HttpResponse:
    """Work inside another organization of the person's from now on."""
    asked = str(request.POST.get("organization", ""))
    chosen = next((seat for seat in member_of(request.user) if seat.organization.public_id == asked), None)  # type: ignore[arg-type]
    if chosen is None:
        raise missing("organization", asked)
    request.session[CHOSEN_ORGANIZATION] = str(decode(asked, "org"))
    return redirect("admin:index")


def _tenants(actor: Actor) -> dict[Any, Tenant]:
    """The tenants that the actor's organization owns, by id."""
    if actor.organization is None:
        return {}
    with outside():
        owned = Tenant.objects.active().filter(owner_organization_id=actor.organization.id)
        return {str(tenant.id): tenant for tenant in owned}


def _cards(actor: Actor, tenants: dict[Any, Tenant]) -> list[Context]:
    if decide(actor, applications.list_applications, {}).decision != "allow":
        return []
    opens = decide(actor, open_environment, {}).decision != "deny"
    found = applications.list_applications(actor).order_by("-id")[:_MOST_APPLICATIONS]
    return [
        {"row": row, "environments": [_state(one, tenants, opens) for one in row.live_environments]}
        for row in found
    ]


def _state(environment: Context, tenants: dict[Any, Tenant], opens: bool) -> Context:
    tenant = tenants.get(str(environment_tenant(environment, tenants)))
    behind = tenant is not None and is_behind(tenant)
    shown = encode("env", UUID(str(environment["id"])))
    return {**environment, "behind": behind, "open_url": reverse("admin:open", args=[shown]) if opens else ""}


def environment_tenant(environment: Context, tenants: dict[Any, Tenant]) -> Any:
    """The id of the tenant that an environment is, by its name."""
    return next((key for key, tenant in tenants.items() if tenant.name == environment["tenant"]), None)


def wire() -> None:
    """Give the builders' site its pages."""
    site.navigation, site.dashboard = navigation, dashboard
    site.pages = [
        ("switch/", require_POST(switch), "switch"),
        ("open/<env:environment>/", handover.go, "open"),
        ("hand-off/", handover.hand_over, "hand_off"),
    ]
    for each in (site, operators):
        each.extras = [shared]

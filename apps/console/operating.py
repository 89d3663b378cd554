"""The operators' site: tenants, the pool, hosts and health."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.console import tenants as do
from apps.console import vitals
from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, operators
from apps.core.admin_actions import Action, act_on
from apps.core.admin_pages import page
from apps.core.admin_story import Fact, Need, Related, badge, code, relate, status_badge, story_url, when
from apps.core.endpoints import acting
from apps.core.ids import encode
from apps.orgs.models import Organization
from apps.tenancy.blueprint import is_behind
from apps.tenancy.models import Domain, Tenant
from apps.tenancy.walls import outside, whole_tenant

Context = dict[str, Any]


@admin.register(Tenant, site=operators)
class TenantAdmin(StoryAdmin):
    """Every tenant of the installation. The registry is read outside of all of them."""

    reads, reads_one = do.list_tenants, do.show_tenant
    headline = "Tenants"
    intro = "Every walled space of this installation: the console, one for each environment, and the pool's spares."
    empty = "No tenant fits. Remove the filters to see all of them."
    list_display = (
        "name_shown",
        "state_shown",
        "kind_shown",
        "current_shown",
        "owner_shown",
        "created_shown",
    )
    search_fields = ("name", "schema_name")
    list_filter = ("state", "kind", "protected")

    def rows(self, actor: Actor) -> QuerySet[Tenant]:
        """All of them, the newest first."""
        self.reads.require(actor, {})
        return Tenant.objects.order_by("-id")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with the names of the owners."""
        listed = super().get_changelist_instance(request)
        owners = _owners({row.owner_organization_id for row in listed.result_list} - {None})
        for row in listed.result_list:
            row.owner_name = owners.get(row.owner_organization_id)
        return listed

    def reading(self) -> AbstractContextManager[Any]:
        """Outside: no tenant's role can read the registry."""
        outdoors: AbstractContextManager[Any] = outside()
        return outdoors

    @admin.display(description="Tenant")
    def name_shown(self, row: Tenant) -> str:
        """Its name, or its schema while nobody has claimed it."""
        return str(row)

    @admin.display(description="State")
    def state_shown(self, row: Tenant) -> Any:
        """The state."""
        return self.state(row)

    @admin.display(description="Kind")
    def kind_shown(self, row: Tenant) -> str:
        """The kind."""
        return str(row.get_kind_display())

    @admin.display(description="Code")
    def current_shown(self, row: Tenant) -> Any:
        """Whether it was built for the code that runs."""
        return badge("Behind", "bad") if is_behind(row) else badge("Current", "good")

    @admin.display(description="Owner")
    def owner_shown(self, row: Tenant) -> Any:
        """The console's organization that owns it."""
        return _owner(row)

    @admin.display(description="Created")
    def created_shown(self, row: Tenant) -> Any:
        """Since when it exists."""
        return when(row.created_at)

    def state(self, row: Tenant) -> Any:
        """The state, coloured."""
        return status_badge(row.state, row.get_state_display())

    def facts(self, row: Tenant) -> Sequence[Fact]:
        """What the registry knows."""
        row.owner_name = _owners({row.owner_organization_id}).get(row.owner_organization_id)
        gone = [Fact("Deleted", when(row.deleted_at))] if row.deleted_at else []
        return [
            Fact("Kind", row.get_kind_display()),
            Fact("Code", self.current_shown(row)),
            Fact("Guard", badge("Protected", "info") if row.protected else badge("Open")),
            Fact("Schema", code(row.schema_name)),
            Fact("Owner", _owner(row)),
            Fact("Id", code(row.public_id)),
            Fact("Created", when(row.created_at)),
            *gone,
        ]

    def target(self, row: Tenant) -> dict[str, Any] | None:
        """Its name, while it has one."""
        return {"name": row.name} if row.is_active else None


def _owners(ids: set[Any]) -> dict[Any, str]:
    """The names of organizations; the operator is member of some of them only, so the whole console is asked."""
    with whole_tenant():
        return dict(Organization.objects.filter(pk__in=ids).values_list("id", "name"))


def _owner(row: Tenant) -> Any:
    if named := getattr(row, "owner_name", None):
        return named
    return code(encode("org", row.owner_organization_id)) if row.owner_organization_id else "—"


def _hosts_of(_actor: Actor, row: Tenant) -> list[list[Any]]:
    with outside():
        found = list(Domain.objects.filter(tenant_id=row.pk).order_by("domain"))
    return [[code(host.domain), badge("Primary", "info") if host.is_primary else "—"] for host in found]


act_on(
    Tenant,
    Action(
        do.delete_tenant,
        "Delete",
        "It is taken out of service: its keys and hosts are refused from now on. Its data stays until it is dropped.",
        lambda _actor, row: {"name": row.name},
        applies=lambda row: row.is_active and row.kind != "console",
        standing=whole_tenant,
    ),
)
relate(Tenant, Related("Hosts", ("Host", ""), _hosts_of, "No hosts: it is reached by its keys alone."))


def navigation(_request: HttpRequest) -> list[Context]:
    """The operators' menu."""
    items = [
        ("Overview", "monitor_heart", reverse("operator:index")),
        ("Tenants", "grid_view", reverse("operator:tenancy_tenant_changelist")),
        ("Hosts", "language", reverse("operator:hosts")),
        ("Health", "stethoscope", reverse("operator:health")),
    ]
    return [
        {"title": "Installation", "items": [{"title": t, "icon": i, "link": link} for t, i, link in items]}
    ]


def overview(_request: HttpRequest) -> Context:
    """How many tenants there are, and what is wrong."""
    pool, late, server = vitals.pool(), vitals.behind(), vitals.database()
    return {
        "title": "Overview",
        "counts": [(kind, state, number) for (kind, state), number in vitals.counts().items()],
        "pool": pool,
        "database": server,
        "needs": _needs(pool, late, server),
    }


def _needs(pool: vitals.Pool, late: list[Tenant], server: vitals.Database) -> list[Need]:
    needs = [
        Need(f"{tenant} is behind the code that runs", story_url(tenant, "operator"), "bad")
        for tenant in late
    ]
    if pool.is_low:
        said = f"The pool has {pool.spares} of {pool.wanted} spares; the worker refills it"
        needs.append(Need(said, reverse("operator:tenancy_tenant_changelist")))
    if server.is_crowded:
        said = f"{server.connections} of {server.most_connections} connections are taken"
        needs.append(Need(said, reverse("operator:health"), "bad"))
    return needs


def hosts_page(request: HttpRequest) -> HttpResponse:
    """The hosts by which tenants are reached."""
    context = {"title": "Hosts", "crumbs": [("Hosts", "")], "hosts": vitals.hosts()}
    return page(operators, request, "admin/operator_hosts.html", context)


def health_page(request: HttpRequest) -> HttpResponse:
    """The database, and every tenant held against the code that runs."""
    findings = do.check_tenants(acting(request))
    context = {
        "title": "Health",
        "crumbs": [("Health", "")],
        "database": vitals.database(),
        "findings": [finding for finding in findings if finding.status != "current"],
        "checked": len(findings),
    }
    return page(operators, request, "admin/operator_health.html", context)


def wire() -> None:
    """Give the operators' site its pages."""
    operators.navigation, operators.dashboard = navigation, overview
    operators.pages = [("hosts/", hosts_page, "hosts"), ("health/", health_page, "health")]

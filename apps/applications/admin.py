"""Applications and environments in the admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from apps.applications import services as do
from apps.applications.models import Application, Environment
from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, Related, badge, code, link, relate, when, words
from apps.orgs.models import Organization


def _guard(row: Environment) -> Any:
    return badge("Protected", "info") if row.protected else badge("Open", "plain")


@admin.register(Application, site=site)
class ApplicationAdmin(StoryAdmin):
    """The products of the organization."""

    reads, reads_one = do.list_applications, do.get_application
    headline = "Applications"
    intro = "Products of this organization. Each environment of one is a tenant of its own, walled from all others."
    empty = "No applications yet. Create one: development and production exist at once."
    list_display = ["name", "slug", "environments_shown", "created_shown"]
    search_fields = ["name", "slug"]

    @admin.display(description="Environments")
    def environments_shown(self, row: Application) -> Any:
        """Which ones it has."""
        return words(one["name"] for one in row.live_environments)

    @admin.display(description="Created")
    def created_shown(self, row: Application) -> Any:
        """Since when it exists."""
        return when(row.created_at)

    def facts(self, row: Application) -> Sequence[Fact]:
        """What it is called."""
        return [
            Fact("Slug", code(row.slug)),
            Fact("Id", code(row.public_id)),
            Fact("Created", when(row.created_at)),
        ]

    def target(self, row: Application) -> dict[str, Any]:
        """Its slug."""
        return _application(None, row)


@admin.register(Environment, site=site)
class EnvironmentAdmin(StoryAdmin):
    """Environments of all applications."""

    reads, reads_one = do.list_environments, do.get_environment
    headline = "Environments"
    intro = "Every environment is a tenant with its own people, keys and data. A protected one guards what is risky."
    empty = "No environments yet. Create an application: two come with it."
    list_display = ["tenant_name", "protected_shown", "created_shown"]
    search_fields = ["tenant_name"]
    list_filter = ["protected"]

    def rows(self, actor: Actor) -> QuerySet[Environment]:
        """Those of all applications of the organization."""
        return Environment.objects.visible_to(actor).select_related("application")

    def list_target(self, actor: Actor) -> dict[str, Any]:  # noqa: ARG002
        """The API lists them by application."""
        return {"slug": "APPLICATION"}

    @admin.display(description="Guard")
    def protected_shown(self, row: Environment) -> Any:
        """Whether it is protected."""
        return _guard(row)

    @admin.display(description="Created")
    def created_shown(self, row: Environment) -> Any:
        """Since when it exists."""
        return when(row.created_at)

    def state(self, row: Environment) -> Any:
        """Whether it is protected."""
        return _guard(row)

    def facts(self, row: Environment) -> Sequence[Fact]:
        """Where it belongs, and how to reach it."""
        return [
            Fact("Application", link(row.application)),
            Fact("Tenant", code(row.tenant_name)),
            Fact("Reached by", code(f"Packmule-Environment: {row.tenant_name}")),
            Fact("Id", code(row.public_id)),
            Fact("Created", when(row.created_at)),
        ]

    def target(self, row: Environment) -> dict[str, Any]:
        """Its application and its name."""
        return _environment(None, row)


def _application(_actor: Actor | None, row: Application) -> dict[str, Any]:
    return {"slug": row.slug}


def _environment(_actor: Actor | None, row: Environment) -> dict[str, Any]:
    return {"slug": row.application.slug, "environment": row.name}


def _environments_of(_actor: Actor, row: Application) -> list[list[Any]]:
    found = row.environments.live().order_by("id")
    return [[link(one, one.name), code(one.tenant_name), _guard(one), when(one.created_at)] for one in found]


def _applications_of(actor: Actor, row: Organization) -> list[list[Any]]:
    found = (
        Application.objects.visible_to(actor)
        .filter(organization_id=row.pk)
        .with_environments()
        .order_by("-id")[:20]
    )
    return [
        [link(one), words(each["name"] for each in one.live_environments), when(one.created_at)]
        for one in found
    ]


act_above(
    Application,
    Action(
        do.create_application,
        "Create an application",
        "Two environments begin to work at once: development, which is open, and production, which is protected.",
        fields=("name", "slug"),
    ),
)
act_on(
    Application,
    Action(
        do.create_environment,
        "Create an environment",
        "A new tenant is taken from the pool and works at once.",
        _application,
    ),
    Action(
        do.update_application,
        "Rename",
        "Only the name for people changes; slug, hosts and tenants stay.",
        _application,
        initial=lambda row: {"name": row.name},
    ),
    Action(
        do.delete_application,
        "Delete",
        "The application and all its environments are taken out of service: "
        "every key and host of theirs is refused from now on.",
        _application,
    ),
)
act_on(
    Environment,
    Action(
        do.create_environment_key,
        "Mint a key",
        "A key of this environment for its backend. The secret is shown once, on the next page, and never again.",
        _environment,
        fields=("name", "kind", "scopes", "expires_in_days"),
    ),
    Action(
        do.delete_environment,
        "Delete",
        "The environment is taken out of service: its keys and its host are refused from now on.",
        _environment,
    ),
)
relate(
    Application,
    Related("Environments", ("Name", "Tenant", "Guard", "Created"), _environments_of, "No environments."),
)
relate(
    Organization,
    Related(
        "Applications",
        ("Name", "Environments", "Created"),
        _applications_of,
        "No applications yet.",
        "console",
    ),
)

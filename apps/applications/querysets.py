"""Finding applications and environments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models.functions import JSONObject

from apps.core.actor import Actor
from apps.tenancy.walls import current_kind

if TYPE_CHECKING:
    from apps.applications.models import Application, Environment
    from apps.orgs.models import Organization

_ROW = {"id": "id", "name": "name", "tenant": "tenant_name", "protected": "protected"}


class _OwnedQuerySet(models.QuerySet[Any]):
    """Rows that an organization of the console owns."""

    def live(self) -> Self:
        """Those that are not deleted."""
        return self.filter(deleted_at=None)

    def visible_to(self, actor: Actor) -> Self:
        """The live ones of the actor's own organization; all live ones for an actor of the console as a whole."""
        if actor.organization is not None:
            return self.live().filter(organization_id=actor.organization.id)
        return self.live() if actor.is_tenant_wide else self.none()


class EnvironmentQuerySet(_OwnedQuerySet):
    """Environments."""

    def as_rows(self) -> models.QuerySet[Environment, dict[str, Any]]:
        """What is shown of each, oldest first."""
        return self.order_by("id").values("id", "name", "protected", tenant=models.F("tenant_name"))


def names_of_live_applications(organization: Organization) -> list[str]:
    """What keeps `organization` from being deleted, in words; nothing outside the console, where there are none."""
    from apps.applications.models import Application

    if current_kind() != "console":
        return []
    slugs = (
        Application.objects.live()
        .filter(organization=organization)
        .order_by("slug")
        .values_list("slug", flat=True)
    )
    return [f"application {slug}" for slug in slugs]


class ApplicationQuerySet(_OwnedQuerySet):
    """Applications."""

    def with_environments(self) -> models.QuerySet[Application]:
        """Bring along each one's live environments, in the same query."""
        from apps.applications.models import Environment

        live = Environment.objects.live().filter(application_id=models.OuterRef("pk")).order_by("id")
        return cast(
            "models.QuerySet[Application]",
            self.annotate(environment_rows=ArraySubquery(live.values(row=JSONObject(**_ROW)))),
        )

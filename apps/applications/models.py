"""Applications and their environments. They exist in the console only; every environment is a tenant of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Now

from apps.applications.querysets import ApplicationQuerySet, EnvironmentQuerySet
from apps.core.ids import Identified
from apps.core.models import Versioned
from apps.core.walls import walled

#: So long that `environment--application` is still one label of a host name, which has 63 characters at most.
ENVIRONMENT_NAME_LENGTH = 20


@walled("organization")
class Application(Identified, Versioned):
    """A product, owned by one organization of builders. Its slug is unique in the installation."""

    id_prefix = "app"

    slug = models.CharField(max_length=40)
    name = models.CharField(max_length=120)
    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.CASCADE, related_name="applications"
    )
    created_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[ApplicationQuerySet] = ApplicationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["slug"], condition=models.Q(deleted_at=None), name="applications_application_slug"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def live_environments(self) -> list[dict[str, Any]]:
        """Its environments as they are shown: those `with_environments` brought along, else asked for now."""
        brought = self.__dict__.get("environment_rows")
        if brought is not None:
            return list(brought)
        return list(self.environments.live().as_rows())


@walled("organization")
class Environment(Identified):
    """An environment of an application, and the tenant that it is. What is risky in a protected one needs a person."""

    id_prefix = "env"

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="environments")
    organization = models.ForeignKey("orgs.Organization", on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=ENVIRONMENT_NAME_LENGTH)
    protected = models.BooleanField(default=False)
    tenant_id = models.UUIDField(unique=True)
    tenant_name = models.CharField(max_length=120)
    created_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[EnvironmentQuerySet] = EnvironmentQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["application", "name"],
                condition=models.Q(deleted_at=None),
                name="applications_environment_name",
            )
        ]

    def __str__(self) -> str:
        return self.tenant_name

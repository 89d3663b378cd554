"""Deleting an organization with everything that is its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Model, QuerySet
from django.db.models.deletion import Collector, ProtectedError

from apps.orgs.errors import OrganizationInUse
from apps.orgs.models import Organization
from apps.tenancy.schema import models_of


class TenantCollector(Collector):
    """Django's collector, which asks every model that points at what goes, kept to the tables that a tenant has.

    An environment has no applications, and a query for them there would be an error.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(using="default")
        self._present = set(models_of(kind))

    def can_fast_delete(self, objs: Any, from_field: Any = None) -> bool:
        """Never for a table that is not there."""
        absent = isinstance(objs, type) and objs not in self._present
        return not absent and super().can_fast_delete(objs, from_field)

    def related_objects(self, related_model: type[Model], related_fields: Any, objs: Any) -> QuerySet[Any]:
        """The rows that point at `objs`: none where there is no table."""
        if related_model not in self._present:
            return related_model._default_manager.none()
        return super().related_objects(related_model, related_fields, objs)


def delete_with_all(organization: Organization, kind: str) -> None:
    """Delete the row and what cascades from it in a tenant of `kind`; `organization` itself keeps its id.

    Raises OrganizationInUse when something is left that is protected, and that no blocker named.
    """
    collector = TenantCollector(kind)
    try:
        collector.collect(Organization.objects.filter(pk=organization.pk))
    except ProtectedError as error:
        raise in_use(organization, sorted(_named(row) for row in error.protected_objects)) from None
    collector.delete()


def in_use(organization: Organization, names: Sequence[str]) -> OrganizationInUse:
    """The refusal that names what is still there, the first ten of it."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return OrganizationInUse(f"{organization} still has: {', '.join(names[:10])}{more}. Delete them first.")


def _named(row: Model) -> str:
    return f"{row._meta.verbose_name} {row}"

"""Finding events, in the words of the domain."""

from __future__ import annotations

from collections.abc import Collection
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from django.db import models

from apps.core.actor import Actor

if TYPE_CHECKING:
    from apps.events.models import Event  # noqa: F401 - named as text below
    from apps.events.positions import Position


class EventQuerySet(models.QuerySet["Event"]):
    """Events of a tenant."""

    def visible_to(self, actor: Actor) -> EventQuerySet:
        """All for an actor of the tenant, its own organization's for an actor of one."""
        if actor.organization is not None:
            return self.filter(organization_id=actor.organization.id)
        return self if actor.is_tenant_wide else self.none()

    def of_types(self, filters: Collection[str]) -> EventQuerySet:
        """Those of one of these types, where `job.*` is all of `job`; all of them for none."""
        if not filters or "*" in filters:
            return self
        starts = [models.Q(type__startswith=one[:-1]) for one in filters if one.endswith(".*")]
        whole = [one for one in filters if not one.endswith(".*")]
        return self.filter(reduce(or_, starts, models.Q(type__in=whole)))

    def between(self, after: Position, horizon: int) -> EventQuerySet:
        """Those behind `after` that were written by transactions before `horizon`, in their order."""
        behind = models.Q(xid__gt=after.xid) | models.Q(xid=after.xid, id__gt=after.id)
        # The first bound is plain, for an index to serve.
        return self.filter(behind, xid__gte=after.xid, xid__lt=horizon).order_by("xid", "id")

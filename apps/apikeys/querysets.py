"""Finding keys together with their index rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import models
from django.db.models.query import ModelIterable

from apps.core.actor import Actor
from apps.tenancy.walls import outside

if TYPE_CHECKING:
    from apps.apikeys.models import Key


class KeyQuerySet(models.QuerySet["Key"]):
    """Keys of a tenant."""

    def visible_to(self, actor: Actor) -> KeyQuerySet:
        """All for an actor of the tenant, its own organization's for an actor of one."""
        if actor.organization is not None:
            return self.filter(organization_id=actor.organization.id)
        return self if actor.is_tenant_wide else self.filter(user=actor.principal.id)

    def _fetch_all(self) -> None:
        """Bring along each key's index row, in one query: validity is said there and nowhere else."""
        fetched = self._result_cache is not None
        super()._fetch_all()
        if not fetched and issubclass(self._iterable_class, ModelIterable):
            attach_index(self._result_cache or [])


def attach_index(keys: Iterable[Key]) -> None:
    """Read the index rows of `keys` into their `index`."""
    from apps.apikeys.models import KeyIndex

    rows = list(keys)
    if not rows:
        return
    with outside():
        found = KeyIndex.objects.in_bulk([key.pk for key in rows])
    for key in rows:
        key.index = found[key.pk]

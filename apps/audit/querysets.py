"""Finding events of record, in the words of the domain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import models

from apps.core.actor import Actor

if TYPE_CHECKING:
    from apps.audit.models import Event  # noqa: F401 - named as text below


#: Where else calls are found that did something to a thing: queries for their request_id.
_also: list[Callable[[str], models.QuerySet[Any, Any]]] = []


def find_calls_also_by(find: Callable[[str], models.QuerySet[Any, Any]]) -> None:
    """Have the story of a thing tell of the calls, too, that `find` knows by its shown id: values of request_id."""
    if find not in _also:
        _also.append(find)


class EventQuerySet(models.QuerySet["Event"]):
    """Events of record of a tenant."""

    def visible_to(self, actor: Actor) -> EventQuerySet:
        """All for an actor of the tenant, its own organization's for an actor of one."""
        if actor.organization is not None:
            return self.filter(organization_id=actor.organization.id)
        return self if actor.is_tenant_wide else self.none()

    def between(self, since: datetime | None, until: datetime | None) -> EventQuerySet:
        """Those from `since` on and before `until`; None leaves an end open."""
        later = self.filter(at__gte=since) if since else self
        return later.filter(at__lt=until) if until else later

    def done_with(self, depths: Mapping[str, int]) -> EventQuerySet:
        """Those done through one of these keys (shown ids), each with its key's `depth`.

        What was done with a token of a client that such a key registered is one deeper than the key.
        """
        by_depth: defaultdict[int, list[str]] = defaultdict(list)
        for key, depth in depths.items():
            by_depth[depth].append(key)
        by_key = [models.When(credential_id__in=keys, then=depth) for depth, keys in by_depth.items()]
        by_token = [models.When(minted_by__in=keys, then=depth + 1) for depth, keys in by_depth.items()]
        its_depth = models.Case(*by_key, *by_token, output_field=models.IntegerField())
        keys = list(depths)
        done = models.Q(credential_id__in=keys) | models.Q(minted_by__in=keys)
        return self.filter(done).annotate(depth=its_depth)

    def around(self, thing: str) -> EventQuerySet:
        """Those about `thing`, those whose changes touch it, and those of the same calls.

        Every event belongs to a call, so it is enough to know the calls. They come from typed columns: under the
        organizations' policy no index on an array or on JSON would be used.
        """
        touches: Any = apps.get_model("audit", "Touch")
        about = self.filter(resource_id=thing).values("request_id")
        touching = touches.objects.filter(resource_id=thing).values("request_id")
        return self.filter(request_id__in=about.union(touching, *(find(thing) for find in _also)))

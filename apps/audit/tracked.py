"""Which models the trail sees: every model of this project that lives in a tenant, unless it is named here.

A model cannot be forgotten; its room calls `track` only to say more about it (what to mask, what to leave out).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps

from apps.audit.tracking import is_tracked, track
from apps.core.ids import Identified
from apps.core.walls import declaration_of, is_registry

#: Bookkeeping of the platform, of which the operation's own event says all there is to say; and records, which are
#: written many at once and tell of their changes themselves.
UNSEEN = frozenset({"core.idempotencyrecord", "data.record"})


def track_models() -> None:
    """Track every such model that no room has said something about."""
    for model in tenant_models():
        if not is_tracked(model):
            track(model)


def tenant_models() -> Iterator[type[Any]]:
    """The models whose changes belong into a tenant's trail."""
    for model in apps.get_models():
        ours = model.__module__.startswith("apps.") and issubclass(model, Identified)
        if ours and not is_registry(model) and model._meta.label_lower not in UNSEEN:
            declaration = declaration_of(model)
            if declaration is None or not declaration.append_only:
                yield model

"""What the worker does about files in every tenant. The trail of each says what was done there."""

from __future__ import annotations

import time
from datetime import timedelta

from apps.core.actor import Call, Edge, system_actor
from apps.storage import lifecycle, stores
from apps.storage.reports import run_lifecycle
from apps.tenancy.models import Tenant
from apps.tenancy.patrol import Rows, rows_of
from apps.tenancy.walls import current_tenant

#: Seconds between two looks for what was left behind; nothing that goes on is older than this.
TIDIED_EVERY = 24 * 3600.0
BROKEN_FOR = timedelta(days=2)
#: For how many seconds it is done in a tenant before others have their turn.
_SECONDS = 2.0
_ACTING = Call(request_id="", edge=Edge.WORKER)


def tidy() -> int:
    """Clear what servers that were killed left behind in the store; returns how much that was."""
    return stores.store().tidy(older_than=BROKEN_FOR)


def keep() -> int:
    """Do what is due in the tenant that stands, as the system, for a short while; returns how much that was.

    Whose time is over is there for nobody at once, however long this takes.
    """
    tenant, done, until = current_tenant(), 0, time.monotonic() + _SECONDS
    while time.monotonic() < until:
        # What is due may have to wait for a scanner or a store that does not answer.
        now = run_lifecycle(system_actor(tenant, _ACTING)).total if lifecycle.is_anything_due() else 0
        if not now:
            break
        done += now
    return done


def due(tenant: Tenant) -> list[Rows]:  # noqa: ARG001 - what duties get
    """What there is to do in the tenant that stands."""
    return rows_of(*lifecycle.due())

"""What the worker does about files in every tenant. The trail of each says what was done there."""

from __future__ import annotations

from datetime import timedelta

from apps.core.actor import Call, Edge, TenantRef, system_actor
from apps.storage import lifecycle, stores
from apps.storage.reports import run_lifecycle
from apps.tenancy.maintenance import in_every_tenant
from apps.tenancy.walls import current_tenant

#: Seconds between two looks. Whose time is over is there for nobody at once, however long this takes.
EVERY = 300.0
#: Seconds between two looks for what was left behind; nothing that goes on is older than this.
TIDIED_EVERY = 24 * 3600.0
BROKEN_FOR = timedelta(days=2)
#: How many batches are done in a tenant before the next one has its turn.
_ROUNDS = 20
_ACTING = Call(request_id="", edge=Edge.WORKER)


def keep_lifecycle() -> int:
    """Do what is due in every active tenant, as the system; returns how much that was.

    A tenant in which that fails is said in the log, and keeps no other one from its turn.
    """
    return in_every_tenant(lambda: _keep_in(current_tenant()))()


def tidy() -> int:
    """Clear what servers that were killed left behind in the store; returns how much that was."""
    return stores.store().tidy(older_than=BROKEN_FOR)


def _keep_in(tenant: TenantRef) -> int:
    done = 0
    for _ in range(_ROUNDS):
        # What is due may have to wait for a scanner or a store that does not answer.
        now = run_lifecycle(system_actor(tenant, _ACTING)).total if lifecycle.is_anything_due() else 0
        if not now:
            break
        done += now
    return done

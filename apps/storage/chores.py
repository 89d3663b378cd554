"""What the worker does about files in every tenant. The trail of each says what was done there."""

from __future__ import annotations

from apps.core.actor import Call, Edge, TenantRef, system_actor
from apps.storage import lifecycle
from apps.storage.reports import run_lifecycle
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside

#: Seconds between two looks. Whose time is over is there for nobody at once, however long this takes.
EVERY = 300.0
#: How many batches are done in a tenant before the next one has its turn.
_ROUNDS = 20
_ACTING = Call(request_id="", edge=Edge.WORKER)


def keep_lifecycle() -> int:
    """Do what is due in every active tenant, as the system; returns how much that was."""
    with outside():
        tenants = [tenant.ref for tenant in Tenant.objects.active()]
    done = 0
    for tenant in tenants:
        with enter(tenant):
            done += _keep_in(tenant)
    return done


def _keep_in(tenant: TenantRef) -> int:
    done = 0
    for _ in range(_ROUNDS):
        # What is due may have to wait for a scanner or a store that does not answer.
        now = run_lifecycle(system_actor(tenant, _ACTING)).total if lifecycle.is_anything_due() else 0
        if not now:
            break
        done += now
    return done

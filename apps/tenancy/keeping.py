"""What a tenant decides about itself that its row in the registry says."""

from __future__ import annotations

from apps.core.actor import TenantRef
from apps.tenancy.models import Tenant
from apps.tenancy.walls import outside, registry


def row_of(tenant: TenantRef) -> Tenant:
    """The tenant's row."""
    with outside():
        found: Tenant = Tenant.objects.get(pk=tenant.id)
    return found


def keep_events(tenant: TenantRef, days: int) -> Tenant:
    """Have the tenant's events kept for so many days from now on; returns its row."""
    with registry():
        Tenant.objects.filter(pk=tenant.id).update(events_kept_days=days)
    return row_of(tenant)

"""Making, claiming and deleting tenants.

A tenant is built as a spare under its final, opaque name, by the owner; claiming one is an update of its registry row
inside the operation that wants it. When that operation fails, the spare is still there for the next.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import transaction

from apps.core import clock
from apps.core.ids import encode, uuid7
from apps.core.problems import Conflict, Remedy, ServiceUnavailable
from apps.tenancy.blueprint import current_blueprint, replay
from apps.tenancy.models import Blueprint, Domain, Tenant, TenantState
from apps.tenancy.owner import drop_schema, ensure_tenant_roles, owner_transaction
from apps.tenancy.schema import fingerprint
from apps.tenancy.walls import outside, registry

#: How often a call builds a tenant anew when others take what it built.
BUILD_TRIES = 5


def require_blueprint(kind: str) -> Blueprint:
    """What a tenant of `kind` is made from. Raises a Problem (503) when nobody prepared it for the code that runs."""
    try:
        return current_blueprint(kind)
    except Blueprint.DoesNotExist:
        raise ServiceUnavailable(
            f"This installation is not prepared to make a tenant of kind {kind}. Run: manage.py prepare",
            code="not_prepared",
            remedy=Remedy("manage.py prepare"),
        ) from None


def build_spare(kind: str) -> Tenant:
    """Build one tenant of `kind` that nobody has claimed, and commit it. Takes about a tenth of a second.

    Raises what require_blueprint raises.
    """
    blueprint = require_blueprint(kind)
    identity = uuid7()
    tenant = Tenant(
        id=identity, schema_name=encode("t", identity), kind=kind, name="", fingerprint=blueprint.fingerprint
    )
    with owner_transaction() as cursor:
        ensure_tenant_roles(cursor, tenant.schema_name)
        replay(cursor, blueprint, tenant.schema_name)
        Tenant.objects.using("owner").bulk_create([tenant])
    return tenant


def claim(
    kind: str,
    name: str,
    *,
    protected: bool = False,
    owner_organization_id: UUID | None = None,
    host: str = "",
) -> Tenant:
    """Take a spare of `kind` as the tenant `name`, inside the caller's transaction; builds one when the pool is empty.

    `host` is the domain by which it is reached. Raises Conflict when an active tenant has that name.
    """
    with registry():
        if Tenant.objects.named(name) is not None:
            raise Conflict(f"There is a tenant called '{name}' already.", code="tenant_exists")
        tenant = _lock_spare(kind) or _build_and_lock(kind)
        tenant.protected, tenant.owner_organization_id = protected, owner_organization_id
        return _put_in_service(tenant, name, host)


def activate(tenant_id: UUID, name: str, *, owner_organization_id: UUID, host: str) -> Tenant:
    """Put a tenant that was imported in service as `name`, inside the caller's transaction.

    `host` is the domain by which it is reached. Raises Conflict when an active tenant has that name.
    """
    with registry():
        if Tenant.objects.named(name) is not None:
            raise Conflict(f"There is a tenant called '{name}' already.", code="tenant_exists")
        imported = Tenant.objects.filter(state=TenantState.IMPORTING)
        tenant: Tenant = imported.select_for_update().get(pk=tenant_id)
        tenant.owner_organization_id = owner_organization_id
        return _put_in_service(tenant, name, host)


def _put_in_service(tenant: Tenant, name: str, host: str) -> Tenant:
    tenant.name, tenant.state, tenant.created_at = name, TenantState.ACTIVE, clock.now()
    tenant.save()
    if host:
        Domain.objects.update_or_create(domain=host, defaults={"tenant": tenant, "is_primary": True})
    return tenant


def _lock_spare(kind: str) -> Tenant | None:
    spares = Tenant.objects.spare(kind).filter(fingerprint=fingerprint(kind)).order_by("id")
    return spares.select_for_update(skip_locked=True).first()


def _build_and_lock(kind: str) -> Tenant:
    """A spare built now. A built one is anybody's until it is locked, so whoever loses one to another builds again.

    Raises ServiceUnavailable after some tries, which only happens under a flood of new tenants.
    """
    for _ in range(BUILD_TRIES):
        build_spare(kind)
        tenant = _lock_spare(kind)
        if tenant is not None:
            return tenant
    raise ServiceUnavailable(
        "Every tenant that was built was taken by other calls. Try again.", retry_after=1
    )


def soft_delete(tenant: Tenant) -> Tenant:
    """Take `tenant` out of service: its keys and hosts are refused from now on, its data stays until it is dropped.

    Raises Conflict for the console, without which the installation has nobody.
    """
    if tenant.kind == "console":
        raise Conflict(
            "The console cannot be deleted: it is the tenant that owns all others.", code="console_stays"
        )
    with registry():
        tenant.state, tenant.deleted_at = TenantState.DELETED, clock.now()
        tenant.save(update_fields=["state", "deleted_at"])
        Domain.objects.filter(tenant=tenant).delete()
    return tenant


def refill_pool(kind: str = "environment") -> int:
    """Bring the number of current spares up to PACKMULE_POOL_SIZE and drop those that are out of date.

    Returns how many were built. Runs outside of any transaction of the caller's.
    """
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("refill_pool() commits as the owner and cannot be part of a transaction.")
    with outside():
        spares = list(Tenant.objects.spare(kind))
    stale = [tenant for tenant in spares if tenant.fingerprint != fingerprint(kind)]
    missing = settings.PACKMULE_POOL_SIZE - len(spares) + len(stale)
    for tenant in stale:
        _drop_spare(tenant)
    for _ in range(missing):
        build_spare(kind)
    return max(missing, 0)


def _drop_spare(tenant: Tenant) -> None:
    """Forget a spare, unless somebody claims it at this moment, then drop its schema."""
    with registry():
        taken = (
            Tenant.objects.spare(tenant.kind).filter(pk=tenant.pk).select_for_update(skip_locked=True).first()
        )
        if taken is None:
            return
        taken.delete()
    drop_schema(tenant.schema_name)

"""Making an installation ready: roles, registry, blueprints, the console, and every tenant that is behind.

Each step can be repeated; a second run over a current installation takes a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings

from apps.tenancy.blueprint import build_schema, ensure_blueprint, migrate_schema
from apps.tenancy.master_key import ensure_master_key
from apps.tenancy.models import CONSOLE, ENVIRONMENT, Tenant, TenantState
from apps.tenancy.owner import ensure_registry_role, install_lock, owner, owner_transaction
from apps.tenancy.provisioning import claim
from apps.tenancy.schema import fingerprint, raise_registry_walls
from apps.tenancy.walls import outside

Say = Callable[[str], None]


def install(say: Say = lambda _line: None) -> Tenant:
    """Bring the whole installation up to the code that runs, telling `say` each step, and return the console.

    Needs the owner's database URL. Safe to run from several processes at once: one works, the others wait.
    """
    with install_lock():
        if _is_registry_behind():
            say("registry: roles and tables")
            _build_registry()
        made = ensure_master_key()
        if made:
            say(made)
        for kind in (CONSOLE, ENVIRONMENT):
            say(f"blueprint of a tenant: {kind}")
            ensure_blueprint(kind)
        upgrade_tenants(say)
        return ensure_console(say)


def ensure_console(say: Say) -> Tenant:
    """The console, made when this installation has none yet."""
    with outside():
        console: Tenant | None = Tenant.objects.named(CONSOLE)
        if console is None:
            say("console: the tenant of the builders")
            console = claim(CONSOLE, CONSOLE, protected=True, host=f"console.{settings.PACKMULE_BASE_HOST}")
        return console


def upgrade_tenants(say: Say) -> int:
    """Migrate every claimed tenant that is behind, and return how many were. The worker rebuilds spares instead."""
    current = {kind: fingerprint(kind) for kind in (CONSOLE, ENVIRONMENT)}
    behind = list(
        Tenant.objects.using("owner").exclude(state=TenantState.SPARE).behind(current).order_by("id")
    )
    for tenant in behind:
        say(f"tenant {tenant}: bringing it up to date")
        build_schema(tenant.schema_name, tenant.kind)
        Tenant.objects.using("owner").filter(pk=tenant.pk).update(fingerprint=current[tenant.kind])
    return len(behind)


def _build_registry() -> None:
    with owner_transaction("public") as cursor:
        ensure_registry_role(cursor)
    migrate_schema("public", "public")
    with owner_transaction("public") as cursor:
        raise_registry_walls(cursor)
        cursor.execute("comment on table public.tenancy_tenant is %s", [f"packmule {fingerprint('public')}"])


def _is_registry_behind() -> bool:
    """True unless the registry was built from the code that runs now, as the comment on its first table says."""
    with owner().cursor() as cursor:
        cursor.execute("select obj_description(to_regclass('public.tenancy_tenant'), 'pg_class')")
        return bool(cursor.fetchone()[0] != f"packmule {fingerprint('public')}")

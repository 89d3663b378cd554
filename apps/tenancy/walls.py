"""Entering and leaving the walls of a tenant.

Three edges enter a tenant: HTTP middleware, the worker's middleware and commands. Everything below them runs inside
whatever wall stands, and only `registry` (keys, domains, claiming a tenant) steps out of it for a moment.
"""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Protocol, cast
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from apps.core.actor import TenantRef
from apps.tenancy.backend.base import OUTSIDE, DatabaseWrapper, Wall


class HasSchema(Protocol):
    """A tenant as far as a wall is concerned: Tenant and TenantRef both fit."""

    @property
    def schema_name(self) -> str: ...

    @property
    def kind(self) -> str: ...


class _NoOrganization:
    """The type of NO_ORGANIZATION."""


#: Stand in the organization's role without an organization: no organization's rows are visible.
NO_ORGANIZATION: Final = _NoOrganization()
Within = UUID | _NoOrganization | None


def tenant_role(schema_name: str) -> str:
    """The role of a tenant's own actors."""
    return f"{settings.PACKMULE_ROLE_PREFIX}_{schema_name}"


def organization_role(schema_name: str) -> str:
    """The role of actors that belong to one organization of the tenant."""
    return f"{tenant_role(schema_name)}_org"


def registry_role() -> str:
    """The narrow role that writes the registry and can reach no tenant."""
    return f"{settings.PACKMULE_ROLE_PREFIX}_registry"


def tenants_role() -> str:
    """The group of all tenants' roles: what every tenant may do in the registry is granted to it."""
    return f"{settings.PACKMULE_ROLE_PREFIX}_tenants"


def _connection() -> DatabaseWrapper:
    return cast(DatabaseWrapper, connection)


@contextmanager
def _standing_in(wall: Wall, tenant: Any) -> Iterator[None]:
    here = _connection()
    before, tenant_before = here.wall, here.tenant
    here.stand_in(wall, tenant)
    try:
        yield
    finally:
        here.stand_in(before, tenant_before if before.schema else None)


def enter(tenant: HasSchema, organization: Within = None) -> Any:
    """Stand in `tenant`: as the tenant's own role, or with `organization` as the role of that one organization.

    A context manager. It sends nothing by itself and restores what stood before, also after errors.
    """
    schema = tenant.schema_name
    if organization is None:
        return _standing_in(Wall(schema, tenant_role(schema)), tenant)
    inside = "" if isinstance(organization, _NoOrganization) else str(organization)
    return _standing_in(Wall(schema, organization_role(schema), inside), tenant)


def within(organization: UUID) -> Any:
    """Stand in another organization of the tenant that stands now: to create it, or to act for the whole tenant's sake.

    A context manager. Raises RuntimeError outside of a tenant.
    """
    here = _connection()
    if not here.wall.schema:
        raise RuntimeError("within() needs a tenant to stand in.")
    return enter(here.tenant, organization)


def whole_tenant() -> Any:
    """Stand in the tenant's own role, across organizations, for what a rule of the platform has to see whole.

    A context manager. Raises RuntimeError outside of a tenant.
    """
    here = _connection()
    if not here.wall.schema:
        raise RuntimeError("whole_tenant() needs a tenant to stand in.")
    return enter(here.tenant)


def reaching(organizations: Collection[UUID | None]) -> AbstractContextManager[None]:
    """Stand where rows of all these organizations may be written; None among them is the tenant itself.

    Whoever stands there already stays. Raises RuntimeError outside of a tenant.
    """
    here = _connection().wall
    if here.schema and here.role == tenant_role(here.schema):
        return nullcontext()
    only = next(iter(organizations)) if len(set(organizations)) == 1 else None
    wall: AbstractContextManager[None] = whole_tenant() if only is None else within(only)
    return wall


def outside() -> Any:
    """Stand outside of every tenant as the bare login role, which can only read the registry."""
    return _standing_in(OUTSIDE, None)


@contextmanager
def registry(*, savepoint: bool = True) -> Iterator[None]:
    """Write the registry: the registry role, in one transaction (the caller's, where there is one).

    Without a savepoint, a failure in here undoes the whole of the caller's transaction.
    """
    with transaction.atomic(savepoint=savepoint), _standing_in(Wall(role=registry_role()), None):
        yield


def registry_statement() -> Any:
    """Stand in the registry's role for one statement, which is a transaction of its own where there is none.

    A context manager. For what is done a thousand times a second: beginning and ending a transaction costs as much.
    """
    return _standing_in(Wall(role=registry_role()), None)


def current_tenant() -> TenantRef:
    """The tenant that stands now. Raises RuntimeError outside of one."""
    here = _connection()
    if not here.wall.schema:
        raise RuntimeError("No tenant stands here.")
    return cast(TenantRef, getattr(here.tenant, "ref", here.tenant))


def current_kind() -> str:
    """The kind of the tenant that stands now, `console` or `environment`; '' outside."""
    here = _connection()
    return str(here.tenant.kind) if here.wall.schema else ""


def current_schema() -> str:
    """The schema of the tenant that stands now, or '' outside."""
    return _connection().wall.schema


def in_unprotected_environment() -> bool:
    """True inside an environment that is not protected, such as `menugen/development`."""
    return current_kind() == "environment" and not bool(getattr(_connection().tenant, "protected", True))

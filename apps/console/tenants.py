"""Operators' work on tenants: what exists, in what state, and ending one."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.applications.models import Environment
from apps.applications.serializers import ApplicationInput, EnvironmentInput
from apps.applications.services import (
    FIRST_ENVIRONMENTS,
    create_application,
    create_environment,
    remove_environment,
)
from apps.console.serializers import TenantFindingOutput, TenantOutput
from apps.core.actor import Actor
from apps.core.operations import Risk, operation
from apps.core.problems import MalformedRequest, missing, show
from apps.orgs.models import Organization
from apps.tenancy.inspection import Finding, inspect
from apps.tenancy.models import Tenant
from apps.tenancy.provisioning import soft_delete
from apps.tenancy.walls import outside


@operation("tenants.list", scope="installation:read", risk=Risk.READ, output=TenantOutput)
def list_tenants(_actor: Actor, *, state: str = "active") -> Sequence[Tenant]:
    """List the tenants of the installation by name; `state` is active, spare, importing, deleted or all."""
    with outside():
        found = Tenant.objects.order_by("name", "id")
        return list(found if state == "all" else found.filter(state=state))


@operation("tenants.show", scope="installation:read", risk=Risk.READ, output=TenantOutput)
def show_tenant(_actor: Actor, *, name: str) -> Tenant:
    """Show one tenant by its name, such as menugen/production."""
    return find_tenant(name)


@operation("tenants.delete", scope="installation:delete", risk=Risk.DESTRUCTIVE, output=TenantOutput)
def delete_tenant(_actor: Actor, *, name: str) -> Tenant:
    """Take a tenant out of service: its keys and hosts are refused from now on. Its data stays until it is dropped."""
    tenant = find_tenant(name)
    environment = Environment.objects.live().filter(tenant_id=tenant.id).first()
    if environment is None:
        return soft_delete(tenant)
    remove_environment(environment)
    with outside():
        return Tenant.objects.get(pk=tenant.id)


@operation("tenants.check", scope="installation:read", risk=Risk.READ, output=TenantFindingOutput)
def check_tenants(_actor: Actor) -> Sequence[Finding]:
    """Compare every tenant's tables, columns and walls with the code that runs now."""
    with outside():
        tenants = list(Tenant.objects.order_by("name", "id"))
    return inspect(tenants)


@transaction.atomic
def create_tenant(actor: Actor, *, name: str, organization: str | None, protected: bool) -> Tenant:
    """Make the tenant `application/environment`, and the application (for `organization`, a slug) if it is new.

    Goes through the operations that builders use. Raises MalformedRequest for a name of another form.
    """
    slug, environment = split_name(name)
    with outside():
        exists = Tenant.objects.active().filter(name__startswith=f"{slug}/").exists()
    if not exists:
        owner = organization_id(organization)
        read = ApplicationInput.read({"slug": slug, "name": slug})
        create_application(actor, slug=read["slug"], name=slug.replace("-", " ").title(), organization=owner)
    if exists or environment not in dict(FIRST_ENVIRONMENTS):
        read = EnvironmentInput.read({"name": environment, "protected": protected})
        create_environment(actor, slug=slug, **read)
    return find_tenant(name)


def split_name(name: str) -> tuple[str, str]:
    """The application's slug and the environment's name in `application/environment`. Raises MalformedRequest."""
    slug, separator, environment = name.partition("/")
    if not separator or not slug or not environment:
        raise MalformedRequest(
            f"{show(name)} is no tenant's name; write application/environment, such as menugen/test."
        )
    return slug, environment


def find_tenant(name: str) -> Tenant:
    """The active tenant `name`. Raises NotFound."""
    with outside():
        tenant = Tenant.objects.named(name)
    if tenant is None:
        raise missing("tenant", name)
    return tenant  # type: ignore[no-any-return]


def organization_id(slug: str | None) -> UUID:
    """The id of the organization `slug`, which will own a new application. Raises MalformedRequest and NotFound."""
    if slug is None:
        raise MalformedRequest("The application is new: say which organization owns it, --organization SLUG.")
    found = Organization.objects.filter(slug=slug).first()
    if found is None:
        raise missing("organization", slug)
    return UUID(str(found.id))

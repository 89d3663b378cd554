"""Making applications and environments. An environment is a tenant: creating one claims a spare of the pool."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from apps.accounts.authority import require_built_in
from apps.accounts.models import ServiceAccount
from apps.apikeys.errors import rotation
from apps.apikeys.makers import require_maker
from apps.apikeys.minting import MintedKey, checked_ips, mint
from apps.apikeys.models import KeyKind
from apps.apikeys.serializers import MintedKeyOutput, PrincipalKeyInput
from apps.apikeys.services import narrowed, require_grantable
from apps.applications.errors import EnvironmentExists, SlugTaken
from apps.applications.models import Application, Environment
from apps.applications.serializers import (
    ApplicationFilter,
    ApplicationInput,
    ApplicationOutput,
    ApplicationPatch,
    EnvironmentInput,
    EnvironmentOutput,
)
from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import encode
from apps.core.operations import Risk, operation
from apps.core.problems import MalformedRequest, missing
from apps.core.scopes import Scopes
from apps.orgs.models import Organization
from apps.tenancy.models import ENVIRONMENT, Tenant
from apps.tenancy.provisioning import activate, claim, soft_delete
from apps.tenancy.walls import enter, outside

#: What every application begins with: name, protected.
FIRST_ENVIRONMENTS = (("development", False), ("production", True))


@operation(
    "applications.list",
    scope="applications:read",
    risk=Risk.READ,
    input=ApplicationFilter,
    output=ApplicationOutput,
    lists=True,
)
def list_applications(actor: Actor, *, slug: str | None = None) -> QuerySet[Application]:
    """List the applications of the organization, newest first, with their environments."""
    found = Application.objects.visible_to(actor)
    return (found.filter(slug=slug) if slug is not None else found).with_environments()


@operation("applications.get", scope="applications:read", risk=Risk.READ, output=ApplicationOutput)
def get_application(actor: Actor, *, slug: str) -> Application:
    """Show one application with its environments."""
    return find_application(actor, slug)


@operation(
    "applications.create",
    scope="applications:write",
    risk=Risk.WRITE,
    input=ApplicationInput,
    output=ApplicationOutput,
)
def create_application(
    actor: Actor, *, slug: str, name: str, organization: UUID | None = None
) -> Application:
    """Create an application with its environments `development` and `production`.

    Both are tenants that work at once: mint a key for one, or name it in Packmule-Environment.
    `production` is protected.
    """
    owner = _owning_organization(actor, organization)
    made = Application(slug=slug, name=name, organization_id=owner)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError:
        raise SlugTaken(
            f"There is an application '{slug}' in this installation. {SlugTaken.advice}"
        ) from None
    for environment, protected in FIRST_ENVIRONMENTS:
        add_environment(made, environment, protected=protected)
    return made


@operation(
    "applications.update",
    scope="applications:write",
    risk=Risk.WRITE,
    input=ApplicationPatch,
    output=ApplicationOutput,
    versioned=True,
)
def update_application(
    actor: Actor, /, *, slug: str, expected_version: int | None, **changes: Any
) -> Application:
    """Change an application's name."""
    found = find_application(actor, slug)
    return Application.locked(Application.objects.visible_to(actor), found.pk, expected_version).apply(
        changes
    )


@operation("applications.delete", scope="applications:delete", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_application(actor: Actor, *, slug: str, expected_version: int | None) -> Application:
    """Delete an application and all its environments: every key and host of theirs is refused from now on."""
    found = find_application(actor, slug)
    locked = Application.locked(Application.objects.visible_to(actor), found.pk, expected_version)
    for environment in locked.environments.live():
        remove_environment(environment)
    return locked.apply({"deleted_at": clock.now()})


@operation(
    "environments.list", scope="environments:read", risk=Risk.READ, output=EnvironmentOutput, lists=True
)
def list_environments(actor: Actor, *, slug: str) -> QuerySet[Environment]:
    """List the environments of an application."""
    return Environment.objects.visible_to(actor).filter(application=find_application(actor, slug))


@operation("environments.get", scope="environments:read", risk=Risk.READ, output=EnvironmentOutput)
def get_environment(actor: Actor, *, slug: str, environment: str) -> Environment:
    """Show one environment."""
    return find_environment(actor, slug, environment)


@operation(
    "environments.create",
    scope="environments:write",
    risk=Risk.WRITE,
    input=EnvironmentInput,
    output=EnvironmentOutput,
)
def create_environment(actor: Actor, *, slug: str, name: str, protected: bool = False) -> Environment:
    """Add an environment to an application: a tenant of its own, at work at once."""
    return add_environment(find_application(actor, slug), name, protected=protected)


@operation("environments.delete", scope="environments:delete", risk=Risk.DESTRUCTIVE)
def delete_environment(actor: Actor, *, slug: str, environment: str) -> Environment:
    """Delete an environment: its keys and its host are refused from now on."""
    return remove_environment(find_environment(actor, slug, environment))


@operation(
    "environments.create-key",
    scope="keys:write",
    risk=Risk.SECRET,
    input=PrincipalKeyInput,
    output=MintedKeyOutput,
    shows_secret=True,
    renewal=rotation,
    records_itself=True,
    subject=lambda minted: minted.key,
    event="key.created",
)
def create_environment_key(
    actor: Actor,
    /,
    *,
    slug: str,
    environment: str,
    kind: str,
    scopes: list[str],
    expires_in_days: int,
    allowed_ips: list[str],
    **rest: Any,
) -> MintedKey:
    """Mint a key for an environment's backend. The secret is shown this once.

    The key belongs to a service account of the environment that has your own role there, and carries you as its minter.
    """
    require_maker(actor)
    where = find_environment(actor, slug, environment)
    with outside():
        tenant = Tenant.objects.active().get(pk=where.tenant_id).ref
    asked = Scopes.parse(scopes)
    require_grantable(actor, asked)
    role = require_built_in(actor)
    away = replace(actor, tenant=tenant, organization=None)
    with enter(tenant), create_environment_key.recorded(away) as note:
        minted = mint(
            tenant=tenant,
            principal=backend_account(role),
            kind=KeyKind.PUBLISHABLE if kind == "publishable" else KeyKind.SECRET,
            scopes=asked,
            expires_at=clock.now() + timedelta(days=expires_in_days),
            minter=away,
            allowed_ips=narrowed(actor, checked_ips(allowed_ips)),
            **rest,
        )
        return note(minted)


def find_application(actor: Actor, slug: str) -> Application:
    """The live application `slug` of the actor's organization. Raises NotFound."""
    found: Application | None = Application.objects.visible_to(actor).filter(slug=slug).first()
    if found is None:
        raise missing("application", slug)
    return found


def find_environment(actor: Actor, slug: str, name: str) -> Environment:
    """The live environment `slug/name` of the actor's organization. Raises NotFound."""
    found: Environment | None = (
        Environment.objects.visible_to(actor).filter(application__slug=slug, name=name).first()
    )
    if found is None:
        raise missing("environment", f"{slug}/{name}")
    return found


def add_environment(application: Application, name: str, *, protected: bool) -> Environment:
    """Claim a tenant and make it the environment `name` of `application`. Raises EnvironmentExists."""
    tenant_name = _free_name(application, name)
    tenant = claim(
        ENVIRONMENT,
        tenant_name,
        protected=protected,
        owner_organization_id=application.organization_id,
        host=_host_of(application, name),
    )
    return _attached(application, name, tenant)


def adopt_environment(application: Application, name: str, tenant_id: UUID) -> Environment:
    """Put a tenant that was imported in service as an environment of `application`. Raises EnvironmentExists."""
    tenant_name = _free_name(application, name)
    # It may have been here before: deleted and dropped, its row stayed.
    Environment.objects.filter(tenant_id=tenant_id, deleted_at__isnull=False).delete()
    owner, host = application.organization_id, _host_of(application, name)
    tenant = activate(tenant_id, tenant_name, owner_organization_id=owner, host=host)
    return _attached(application, name, tenant)


def _free_name(application: Application, name: str) -> str:
    tenant_name = f"{application.slug}/{name}"
    if application.environments.live().filter(name=name).exists():
        raise EnvironmentExists(f"{tenant_name} exists. {EnvironmentExists.advice}")
    return tenant_name


def _host_of(application: Application, name: str) -> str:
    return f"{name}--{application.slug}.{settings.PACKMULE_BASE_HOST}"


def _attached(application: Application, name: str, tenant: Tenant) -> Environment:
    return Environment.objects.create(
        application=application,
        organization_id=application.organization_id,
        name=name,
        protected=tenant.protected,
        tenant_id=tenant.id,
        tenant_name=tenant.name,
    )


def remove_environment(environment: Environment) -> Environment:
    """Take the environment's tenant out of service and mark the row."""
    with outside():
        tenant = Tenant.objects.get(pk=environment.tenant_id)
    soft_delete(tenant)
    environment.deleted_at = clock.now()
    environment.save(update_fields=["deleted_at"])
    return environment


def backend_account(role: str) -> ServiceAccount:
    """The service account of the standing tenant to which keys from the console belong; one for each role."""
    named = {"name": f"backend ({role})", "role": role, "organization": None}
    # Not get_or_create: nothing keeps the tenant from giving the same name to others of its service accounts.
    found: ServiceAccount | None = ServiceAccount.objects.filter(**named).order_by("id").first()
    return found or ServiceAccount.objects.create(**named)


def _owning_organization(actor: Actor, named: UUID | None) -> UUID:
    """Who will own a new application. Raises a Problem when nobody is named, or somebody else than the actor's own."""
    own = actor.organization.id if actor.organization else None
    wanted = named or own
    if wanted is None:
        raise MalformedRequest(
            "Say which organization owns it: organization: org_…", code="organization_required"
        )
    if own not in (None, wanted) or not Organization.objects.visible_to(actor).filter(pk=wanted).exists():
        raise missing("organization", encode("org", wanted))
    return wanted

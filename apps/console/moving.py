"""Operators' work on tenants that move: exporting one into a folder, and importing one behind an application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.db import transaction

from apps.accounts.models import Agent
from apps.applications.errors import EnvironmentExists
from apps.applications.models import Application
from apps.applications.serializers import ApplicationInput, EnvironmentInput
from apps.applications.services import adopt_environment
from apps.console.serializers import TenantOutput
from apps.console.tenants import find_tenant, organization_id, split_name
from apps.core.actor import Actor
from apps.core.operations import Risk, operation
from apps.core.problems import MalformedRequest, show
from apps.tenancy.models import Tenant
from apps.tenancy.transfer import blobs, checking, contents, keys, reading, writing
from apps.tenancy.transfer.manifest import Manifest
from apps.tenancy.walls import enter, outside

_NO_KEYS = (
    "The archive has no data keys: what is sealed opens nowhere else. Secrets of sign-in providers have to be set "
    "again, second factors removed, and signing keys rotated. Export with --key-file to carry them."
)
_NO_OWNERS = "{} agents answer to people of the console that they come from. Let others take them over: {}"
_CHANGE_OWNER = "manage.py agents change-owner AGENT --reason REASON"


@dataclass(frozen=True)
class Moved:
    """What was written or brought in, and what an operator has to know."""

    tenant: Tenant
    path: str
    manifest: Manifest
    data_keys: int
    written: int
    present: int = 0
    warnings: Sequence[str] = field(default_factory=list)


@operation("tenants.export", scope="installation:read", risk=Risk.SECRET, output=TenantOutput)
def begin_export(_actor: Actor, *, name: str) -> Tenant:
    """Let a tenant's data leave the installation; the trail says so before the first row is read."""
    tenant = find_tenant(name)
    writing.require_movable(tenant)
    return tenant


@operation("tenants.import", scope="installation:write", risk=Risk.WRITE, output=TenantOutput)
def finish_import(_actor: Actor, *, name: str, organization: str | None, tenant_id: UUID) -> Tenant:
    """Put a tenant that was imported in service, as an environment of its application."""
    slug, environment = split_name(name)
    adopt_environment(_application(slug, organization), environment, tenant_id)
    tenant = find_tenant(name)
    contents.arrived(tenant)
    return tenant


def export_tenant(actor: Actor, *, name: str, target: Path, key_file: Path | None) -> Moved:
    """Write the tenant `name` as the new folder `target`, with its data keys where there is a `key_file`.

    One that broke off goes on there; `present` says how many contents of files did not have to be fetched again.
    Must not be part of a transaction: reading a tenant takes as long as it takes.
    """
    key = keys.read_key(key_file) if key_file else None
    tenant = begin_export(actor, name=name)
    manifest, present = writing.export(tenant, target, key=key)
    warnings = [_NO_KEYS] if manifest.sealed and manifest.data_keys is None else []
    held = len(manifest.data_keys or ())
    written = manifest.blobs.count - present
    return Moved(tenant, str(target), manifest, held, written, present, warnings)


def import_tenant(
    actor: Actor,
    *,
    source: Path,
    name: str | None,
    organization: str | None,
    key_file: Path | None,
    without_data_keys: bool,
    sha256: str | None,
) -> Moved:
    """Bring the archive at `source` in as the tenant `name`, by default the name that it had.

    With `sha256` it has to be the archive that the export named so. The application is made for `organization` (a slug)
    where it is new. Must not be part of a transaction.
    """
    key = keys.read_key(key_file) if key_file else None
    manifest = checking.checked(source, sha256)
    wanted = name or manifest.name
    _require_place(wanted, organization)
    data_keys = reading.data_keys_of(manifest, key, without=without_data_keys)
    contents.blobs().begin()
    with reading.loaded(source, manifest, name=wanted, data_keys=data_keys) as loaded:
        written, present = blobs.put(source, manifest, contents.blobs())
        tenant = finish_import(actor, name=wanted, organization=organization, tenant_id=loaded.id)
    warnings = [_NO_KEYS] if manifest.sealed and not data_keys else []
    warnings += _without_owner(actor, tenant)
    return Moved(tenant, str(source), manifest, len(data_keys), written, present, warnings)


def _without_owner(actor: Actor, tenant: Tenant) -> list[str]:
    """What to say of agents whose owner is somebody of another console."""
    with enter(tenant):
        away = Agent.objects.filter(owner_home_id__isnull=False).exclude(owner_home_id=actor.home.id)
        number = away.exclude(owner_home_id=tenant.id).count()
    return [_NO_OWNERS.format(number, _CHANGE_OWNER)] if number else []


@transaction.atomic
def _require_place(name: str, organization: str | None) -> None:
    """Raise what `finish_import` would raise later, before anything is written."""
    slug, environment = split_name(name)
    EnvironmentInput.read({"name": environment})
    application = Application.objects.filter(slug=slug, deleted_at=None).first()
    if application is None:
        ApplicationInput.read({"slug": slug, "name": slug})
        organization_id(organization)
    elif application.environments.live().filter(name=environment).exists():
        raise EnvironmentExists(f"{name} exists. Import it under another name: --as {slug}/NAME")
    with outside():
        taken = Tenant.objects.named(name)
    if taken is not None:
        raise MalformedRequest(f"There is a tenant {show(name)} already.", code="tenant_exists", status=409)


def _application(slug: str, organization: str | None) -> Application:
    """The application, made with no environment yet where it is new."""
    found: Application | None = Application.objects.filter(slug=slug, deleted_at=None).first()
    if found is not None:
        return found
    owner: UUID = organization_id(organization)
    return Application.objects.create(slug=slug, name=slug.replace("-", " ").title(), organization_id=owner)

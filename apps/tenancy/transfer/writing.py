"""Exporting: one snapshot of a tenant's rows, then the bytes that they name, into a folder."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from apps.core import clock
from apps.core.ids import encode
from apps.core.strictjson import timestamp
from apps.tenancy.inspection import inspect
from apps.tenancy.models import ENVIRONMENT, DataKey, Tenant
from apps.tenancy.transfer import blobs, contents, copying, folder, keys
from apps.tenancy.transfer.contents import Table
from apps.tenancy.transfer.copying import Measure
from apps.tenancy.transfer.errors import NotMovable
from apps.tenancy.transfer.making import making
from apps.tenancy.transfer.manifest import BlobPart, Manifest, Part


def require_movable(tenant: Tenant) -> None:
    """Raise NotMovable for the console, and for a tenant that is not as the code that runs here expects."""
    if tenant.kind != ENVIRONMENT:
        raise NotMovable(f"The console owns all other tenants and stays where it is. {NotMovable.advice}")
    finding = inspect([tenant])[0]
    if finding.status != "current":
        raise NotMovable(f"{tenant.name} is {finding.status}. {NotMovable.advice}")


def export(tenant: Tenant, target: Path, *, key: bytes | None) -> tuple[Manifest, int]:
    """Write the archive of `tenant` as the new folder `target`; returns its manifest.

    One that broke off goes on: rows are written anew, as they are now, and contents of files that lie there with the
    right hash stay; it returns also how many those were. With `key` (32 bytes) it carries the tenant's data keys,
    wrapped by it; without, what is sealed opens nowhere else. Memory does not grow with the tenant. Raises NotMovable,
    ArchiveInTheWay, ExportRunning, ArchiveNotWritten, BytesMissing, and what the store raises.
    """
    require_movable(tenant)
    with making(target, encode("ten", tenant.id)) as root:
        for name in (folder.TABLES, folder.REGISTRY, folder.BLOBS):
            (root / name).mkdir(folder.PRIVATE)
        with copying.snapshot(tenant.schema_name) as cursor:
            tables = _tables(cursor, root, tenant)
            registry = _registry(cursor, root, tenant.id)
            data_keys = _data_keys(tenant.id, key)
            blobs.note_names(root, contents.blobs().named("owner"))
        found, present = blobs.fetch(root, contents.blobs())
        manifest = _manifest(tenant, tables, registry, data_keys, found)
        folder.write(root / folder.MANIFEST, [manifest.document()])
    return manifest, present


def _tables(cursor: Any, root: Path, tenant: Tenant) -> dict[str, Part]:
    return {
        name: _write(root / folder.TABLES / name, table, copying.rows_of(cursor, table, tenant.schema_name))
        for name, table in contents.tables(tenant.kind).items()
    }


def _registry(cursor: Any, root: Path, tenant_id: UUID) -> dict[str, Part]:
    return {
        name: _write(
            root / folder.REGISTRY / name, table, copying.rows_of(cursor, table, "public", tenant_id)
        )
        for name, (table, _) in contents.registry_tables().items()
    }


def _write(path: Path, table: Table, lines: Generator[bytes, None, None]) -> Part:
    found = Measure()
    # Closed at once also when the disk is full: until then the connection is busy and cannot even roll back.
    with closing(lines):
        folder.write(path, found.of(lines))
    return part_of(table, found)


def part_of(table: Table, found: Measure) -> Part:
    """What a manifest says of rows that were measured."""
    return Part(list(table.columns), found.rows, found.size, found.sha256, found.sealed)


def _data_keys(tenant_id: UUID, key: bytes | None) -> dict[str, str] | None:
    if key is None:
        return None
    return keys.locked(DataKey.objects.using("owner").filter(tenant_id=tenant_id), tenant_id, key)


def _manifest(
    tenant: Tenant,
    tables: dict[str, Part],
    registry: dict[str, Part],
    data_keys: dict[str, str] | None,
    found: BlobPart,
) -> Manifest:
    return Manifest(
        tenant_id=tenant.id,
        name=tenant.name,
        kind=tenant.kind,
        protected=tenant.protected,
        events_kept_days=tenant.events_kept_days,
        fingerprint=tenant.fingerprint,
        made_at=timestamp(clock.now()),
        tables=tables,
        registry=registry,
        blobs=found,
        data_keys=data_keys,
        left_out=contents.left_out(tenant.kind),
    )

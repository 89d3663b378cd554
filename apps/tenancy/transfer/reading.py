"""Importing: a checked archive becomes a tenant that serves nobody yet, all of its rows or none.

Everything that the database gets is one transaction of the owner's: roles, schema, rows, rows of the registry, and the
comparison of what stands there with the archive. The bytes come after it. Until `activate`, the tenant is `importing`;
one whose import broke off is begun anew by the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import DataError, IntegrityError
from psycopg import sql

from apps.core.ids import encode
from apps.tenancy.blueprint import replay
from apps.tenancy.models import DataKey, Tenant, TenantState
from apps.tenancy.owner import drop_schema, ensure_tenant_roles, owner, owner_transaction
from apps.tenancy.provisioning import require_blueprint
from apps.tenancy.transfer import blobs, contents, copying, folder, keys, registry
from apps.tenancy.transfer.contents import Table
from apps.tenancy.transfer.copying import Measure
from apps.tenancy.transfer.errors import ArchiveInvalid, DataKeysLocked, ImportRunning, TenantTaken
from apps.tenancy.transfer.manifest import Manifest
from apps.tenancy.transfer.writing import part_of


def require_free(manifest: Manifest) -> None:
    """Raise TenantTaken when a tenant of that id is here already, deleted ones and spares included."""
    found = Tenant.objects.using("owner").filter(pk=manifest.tenant_id).first()
    if found is not None and found.state != TenantState.IMPORTING:
        raise TenantTaken(
            f"{encode('ten', found.id)} is here already ({found.state}, “{found}”). {TenantTaken.advice}"
        )


@contextmanager
def loaded(root: Path, manifest: Manifest, *, name: str, data_keys: list[DataKey]) -> Iterator[Tenant]:
    """The tenant of a checked archive with all its rows, named `name`, still `importing`.

    It stays when the block ends well, which has to put it in service; otherwise nothing stays. Raises ImportRunning,
    TenantTaken, RegistryTaken, and ArchiveInvalid when its rows break the rules of the tables, or read differently
    afterwards.
    """
    with _alone(manifest.tenant_id):
        require_free(manifest)
        forget(manifest.tenant_id)
        tenant = Tenant(
            id=manifest.tenant_id,
            schema_name=manifest.schema,
            kind=manifest.kind,
            name=name,
            protected=manifest.protected,
            events_kept_days=manifest.events_kept_days,
            fingerprint=manifest.fingerprint,
            state=TenantState.IMPORTING,
        )
        _load(root, manifest, tenant, data_keys)
        try:
            yield tenant
        except BaseException:
            forget(tenant.id)
            raise


def forget(tenant_id: UUID) -> None:
    """Drop what an import left of a tenant that serves nobody yet. Bytes stay, for the next import to find."""
    left = Tenant.objects.using("owner").filter(pk=tenant_id, state=TenantState.IMPORTING)
    for tenant in left:
        drop_schema(tenant.schema_name)
    left.delete()


def data_keys_of(manifest: Manifest, key: bytes | None, *, without: bool) -> list[DataKey]:
    """The rows of the tenant's data keys; none when the archive has none, or they are to be left `without`.

    Raises DataKeysLocked.
    """
    if manifest.data_keys is None or without:
        return []
    if key is None:
        raise DataKeysLocked(f"The archive holds data keys, and no key came with it. {DataKeysLocked.advice}")
    return keys.unlocked(manifest.data_keys, manifest.tenant_id, key)


def _load(root: Path, manifest: Manifest, tenant: Tenant, data_keys: list[DataKey]) -> None:
    blueprint = require_blueprint(tenant.kind)
    with owner_transaction(tenant.schema_name) as cursor:
        ensure_tenant_roles(cursor, tenant.schema_name)
        replay(cursor, blueprint, tenant.schema_name)
        copying.fix_form(cursor)
        Tenant.objects.using("owner").bulk_create([tenant])
        DataKey.objects.using("owner").bulk_create(data_keys)
        tables = contents.tables(tenant.kind)
        with _refusing_rows():
            for table in tables.values():
                _take(cursor, root, table, tenant.schema_name)
            registry.take(cursor, root, manifest)
            cursor.execute("set constraints all immediate")
        for name, table in tables.items():
            _require_same(cursor, table, tenant.schema_name, manifest)
            _finish(cursor, name, table, tenant.schema_name)
        blobs.require_named(root, manifest, contents.blobs())


def _take(cursor: Any, root: Path, table: Table, schema: str) -> None:
    place = sql.Identifier(schema, table.name)
    # What a new tenant begins with is in the archive, as the tenant has it by now.
    cursor.execute(sql.SQL("delete from {}").format(place))
    with folder.opened(root, folder.TABLES, table.name) as file:
        copying.take_rows(cursor, table, place, folder.chunks_of(file))


def _require_same(cursor: Any, table: Table, schema: str, manifest: Manifest) -> None:
    """Read the rows again as an export would, and raise ArchiveInvalid unless they are the archive's to the byte."""
    found = Measure().over(copying.rows_of(cursor, table, schema))
    if part_of(table, found) != manifest.tables[table.name]:
        raise ArchiveInvalid(
            f"The rows of {table.name} read differently after they were written. Nothing was kept."
        )


def _finish(cursor: Any, name: str, table: Table, schema: str) -> None:
    place = sql.Identifier(schema, name)
    if table.counted:
        highest = sql.SQL("(select max({}) from {})").format(sql.Identifier(table.counted), place)
        statement = sql.SQL(
            "select setval(pg_get_serial_sequence(%s, %s), coalesce({0}, 1), {0} is not null)"
        )
        cursor.execute(statement.format(highest), [f'"{schema}"."{name}"', table.counted])
    cursor.execute(sql.SQL("analyze {}").format(place))


@contextmanager
def _refusing_rows() -> Iterator[None]:
    try:
        yield
    except (DataError, IntegrityError) as refusal:
        said = str(refusal).partition("\n")[0]
        raise ArchiveInvalid(f"The database does not take the rows: {said}. Nothing was kept.") from None


@contextmanager
def _alone(tenant_id: UUID) -> Iterator[None]:
    """One import of a tenant at a time. Raises ImportRunning."""
    lock = int.from_bytes(tenant_id.bytes[-8:], signed=True)
    with owner().cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", [lock])
        if not cursor.fetchone()[0]:
            raise ImportRunning
    try:
        yield
    finally:
        with owner().cursor() as cursor:
            cursor.execute("select pg_advisory_unlock(%s)", [lock])

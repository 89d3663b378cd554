"""Rows of the registry that come with a tenant: read into a table of their own first, judged there, then inserted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg import sql

from apps.core.problems import show
from apps.tenancy.transfer import contents, copying, folder
from apps.tenancy.transfer.contents import RegistryRows, Table
from apps.tenancy.transfer.errors import ArchiveInvalid, RegistryTaken
from apps.tenancy.transfer.manifest import Manifest

_SHOWN = 5


def take(cursor: Any, root: Path, manifest: Manifest) -> None:
    """Insert the archive's rows of the registry, in the owner's transaction.

    Raises ArchiveInvalid for rows that are another tenant's, RegistryTaken for rows that are there already.
    """
    for name, (table, rows) in contents.registry_tables().items():
        held = sql.Identifier(f"moving_{name}")
        public = sql.Identifier("public", name)
        cursor.execute(sql.SQL("create temporary table {} (like {}) on commit drop").format(held, public))
        with folder.opened(root, folder.REGISTRY, name) as file:
            copying.take_rows(cursor, table, held, folder.chunks_of(file))
        _require_own(cursor, table, rows, held, manifest)
        _require_new(cursor, table, held, public)
        for column in rows.loosened:
            _loosen(cursor, column, held, public)
        columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
        cursor.execute(sql.SQL("insert into {0} ({2}) select {2} from {1}").format(public, held, columns))


def _require_own(
    cursor: Any, table: Table, rows: RegistryRows, held: sql.Identifier, manifest: Manifest
) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    cursor.execute(sql.SQL("select {} from {}").format(columns, held))
    while batch := cursor.fetchmany(1000):
        for values in batch:
            row = dict(zip(table.columns, values, strict=True))
            because = (
                rows.objection(row) if row["tenant_id"] == manifest.tenant_id else "it is another tenant's"
            )
            if because:
                raise ArchiveInvalid(f"A row of {table.name} is not taken: {because}. Nothing was kept.")


def _require_new(cursor: Any, table: Table, held: sql.Identifier, public: sql.Identifier) -> None:
    statement = sql.SQL("select id from {} where id in (select id from {}) order by id limit %s")
    cursor.execute(statement.format(held, public), [_SHOWN])
    if taken := [str(row[0]) for row in cursor.fetchall()]:
        raise RegistryTaken(f"{table.name} has {show(', '.join(taken), 300)} already. {RegistryTaken.advice}")


def _loosen(cursor: Any, column: str, held: sql.Identifier, public: sql.Identifier) -> None:
    statement = sql.SQL(
        "update {0} set {2} = null where {2} not in (select id from {1} union all select id from {0})"
    )
    cursor.execute(statement.format(held, public, sql.Identifier(column)))

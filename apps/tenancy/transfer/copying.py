"""Rows as PostgreSQL copies them: text in a fixed form and order, measured while it passes.

The form is that of COPY under settings that are fixed here, with columns and order by name: the same rows are the same
bytes on every server from 15 to 18, so that their SHA-256 says whether all of them arrived.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from psycopg import sql

from apps.tenancy.backend.base import Wall
from apps.tenancy.owner import owner
from apps.tenancy.transfer.contents import Table

_FORM = """
select set_config('datestyle', 'ISO, YMD', true), set_config('intervalstyle', 'postgres', true),
       set_config('timezone', 'UTC', true), set_config('extra_float_digits', '1', true),
       set_config('bytea_output', 'hex', true), set_config('client_encoding', 'UTF8', true)
"""
#: A value that the tenant's data key sealed (apps.core.sealing), as it stands in a row.
_SEALED = re.compile(rb'(?:^|[\t"])pms1\.[1-9][0-9]{0,8}\.[A-Za-z0-9_-]{38}')


@dataclass(slots=True)
class Measure:
    """What rows add up to."""

    size: int = 0
    rows: int = 0
    sealed: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)

    def of(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The same lines, each a row, measured."""
        for line in lines:
            self._hash.update(line)
            self.size += len(line)
            self.rows += 1
            if b"pms1." in line and _SEALED.search(line):
                self.sealed += 1
            yield line

    def over(self, lines: Iterable[bytes]) -> Measure:
        """Itself, when all lines have passed."""
        for _ in self.of(lines):
            continue
        return self

    @property
    def sha256(self) -> str:
        """The hash of what has passed."""
        return str(self._hash.hexdigest())


@contextmanager
def snapshot(schema: str) -> Iterator[Any]:
    """A cursor of the owner's that reads `schema` and the registry as they are at one moment, and writes nothing."""
    connection = owner()
    before = connection.wall
    connection.stand_in(Wall(schema))
    try:
        # Says where it stands now: after a first statement no transaction takes another isolation.
        connection.cursor().close()
        with transaction.atomic(using="owner"), connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read, read only")
            cursor.execute(_FORM)
            yield cursor
    finally:
        connection.stand_in(before)


def fix_form(cursor: Any) -> None:
    """Give the values of this transaction the form in which they are carried."""
    cursor.execute(_FORM)


def rows_of(
    cursor: Any, table: Table, schema: str, tenant_id: UUID | None = None
) -> Generator[bytes, None, None]:
    """The rows of a table, one line each, in order; of a registry's table those of one tenant."""
    which = sql.SQL("where tenant_id = {}").format(sql.Literal(tenant_id)) if tenant_id else sql.SQL("")
    statement = sql.SQL("copy (select {} from {} {} order by {}) to stdout").format(
        sql.SQL(", ").join(_read(table, name) for name in table.columns),
        sql.Identifier(schema, table.name),
        which,
        sql.SQL(", ").join(_ordered(name, is_text=is_text) for name, is_text in table.order),
    )
    with owner().wrap_database_errors, cursor.copy(statement) as copy:
        for line in copy:
            yield bytes(line)


def take_rows(cursor: Any, table: Table, place: sql.Identifier, chunks: Iterable[bytes]) -> None:
    """Copy rows into the table at `place`. Raises what the database says of them, as Django does."""
    columns = sql.SQL(", ").join(map(sql.Identifier, table.columns))
    statement = sql.SQL("copy {} ({}) from stdin").format(place, columns)
    with owner().wrap_database_errors, cursor.copy(statement) as copy:
        for chunk in chunks:
            copy.write(chunk)


def _read(table: Table, column: str) -> sql.Composable:
    """The column, or what is said in its place: constant text of a room's, never input."""
    if column in table.said:
        return sql.SQL(table.said[column])
    return sql.Identifier(column)


def _ordered(column: str, *, is_text: bool) -> sql.Composable:
    return sql.SQL('{} collate "C"' if is_text else "{}").format(sql.Identifier(column))

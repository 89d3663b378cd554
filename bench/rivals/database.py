"""A database of its own for each round, on a Postgres that keeps what it commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg

_NAME: LiteralString = "bench_rival"
_SUPERUSER = "postgres"
_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass(frozen=True)
class Database:
    """How to reach it in libpq's variables, and a connection of the bench itself."""

    environment: dict[str, str]
    connection: psycopg.Connection

    def count(self, query: str) -> int:
        """What a query for one number answers."""
        row = self.connection.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0

    def analyze(self) -> None:
        """What autovacuum would have done to a backlog that is not minutes old."""
        self.connection.execute("ANALYZE")


@contextmanager
def made(host: str) -> Iterator[Database]:
    """An empty database on the Postgres whose socket is in the folder `host`, in place of an earlier one.

    Raises RuntimeError where a commit would not be durable.
    """
    with psycopg.connect(host=host, user=_SUPERUSER, dbname="postgres", autocommit=True) as connection:
        _check(connection)
        connection.execute(f"DROP DATABASE IF EXISTS {_NAME} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {_NAME} TEMPLATE template0")
    reached = {"PGHOST": host, "PGUSER": _SUPERUSER, "PGDATABASE": _NAME}
    with psycopg.connect(host=host, user=_SUPERUSER, dbname=_NAME, autocommit=True) as connection:
        yield Database(reached, connection)


def _check(connection: psycopg.Connection) -> None:
    for name in _DURABLE:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
        if row != ("on",):
            raise RuntimeError(f"Postgres runs with {name} = {row and row[0]}: measure with {name} = on.")

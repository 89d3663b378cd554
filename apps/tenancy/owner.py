"""The owner's connection: everything that creates, changes or drops schemas and roles goes through here.

Statements are composed with psycopg.sql, whose typed literals and identifiers are the only way a name gets into DDL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.conf import settings
from django.db import connections, transaction
from psycopg import sql

from apps.tenancy.backend.base import DatabaseWrapper, Wall
from apps.tenancy.walls import organization_role, registry_role, tenant_role, tenants_role

#: Held while roles or the blueprint are made, so that two installers do not meet ("pmok" as a number).
INSTALL_LOCK = 0x706D6F6B


def owner() -> DatabaseWrapper:
    """The owner's connection of this thread."""
    return cast(DatabaseWrapper, connections["owner"])


@contextmanager
def owner_transaction(schema: str = "") -> Iterator[Any]:
    """A transaction as owner with `schema` alone on the path; yields a cursor."""
    connection = owner()
    before = connection.wall
    connection.stand_in(Wall(schema))
    try:
        with transaction.atomic(using="owner"), connection.cursor() as cursor:
            yield cursor
    finally:
        connection.stand_in(before)


def run(cursor: Any, statement: str, **names: str | sql.Literal) -> None:
    """Execute DDL in which each `{name}` is replaced by the quoted identifier, or the literal, of that name."""
    parts = {key: sql.Identifier(name) if isinstance(name, str) else name for key, name in names.items()}
    cursor.execute(sql.SQL(statement).format(**parts))


def login_role() -> str:
    """The server's login role, as it stands in the `default` connection's settings."""
    return str(connections["default"].settings_dict["USER"])


def ensure_role(cursor: Any, role: str) -> None:
    """Create `role`, without a login, and let the server's login assume it. Nothing happens when it is there.

    The login is NOINHERIT, so the grant gives it SET ROLE and nothing else.
    """
    cursor.execute("select 1 from pg_roles where rolname = %s", [role])
    if cursor.fetchone() is None:
        run(cursor, "create role {role} nologin", role=role)
    run(cursor, "grant {role} to {login}", role=role, login=login_role())


def ensure_tenant_roles(cursor: Any, schema: str) -> None:
    """The two roles of a tenant, as members of the group of all tenants' roles."""
    names = {"tenant": tenant_role(schema), "org": organization_role(schema)}
    for role in names.values():
        ensure_role(cursor, role)
    run(cursor, "grant {group} to {tenant}, {org}", group=tenants_role(), **names)


def ensure_registry_role(cursor: Any) -> None:
    """The registry's role, and the group of tenants' roles; the login may connect and nothing else."""
    ensure_role(cursor, registry_role())
    _ensure_group(cursor)
    database = str(settings.DATABASES["owner"]["NAME"])
    # A temporary table would stand before the tables of every tenant that the connection serves later.
    run(cursor, "revoke temporary on database {database} from public", database=database)
    run(cursor, "grant connect on database {database} to {login}", database=database, login=login_role())
    run(cursor, "revoke all on schema public from public")
    roles = {"login": login_role(), "role": registry_role(), "group": tenants_role()}
    run(cursor, "grant usage on schema public to {login}, {role}, {group}", **roles)


def _ensure_group(cursor: Any) -> None:
    """The group of all tenants' roles, which nobody assumes by itself: the login is no member."""
    cursor.execute("select 1 from pg_roles where rolname = %s", [tenants_role()])
    if cursor.fetchone() is None:
        run(cursor, "create role {role} nologin", role=tenants_role())


def drop_schema(schema: str) -> None:
    """Drop a schema that nobody uses any more, with its two roles. For spares that are out of date, and tests."""
    with owner_transaction() as cursor:
        run(cursor, "drop schema if exists {schema} cascade", schema=schema)
        for role in (organization_role(schema), tenant_role(schema)):
            run(cursor, "drop role if exists {role}", role=role)


@contextmanager
def install_lock() -> Iterator[None]:
    """One installer at a time, over all processes of the installation."""
    with owner().cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", [INSTALL_LOCK])
    try:
        yield
    finally:
        with owner().cursor() as cursor:
            cursor.execute("select pg_advisory_unlock(%s)", [INSTALL_LOCK])

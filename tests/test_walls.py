"""Each wall by itself: every test here takes the other walls away and finds that this one still holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.core.checks import run_checks
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import Model
from pytest_django import DjangoDbBlocker

from apps.core.models import IdempotencyRecord
from apps.core.walls import declaration_of
from apps.tenancy.models import Tenant
from apps.tenancy.owner import login_role, owner, owner_transaction
from apps.tenancy.schema import LOGIN_WRITES, models_of, tables_of
from apps.tenancy.walls import (
    NO_ORGANIZATION,
    enter,
    organization_role,
    outside,
    registry,
    registry_role,
    tenant_role,
    tenants_role,
)
from tests.sweep.cells import NOBODY, Cell, divide
from tests.sweep.stage import undone
from tests.world import Space, World

WALLED = [
    (kind, model)
    for kind in ("console", "environment")
    for model in models_of(kind)
    if (declared := declaration_of(model)) and declared.column
]
APPEND_ONLY = [
    (kind, model)
    for kind in ("console", "environment")
    for model in models_of(kind)
    if (declared := declaration_of(model)) and declared.append_only
]


def _named(pairs: list[tuple[str, type[Model]]]) -> list[str]:
    return [f"{kind}-{model._meta.label}" for kind, model in pairs]


def sql(statement: str, parameters: Any = None, using: str = "default") -> list[Any]:
    """Run one statement where the connection stands now; returns its rows."""
    with connections[using].cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def refused(*kinds: type[psycopg.Error], using: str = "default") -> Iterator[None]:
    """What happens inside has to fail with one of `kinds`, and nothing else of the transaction is lost."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic(using=using):
        yield
    assert isinstance(caught.value.__cause__, kinds), repr(caught.value)


#: The test may ask as the owner too; what it does there is undone.
with_owner = pytest.mark.django_db(databases=["default", "owner"])
NO_TABLE = psycopg.errors.UndefinedTable
NO_RIGHT = psycopg.errors.InsufficientPrivilege


def spaces(world: World) -> list[Space]:
    """All three tenants."""
    return [world.console, world.acorn, world.birch]


# The path: the role is taken away by asking as the owner, who may read everything.


@with_owner
def test_the_path_alone_keeps_a_tenant_to_itself(world: World) -> None:
    """As owner in acorn's path: own tables are found, those of public or of nobody are not."""
    with owner_transaction(world.acorn.ref.schema_name) as cursor:
        cursor.execute("create table public.planted as select 1 as leaked")
        cursor.execute("select count(*) from orgs_organization")
        assert cursor.fetchone() == (2,)
        for missing in ("planted", "tenancy_tenant", "applications_application"):
            with refused(NO_TABLE, using="owner"):
                cursor.execute(f"select * from {missing}")
        cursor.execute("drop table public.planted")


def test_the_path_is_the_tenants_schema_and_nothing_else(world: World) -> None:
    for space in spaces(world):
        for organization in (None, NO_ORGANIZATION, *(party.uuid for party in space.parties.values())):
            with enter(space.ref, organization):
                assert sql("show search_path") == [(f'"{space.ref.schema_name}"',)]
                assert sql("select current_schemas(false)") == [([space.ref.schema_name],)]
    with outside():
        assert sql("select current_schemas(false)") == [([],)]


def test_outside_of_every_tenant_an_unqualified_name_is_an_error(world: World) -> None:
    with outside():
        for name in ("orgs_organization", "tenancy_tenant", "accounts_user"):
            with refused(NO_TABLE):
                sql(f"select * from {name}")
        assert sql("select count(*) from public.tenancy_tenant") != [(0,)]


# The role: the path is taken away by naming the other tenant's schema, and row-level security by having none there.


def test_no_role_of_a_tenant_reads_another_by_its_full_name(world: World) -> None:
    other = world.birch.ref.schema_name
    for organization in (None, NO_ORGANIZATION, world.acorn.parties["north"].uuid):
        for table in tables_of("environment"):
            with enter(world.acorn.ref, organization), refused(NO_RIGHT):
                sql(f'select * from "{other}".{table}')


def test_nor_does_moving_the_path_help(world: World) -> None:
    for organization in (None, world.acorn.parties["north"].uuid):
        for table in tables_of("environment"):
            with enter(world.acorn.ref, organization), refused(NO_TABLE, NO_RIGHT):
                # Without a right to the schema, its tables are not even found.
                sql("select set_config('search_path', %s, true)", [world.birch.ref.schema_name])
                sql(f"select * from {table}")


def test_the_login_itself_reads_no_tenant(world: World) -> None:
    with outside():
        for space in spaces(world):
            for table in tables_of(space.ref.kind):
                with refused(NO_RIGHT):
                    sql(f'select * from "{space.ref.schema_name}".{table}')


def test_the_login_writes_nothing_of_the_registry_but_its_counters(world: World) -> None:
    with outside():
        for model in models_of("public"):
            if model._meta.label_lower in LOGIN_WRITES:
                continue
            with refused(NO_RIGHT):
                sql(f"update {model._meta.db_table} set {model._meta.pk.column} = {model._meta.pk.column}")
            with refused(NO_RIGHT):
                sql(f"delete from {model._meta.db_table}")


def test_the_registrys_role_reaches_no_tenant_and_a_tenants_role_no_registry(world: World) -> None:
    with registry():
        assert sql("select current_user") == [(registry_role(),)]
        for space in spaces(world):
            for table in tables_of(space.ref.kind):
                with refused(NO_RIGHT):
                    sql(f'select * from "{space.ref.schema_name}".{table}')
    for organization in (None, world.acorn.parties["north"].uuid):
        for table in tables_of("public"):
            with enter(world.acorn.ref, organization), refused(NO_RIGHT):
                sql(f"select * from public.{table}")


@with_owner
def test_what_the_catalog_says_of_every_role(world: World) -> None:
    """Nobody who serves calls owns a thing, is above the walls, or inherits rights it did not assume."""
    spares = [tenant.schema_name for tenant in Tenant.objects.using("owner").all()]
    roles = [role for schema in spares for role in (tenant_role(schema), organization_role(schema))]
    roles += [login_role(), registry_role()]
    with outside():
        found = sql(
            "select rolname, rolsuper, rolbypassrls, rolinherit, rolcanlogin, rolcreaterole, rolcreatedb,"
            "  exists (select from pg_class where relowner = role.oid)"
            "  or exists (select from pg_namespace where nspowner = role.oid)"
            "  or exists (select from pg_proc where proowner = role.oid)"
            "  or exists (select from pg_database where datdba = role.oid)"
            " from pg_roles role where rolname = any(%s)",
            [roles],
        )
        assert {row[0] for row in found} == set(roles)
        for name, above, bypasses, inherits, logs_in, makes_roles, makes_databases, owns in found:
            assert not any((above, bypasses, makes_roles, makes_databases, owns)), name
            assert logs_in == (name == login_role()), name
            assert name != login_role() or not inherits
        assuming = sql(
            "select distinct member.rolname::text from pg_auth_members join pg_roles member on member.oid = member "
            "join pg_roles assumed on assumed.oid = roleid where member.rolname = any(%s) and assumed.rolname <> %s",
            [roles, tenants_role()],
        )
        assert assuming == [(login_role(),)], "only the login may assume another role"


def test_nobody_who_serves_calls_makes_objects(world: World) -> None:
    """Not even temporary ones: a temporary table would be found before the tenant's own by every later call."""
    with outside():
        schemas = [name for (name,) in sql("select nspname::text from pg_namespace where nspname !~ '^pg_'")]
        roles = [login_role(), registry_role()]
        roles += [tenant_role(space.ref.schema_name) for space in spaces(world)]
        roles += [organization_role(space.ref.schema_name) for space in spaces(world)]
        for role in roles:
            makes = "select has_schema_privilege(%s, name, 'create') from unnest(%s::text[]) name"
            assert not any(may for (may,) in sql(makes, [role, schemas])), role
            for right in ("create", "temporary"):
                asked = "select has_database_privilege(%s, current_database(), %s)"
                assert sql(asked, [role, right]) == [(False,)], (role, right)


@with_owner
def test_no_table_forces_its_owner_behind_a_policy(world: World) -> None:
    """The owner migrates and backs up: it has to see every row. Nobody who serves calls is an owner."""
    forced = "select count(*) from pg_class where relforcerowsecurity"
    assert sql(forced, using="owner") == [(0,)]


# The rows: the querysets' own scoping is taken away by asking for everything.


@pytest.fixture(scope="module")
def divided(django_db_setup: World, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, Cell]]:
    """One of everything for both organizations of each tenant, in a transaction that ends with the module."""
    with django_db_blocker.unblock(), undone():
        made = divide(django_db_setup)
        for cell in made.values():
            if cell.party and cell.space:
                with enter(cell.space.ref):
                    IdempotencyRecord.objects.create(
                        credential_id=NOBODY,
                        key=cell.name,
                        fingerprint=b"",
                        status=200,
                        body=b"",
                        organization_id=cell.organization,
                    )
        yield made


@pytest.fixture
def cells(divided: dict[str, Cell]) -> Iterator[dict[str, Cell]]:
    """The same; whatever a test does to it is rolled back."""
    with undone():
        yield divided


def _pair(cells: dict[str, Cell], kind: str) -> tuple[Space, Any, Any]:
    """A tenant of `kind` with the ids of its two organizations."""
    names = ("console/acorn", "console/birch") if kind == "console" else ("acorn/north", "acorn/south")
    one, other = (cells[name] for name in names)
    assert one.space is not None
    return one.space, one.organization, other.organization


def _column(model: type[Model]) -> str:
    declaration = declaration_of(model)
    assert declaration is not None
    assert declaration.column is not None
    return str(model._meta.get_field(declaration.column).column)  # type: ignore[union-attr]


@pytest.mark.parametrize(("kind", "model"), WALLED, ids=_named(WALLED))
def test_an_organization_sees_its_own_rows_only(
    cells: dict[str, Cell], kind: str, model: type[Model]
) -> None:
    space, one, other = _pair(cells, kind)
    column, table = _column(model), model._meta.db_table
    count = f"select {column}, count(*) from {table} where {column} is not null group by 1"
    with enter(space.ref):
        there = dict(sql(count))
    assert {one, other} <= there.keys(), f"{model._meta.label} has no rows to be walled: add an @example"
    with enter(space.ref, one):
        assert dict(sql(count)) == {one: there[one]}
        assert model._default_manager.count() == there[one]
    with enter(space.ref, NO_ORGANIZATION):
        assert sql(f"select * from {table}") == []


@pytest.mark.parametrize(("kind", "model"), WALLED, ids=_named(WALLED))
def test_an_organization_writes_its_own_rows_only(
    cells: dict[str, Cell], kind: str, model: type[Model]
) -> None:
    """Copies of a row into another organization, into none, and moving one there; from no organization, nothing."""
    space, one, other = _pair(cells, kind)
    column, table = _column(model), model._meta.db_table
    copy = (
        f"insert into {table} select (jsonb_populate_record(row, jsonb_build_object('{column}', %s::text))).* "
        f"from {table} row where {column} = %s"
    )
    move = f"update {table} set {column} = %s where {column} = %s"
    with enter(space.ref, one):
        for target in (other, None):
            with refused(NO_RIGHT, psycopg.errors.NotNullViolation):
                sql(copy, [target, one])
            with refused(NO_RIGHT, psycopg.errors.NotNullViolation):
                sql(move, [target, one])
    with enter(space.ref):
        (row,) = sql(f"select to_jsonb(row)::text from {table} row where {column} = %s limit 1", [one])
    insert = f"insert into {table} select (jsonb_populate_record(null::{table}, %s::jsonb)).*"
    with enter(space.ref, NO_ORGANIZATION), refused(NO_RIGHT):
        sql(insert, row)


@pytest.mark.parametrize(("kind", "model"), WALLED, ids=_named(WALLED))
def test_an_organization_changes_and_deletes_no_row_of_another(
    cells: dict[str, Cell], kind: str, model: type[Model]
) -> None:
    space, one, other = _pair(cells, kind)
    column, table = _column(model), model._meta.db_table
    declaration = declaration_of(model)
    assert declaration is not None
    if declaration.append_only:
        pytest.skip("nobody changes its rows at all")
    for standing in (one, NO_ORGANIZATION):
        with enter(space.ref, standing), connection.cursor() as cursor, undone():
            cursor.execute(f"update {table} set {column} = {column} where {column} = %s", [other])
            assert cursor.rowcount == 0
            cursor.execute(f"delete from {table} where {column} = %s", [other])
            assert cursor.rowcount == 0


@pytest.mark.parametrize(("kind", "model"), APPEND_ONLY, ids=_named(APPEND_ONLY))
def test_a_record_is_never_changed_by_anybody_who_serves_calls(
    cells: dict[str, Cell], kind: str, model: type[Model]
) -> None:
    space, one, _ = _pair(cells, kind)
    table, column = model._meta.db_table, model._meta.pk_fields[0].column
    for standing in (None, one, NO_ORGANIZATION):
        for statement in (
            f"update {table} set {column} = {column}",
            f"delete from {table}",
            f"truncate {table}",
        ):
            with enter(space.ref, standing), refused(NO_RIGHT):
                sql(statement)


# What stands behind no wall, and says so.


def test_every_tenant_model_declares_its_wall() -> None:
    assert [message for message in run_checks() if message.id == "packmule.E001"] == []
    for kind in ("console", "environment"):
        for model in models_of(kind):
            declaration = declaration_of(model)
            assert declaration is not None, model
            assert bool(declaration.column) != bool(declaration.why), f"{model} says both, or neither"


@with_owner
def test_the_owner_stands_behind_no_wall_and_is_not_above_the_server() -> None:
    attributes = "select rolsuper, rolbypassrls from pg_roles where rolname = current_user"
    assert owner().has_walls is False
    assert sql(attributes, using="owner") == [(False, False)]

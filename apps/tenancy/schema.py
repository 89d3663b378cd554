"""What a schema must look like: its tables, the walls on them, and the fingerprint of both.

The walls are not written in migrations. They are computed from the models' declarations and applied after every
migration of a schema, so that a new table cannot be forgotten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

from django.apps import apps
from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from django.db.models import Field, Model
from psycopg import sql

from apps.core.walls import Declaration, column_filled_by_tenants, declaration_of, is_registry
from apps.tenancy.owner import login_role, run
from apps.tenancy.routers import UNUSED_MODELS
from apps.tenancy.walls import organization_role, registry_role, tenant_role, tenants_role

#: The organization of the actor, as the policies read it: wrapped in a sub-select, or the planner asks once per row.
_ACTING = "(select nullif(current_setting('app.org', true), '')::uuid)"
#: Registry tables that the bare login may also write: a counter that must be kept before any tenant is known.
LOGIN_WRITES = frozenset({"tenancy.ratecounter"})


def models_of(kind: str) -> Iterator[type[Model]]:
    """The models whose tables stand in a schema of `kind` ('public' for the registry)."""
    wanted = set(settings.TENANT_TYPES[kind]["APPS"])
    for config in apps.get_app_configs():
        if config.name not in wanted:
            continue
        for model in config.get_models(include_auto_created=True):
            concrete = model._meta.managed and not model._meta.proxy and not model._meta.swapped
            if (
                concrete
                and is_registry(model) == (kind == "public")
                and model._meta.label_lower not in UNUSED_MODELS
            ):
                yield model


def tables_of(kind: str) -> list[str]:
    """The bare names of those tables, sorted."""
    return sorted(model._meta.db_table.removeprefix('"public".').strip('"') for model in models_of(kind))


@cache
def fingerprint(kind: str) -> str:
    """A hash over what a schema of `kind` is built from: migrations, tables and walls. Another one means behind."""
    labels = {
        config.label
        for config in apps.get_app_configs()
        if config.name in settings.TENANT_TYPES[kind]["APPS"]
    }
    loader = MigrationLoader(None, ignore_no_migrations=True)
    parts = [f"{app}.{name}" for app, name in sorted(loader.disk_migrations) if app in labels]
    parts += [f"{model._meta.db_table} {declaration_of(model)}" for model in models_of(kind)]
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()


def raise_walls(cursor: Any, schema: str, kind: str) -> None:
    """Give a tenant's two roles their rights on its tables, and the organization's role its policies. Repeatable."""
    names = {"schema": schema, "tenant": tenant_role(schema), "org": organization_role(schema)}
    run(cursor, "grant usage on schema {schema} to {tenant}, {org}", **names)
    run(
        cursor,
        "grant select, insert, update, delete on all tables in schema {schema} to {tenant}, {org};"
        "grant usage on all sequences in schema {schema} to {tenant}, {org};"
        "revoke all on {schema}.django_migrations from {tenant}, {org}",
        **names,
    )
    for model in models_of(kind):
        _wall_table(cursor, model, names | {"table": model._meta.db_table})


def _wall_table(cursor: Any, model: type[Model], names: dict[str, str]) -> None:
    declaration = declaration_of(model)
    if declaration is None:
        raise RuntimeError(f"{model._meta.label} declares no wall; see apps/core/walls.py.")
    if declaration.append_only:
        run(cursor, "revoke update, delete on {schema}.{table} from {tenant}, {org}", **names)
    if declaration.kept:
        _keep_columns(cursor, model, declaration.kept, names)
    if declaration.column is None:
        return
    run(
        cursor,
        "alter table {schema}.{table} enable row level security;"
        "drop policy if exists tenant_wall on {schema}.{table};"
        "drop policy if exists organization_wall on {schema}.{table};"
        "create policy tenant_wall on {schema}.{table} to {tenant} using (true) with check (true);"
        f"create policy organization_wall on {{schema}}.{{table}} to {{org}} using ({_within(declaration)})",
        column=_column(model, declaration.column),
        **({"shared": _column(model, declaration.shared)} if declaration.shared else {}),
        **names,
    )


def _within(declaration: Declaration) -> str:
    """What an organization's actor may see and write, as the policy says it.

    Rows that are shared belong to no organization. An OR of both would make PostgreSQL look each row up beside the
    index, and expect far fewer of them.
    """
    own = f"{{column}} = {_ACTING}"
    return f"case when {{column}} is null then {{shared}} else {own} end" if declaration.shared else own


def _column(model: type[Model], name: str) -> str:
    return str(cast("Field[Any, Any]", model._meta.get_field(name)).column)


def _keep_columns(cursor: Any, model: type[Model], kept: tuple[str, ...], names: dict[str, str]) -> None:
    """Leave the organization's role the right to update what is not `kept`, and none to make or delete rows."""
    run(cursor, "revoke insert, update, delete on {schema}.{table} from {org}", **names)
    fields = cast("list[Field[Any, Any]]", model._meta.local_concrete_fields)
    for field in fields:
        if field.name not in kept:
            run(
                cursor,
                "grant update ({column}) on {schema}.{table} to {org}",
                column=str(field.column),
                **names,
            )


def raise_registry_walls(cursor: Any) -> None:
    """The login reads the registry, the registry role writes it, and nobody else comes near. Repeatable.

    Except for the tables into which a tenant may put rows of its own.
    """
    names = {"login": login_role(), "registry": registry_role()}
    run(cursor, "grant usage on all sequences in schema public to {registry}", **names)
    for model in models_of("public"):
        table = model._meta.db_table.removeprefix('"public".').strip('"')
        run(
            cursor,
            "revoke all on public.{table} from public;"
            "grant select, insert, update, delete on public.{table} to {registry};"
            "grant select on public.{table} to {login}",
            table=table,
            **names,
        )
        if model._meta.label_lower in LOGIN_WRITES:
            run(cursor, "grant insert, update on public.{table} to {login}", table=table, **names)
        if column := column_filled_by_tenants(model):
            _let_tenants_fill(cursor, table, _column(model, column))


def _let_tenants_fill(cursor: Any, table: str, column: str) -> None:
    """Let a tenant's two roles insert rows that name its own schema in `column`; they read and change none."""
    names = {"login": login_role(), "registry": registry_role(), "tenants": tenants_role()}
    run(
        cursor,
        "alter table public.{table} enable row level security;"
        "drop policy if exists registry_wall on public.{table};"
        "drop policy if exists login_wall on public.{table};"
        "drop policy if exists tenants_wall on public.{table};"
        "create policy registry_wall on public.{table} to {registry} using (true) with check (true);"
        "create policy login_wall on public.{table} for select to {login} using (true);"
        "create policy tenants_wall on public.{table} for insert to {tenants}"
        " with check ({prefix} || {column} in (current_user::text, regexp_replace(current_user, '_org$', '')));"
        "grant insert on public.{table} to {tenants}",
        table=table,
        column=column,
        prefix=sql.Literal(f"{settings.PACKMULE_ROLE_PREFIX}_"),
        **names,
    )

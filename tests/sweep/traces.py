"""What a call wrote, wherever it wrote it: asked from the database, not from the code that was called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.db import connection

from apps.core.ids import decode
from apps.core.walls import declaration_of
from apps.tenancy.schema import models_of
from apps.tenancy.walls import enter, outside
from tests.sweep.cells import Cell
from tests.world import Space

#: Attempts of this transaction, those that were rolled back included, in every schema that there is.
_WRITTEN = """
select relnamespace::regnamespace::text, relname, tried from (
    select relnamespace, relname, pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
           + pg_stat_get_xact_tuples_deleted(oid) as tried
    from pg_class where relkind = 'r') as class
where tried > 0
"""
_REGISTRY = """
select 'apikeys_keyindex', id::text, tenant_id::text, organization_id::text,
       md5((to_jsonb(row) - 'last_used_at')::text) from public.apikeys_keyindex row
union all
select 'tenancy_tenant', id::text, id::text, null, md5(row::text) from public.tenancy_tenant row
union all
select 'tenancy_datakey', id::text, tenant_id::text, null, md5(row::text) from public.tenancy_datakey row
union all
select 'tenancy_domain', domain, tenant_id::text, null, md5(row::text) from public.tenancy_domain row
union all
select 'apikeys_handoff', id::text, tenant_id::text, 'hand-offs', md5(row::text) from public.apikeys_handoff row
union all
select 'apikeys_halt', id::text, tenant_id::text, principal_id::text, md5(row::text) from public.apikeys_halt row
"""
#: Rows that are a person's own, under that person's id: what somebody does about themselves changes no other.
_PERSONAL = {
    "accounts_oauthgrant": "row.user_id::text",
    "allauth_idp_oidc_token": "coalesce(row.user_id::text, row.id::text)",
    "audit_event": "case when row.organization_id is null and row.actor_kind = 'user' "
    "then row.actor_id else row.id::text end",
    "events_event": "case when row.organization_id is null and row.actor->>'kind' = 'user' "
    "then row.actor->>'id' else row.id::text end",
    "usersessions_usersession": "row.user_id::text",
    "django_session": "coalesce((select seen.user_id::text from usersessions_usersession seen "
    "where seen.session_key = row.session_key), row.session_key)",
}
#: Whose rows are that say so by another table's row only.
_OWNERS = {
    "allauth_idp_oidc_client": "coalesce((select facts.organization_id::text from accounts_oauthclient facts "
    "where facts.client_id = row.id), '-')",
    "events_ear": "coalesce(row.organization_id::text, '')",
    # Bytes that nobody has any more wait there for the store.
    "storage_condemned": "'-'",
}
#: Counters of the rate limiter are everybody's.
NOBODYS = frozenset({("public", "tenancy_ratecounter")})


@dataclass(frozen=True)
class Row:
    """A row of a tenant or of the registry: where it is, whose it is, and what its content comes to."""

    table: str
    key: str
    owner: str
    content: str


def attempts() -> dict[tuple[str, str], int]:
    """How many rows of each (schema, table) this transaction tried to write so far."""
    with outside(), connection.cursor() as cursor:
        cursor.execute(_WRITTEN)
        return {(schema, table): count for schema, table, count in cursor.fetchall()}


def written(before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]) -> set[tuple[str, str]]:
    """The (schema, table) pairs that were written between two looks."""
    return {where for where, count in after.items() if count != before.get(where, 0)} - NOBODYS


def rows_of(space: Space) -> set[Row]:
    """Every row of the tenant `space`, seen by the tenant's own role."""
    with enter(space.ref), connection.cursor() as cursor:
        cursor.execute(_all_rows(space.ref.kind))
        return {Row(*cast("tuple[Any, Any, Any, Any]", row)) for row in cursor.fetchall()}


def texts_of(space: Space) -> str:
    """All that the tenant `space` holds, as text; bytes are in hexadecimal digits."""
    with enter(space.ref), connection.cursor() as cursor:
        tables = [model._meta.db_table for model in models_of(space.ref.kind)]
        cursor.execute(" union all ".join(f"select row::text from {table} row" for table in tables))
        return "\n".join(text for (text,) in cursor.fetchall())


def texts_of_registry() -> str:
    """All that the registry holds, as text like that of `texts_of`."""
    with outside(), connection.cursor() as cursor:
        tables = [model._meta.db_table for model in models_of("public")]
        cursor.execute(" union all ".join(f"select row::text from {table} row" for table in tables))
        return "\n".join(text for (text,) in cursor.fetchall())


def rows_of_registry() -> set[Row]:
    """Every row of the registry that says who is reached by what.

    `owner` is `tenant id/organization id`; of who is stopped `tenant id/principal id`, and of hand-offs, which are the
    environment's as a whole, `tenant id/hand-offs`.
    """
    with outside(), connection.cursor() as cursor:
        cursor.execute(_REGISTRY)
        return {Row(t, k, f"{tenant}/{org or ''}", c) for t, k, tenant, org, c in cursor.fetchall()}


def _all_rows(kind: str) -> str:
    """One statement over all tables of a tenant: table, key, organization ('' for none, '-' where none is walled)."""
    parts = []
    for model in models_of(kind):
        declaration = declaration_of(model)
        column = declaration.column if declaration else None
        owner = "'-'"
        if column is not None:
            owner = f"coalesce({model._meta.get_field(column).column}::text, '')"  # type: ignore[union-attr]
        table = model._meta.db_table
        owner = _OWNERS.get(table, owner)
        key = _PERSONAL.get(table) or " || '/' || ".join(f"{f.column}::text" for f in model._meta.pk_fields)
        parts.append(f"select '{table}', {key}, {owner}, md5(row::text) from {table} row")
    return " union all ".join(parts)


def owners_of(cells: Iterable[Cell], space: Space) -> set[str]:
    """The organizations, as `Row.owner` has them, that `cells` cover in `space`; '' for the tenant's own rows."""
    return {
        str(cell.organization or "")
        for cell in cells
        if cell.space is space and not cell.name.endswith("/place")
    }


def registered(cell: Cell) -> Iterator[str]:
    """Whose rows of the registry are the cell's, as `rows_of_registry` has them. Who knows a place owns none of it."""
    if cell.space is None or cell.name.endswith(("/place", "/visitor")):
        return
    tenant = cell.space.ref.id
    yield f"{tenant}/{cell.organization or ''}"
    if cell.name.endswith("/tenant"):
        yield f"{tenant}/hand-offs"
    for prefix in ("usr", "agt", "svc"):
        if prefix in cell.things:
            yield f"{tenant}/{decode(cell.things[prefix], prefix)}"


def shown(rows: Iterable[Row]) -> str:
    """The rows in a sentence for a failing test."""
    return "; ".join(sorted(f"{row.table} {row.key} of {row.owner or 'the tenant'}" for row in rows))

"""Looking at what tenants really have: tables, columns, policies and rights, in one catalog query.

Columns are compared with the models; policies and rights with those of the template from which tenants of that kind are
made. `django_migrations` is not believed: when an app was added to a kind of tenant later, its migrations stand there
as applied although they made no table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from django.db import connection

from apps.tenancy.blueprint import is_behind, template_schema
from apps.tenancy.models import Tenant
from apps.tenancy.schema import models_of
from apps.tenancy.walls import outside

_CATALOG = """
select space.nspname, class.relname,
       array(select attname::text from pg_attribute where attrelid = class.oid and attnum > 0 and not attisdropped),
       array(select format('%%s %%s %%s %%s %%s', polname, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid),
                           pg_get_expr(polwithcheck, polrelid)) from pg_policy where polrelid = class.oid)
       || format('row-level security %%s %%s', class.relrowsecurity, class.relforcerowsecurity),
       array(select item::text from unnest(class.relacl) item
              where item::text not like class.relowner::regrole || '=%%')
       || array(select format('%%s %%s', attname, item) from pg_attribute, unnest(attacl) item
                 where attrelid = class.oid and attnum > 0)
       || format('owner %%s', class.relowner::regrole)
  from pg_class class join pg_namespace space on space.oid = class.relnamespace
 where space.nspname = any(%s) and class.relkind = 'r'
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is: its columns, and its wall and rights with the schema's own name taken out."""

    columns: frozenset[str]
    wall: frozenset[str]
    rights: frozenset[str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one tenant; nothing, when `problems` is empty and it is not behind."""

    tenant: Tenant
    behind: bool
    problems: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """`current`, `behind` (refused until `prepare` ran), or `damaged` (its tables are not as they should be)."""
        if self.behind:
            return "behind"
        return "damaged" if self.problems else "current"


def inspect(tenants: Iterable[Tenant]) -> list[Finding]:
    """Compare each of `tenants` with the code that runs now. One query, however many there are."""
    listed = list(tenants)
    templates = {kind: template_schema(kind) for kind in {tenant.kind for tenant in listed}}
    found = _found([*templates.values(), *(tenant.schema_name for tenant in listed)])
    return [
        Finding(
            tenant,
            is_behind(tenant),
            _differences(
                found.get(tenant.schema_name, {}), found.get(templates[tenant.kind], {}), tenant.kind
            ),
        )
        for tenant in listed
    ]


@cache
def expected_columns(kind: str) -> Mapping[str, frozenset[str]]:
    """The tables that a tenant of `kind` has to have, with their columns."""
    tables = {"django_migrations": frozenset({"id", "app", "name", "applied"})}
    for model in models_of(kind):
        columns = (field.column for field in model._meta.local_concrete_fields)
        tables[model._meta.db_table] = frozenset(column for column in columns if column)
    return tables


def _found(schemas: list[str]) -> dict[str, dict[str, Table]]:
    with outside(), connection.cursor() as cursor:
        cursor.execute(_CATALOG, [schemas])
        rows = cursor.fetchall()
    found: dict[str, dict[str, Table]] = {}
    for schema, table, columns, wall, rights in rows:
        nameless = (frozenset(text.replace(schema, "…") for text in texts) for texts in (wall, rights))
        found.setdefault(schema, {})[table] = Table(frozenset(columns), *nameless)
    return found


def _differences(found: Mapping[str, Table], template: Mapping[str, Table], kind: str) -> list[str]:
    wanted = expected_columns(kind)
    problems = [f"table {name} is missing" for name in sorted(wanted.keys() - found.keys())]
    problems += [f"table {name} belongs to no model" for name in sorted(found.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & found.keys()):
        problems += _column_differences(name, found[name].columns, wanted[name])
        if name in template and found[name].wall != template[name].wall:
            problems.append(f"table {name} has lost the wall between organizations, or has another one")
        if name in template and found[name].rights != template[name].rights:
            problems.append(f"table {name} gives other rights than it should")
    return problems


def _column_differences(table: str, found: frozenset[str], wanted: frozenset[str]) -> list[str]:
    missing = [f"column {table}.{name} is missing" for name in sorted(wanted - found)]
    return missing + [f"column {table}.{name} belongs to no field" for name in sorted(found - wanted)]

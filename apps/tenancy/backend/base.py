"""The database backend: path, role and organization as one state of the connection.

django-tenants' backend sets the search_path; this one sets the role and the organization with it, in one round trip,
and again after everything that makes PostgreSQL forget session settings: a rollback, a reconnect, a lost connection.
Nothing is sent when a wall is entered; the state is sent before the next statement, so that no statement can run
under a state that was only half set.
"""

from __future__ import annotations

import select
from dataclasses import dataclass
from typing import Any

import django.db.utils
import psycopg
from django_tenants.postgresql_backend.base import DatabaseWrapper as TenantsWrapper
from django_tenants.postgresql_backend.introspection import DatabaseSchemaIntrospection

from apps.tenancy.backend.times import with_utc_loader

#: What `set_config('role', …)` takes for "the login role itself".
NO_ROLE = "none"
_STATE_SQL = (
    "select set_config('search_path', %s, false), set_config('role', %s, false), "
    "set_config('app.org', %s, false)"
)

_FAILED = psycopg.pq.TransactionStatus.INERROR
#: Planning is half of what a list costs PostgreSQL. A plan holds for one path and role: under others PostgreSQL looks
#: the names up and plans again by itself, so that a prepared statement never reads another tenant's tables.
_PREPARED = {"server_side_binding": True, "prepare_threshold": 3}


@dataclass(frozen=True, slots=True)
class Wall:
    """Path, role and organization (a UUID as text, or '') of a connection.

    `schema` is '' outside of every tenant: an empty path, under which only qualified names resolve.
    """

    schema: str = ""
    role: str = NO_ROLE
    organization: str = ""

    @property
    def path(self) -> str:
        """The search_path as PostgreSQL takes it: one quoted schema, or nothing."""
        return f'"{self.schema}"' if self.schema else ""


OUTSIDE = Wall()


class Introspection(DatabaseSchemaIntrospection):  # type: ignore[misc]
    """Registry tables have a qualified name in the models, a bare one in the catalog."""

    def get_constraints(self, cursor: Any, table_name: str) -> Any:
        """The constraints of `table_name`, which may be `"public"."x"`: without this, dropping one emits no DDL."""
        return super().get_constraints(cursor, table_name.removeprefix('"public"."').rstrip('"'))


class DatabaseWrapper(TenantsWrapper):  # type: ignore[misc]
    """A connection that stands in exactly one wall at a time.

    With `WALLS` false in its settings (the owner's connection, for DDL) only the path follows the tenant.
    """

    #: The wall that the server was last told, None when it may have forgotten; django-tenants resets it by this name.
    search_path_set_schemas: Wall | None
    _setting_search_path: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.wall = OUTSIDE
        super().__init__(*args, **kwargs)
        self.introspection = Introspection(self)

    @property
    def has_walls(self) -> bool:
        """True for the server's login, false for the owner."""
        return bool(self.settings_dict.get("WALLS"))

    def get_connection_params(self) -> dict[str, Any]:
        """As Django's, except that times are read faster, and that the server's login prepares what it runs often."""
        if self.has_walls:
            self.settings_dict["OPTIONS"] |= _PREPARED
        params: dict[str, Any] = super().get_connection_params()
        params["context"] = with_utc_loader(params["context"])
        return params

    def stand_in(self, wall: Wall, tenant: Any = None) -> None:
        """Make `wall` the state of this connection from its next statement on.

        `tenant` is what django-tenants knows as the connection's tenant: a Tenant, or None for outside.
        """
        sent = self.search_path_set_schemas
        if tenant is None:
            super().set_schema_to_public()
        elif tenant is not self.tenant:
            super().set_tenant(tenant, include_public=False)
        # django-tenants forgets what was sent at every switch; it is still what the server has.
        self.wall, self.search_path_set_schemas = wall, sent

    def set_tenant(self, tenant: Any, include_public: bool = False) -> None:  # noqa: ARG002 - their signature
        """Follow `tenant`: django-tenants' own entry, used by migrations. Public is never on a tenant's path."""
        super().set_tenant(tenant, include_public=False)
        outside = self.has_walls and tenant.schema_name == "public"
        self.wall = OUTSIDE if outside else Wall(schema=tenant.schema_name)

    def is_alive(self) -> bool:
        """False when the server has closed this connection; asks the socket, not the server.

        Between calls the server says nothing unasked but its farewell, so that anything to be read counts as one.
        """
        if self.connection is None:
            return True
        if self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0)

    def _commit(self) -> None:
        """Commit; what the server was told in a transaction that failed it forgets, also when it is asked to commit.

        PostgreSQL answers COMMIT with a rollback then, and says so to nobody: without this, the next statement would
        run in the tenant that stood before the transaction.
        """
        connection = self.connection
        if connection is not None and connection.info.transaction_status == _FAILED:
            self.search_path_set_schemas = None
        super()._commit()

    def _handle_search_path(self, cursor: Any = None) -> None:  # noqa: ARG002 - their signature
        if self._setting_search_path or self.search_path_set_schemas == self.wall:
            return
        self._setting_search_path = True
        try:
            with self.wrap_database_errors, self.connection.cursor() as raw:
                raw.execute(_STATE_SQL, (self.wall.path, self.wall.role, self.wall.organization))
            self.search_path_set_schemas = self.wall
        except django.db.utils.InternalError as failure:
            # In an aborted transaction nothing but a rollback can run, and after it we come back here.
            if not isinstance(failure.__cause__, psycopg.errors.InFailedSqlTransaction):
                raise
        finally:
            self._setting_search_path = False

"""How the installation is: the database, the tenants that are behind, and the pool."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.db.models import Count

from apps.tenancy.blueprint import is_behind
from apps.tenancy.models import Domain, Tenant, TenantState
from apps.tenancy.walls import outside

_MOST_BEHIND = 20
_DATABASE = (
    "select current_setting('server_version'), pg_database_size(current_database()), "
    "(select count(*) from pg_stat_activity where datname = current_database()), "
    "current_setting('max_connections')::int"
)


@dataclass(frozen=True, slots=True)
class Database:
    """The server: version, milliseconds of one round trip, bytes, connections open and possible."""

    version: str
    milliseconds: float
    size: int
    connections: int
    most_connections: int

    @property
    def is_crowded(self) -> bool:
        """True when more than four of five connections are taken."""
        return self.connections * 5 > self.most_connections * 4


@dataclass(frozen=True, slots=True)
class Pool:
    """Spares of the warm pool, and how many there should be."""

    spares: int
    wanted: int

    @property
    def is_low(self) -> bool:
        """True when somebody may have to wait for a tenant to be built."""
        return self.spares < self.wanted


def database() -> Database:
    """Ask the server about itself. Two queries: an empty one is timed."""
    with outside(), connection.cursor() as cursor:
        started = time.perf_counter()
        cursor.execute("select 1")
        milliseconds = (time.perf_counter() - started) * 1000
        cursor.execute(_DATABASE)
        version, size, used, most = cursor.fetchone()
    return Database(str(version).split()[0], milliseconds, size, used, most)


def counts() -> dict[tuple[str, str], int]:
    """How many tenants there are, by kind and state."""
    with outside():
        rows = (
            Tenant.objects.values_list("kind", "state").annotate(number=Count("id")).order_by("kind", "state")
        )
        return {(kind, state): number for kind, state, number in rows}


def pool() -> Pool:
    """The warm pool of environments."""
    spares = counts().get(("environment", TenantState.SPARE.value), 0)
    return Pool(spares, settings.PACKMULE_POOL_SIZE)


def behind() -> list[Tenant]:
    """Active tenants that were built for other code than the code that runs, at most twenty."""
    with outside():
        active = Tenant.objects.active().order_by("name").only("name", "kind", "fingerprint", "state")
        return [tenant for tenant in active.iterator() if is_behind(tenant)][:_MOST_BEHIND]


def hosts(most: int = 200) -> list[Domain]:
    """The hosts by which tenants are reached."""
    with outside():
        return list(Domain.objects.select_related("tenant").order_by("domain")[:most])

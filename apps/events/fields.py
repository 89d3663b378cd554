"""The column that makes a log readable in order: the number of the transaction that wrote a row."""

from __future__ import annotations

from typing import Any

from django.db import models


class TransactionField(models.Field):  # type: ignore[type-arg] # it is generic for the checker alone
    """PostgreSQL's `xid8`: a 64-bit number of a transaction, which never comes again in one cluster."""

    def db_type(self, connection: Any) -> str:  # noqa: ARG002 - Django's signature
        """Its type in the database."""
        return "xid8"

    def from_db_value(self, value: Any, *_: Any) -> int | None:
        """The number; the driver hands it out as text."""
        return None if value is None else int(value)

    def get_prep_value(self, value: Any) -> Any:
        """As text of no type, from which PostgreSQL reads it: no number of its own becomes one."""
        prepared = super().get_prep_value(value)
        return str(prepared) if isinstance(prepared, int) else prepared

    def to_python(self, value: Any) -> int | None:
        """The number."""
        return None if value is None else int(value)


class CurrentTransaction(models.Func):
    """The number of the transaction that runs."""

    function = "pg_current_xact_id"
    arity = 0
    output_field = TransactionField()

"""Records as lists answer them: plain data, which takes a third of the time that instances of a model take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import orjson
from django.db import connection

from apps.core.ids import encode
from apps.data.models import Record


@dataclass(slots=True)
class Row:
    """A record that is only read."""

    id: UUID
    data: dict[str, Any]
    version: int
    schema_version: int
    organization_id: UUID | None
    owner_id: UUID | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    @property
    def public_id(self) -> str:
        """The id as people and clients see it."""
        return encode(Record.id_prefix, self.id)

    @classmethod
    def read(cls, columns: Sequence[Any]) -> Self:
        """The record of COLUMNS as the database gives them."""
        return cls(columns[0], orjson.loads(columns[1]), *columns[2:])


#: The columns of a row, in their order.
COLUMNS = tuple(field.name for field in fields(Row))
# One parameter however many records there are, so that PostgreSQL knows the statement already.
_PICK = f"select {', '.join(COLUMNS)} from data_record where id = any(%s) and deleted_at is null"  # noqa: S608 - our own names


def pick(ids: Sequence[UUID]) -> list[Row]:
    """The live records with `ids`, in their order; what is not there, or behind the wall, is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_PICK, [list(ids)])
        found = {one[0]: Row.read(one) for one in cursor.fetchall()}
    return [found[one] for one in ids if one in found]

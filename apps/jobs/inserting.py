"""Inserting many rows of one model with a statement that is the same however many they are.

Django spells every value out, so that the driver reads a statement of thousands of parameters for each batch, which
costs several times what the server does with it. One array a column is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import cache
from typing import Any, cast

import orjson
from django.db import connection, models
from django.db.models import Field, Model


def insert(rows: Sequence[Model]) -> None:
    """Insert `rows`, all of one model, as they are; nothing is read back, and nothing is done about conflicts."""
    if not rows:
        return
    model = type(rows[0])
    columns = [(field, [_value(field, row) for row in rows]) for field in _fields(model)]
    told = [(field, values, _is_constant(values)) for field, values in columns]
    names = ", ".join(f'"{field.column}"' for field, _, _ in told)
    varying = [(field, values) for field, values, constant in told if not constant]
    chosen = ", ".join(
        f"%s::{_type(field)}" if constant else f'x."{field.column}"' for field, _, constant in told
    )
    arrays = ", ".join(f"%s::{_type(field)}[]" for field, _ in varying)
    aliases = ", ".join(f'"{field.column}"' for field, _ in varying)
    statement = f"insert into {_table(model)} ({names}) select {chosen} from unnest({arrays}) x({aliases})"  # noqa: S608 - names of the model
    constants = [values[0] for _, values, constant in told if constant]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*constants, *(values for _, values in varying)])


@cache
def _fields(model: type[Model]) -> list[Field[Any, Any]]:
    return cast("list[Field[Any, Any]]", list(model._meta.local_concrete_fields))


@cache
def _type(field: Field[Any, Any]) -> str:
    return str(field.db_type(connection))


def _table(model: type[Model]) -> str:
    name = model._meta.db_table
    return name if name.startswith('"') else f'"{name}"'


def _value(field: Field[Any, Any], row: Model) -> Any:
    value = getattr(row, field.attname)
    if isinstance(value, Enum):
        return value.value
    if value is None:
        return None
    return orjson.dumps(value).decode() if isinstance(field, models.JSONField) else value


def _is_constant(values: Sequence[Any]) -> bool:
    first = values[0]
    return len(values) > 1 and all(value == first for value in values)

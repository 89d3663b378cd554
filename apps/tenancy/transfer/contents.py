"""What of a tenant is carried: tables with their columns, rows of the registry, and the bytes that rows name.

Rooms above say here what lies in the registry for a tenant, what is left out of theirs, and where bytes are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, cast

from django.apps import apps
from django.db.models import AutoField, CharField, Field, Model, TextField

from apps.tenancy.models import Tenant
from apps.tenancy.schema import models_of

_left_out = {
    "contenttypes.contenttype": "definitions of the code, which every installation makes for itself",
    "core.idempotencyrecord": "answers to calls that were made at the old address",
    "core.cacheentry": "working memory",
    "sessions.session": "whoever was signed in signs in again",
    "usersessions.usersession": "goes with the sessions",
    "account.emailconfirmation": "codes that are good for minutes",
    "allauth_idp_oidc.token": "access and refresh tokens: clients sign in again",
    "socialaccount.socialtoken": "tokens of sign-in providers; nothing writes them",
    "admin.logentry": "nothing writes it; what was done is in the trail",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is carried: its columns by name, and by what its rows are ordered.

    `counted` is the column that a sequence of the database fills. `said` are expressions that stand for a column.
    """

    name: str
    columns: tuple[str, ...]
    order: tuple[tuple[str, bool], ...]
    counted: str | None = None
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegistryRows:
    """Rows of the registry model `label` that a tenant needs; they name it in `tenant_id`.

    `said` are SQL expressions that are exported in the place of a column. `loosened` are columns that become null where
    they name a row that the new installation does not have. `objection` says why a row cannot be another tenant's
    making, or None.
    """

    label: str
    said: Mapping[str, str] = field(default_factory=dict)
    loosened: tuple[str, ...] = ()
    objection: Callable[[Mapping[str, Any]], str | None] = lambda _row: None


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that a row names: their key in the store, size and SHA-256. Of an unfinished upload there are none."""

    key: str
    size: int
    sha256: str
    is_there: bool = True


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; none at the end."""


class Blobs(Protocol):
    """The store, and the names of a tenant's bytes."""

    def begin(self) -> None:
        """Be ready to take bytes, also where none ever were. Raises a Problem, such as StoreUnreachable."""

    def is_of(self, key: str, schema: str) -> bool:
        """True when `key` is one, and the bytes under it can only be those of the tenant of that schema."""

    def named(self, alias: str) -> Iterator[Blob]:
        """All bytes that rows name in the schema on the path of the connection `alias`, by key, each once."""

    def read(self, key: str) -> Iterator[bytes] | None:
        """The bytes, in chunks, or None when there are none."""

    def put(self, key: str, content: Readable) -> None:
        """Write bytes under a key that has none. Raises a Problem."""

    def delete(self, key: str) -> None:
        """Delete bytes that were put."""


_registry: dict[str, RegistryRows] = {}
_made_anew: dict[str, set[str]] = {}
_blobs: list[Blobs] = []
_after_import: list[Callable[[Tenant], None]] = []


def leave_out(label: str, why: str) -> None:
    """Say that rows of the model `label` stay behind, and why."""
    _left_out[label] = why


def make_anew(label: str, column: str) -> None:
    """Say that a column of the model `label` stays behind: the database that takes the rows fills it by its default."""
    _made_anew.setdefault(label, set()).add(column)


def carry_registry(rows: RegistryRows) -> None:
    """Carry rows of the registry with their tenant."""
    _registry[rows.label] = rows


def after_import(work: Callable[[Tenant], None]) -> None:
    """Call `work` with each tenant that was imported, in the transaction that puts it in service."""
    if work not in _after_import:
        _after_import.append(work)


def arrived(tenant: Tenant) -> None:
    """Tell everybody that `tenant` was imported."""
    for work in _after_import:
        work(tenant)


def register_blobs(blobs: Blobs) -> None:
    """Say where the bytes are that rows name. There is one such room."""
    _blobs[:] = [blobs]


def blobs() -> Blobs:
    """What was registered."""
    return _blobs[0]


def left_out(kind: str) -> dict[str, str]:
    """Why which tables of a tenant stay behind, by name."""
    labels = {model._meta.label_lower: model._meta.db_table for model in models_of(kind)}
    return {labels[label]: why for label, why in sorted(_left_out.items()) if label in labels}


@cache
def tables(kind: str) -> Mapping[str, Table]:
    """The tables of a tenant that are carried, by name."""
    carried = [model for model in models_of(kind) if model._meta.label_lower not in _left_out]
    return {model._meta.db_table: _table(model) for model in sorted(carried, key=_name)}


@cache
def registry_tables() -> Mapping[str, tuple[Table, RegistryRows]]:
    """The tables of the registry of which rows are carried, by name."""
    found = {}
    for label, rows in sorted(_registry.items()):
        table = _table(apps.get_model(label), rows.said)
        found[table.name] = (table, rows)
    return found


def _name(model: type[Model]) -> str:
    return model._meta.db_table


def _table(model: type[Model], said: Mapping[str, str] | None = None) -> Table:
    fields = cast("Sequence[Field[Any, Any]]", model._meta.local_concrete_fields)
    anew = _made_anew.get(model._meta.label_lower, set())
    counted = [str(one.column) for one in fields if isinstance(one, AutoField)]
    return Table(
        name=model._meta.db_table.removeprefix('"public".').strip('"'),
        columns=tuple(sorted(str(one.column) for one in fields if one.column and one.column not in anew)),
        order=tuple(
            (str(key.column), isinstance(key, CharField | TextField)) for key in model._meta.pk_fields
        ),
        counted=counted[0] if counted else None,
        said=said or {},
    )

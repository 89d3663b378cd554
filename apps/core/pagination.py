"""Pages of a list by key: `limit` rows after the row that the cursor names, one query a page.

A cursor is the last row's ordering values under a signature that also covers the list it belongs to, so one
that was changed, or taken from another list, tenant or filter, is refused.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import orjson
from django.conf import settings
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Field, Model, Q, QuerySet
from django.utils.crypto import salted_hmac

from apps.core import problems

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
_SALT = "packmule.pagination.cursor"
_MAC_BYTES = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows of a list; `next_cursor` is None on the last page. `extra` are further members of the answer."""

    data: Sequence[T]
    next_cursor: str | None
    extra: Mapping[str, Any] = field(default_factory=dict)


class Listing(Protocol):
    """A list that cuts its own pages: what an operation answers where one queryset does not say it all."""

    def page(self, *, limit: int, cursor: str | None, scope: str) -> Page[Any]:
        """The page after `cursor`; see `paginate`."""


@dataclass(frozen=True, slots=True)
class _Key:
    """One column of the ordering."""

    field: Field[Any, Any]
    descending: bool

    @property
    def name(self) -> str:
        return self.field.attname


def paginate(
    queryset: QuerySet[Any],
    *,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    scope: str = "",
    unique: bool = False,
) -> Page[Any]:
    """Return the page after `cursor` (the first one without), in the queryset's own order (default `-id`).

    `scope` names the list: what has to be equal between two calls for a cursor to be good in both (operation,
    tenant, filters). The order's columns must not be nullable; the primary key is added as the last one where
    it is missing, unless they are `unique` together. Raises CursorInvalid, and ValueError for a limit outside
    1..MAX_LIMIT or an unfit order.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"a page has 1 to {MAX_LIMIT} rows, not {limit}")
    keys = _keys(queryset, unique=unique)
    bound = f"{scope}|{queryset.model._meta.label_lower}|{[(key.name, key.descending) for key in keys]}"
    ordered = queryset.order_by(*(f"-{key.name}" if key.descending else key.name for key in keys))
    if cursor:
        ordered = ordered.filter(_after(keys, _read(cursor, bound, keys)))
    rows = list(ordered[: limit + 1])
    more = len(rows) > limit
    return Page(rows[:limit], _write(_values(rows[limit - 1], keys), bound) if more else None)


def paginate_values(
    rows: Sequence[tuple[Any, ...]], *, limit: int, cursor: str | None, scope: str, descending: bool = False
) -> tuple[Sequence[tuple[Any, ...]], str | None]:
    """Return the page after `cursor` of `rows`, and the next cursor: for a list that had to be put in order here.

    A row is a tuple of texts and numbers by which it is ordered, all different. Raises CursorInvalid.
    """
    bound = f"{scope}|values|{descending}"
    ordered = sorted(rows, reverse=descending)
    if cursor:
        last = tuple(_opened(cursor, bound))
        ordered = [row for row in ordered if (row < last if descending else row > last)]
    page = ordered[:limit]
    return page, (_write(page[-1], bound) if len(ordered) > limit else None)


def sealed_values(values: Sequence[Any], scope: str) -> str:
    """Return a cursor that holds `values` (texts and numbers), for a list that is no page of a queryset."""
    return _write(values, f"{scope}|sealed")


def opened_values(cursor: str, scope: str) -> list[Any]:
    """Return what `sealed_values` put into `cursor`. Raises CursorInvalid for another scope's."""
    return _opened(cursor, f"{scope}|sealed")


def _keys(queryset: QuerySet[Any], *, unique: bool) -> list[_Key]:
    names = [str(name) for name in queryset.query.order_by] or ["-id"]
    keys = [_key(queryset.model, name) for name in names]
    if not unique and not keys[-1].field.unique:
        keys.append(_Key(queryset.model._meta.pk, keys[-1].descending))
    return keys


def _key(model: type[Model], name: str) -> _Key:
    bare = name.lstrip("-+")
    try:
        found = model._meta.pk if bare == "pk" else model._meta.get_field(bare)
    except FieldDoesNotExist:
        raise ValueError(f"{model._meta.label} cannot be paged by {bare!r}: no column of its own") from None
    if not isinstance(found, Field) or found.null:
        raise ValueError(
            f"{model._meta.label} cannot be paged by {bare!r}: no column, or one that may be empty"
        )
    return _Key(found, name.startswith("-"))


def _after(keys: Sequence[_Key], values: Sequence[Any]) -> Q:
    """Return the condition for all rows behind `values`; its first bound is plain, for an index to serve."""
    first, *rest = keys
    if not rest:
        return Q(**{f"{first.name}{_beyond(first)}": values[0]})
    tied = Q(**{first.name: values[0]}) & _after(rest, values[1:])
    behind = Q(**{f"{first.name}{_beyond(first)}": values[0]})
    return Q(**{f"{first.name}{_beyond(first)}e": values[0]}) & (behind | tied)


def _beyond(key: _Key) -> str:
    return "__lt" if key.descending else "__gt"


def _values(row: Any, keys: Sequence[_Key]) -> list[Any]:
    return [row[key.name] if isinstance(row, Mapping) else getattr(row, key.name) for key in keys]


def _write(values: Sequence[Any], bound: str) -> str:
    payload = orjson.dumps(values, default=str)
    secret = str(settings.SECRET_KEY)
    return _spelled(_mac(payload, bound, secret) + payload)


def _spelled(raw: bytes) -> str:
    """In letters that a URL takes. The first one is no dash, or commands would take a cursor for an option."""
    return "c" + urlsafe_b64encode(raw).rstrip(b"=").decode()


def _read(cursor: str, bound: str, keys: Sequence[_Key]) -> list[Any]:
    try:
        values = zip(keys, _opened(cursor, bound), strict=True)
        return [key.field.to_python(value) for key, value in values]
    except (ValueError, ValidationError):
        raise problems.CursorInvalid from None


def _opened(cursor: str, bound: str) -> list[Any]:
    """The values in a cursor. Raises CursorInvalid for one that was not made here for this list."""
    try:
        encoded = cursor[1:].encode("ascii")
        raw = urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    except ValueError:
        raise problems.CursorInvalid from None
    mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    # Decoding drops what is no base64, so the one right spelling is compared too.
    if not _is_signed(mac, payload, bound) or _spelled(raw) != cursor:
        raise problems.CursorInvalid
    values: list[Any] = orjson.loads(payload)
    return values


def _is_signed(mac: bytes, payload: bytes, bound: str) -> bool:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(hmac.compare_digest(mac, _mac(payload, bound, str(secret))) for secret in secrets)


def _mac(payload: bytes, bound: str, secret: str) -> bytes:
    message = len(bound).to_bytes(4, "big") + bound.encode() + payload
    return salted_hmac(_SALT, message, secret=secret, algorithm="sha256").digest()[:_MAC_BYTES]

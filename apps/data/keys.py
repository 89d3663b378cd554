"""Values of records as texts that sort, byte by byte, as the values do.

One letter says what kind of value it is, so that all numbers stand together, and all texts. A value that is not there
is the empty text: every record has a key in every index, and sorts somewhere.

    >>> number(-1) < number(2.5) < number(10) < text("")
    True
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from apps.core.fields import point_in_time
from apps.core.strictjson import timestamp
from apps.data.schemas.fields import Field, value_at

#: What stands for a value that is missing or null.
MISSING = ""
#: What stands for an array or an object in the place of a single value: it is there, and equals nothing.
OTHER = "x"
#: Longer texts are told apart by their hash and sorted by this many first characters.
MAX_TEXT = 200

_FALSE, _TRUE, _NUMBER, _TEXT, _TIME = "b0", "b1", "n", "s", "t"
#: Above this, neighbouring whole numbers are the same float.
_EXACT = 2**53
_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def key_of(value: Any, kind: str) -> str:
    """The key of a JSON value in a field of `kind` (see apps.data.schemas.fields)."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, int | float):
        return number(value)
    if not isinstance(value, str):
        return OTHER
    at = point_in_time(value) if kind == "timestamp" else None
    return text(value) if at is None else moment(at)


def keys_of(data: dict[str, Any], field: Field) -> list[str]:
    """The keys under which a record is found by `field`: one, or one for each different element of an array."""
    value = value_at(data, field.path)
    if not field.many:
        return [key_of(value, field.kind)]
    if not isinstance(value, list):
        return [MISSING if value is None else OTHER]
    return sorted({key_of(one, field.kind) for one in value} - {MISSING}) or [MISSING]


def number(value: float) -> str:
    """The key of a number: its IEEE 754 bits, turned so that they sort, and what a float leaves out of a large one."""
    whole = _whole(value)
    bits = struct.unpack(">Q", struct.pack(">d", float(value) + 0.0))[0]
    turned = bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63)
    rest = f"{whole - int(float(whole)) + 0x8000:04x}" if whole is not None else ""
    return f"{_NUMBER}{turned:016x}{rest}"


def _whole(value: float) -> int | None:
    """The value as a whole number, where a float alone might not tell it from its neighbours."""
    if not _EXACT <= abs(value) < 2**64:
        return None
    # PostgreSQL keeps the digits that a float is written with, and these may stand for a neighbour of its value.
    return int(Decimal(repr(value)))


def text(value: str) -> str:
    """The key of a text."""
    if len(value) <= MAX_TEXT:
        return _TEXT + value
    return f"{_TEXT}{value[:MAX_TEXT]}\x01{sha256(value.encode()).hexdigest()[:32]}"


def moment(at: datetime) -> str:
    """The key of a point in time, whatever offset it was written with."""
    return _TIME + timestamp(at)


def day(at: date) -> str:
    """The key of a date, which is kept as the text that it is."""
    return _TEXT + at.isoformat()


def ends_of_kind(key: str) -> tuple[str, str]:
    """Between which texts (the second one excluded) all keys of the same kind as `key` lie."""
    letter = key[:1]
    return letter, chr(ord(letter) + 1)


def ends_of_prefix(prefix: str) -> tuple[str, str]:
    """Between which keys (the second one excluded) those of all texts lie that begin with `prefix`."""
    following = _following(prefix)
    return _TEXT + prefix, (_TEXT + following) if following else ends_of_kind(_TEXT)[1]


def _following(prefix: str) -> str:
    """The first text behind all that begin with `prefix`; '' where there is none."""
    for position in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[position]) + 1
        code = _SURROGATES.stop if code in _SURROGATES else code
        if code <= _LAST_CHARACTER:
            return prefix[:position] + chr(code)
    return ""


def words(lexemes: Iterable[str]) -> list[str]:
    """The keys of the lexemes of a text, for the index that full-text search uses."""
    return sorted({lexeme[:MAX_TEXT] for lexeme in lexemes if lexeme})

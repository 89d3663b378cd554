"""Making values fit for the trail: JSON, short, and without a secret in it."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time
from typing import Any

from apps.core.strictjson import timestamp

MASK = "***"
MAX_TEXT = 500
#: A whole JSON value is kept up to this many characters.
MAX_DOCUMENT = 4000
MAX_DEPTH = 20

_SECRET_NAME = re.compile(r"passw|secret|token|digest|hash|credentials|private_?key|api_?key", re.IGNORECASE)
# Keys of this platform, webhook signing secrets and Stripe's keys, wherever they stand in a text.
_SECRET_SHAPE = re.compile(r"(?:pmk_|whsec_|[srp]k_(?:test|live)_)[A-Za-z0-9_+/=-]+")


def is_secret_name(name: str) -> bool:
    """True for a field that is masked wholly, whatever its value looks like."""
    return _SECRET_NAME.search(name) is not None


def mask(_value: str) -> str:
    """Return the mask: nothing of the value, not even its length. For auditlog, which calls it by its path."""
    return MASK


def clean_text(text: str, limit: int = MAX_TEXT) -> str:
    """Return `text` with everything masked that looks like a key, and cut at `limit` characters with a note."""
    masked = _masked(text)
    return masked if len(masked) <= limit else f"{masked[:limit]}… ({len(text)} characters)"


def cut_name(text: str, limit: int) -> str:
    """Return `text` masked alike, and short enough for a column of `limit` characters."""
    masked = _masked(text)
    return masked if len(masked) <= limit else masked[: limit - 1] + "…"


def _masked(text: str) -> str:
    # PostgreSQL keeps no NUL, and a trail that refuses to be written would refuse the operation.
    return _SECRET_SHAPE.sub(MASK, text.replace("\0", ""))


def clean(value: Any) -> Any:
    """Return `value` as short JSON: times as RFC 3339, unknown types as text, secret members masked."""
    made = _clean(value, MAX_DEPTH)
    if isinstance(made, dict | list) and len(str(made)) > MAX_DOCUMENT:
        kind = "an object" if isinstance(made, dict) else "an array"
        return f"… ({kind} with {len(made)} members, too long for the trail)"
    return made


def _clean(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, dict | list | tuple | set | frozenset):
        return _clean_container(value, depth - 1) if depth else "…"
    return clean_text(_text(value))


def _clean_container(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        return {
            clean_text(str(name)): MASK if is_secret_name(str(name)) else _clean(item, depth)
            for name, item in value.items()
        }
    return [_clean(item, depth) for item in value]


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return timestamp(value) if value.tzinfo else value.isoformat()
    if isinstance(value, bytes | memoryview):
        return f"({len(value)} bytes)"
    return value.isoformat() if isinstance(value, date | time) else str(value)

"""jsonschema-rs, set up for schemas and records of strangers; imported here alone.

* Patterns run in its linear-time engine (`RegexOptions`), never in the backtracking one, and each may take
  `PATTERN_BYTES` compiled. The slowest patterns found read 250 kB a second at half that size.
* Only `is_valid` is ever called. `iter_errors` copies the value at fault into each of its errors: 13 GB for
  a record of 1 MB under 250 nested `anyOf`; its nested errors overflowed a thread's stack of 1 MB.
* `is_valid` remembers what it knows about a value under a recursive `$ref`, so recursion costs no more than
  once per value and definition. It needs 120 bytes of stack for each schema that it is inside of.
* It goes to no network (`offline`), and a format that it does not know is an error.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

from apps.data.schemas.keywords import DRAFT

PATTERN_BYTES = 128 * 1024
LIGHT_PATTERN_BYTES = 8 * 1024

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

# Each was seen to refuse what is not of its kind; test_validating.py keeps the examples.
FORMATS = frozenset(
    {"date", "date-time", "time", "duration", "email", "idn-email", "hostname", "ipv4", "ipv6"}
    | {"uri", "uri-reference", "iri", "uuid", "json-pointer"}
)


def is_date(text: str) -> bool:
    """Say whether `text` is a day such as 2026-11-01 that exists, from the year 1 on."""
    return bool(_DATE.fullmatch(text)) and _exists(text + "T00:00:00Z")


def is_moment(text: str) -> bool:
    """Say whether `text` is an RFC 3339 time with its offset that exists; a leap second does not here.

    Narrower than the RFC on purpose: what is accepted is a time in UTC of the years 1 to 9999, for typed columns.
    """
    return bool(_MOMENT.fullmatch(text)) and _exists(text.upper())


def _exists(moment: str) -> bool:
    try:
        datetime.fromisoformat(moment).astimezone(UTC)
    except (ValueError, OverflowError):
        return False
    return True


def _options(pattern_bytes: int = PATTERN_BYTES) -> dict[str, Any]:
    return {
        "formats": {"date": is_date, "date-time": is_moment},
        "validate_formats": True,
        "ignore_unknown_formats": False,
        "pattern_options": jsonschema_rs.RegexOptions(size_limit=pattern_bytes),
        "offline": True,
    }


def canonical(schema: Any) -> bytes:
    """Return `schema` as JSON with sorted keys. Raises TypeError for what is not JSON."""
    return orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)


def parsed(text: bytes) -> Any:
    """Return the JSON value of `text`, which `canonical` made."""
    return orjson.loads(text)


def compiled(schema: Any) -> jsonschema_rs.Draft202012Validator:
    """Return the validator of `schema`. Raises jsonschema_rs errors, all of them ValueErrors, for a bad one."""
    return jsonschema_rs.Draft202012Validator(_nameless(schema), **_options())


def compiled_parts(schema: Any) -> jsonschema_rs.ValidatorMap:
    """Return a validator for every subschema of `schema`, by "#" and its JSON pointer."""
    return jsonschema_rs.validator_map_for(_nameless(schema), **_options())


def _nameless(schema: Any) -> Any:
    """`schema` without an `$id`, under which the engine would look for what it refers to."""
    return {key: schema[key] for key in schema if key != "$id"} if isinstance(schema, dict) else schema


def fits_metaschema(schema: Any) -> bool:
    """Say whether the metaschema of 2020-12 takes `schema`."""
    return jsonschema_rs.meta.is_valid({**schema, "$schema": DRAFT})


@lru_cache(maxsize=4096)
def pattern_compiles(pattern: str, size: int = PATTERN_BYTES) -> bool:
    """Say whether the linear-time engine takes `pattern` in `size` bytes."""
    try:
        jsonschema_rs.Draft202012Validator({"pattern": pattern}, **_options(size))
    except ValueError:
        return False
    return True


@lru_cache(maxsize=2048)
def _assertion(keyword: str, value: bytes) -> jsonschema_rs.Draft202012Validator:
    return compiled({keyword: orjson.loads(value)})


def holds(keyword: str, value: Any, data: Any) -> bool:
    """Say whether `data` satisfies the one assertion `{keyword: value}`, `{"minLength": 3}` for example."""
    return _assertion(keyword, canonical(value)).is_valid(data)

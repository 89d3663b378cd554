"""JSON at the edge: one strict reader, one renderer.

Read: objects only, UTF-8, each key once, no NaN or Infinity, no NUL (Postgres has none in text), no lone
surrogates, at most 64 levels, integers of 64 bits. Written: orjson, times as RFC 3339 in UTC with
microseconds and `Z`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO, Any

import orjson
from django.conf import settings
from django.http import HttpRequest
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from apps.core import problems
from apps.core.problems import show

MAX_DEPTH = 64
MEDIA_TYPE = "application/json"
_INTEGERS = range(-(2**63), 2**63)


def body_limit() -> int:
    """Return the largest body in bytes (setting PACKMULE_MAX_BODY_BYTES, default 1 MiB)."""
    return int(getattr(settings, "PACKMULE_MAX_BODY_BYTES", 1024 * 1024))


def dumps(document: object) -> bytes:
    """Return `document` as JSON. Raises TypeError for what has no JSON form, naive times included."""
    return orjson.dumps(document, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


def timestamp(at: datetime) -> str:
    """Return an aware time as `2026-11-01T09:30:00.000000Z`. Raises TypeError for a naive one."""
    if at.tzinfo is None:
        raise TypeError("a time without an offset has no place in an answer")
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def loads(body: bytes) -> Any:
    """Return the value of the JSON text `body`. Raises MalformedRequest, saying what and where."""
    try:
        # orjson first: it is strict about syntax, UTF-8, surrogates and infinity, and survives deep nesting.
        value = orjson.loads(body)
        if _needs_a_walk(body):
            _refuse_deep_or_nul(value)
        return _DECODER.decode(body.decode())
    except orjson.JSONDecodeError as error:
        raise problems.MalformedRequest(f"The body is not JSON: {_position(error)}.") from None


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object `body`. Raises MalformedRequest when it is empty or anything else."""
    if not body.strip():
        raise problems.MalformedRequest("The body is empty; this call needs a JSON object, {} at least.")
    value = loads(body)
    if not isinstance(value, dict):
        raise problems.MalformedRequest(f"The body has to be a JSON object, and is {kind_of(value)}.")
    return value


def kind_of(value: object) -> str:
    """Return what JSON calls the kind of `value`, with its article, and the value where it is short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "the boolean " + ("true" if value else "false")
    if isinstance(value, str):
        return f"the string {show(value)}"
    if isinstance(value, int | float):
        return f"the number {show(value)}"
    return "an array" if isinstance(value, list) else "an object"


def _position(error: json.JSONDecodeError) -> str:
    return f"{error.msg} (line {error.lineno}, column {error.colno})"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise problems.MalformedRequest(f"The body names {show(twice)} twice in one object.")
    return made


def _integer(digits: str) -> int:
    # The length first: converting a million digits is work that nobody should be able to order.
    if len(digits) > 20 or int(digits) not in _INTEGERS:
        raise problems.MalformedRequest(f"The number {show(digits)[1:-1]} does not fit into 64 bits.")
    return int(digits)


def _number(digits: str) -> float:
    # PostgreSQL gives 1e20 back as the whole number that it is, and whole numbers have 64 bits here.
    value = float(digits)
    if abs(value) >= 2**63:
        raise problems.MalformedRequest(f"The number {show(digits)[1:-1]} does not fit into 64 bits.")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_number)


def _needs_a_walk(body: bytes) -> bool:
    """Say whether the value could break a rule that syntax alone does not show."""
    return b"\\u0000" in body or body.count(b"[") + body.count(b"{") > MAX_DEPTH


def _refuse_deep_or_nul(value: object) -> None:
    pending = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, str):
            _refuse_nul(item)
        elif isinstance(item, dict | list):
            if depth > MAX_DEPTH:
                raise problems.MalformedRequest(f"The body nests deeper than {MAX_DEPTH} levels.")
            pending.extend((child, depth + 1) for child in _children(item))


def _children(item: dict[str, Any] | list[Any]) -> list[Any]:
    return item if isinstance(item, list) else [*item.keys(), *item.values()]


def _refuse_nul(text: str) -> None:
    if "\0" in text:
        raise problems.MalformedRequest(f"The string {show(text)} holds a NUL, which cannot be kept.")


def is_json(content_type: str) -> bool:
    """Say whether a Content-Type is application/json, in UTF-8 when it names a charset."""
    media, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [part[8:].strip('"') for part in parameters if part.startswith("charset=")]
    return media == MEDIA_TYPE and all(charset in ("utf-8", "utf8") for charset in charsets)


_ACCEPTED = frozenset({"*/*", "application/*", MEDIA_TYPE, problems.CONTENT_TYPE})


def accepts_json(accept: str) -> bool:
    """Say whether an Accept header takes JSON; an empty one takes anything."""
    ranges = [part.replace(" ", "").lower().partition(";") for part in accept.split(",") if part.strip()]
    return not ranges or any(
        media in _ACCEPTED and not re.search(r"(^|;)q=0(\.0*)?$", more) for media, _, more in ranges
    )


def raw_body(request: HttpRequest) -> bytes:
    """Return the body, chunked or not. Raises PayloadTooLarge without reading what is over the limit."""
    if not hasattr(request, "_body"):
        declared = request.META.get("CONTENT_LENGTH") or ""
        if declared.isdigit() and int(declared) > body_limit():
            raise _too_large(f"{declared} bytes")
        if not declared and request.META.get("HTTP_TRANSFER_ENCODING"):
            _keep_body(request, _read_bounded(request.META["wsgi.input"]))
    return request.body


def _read_bounded(stream: IO[bytes]) -> bytes:
    limit = body_limit()
    body = bytearray()
    while chunk := stream.read(min(65536, limit + 1 - len(body))):
        body += chunk
        if len(body) > limit:
            raise _too_large("more")
    return bytes(body)


def _keep_body(request: HttpRequest, body: bytes) -> None:
    """Give Django the body of a chunked request, which it takes for empty on WSGI."""
    request._body = body
    request._read_started = True  # type: ignore[attr-defined]
    request.META["CONTENT_LENGTH"] = str(len(body))


def _too_large(has: str) -> problems.PayloadTooLarge:
    return problems.PayloadTooLarge(
        f"The body has {has}, and this installation takes at most {body_limit()} bytes."
    )


def read_request(request: HttpRequest, *, needed: bool = True) -> dict[str, Any]:
    """Return the JSON object that `request` carries; {} for an empty body where none is `needed`.

    Raises PayloadTooLarge, UnsupportedMediaType or MalformedRequest.
    """
    body = raw_body(request)
    if not body and not needed:
        return {}
    content_type = request.META.get("CONTENT_TYPE") or ""
    if body and not is_json(content_type):
        raise _not_json(content_type)
    return read_object(body)


def read_other(request: HttpRequest, media_type: str) -> bytes:
    """Return the body of a call that takes `media_type`. Raises PayloadTooLarge or UnsupportedMediaType."""
    body = raw_body(request)
    content_type = request.META.get("CONTENT_TYPE") or ""
    if content_type.partition(";")[0].strip().lower() != media_type:
        named = show(content_type) if content_type else "no type"
        raise problems.UnsupportedMediaType(f"The body came with {named}; send it as {media_type}.")
    return body


def _not_json(content_type: str) -> problems.UnsupportedMediaType:
    named = show(content_type) if content_type else "no type"
    return problems.UnsupportedMediaType(f"The body came with {named}; send it as {MEDIA_TYPE}.")


class StrictJSONParser(BaseParser):
    """DRF's door to `read_object`."""

    media_type = MEDIA_TYPE

    def parse(
        self, stream: IO[Any], media_type: str | None = None, *_: object, **__: object
    ) -> dict[str, Any]:
        if media_type and not is_json(media_type):
            raise _not_json(media_type)
        return read_object(_read_bounded(stream))


class StrictJSONRenderer(BaseRenderer):
    """DRF's door to `dumps`."""

    media_type = MEDIA_TYPE
    format = "json"
    charset = None
    render_style = "binary"

    def render(self, data: Any, *_: object, **__: object) -> bytes:
        return b"" if data is None else dumps(data)

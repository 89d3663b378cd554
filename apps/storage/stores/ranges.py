"""Which bytes of a file a GET asks for: ranges and the conditions on them, as RFC 9110 (13 and 14) has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.problems import PreconditionFailed
from apps.storage.stores.errors import RangeRefused

_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,19})-([0-9]{0,19})[ \t]*", re.IGNORECASE)
_WEAK = "W/"


@dataclass(frozen=True, slots=True)
class Span:
    """So many bytes from `start` of a file of `total`; `partial` when a range was asked for and is answered as one."""

    start: int
    length: int
    total: int
    partial: bool = False

    @property
    def content_range(self) -> str:
        """The Content-Range header."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.total}"


def is_unchanged(meta: Mapping[str, Any], etag: str) -> bool:
    """True when the caller has the bytes already (If-None-Match). Raises PreconditionFailed by If-Match."""
    wanted = str(meta.get("HTTP_IF_MATCH") or "")
    if wanted and not _names(wanted, etag, strong=True):
        raise PreconditionFailed("If-Match names other bytes than there are under this URL.")
    return _names(str(meta.get("HTTP_IF_NONE_MATCH") or ""), etag, strong=False)


def asked(meta: Mapping[str, Any], etag: str, total: int) -> Span:
    """The bytes to answer a GET with. Several ranges, other units and malformed ones are answered with the whole file.

    Raises RangeRefused for one range with no byte of the file in it.
    """
    found = _ONE_RANGE.fullmatch(str(meta.get("HTTP_RANGE") or ""))
    if found is None or not any(found.groups()) or not _still(str(meta.get("HTTP_IF_RANGE") or ""), etag):
        return Span(0, total, total)
    first, last = found.groups()
    if first and last and int(first) > int(last):
        return Span(0, total, total)
    start = int(first) if first else max(0, total - int(last))
    end = min(int(last), total - 1) if first and last else total - 1
    if start > end:
        raise RangeRefused(headers={"Content-Range": f"bytes */{total}"})
    return Span(start, end - start + 1, total, partial=True)


def _still(if_range: str, etag: str) -> bool:
    """Whether a range may be answered: If-Range is absent or names the bytes. A date names none, we give none out."""
    return not if_range or if_range.strip() == etag


def _names(header: str, etag: str, *, strong: bool) -> bool:
    tags = [tag.strip() for tag in header.split(",")]
    return "*" in tags or etag in tags or (not strong and _WEAK + etag in tags)

"""Sending a document to an address that a tenant chose, and what of the answer is kept."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from requests.models import Response

from apps.core import clock, strictjson
from apps.core.outbound import (
    AddressRefused,
    OutboundError,
    UrlRefused,
    fetch,
    loopback_is_allowed,
    require_allowed,
)
from apps.core.problems import FieldError, Problem, ValidationFailed

#: Longer than that nobody waits because a receiver says so.
LONGEST_RETRY_AFTER = 24 * 3600.0
_MOST_HEADERS, _MOST_OF_A_HEADER, _MOST_OF_A_BODY = 40, 300, 2000
#: What an answer says about the receiver's own visitors has no place in a log.
_UNKEPT = frozenset({"set-cookie", "authorization", "proxy-authorization", "www-authenticate"})
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


class ReceiverUrlRefused(ValidationFailed):
    """Nothing is sent to such an address: it is no URL, not https, or does not lie on the public internet."""

    code, title = "receiver_url_refused", "Nothing is sent to that address"
    advice = "Use an https URL that the public internet reaches. An unprotected environment may use http, and loopback."


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. Without an answer `status` is 0, and `code` and `said` tell why."""

    status: int
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    code: str = ""
    said: str = ""

    @property
    def is_good(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> float:
        """Seconds for which the receiver asks not to be called, at most LONGEST_RETRY_AFTER; 0 without a word."""
        return min(_seconds_of(self.headers.get("retry-after", "")), LONGEST_RETRY_AFTER)

    def error(self) -> tuple[str, str]:
        """Why it is no success, as a code and a sentence."""
        if self.code:
            return self.code, self.said
        if 300 <= self.status < 400:
            return "redirect", f"The receiver answered {self.status}; redirects are not followed."
        return f"status_{self.status}", f"The receiver answered {self.status}."

    def kept_headers(self) -> dict[str, str]:
        """The headers for a log: cut, cleaned, and without what is secret."""
        known = [(name, value) for name, value in self.headers.items() if name not in _UNKEPT]
        return {
            cleaned(name, _MOST_OF_A_HEADER): cleaned(value, _MOST_OF_A_HEADER)
            for name, value in known[:_MOST_HEADERS]
        }

    def kept_body(self) -> str:
        """The head of the body for a log, as text without control characters."""
        return cleaned(self.content[: 4 * _MOST_OF_A_BODY].decode(errors="replace"), _MOST_OF_A_BODY)

    def document(self) -> Any:
        """The body as JSON; None for an empty one. Raises ValueError for what is none, or cannot be kept."""
        try:
            return strictjson.loads(self.content) if self.content.strip() else None
        except Problem as refusal:
            raise ValueError(str(refusal)) from None


def require_receiver(field_name: str, url: str) -> None:
    """Raise ReceiverUrlRefused unless something may be sent to `url`; asks what its name stands for, so takes time."""
    refusal = ""
    if not url.lower().startswith("https://") and not loopback_is_allowed():
        refusal = "It has to begin with https://."
    try:
        require_allowed(url)
    except (UrlRefused, AddressRefused) as failure:
        refusal = str(failure)
    if refusal:
        errors = [FieldError(field_name, ReceiverUrlRefused.code, refusal)]
        raise ReceiverUrlRefused(f"{refusal} {ReceiverUrlRefused.advice}", errors=errors)


def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, max_bytes: int) -> Reply:
    """Send `body`, which is JSON, and return what came of it; a call that failed is a reply too."""
    began = time.monotonic()
    sent = {"Content-Type": "application/json", **headers}
    try:
        answer = fetch("POST", url, headers=sent, body=body, seconds=seconds, max_bytes=max_bytes)
    except OutboundError as failure:
        return Reply(0, time.monotonic() - began, code=failure.code, said=cleaned(str(failure), 300))
    return Reply(answer.status_code, time.monotonic() - began, _headers(answer), answer.content)


def cleaned(text: str, most: int) -> str:
    """The first `most` characters, without those that a page or a database could trip over."""
    return _UNPRINTABLE.sub("\ufffd", text[:most])


def _headers(answer: Response) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in answer.headers.items()}


def _seconds_of(text: str) -> float:
    """What `Retry-After` says: so many seconds, or a date; 0 for anything else, and for what is over."""
    if re.fullmatch(r"[0-9]{1,10}", text.strip()):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - clock.now()).total_seconds(), 0.0)

"""What a client does with a SignedRequest: to our own edge through the test client, to anybody else over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
from django.test import Client

from apps.storage.stores.base import SignedRequest
from apps.storage.stores.signing import PATH


@dataclass(frozen=True)
class Received:
    """One answer, wherever it came from."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def problem(self) -> Any:
        """The problem document of our own edge."""
        return orjson.loads(self.content)


def send(
    signed: SignedRequest, content: bytes = b"", *, url: str = "", method: str = "", **headers: str
) -> Received:
    """Do what `signed` says, or the same with another `url` or `method`; `if_range` is sent as If-Range."""
    sent = dict(signed.headers) | {name.replace("_", "-").title(): value for name, value in headers.items()}
    url, method = url or signed.url, method or signed.method
    if urlsplit(url).path.startswith(PATH):
        return _send_here(method, urlsplit(url).path, content, sent)
    answer = httpx.request(method, url, content=content or None, headers=sent, timeout=30)
    return Received(answer.status_code, answer.headers, answer.content)


def _send_here(method: str, path: str, content: bytes, sent: dict[str, str]) -> Received:
    client = Client(raise_request_exception=False)
    host = sent.pop("Host", "127.0.0.1")
    extra: dict[str, Any] = {} if content or method != "PUT" else {"CONTENT_LENGTH": "0"}
    answer: Any = client.generic(
        method, path, content, "application/octet-stream", headers={**sent, "Host": host}, **extra
    )
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return Received(answer.status_code, answer.headers, body)

"""What a client does with signed requests: over the wire, to whoever takes them, and with nothing but what they say."""

from __future__ import annotations

import socket
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from apps.core import clock
from apps.core.ids import decode
from apps.storage.models import FileVersion
from apps.storage.stores.signing import PATH
from apps.storage.tests.parcels import announce
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.scratch import Scratch

Request = Mapping[str, Any]
_MAC_BYTES = 32


def send(request: Request, content: bytes = b"", *, url: str = "", **headers: str) -> httpx.Response:
    """Make the signed request, or the same to another `url`; `if_range` is sent as If-Range."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return httpx.request(
        request["method"],
        url or request["url"],
        content=content or None,
        headers={**request["headers"], **named},
        timeout=30,
    )


def send_half(request: Request, content: bytes) -> None:
    """Begin to send `content` and break off in the middle, as a client does whose network goes."""
    parts = urlsplit(request["url"])
    head = {"Host": parts.netloc, "Content-Length": str(len(content)), **request["headers"]}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as wire:
        wire.sendall(f"PUT {parts.path}?{parts.query} HTTP/1.1\r\n{lines}\r\n".encode())
        wire.sendall(content[: len(content) // 2])
        # No orderly end: the other side is told that the connection is gone.
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def sent(me: Api, content: bytes, **fields: Any) -> str:
    """A file that was announced, sent and completed; returns its path."""
    made = announce(me, content, **fields)
    assert made.status == 201, made
    assert send(made["upload"], content).status_code == 200
    done = me.post(f"/v1/files/{made['id']}/complete")
    assert (done.status, done["status"]) == (200, "ready")
    return f"/v1/files/{made['id']}"


def another(me: Api, path: str, content: bytes) -> Answer:
    """The file of `path` with another content."""
    made = me.post(f"{path}/versions", {"size": len(content), "content_type": "image/png"})
    assert made.status == 201, made
    assert send(made["upload"], content).status_code == 200
    return me.post(f"{path}/complete")


def content_of(api: Api, path: str, query: str = "") -> bytes:
    """The bytes to which `content` leads."""
    answer = api.get(f"{path}/content{query}")
    assert answer.status == 302, answer
    got = send(answer.body)
    assert got.status_code == 200, got.text
    return got.content


def version_of(scratch: Scratch, path: str, number: int = 1) -> FileVersion:
    """A version of the file of `path`."""
    with enter(scratch.ref):
        return FileVersion.objects.get(file_id=decode(path.rpartition("/")[2], "file"), number=number)


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Announce and sign at `moment`; whoever takes the requests has a clock of their own."""
    with clock.frozen(moment), pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: moment.replace(tzinfo=None))
        yield


def altered(url: str) -> Iterator[str]:
    """`url` with one letter changed: of the signature, and of what was signed."""
    base, mark, signed = url.partition("X-Amz-Signature=" if "X-Amz-" in url else PATH)
    for place in (0, len(signed) // 2, len(signed) - 1):
        letter = "a" if signed[place] != "a" else "b"
        yield f"{base}{mark}{signed[:place]}{letter}{signed[place + 1 :]}"
    if "X-Amz-" in url:
        yield url.replace("X-Amz-Expires=", "X-Amz-Expires=9")


def spliced(url: str, other: str) -> str:
    """The signature of `url` over what `other` is about."""
    if "X-Amz-" in url:
        return other.partition("?")[0] + "?" + url.partition("?")[2]
    base, mark, token = url.partition(PATH)
    mac, document = _raw(token)[:_MAC_BYTES], _raw(other.partition(PATH)[2])[_MAC_BYTES:]
    return base + mark + urlsafe_b64encode(mac + document).rstrip(b"=").decode()


def _raw(token: str) -> bytes:
    return urlsafe_b64decode(token + "=" * (-len(token) % 4))

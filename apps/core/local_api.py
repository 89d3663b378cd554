"""Calling the API from inside this process, with no server: the whole stack from the middleware down.

A command thereby has the same credential, walls, limits, decisions, replays and bytes as a call over HTTP.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from apps.core import strictjson

#: Tells the middleware through which door the call came; no HTTP header can set it.
EDGE_KEY = "packmule.edge"


@dataclass(frozen=True, slots=True)
class LocalCall:
    """One call. `body` None sends none; bytes are sent as they are, as `media_type`."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = strictjson.MEDIA_TYPE

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        return self.body if isinstance(self.body, bytes | None) else strictjson.dumps(self.body)


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """Its answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(call: LocalCall) -> LocalAnswer:
    """Carry `call` out and return the answer, refusals included."""
    # No close(): it would signal the end of a request, and close connections that the caller still uses.
    response = _handler().get_response(WSGIRequest(_environment(call)))
    parts = getattr(response, "streaming_content", None)
    content = b"".join(parts) if parts is not None else getattr(response, "content", b"")
    return LocalAnswer(response.status_code, dict(response.items()), content)


@cache
def _handler() -> WSGIHandler:
    return WSGIHandler()


def _environment(call: LocalCall) -> dict[str, Any]:
    body = call.content or b""
    return {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        # WSGI carries a path's bytes as Latin-1.
        "PATH_INFO": call.path.encode().decode("latin-1"),
        "QUERY_STRING": urlencode(call.query),
        "CONTENT_TYPE": call.media_type if body else "",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": settings.PACKMULE_HOSTS[0],
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        EDGE_KEY: "command",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in call.headers.items()},
    }

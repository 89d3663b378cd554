"""An outside server on loopback that answers byte by byte what a test wants, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Say = Callable[[bytes], None]
Page = Callable[["Asked", Say], None]


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    address: str


@dataclass
class Outside:
    """A running server. `pages` says by path what is answered; the rest is 404."""

    pages: dict[str, Page]
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        """The address of a page."""
        return f"{scheme}://{host}:{self.port}{path}"


def answer(body: bytes = b"hello", status: str = "200 OK", **headers: str) -> Page:
    """A page that answers `body` at once."""

    def page(_asked: Asked, say: Say) -> None:
        lines = {"Content-Length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        say(f"HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n".encode() + body)

    return page


def dripping(head: bytes, drop: bytes, every: float = 0.02) -> Page:
    """A page that begins with `head` and then says `drop` again and again, until the other side hangs up."""

    def page(_asked: Asked, say: Say) -> None:
        say(head)
        while True:
            say(drop)
            time.sleep(every)

    return page


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        outside: Outside = self.server.outside  # type: ignore[attr-defined]
        with contextlib.suppress(OSError, ValueError):
            lines = self.request.makefile("rb")
            method, target, _ = lines.readline().decode().split(" ", 2)
            headers: dict[str, str] = {}
            for line in iter(lines.readline, b"\r\n"):
                name, _, value = line.decode().partition(":")
                headers[name.strip().lower()] = value.strip()
            body = lines.read(int(headers.get("content-length", "0")))
            asked = Asked(method, target, headers, body, self.client_address[0])
            outside.asked.append(asked)
            outside.pages.get(target.partition("?")[0], answer(b"", "404 Not Found"))(asked, self._say)

    def _say(self, content: bytes) -> None:
        if self.server.outside.stopping.is_set():  # type: ignore[attr-defined]
            raise OSError("the test is over")
        self.request.sendall(content)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    outside: Outside
    tls: ssl.SSLContext | None = None

    def get_request(self) -> Any:
        request, address = super().get_request()
        if self.tls is None:
            return request, address
        return self.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


@contextmanager
def outside(pages: dict[str, Page], *, tls: ssl.SSLContext | None = None) -> Iterator[Outside]:
    """Serve `pages` on a free port of loopback while the block runs."""
    made = Outside(pages)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.outside, server.tls = made, tls
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.stopping.set()
            server.shutdown()
            thread.join()

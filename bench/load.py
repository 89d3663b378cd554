"""The load: some keep-alive connections in one thread, each of which asks again as soon as it is answered.

Written on bare sockets, because the generator shares the machine with what it measures: a call costs it a tenth of
what it costs the server.
"""

from __future__ import annotations

import multiprocessing
import re
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CONNECTIONS = 8
Load = Callable[[str, str, float], list[float]]
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


@dataclass
class _Connection:
    """One connection; `began` is when its call was sent."""

    socket: socket.socket
    request: bytes
    began: float = 0.0
    received: bytes = b""
    latencies: list[float] = field(default_factory=list)

    def ask(self) -> None:
        self.received = b""
        self.began = time.perf_counter()
        self.socket.sendall(self.request)

    def read(self) -> bool:
        """Take what is there; True when the answer is whole. Raises RuntimeError for anything but a 200."""
        chunk = self.socket.recv(65536)
        if not chunk:
            raise RuntimeError("The server hung up.")
        self.received += chunk
        end = self.received.find(_HEAD_END)
        if end < 0:
            return False
        length = _LENGTH.search(self.received, 0, end)
        if not self.received.startswith(b"HTTP/1.1 200") or length is None:
            raise RuntimeError(f"Not a 200: {self.received[:500]!r}")
        if len(self.received) < end + len(_HEAD_END) + int(length[1]):
            return False
        self.latencies.append(time.perf_counter() - self.began)
        return True


@contextmanager
def generator() -> Iterator[Load]:
    """A process that generates load: `load(url, key, seconds)` gives the latency of each call in seconds."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield lambda url, key, seconds: pool.apply(_generate, (url, key, seconds, CONNECTIONS))


def _generate(url: str, key: str, seconds: float, connections: int) -> list[float]:
    parts = urlsplit(url)
    request = (
        f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {key}\r\n"
        "Accept: application/json\r\nUser-Agent: bench\r\n\r\n"
    ).encode()
    selector = selectors.DefaultSelector()
    opened = []
    for _ in range(connections):
        made = socket.create_connection((str(parts.hostname), int(parts.port or 80)), timeout=30)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.append(_Connection(made, request))
        selector.register(made, selectors.EVENT_READ, opened[-1])
    _drive(selector, opened, time.perf_counter() + seconds)
    return [latency for one in opened for latency in one.latencies]


def _drive(selector: selectors.BaseSelector, opened: list[_Connection], until: float) -> None:
    for one in opened:
        one.ask()
    while time.perf_counter() < until:
        for ready, _ in selector.select(timeout=1):
            if ready.data.read():
                ready.data.ask()
    for one in opened:
        one.socket.close()

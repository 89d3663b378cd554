"""Transfers through a real server: large, broken off half-way, and stuck."""

from __future__ import annotations

import os
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from apps.storage.stores.local import MARK
from bench.installation import Installation, folder, running
from bench.processes import peak_memory, web_processes
from bench.signed import Transfer, signed_requests

pytestmark = pytest.mark.slow

SIZE = 150 * 1024 * 1024
#: More stuck clients than the server has threads.
MANY = 24


@dataclass(frozen=True)
class Served:
    """A running installation, and signed requests for blobs of SIZE bytes."""

    installation: Installation
    files: Path
    transfers: Iterator[Transfer]

    def left(self) -> list[Path]:
        """The files that lie in its store."""
        return [path for path in self.files.rglob("*") if path.is_file() and path.name != MARK]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with folder() as base, running(base / "data") as installation:
        yield Served(installation, base / "data" / "files", iter(signed_requests(installation, 4, SIZE)))


def test_a_large_file_goes_up_and_down_in_little_memory(served: Served) -> None:
    transfer, block = next(served.transfers), os.urandom(1024 * 1024)
    web = web_processes(served.installation.pid)
    before = peak_memory(web)
    sent = httpx.put(
        transfer.put, content=(block for _ in range(150)), headers={"Content-Length": str(SIZE)}, timeout=60
    )
    assert sent.status_code == 200
    with httpx.stream("GET", transfer.get, timeout=60) as answer:
        assert sum(chunk == block for chunk in answer.iter_bytes(1024 * 1024)) == 150
    assert peak_memory(web) - before < 50 * 1024 * 1024


def test_an_upload_that_breaks_off_leaves_nothing_and_may_be_sent_again(served: Served) -> None:
    transfer, before = next(served.transfers), served.left()
    with _begun(transfer.put, SIZE) as client:
        client.sendall(b"x" * 20_000_000)
        _eventually(lambda: len(served.left()) > len(before))
    _eventually(lambda: served.left() == before)
    assert httpx.get(transfer.get).status_code == 404
    assert httpx.put(transfer.put, content=b"x" * SIZE, timeout=60).status_code == 200


def test_a_download_that_breaks_off_costs_nothing(served: Served) -> None:
    transfer = next(served.transfers)
    assert httpx.put(transfer.put, content=b"x" * SIZE, timeout=60).status_code == 200
    for _ in range(MANY):
        with httpx.stream("GET", transfer.get, timeout=60) as answer:
            next(answer.iter_bytes(1024))
    _eventually(lambda: httpx.get(transfer.get, headers={"Range": "bytes=0-1"}).status_code == 206)


def test_stuck_uploads_leave_the_api_alone(served: Served) -> None:
    transfer = next(served.transfers)
    with ExitStack() as held:
        for _ in range(MANY):
            held.enter_context(_begun(transfer.put, SIZE)).sendall(b"x")
        time.sleep(1)
        for _ in range(10):
            with urllib.request.urlopen(f"{served.installation.url}/readyz", timeout=5) as answer:
                assert answer.status == 200
        busy = {httpx.put(transfer.put, content=b"x" * SIZE, timeout=10).status_code for _ in range(4)}
    assert busy <= {503, 200}
    _eventually(lambda: httpx.get(transfer.put).status_code == 403)


def _begun(url: str, size: int) -> socket.socket:
    """A connection that has announced an upload."""
    parts = urlsplit(url)
    client = socket.create_connection((str(parts.hostname), int(parts.port or 80)), timeout=30)
    client.sendall(
        f"PUT {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {size}\r\n\r\n".encode()
    )
    return client


def _eventually(holds: Callable[[], bool], seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came to be"
        time.sleep(0.05)

"""1 GB up and down through the local store of a running installation, against the disk itself; rounds alternate.

`python -m bench.files` measures this alone.
"""

from __future__ import annotations

import os
import re
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.installation import folder, running
from bench.processes import peak_memory, web_processes
from bench.signed import Transfer, signed_requests

ROUNDS = 5
SIZE = 1024**3
_CHUNK = 256 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Way:
    """One direction: MB a second through the installation and on the disk itself, round by round."""

    name: str
    ours: list[float] = field(default_factory=list)
    disk: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """The installation's rate over the disk's, round by round."""
        return [mine / theirs for mine, theirs in zip(self.ours, self.disk, strict=True)]


@dataclass
class Result:
    """Both directions, and the most memory in bytes that a web process had, before the first byte and at the end."""

    up: Way
    down: Way
    before: int
    after: int


def measure(rounds: int = ROUNDS, size: int = SIZE) -> Result:
    """Start an installation, send and fetch `size` bytes in each round beside the plain disk, and stop it."""
    up, down = Way("up: written and durable"), Way("down: not in the page cache")
    with folder() as base, running(base / "data") as installation:
        source = _source(base / "source", size)
        web = web_processes(installation.pid)
        before = peak_memory(web)
        for number, transfer in enumerate(signed_requests(installation, rounds, size)):
            _round(base, source, transfer, up, down, ours_first=number % 2 == 0)
        return Result(up, down, before, peak_memory(web))


def _round(base: Path, source: Path, transfer: Transfer, up: Way, down: Way, *, ours_first: bool) -> None:
    plain, size = base / "plain", source.stat().st_size
    writing: list[tuple[Way, list[float], Callable[[], None]]] = [
        (up, up.ours, lambda: _put(transfer.put, source)),
        (up, up.disk, lambda: _write(source, plain)),
    ]
    reading: list[tuple[Way, list[float], Callable[[], None]]] = [
        (down, down.ours, lambda: _get(transfer.get, size)),
        (down, down.disk, lambda: _read(plain)),
    ]
    for _, rates, act in writing if ours_first else writing[::-1]:
        rates.append(_rate(act, size))
    stored = [path for path in (base / "data" / "files").rglob("*") if path.is_file()]
    for path in (plain, *stored):
        _forget(path)
    for _, rates, act in reading if ours_first else reading[::-1]:
        rates.append(_rate(act, size))
    for path in (plain, *stored):
        path.unlink()


def _rate(act: Callable[[], None], size: int) -> float:
    began = time.perf_counter()
    act()
    return size / (time.perf_counter() - began) / 1e6


def _source(path: Path, size: int) -> Path:
    """A file of noise, in the page cache by that: what is measured is not how fast it is read."""
    noise = os.urandom(16 * 1024 * 1024)
    with path.open("wb") as file:
        for first in range(0, size, len(noise)):
            file.write(noise[: size - first])
    return path


def _write(source: Path, path: Path) -> None:
    with source.open("rb", buffering=0) as given, path.open("wb", buffering=0) as file:
        while chunk := given.read(_CHUNK):
            file.write(chunk)
        os.fsync(file.fileno())


def _read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(_CHUNK):
            continue


def _forget(path: Path) -> None:
    """Have the system drop the file from its page cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _put(url: str, source: Path) -> None:
    with _asked("PUT", url, f"Content-Length: {source.stat().st_size}\r\n") as server:
        with source.open("rb") as file:
            server.sendfile(file)
        _head(server)


def _get(url: str, size: int) -> None:
    with _asked("GET", url, "") as server:
        length, begun = _head(server)
        if length != size:
            raise RuntimeError(f"{length} bytes instead of {size}")
        left, buffer = length - begun, bytearray(1024 * 1024)
        while left > 0 and (got := server.recv_into(buffer)):
            left -= got
        if left:
            raise RuntimeError("The download broke off.")


def _asked(method: str, url: str, more: str) -> socket.socket:
    parts = urlsplit(url)
    server = socket.create_connection((str(parts.hostname), int(parts.port or 80)), timeout=120)
    server.sendall(f"{method} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{more}\r\n".encode())
    return server


def _head(server: socket.socket) -> tuple[int, int]:
    """Read the head of an answer; returns its length, and how many bytes of the body came with it."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += server.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not head.startswith(b"HTTP/1.1 200") or length is None:
        raise RuntimeError(f"Not a 200: {received[:500]!r}")
    return int(length[1]), len(body)


def lines(result: Result) -> list[str]:
    """The result in Markdown."""
    table = [
        "| 1 GB | through Packmule | the disk itself | ratio, median | lowest |",
        "|---|---:|---:|---:|---:|",
    ]
    for way in (result.up, result.down):
        ours, disk = statistics.median(way.ours), statistics.median(way.disk)
        share = f"{statistics.median(way.ratios):.0%} | {min(way.ratios):.0%}"
        table.append(f"| {way.name} | {ours:.0f} MB/s | {disk:.0f} MB/s | {share} |")
    memory = (
        f"{result.before / 1e6:.0f} MB before the first byte and {result.after / 1e6:.0f} MB after "
        f"{len(result.up.ours)} GB each way"
    )
    return [*table, "", f"The most memory that a web process ever had: {memory}."]


if __name__ == "__main__":
    print("\n".join(lines(measure())))

"""The server that takes the signed requests of the local store: a process of its own, as in production."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from django.conf import settings

from apps.core import processes
from apps.storage.stores.local import LocalStore
from tests.installed import environment
from tests.standins.smtp import free_port

_STARTING_SECONDS = 60


@contextmanager
def serving(postgres: Mapping[str, str], folder: Path) -> Iterator[str]:
    """`manage.py serve` on the tests' database, with its files in `folder`; where it answers."""
    LocalStore(folder).begin()
    with started(postgres, folder) as (url, _):
        yield url


@contextmanager
def started(
    postgres: Mapping[str, str], folder: Path, *, within: Sequence[str] = (), **more: str
) -> Iterator[tuple[str, int]]:
    """As `serving`, with `more` settings and by the words `within`; where it answers, and its process id."""
    port = free_port()
    child = processes.spawn(
        [*within, sys.executable, "manage.py", "serve", "--port", str(port), "--workers", "1"],
        end_with=signal.SIGTERM,
        env=environment(postgres, folder) | {"PACKMULE_PORT": str(port)} | more,
        cwd=settings.BASE_DIR,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, child)
        yield url, child.pid
    finally:
        processes.end_group(child, 5)


def _wait_for(url: str, child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < until and child.poll() is None:
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError("The server did not start; it says why above.")

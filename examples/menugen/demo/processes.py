"""The product's own processes, and how one of them dies."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from menugen import settings

from demo.telling import WentWrong

_HERE = Path(__file__).resolve().parent.parent
_STOPS_WITHIN = 20


class Processes:
    """Those that were started, until `stop`."""

    def __init__(self) -> None:
        self._running: dict[subprocess.Popen[bytes], str] = {}
        self._log = settings.home() / "product.log"

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `python -m …` of the product. What it complains of stands in `product.log`."""
        command = [sys.executable, "-m", *words]
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, cwd=_HERE, stderr=log, start_new_session=True)
        self._running[process] = " ".join(words)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL: it says nothing more, to nobody."""
        process.kill()
        process.wait()
        del self._running[process]

    def lost(self) -> str:
        """What is to be said of one that ended by itself; nothing while all go on."""
        for process, name in self._running.items():
            if process.poll() is not None:
                return f"{name} ended with {process.returncode}. Why stands in {self._log}."
        return ""

    def stop(self) -> None:
        """Ask all of them to end, and see that they do."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(_STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def started() -> Iterator[Processes]:
    """Processes that are gone afterwards."""
    made = Processes()
    try:
        yield made
    finally:
        made.stop()


def free_site(before: str = "") -> str:
    """The address at which the site is to be reached: the one from before, if nobody else has it now."""
    for port in (urlsplit(before).port or 0, 0):
        with socket.socket() as held:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                held.bind(("127.0.0.1", port))
            except OSError:
                continue
            return f"http://127.0.0.1:{held.getsockname()[1]}"
    raise WentWrong("There is no free port on this machine.")

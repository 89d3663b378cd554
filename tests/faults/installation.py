"""A real installation whose parts are killed: `up` in a folder of its own, and other processes beside it."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.installation import folder
from tests.prepared import URLS, begin_as_installed

ROOT = Path(__file__).resolve().parent.parent.parent
#: What other tests of the same process may have set for themselves.
_OURS = (*URLS, "PACKMULE_KEY", "PACKMULE_DATA_DIR")


class Installation:
    """`up` in a folder, on one port over all its lives. `env` is what its environment has beside that of the tests."""

    def __init__(self, data: Path, env: Mapping[str, str] | None = None) -> None:
        self.data = data
        clean = {name: value for name, value in os.environ.items() if name not in _OURS}
        self.env = {**clean, **(env or {})}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.facts: dict[str, Any] = {}
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start `up` and wait for its line of JSON."""
        arguments = ["up", "--json", "--data-dir", str(self.data), "--port", str(self.port)]
        self.child = subprocess.Popen(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.env, stdout=subprocess.PIPE
        )
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line, "up ended without saying that it is ready"
        self.facts = json.loads(line)

    def stop(self) -> float:
        """SIGTERM; returns the seconds until everything had ended."""
        assert self.child is not None
        began = time.monotonic()
        self.child.terminate()
        self.child.communicate(timeout=30)
        return time.monotonic() - began

    def kill(self, victim: str, chance: random.Random) -> int:
        """Kill one process of the part `victim`; the supervisor is started again. Returns the process id."""
        assert self.child is not None
        if victim == "supervisor":
            self.child.kill()
            self.child.communicate()
            pid = self.child.pid
            self.start()
            return pid
        pid = chance.choice(self.pids(victim))
        os.kill(pid, signal.SIGKILL)
        return pid

    def pids(self, victim: str) -> list[int]:
        """The processes of a part; waits for one that is being started."""
        assert self.child is not None
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            found = self._find(victim, self.child.pid)
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{victim} is not running")

    def _find(self, victim: str, supervisor: int) -> list[int]:
        if victim == "web process":
            return [pid for web in self._find("web", supervisor) for pid, _ in children(web)]
        word = {"Postgres": "bin/postgres", "web": " serve ", "worker": " worker"}[victim]
        return [pid for pid, line in children(supervisor) if word in f"{line} "]

    @property
    def owner_url(self) -> str:
        """The URL of the database's owner, as commands in another terminal find it."""
        urls = json.loads((self.data / "connection.json").read_text())
        return str(urls["owner_database_url"])

    def environment(self) -> dict[str, str]:
        """The environment in which a command runs against this installation."""
        urls = json.loads((self.data / "connection.json").read_text())
        return self.env | {
            "PACKMULE_DATA_DIR": str(self.data),
            "PACKMULE_DATABASE_URL": urls["database_url"],
            "PACKMULE_OWNER_DATABASE_URL": urls["owner_database_url"],
            "PACKMULE_PORT": str(self.port),
        }

    def manage(self, *words: str) -> str:
        """What a management command says."""
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


@contextmanager
def installed(env: Mapping[str, str] | None = None) -> Iterator[Installation]:
    """A running installation, gone with its folder afterwards; `env` is what its environment has beside ours."""
    with folder() as place:
        begin_as_installed(place / "data")
        made = Installation(place / "data", env)
        try:
            made.start()
            yield made
        finally:
            if made.child is not None and made.child.poll() is None:
                made.stop()


def children(parent: int) -> list[tuple[int, str]]:
    """Id and command line of every living child of `parent`."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        if fields[:2] != ["Z", str(parent)] and fields[1] == str(parent):
            found.append((int(place.name), line))
    return found


def is_in_flight(answer: httpx.Response) -> bool:
    """Whether the first try of this call is still being worked on."""
    return answer.status_code == 409 and bool(answer.json().get("retryable"))


def seed() -> int:
    """Where chance begins: PACKMULE_SEED, or another number each time; it is printed."""
    chosen = int(os.environ.get("PACKMULE_SEED", random.SystemRandom().randrange(10**6)))
    print(f"\nseed {chosen} (PACKMULE_SEED={chosen} repeats the order)")
    return chosen

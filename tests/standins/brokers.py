"""Real RabbitMQ and Redis servers on loopback, as the distribution has them, each a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from apps.core import processes
from tests.needing import require

_STARTING_SECONDS = 60
#: Where Debian puts the program itself; the one in PATH changes to an account of its own.
_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def require_broker(kind: str) -> None:
    """Go on where a server of that kind can be run; see needing.require."""
    there = _RABBITMQ.exists() if kind == "rabbitmq" else shutil.which("redis-server")
    require(there, f"{kind} is not installed; .ci/run says which packages it is in.")


class Server:
    """A server on a port of its own over all its lives, in the middle of which it may be killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.distribution, self.names = _free_ports(3)
        self.child: subprocess.Popen[bytes] | None = None
        self._kept: list[socket.socket] = []

    @property
    def url(self) -> str:
        """Where it answers."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """What is run."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """What its environment has beside that of the tests."""
        return {}

    def start(self) -> None:
        """Start it, also again, and wait until it answers."""
        log = self.folder / "said"
        self._give_ports_free()
        with log.open("ab") as said:
            self.child = processes.spawn(
                self.command(),
                end_with=signal.SIGKILL,
                stdout=said,
                stderr=said,
                env={**os.environ, **self.environment()},
            )
        _wait_for(self.child, self.port, log)

    def kill(self) -> None:
        """SIGKILL it and all that it started. Its ports are kept, or a client's connection could get one of them."""
        if self.child is not None:
            processes.kill_group(self.child)
            self.child = None
        self._kept = [_kept(port) for port in (self.port, self.distribution)]

    def _give_ports_free(self) -> None:
        while self._kept:
            self._kept.pop().close()

    def stop(self) -> None:
        """End it."""
        self._give_ports_free()
        if self.child is not None:
            processes.end_group(self.child, 10)


class _Redis(Server):
    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        words = ["--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--dir", str(self.folder)]
        return ["redis-server", *words]


class _RabbitMQ(Server):
    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def command(self) -> list[str]:
        settings = self.folder / "rabbitmq.conf"
        settings.write_text(f"listeners.tcp.default = 127.0.0.1:{self.port}\nloopback_users.guest = true\n")
        return [str(_RABBITMQ)]

    def environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"packmule{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_DIST_PORT": str(self.distribution),
            "ERL_EPMD_PORT": str(self.names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def stop(self) -> None:
        super().stop()
        # The daemon that Erlang finds its nodes by is in a session of its own, and outlives them.
        subprocess.run(["epmd", "-port", str(self.names), "-kill"], capture_output=True, check=False)


@contextmanager
def standing(kind: str) -> Iterator[Server]:
    """Run `rabbitmq` or `redis` on a free port, with a folder of its own, both gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"pm-{kind}-", ignore_cleanup_errors=True) as folder:
        server = (_RabbitMQ if kind == "rabbitmq" else _Redis)(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def serving(kind: str) -> Iterator[str]:
    """The same, for tests that need no more than its URL."""
    with standing(kind) as server:
        yield server.url


def _wait_for(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < end and child.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"It did not start: {log.read_text(errors='replace')[-2000:]}")


def _kept(port: int) -> socket.socket:
    """A socket that has the port and answers nobody, as soon as the system has let go of who was killed."""
    end = time.monotonic() + _STARTING_SECONDS
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    while True:
        try:
            kept.bind(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return kept


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in held]
    finally:
        for each in held:
            each.close()

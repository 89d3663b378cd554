"""Starting, watching and stopping one embedded Postgres."""

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import quote

from apps.core import processes
from apps.tenancy.embedded import account as accounts
from apps.tenancy.embedded import binaries, bootstrap, configuration, place, remains
from apps.tenancy.embedded.errors import EmbeddedPostgresError

logger = logging.getLogger("packmule.startup")

_READY_WITHIN = 60.0


class EmbeddedPostgres:
    """One Postgres of the embedded default, a child of this process, reached over a socket in its data
    directory.

    Call `start` from a thread that lives as long as the server should: the server stops when that thread's
    process, or on Linux the thread itself, ends. One process at a time may use a data directory; `up` sees
    to that with a lock.
    """

    def __init__(self, data_dir: Path | str, prefix: str = "packmule", *, fsync: bool = True) -> None:
        """Nothing is touched yet. `prefix` begins the names of the roles; `fsync=False` is for tests."""
        self.data_dir = Path(data_dir).resolve()
        self.owner_role = f"{prefix}_owner"
        self.login_role = f"{prefix}_login"
        self._fsync = fsync
        self._place: place.Place | None = None
        self._bin_dir: Path | None = None
        self._child: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def temporary(cls, prefix: str = "packmule", template: Path | None = None) -> Iterator[Self]:
        """A started server in a folder of its own, which is gone afterwards. Not durable: for tests.

        It begins as a copy of `template`, the data folder of another one that was stopped, where that is given.
        """
        folder = Path(tempfile.mkdtemp(prefix="pm-"))
        folder.chmod(0o711)  # an unprivileged server has to pass through when root runs the tests
        server = cls(folder, prefix, fsync=False)
        if template is not None:
            # The files keep their owner, whom Postgres insists on.
            subprocess.run(["/bin/cp", "-a", template, server.pgdata], check=True)
        try:
            yield server.start()
        finally:
            server.stop(fast=False)
            shutil.rmtree(folder)

    @property
    def place(self) -> place.Place:
        """The folders of this server, created when new. Raises EmbeddedPostgresError."""
        if self._place is None:
            self._place = place.find(self.data_dir)
        return self._place

    @property
    def bin_dir(self) -> Path:
        """The folder of `postgres`, `initdb`, `pg_dump` and the others."""
        if self._bin_dir is None:
            self._bin_dir = binaries.for_account(self.place.account)
        return self._bin_dir

    @property
    def owner_url(self) -> str:
        """The URL under which the owner of the database connects."""
        return self.url(self.owner_role)

    @property
    def login_url(self) -> str:
        """The URL under which the server's login role connects."""
        return self.url(self.login_role)

    def url(self, role: str) -> str:
        """The URL for `role`, in libpq's form: the host is the folder of the socket."""
        folder = quote(str(self.place.socket), safe="/")
        return f"postgresql:///{configuration.DATABASE}?host={folder}&user={role}"

    @property
    def pid(self) -> int | None:
        """The process id of the running server, or None."""
        return self._child.pid if self._child is not None and self.is_running() else None

    @property
    def pgdata(self) -> Path:
        """Postgres's own data folder."""
        return self.place.data

    def start(self) -> Self:
        """Start the server, initialising it when new, and wait until it answers and its roles and database
        are there.

        Waits for a server that a killed supervisor left behind. Raises EmbeddedPostgresError.
        """
        if self.is_running():
            return self
        self._initialise()
        remains.clear(self.place)
        self._launch()
        self._await_ready()
        bootstrap.ensure(self.place, self.owner_role, self.login_role)
        return self

    def stop(self, *, grace: float = 4.0, fast: bool = True) -> None:
        """Stop the server: sessions are cut and data flushed within `grace` seconds, else it is left to
        recovery.

        `fast=False` leaves everything to recovery at the next start. Nothing committed is lost either way.
        """
        child, self._child = self._child, None
        if child is None:
            return
        steps = [(signal.SIGINT, grace)] if fast else []
        for number, seconds in [*steps, (signal.SIGQUIT, 2.0), (signal.SIGKILL, 5.0)]:
            if child.poll() is not None:
                break
            child.send_signal(number)
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                logger.warning("Postgres did not stop within %s s of %s", seconds, number.name)

    def is_running(self) -> bool:
        """Whether the server that `start` started is still there (it may be recovering)."""
        return self._child is not None and self._child.poll() is None

    def exit_code(self) -> int | None:
        """How the server ended: negative for a signal, None while it runs or before it was started."""
        return None if self._child is None else self._child.poll()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _initialise(self) -> None:
        version = self.place.data / "PG_VERSION"
        ours = binaries.major(self.bin_dir)
        if not self.place.data.exists():
            self._initdb()
        if (theirs := "".join(remains.read_lines(version))) != str(ours):
            raise EmbeddedPostgresError(
                f"The data in {self.place.data} was written by Postgres {theirs}; this Packmule brings "
                f"{ours}. Dump it with the Packmule that wrote it and restore it into a new --data-dir."
            )
        names = {self.place.account.name, accounts.current().name}
        roles = (configuration.SUPERUSER, self.owner_role, self.login_role)
        configuration.write(self.place, roles, names, durable=self._fsync)

    def _initdb(self) -> None:
        """Initialise in a folder beside and rename it, so that a data folder is always a whole one."""
        fresh = self.place.home / "data.new"
        remains.remove(fresh)
        fresh.mkdir()
        self.place.account.give(fresh)
        command = [str(self.bin_dir / "initdb"), "-D", str(fresh), "-U", configuration.SUPERUSER]
        command += ["-A", "reject", "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--locale=C", "--no-instructions", *([] if self._fsync else ["--no-sync"])]
        with self._log() as log:
            child = processes.spawn(
                command,
                end_with=signal.SIGKILL,
                env=self._environment(),
                cwd=Path("/"),
                stdout=log,
                stderr=log,
                identity=self.place.account.identity,
            )
            if child.wait() != 0:
                raise EmbeddedPostgresError(f"initdb failed:\n{self._log_tail()}")
        fresh.rename(self.place.data)

    def _launch(self) -> None:
        remains.shorten(self.place.log)
        with self._log() as log:
            self._child = processes.spawn(
                [str(self.bin_dir / "postgres"), "-D", str(self.place.data)],
                end_with=signal.SIGINT,
                env=self._environment(),
                cwd=Path("/"),
                stdout=log,
                stderr=log,
                identity=self.place.account.identity,
            )

    def _await_ready(self) -> None:
        limit = time.monotonic() + _READY_WITHIN
        while not self._is_ready():
            if not self.is_running():
                raise EmbeddedPostgresError(
                    f"Postgres ended while starting ({self.place.log}):\n{self._log_tail()}"
                )
            if time.monotonic() > limit:
                self.stop(fast=False)
                raise EmbeddedPostgresError(
                    f"Postgres was not ready after {_READY_WITHIN:.0f} s: see {self.place.log}"
                )
            time.sleep(0.01)

    def _is_ready(self) -> bool:
        """Whether the child's own postmaster.pid says so in line 8; an older one names another process in
        line 1.
        """
        lines = remains.read_lines(self.place.pid_file)
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _environment(self) -> dict[str, str]:
        """No PG… variable of the caller reaches the server; its messages are in English."""
        return {"PATH": os.defpath, "HOME": "/", "LC_ALL": "C", "TZ": "UTC"}

    @contextmanager
    def _log(self) -> Iterator[int]:
        descriptor = os.open(self.place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _log_tail(self) -> str:
        return "\n".join(remains.read_lines(self.place.log)[-8:])

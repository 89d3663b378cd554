"""The data directory of an installation: its lock, its secret key, and what is noted there for other
processes.
"""

import errno
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.tenancy.startup.errors import BAD_USAGE, CONFLICT, CannotStart


@dataclass(frozen=True)
class DataDirectory:
    """A data directory that this process has locked."""

    path: Path
    lock: int
    # Whether the process before this one was killed, so that its children may still be stopping.
    recovering: bool

    @property
    def credentials(self) -> Path:
        """The file in which `prepare` keeps the first key and password."""
        return self.path / "credentials.json"

    def announce(self, **facts: Any) -> None:
        """Note in the lock who holds it, for whoever finds it taken, and for config.env.served_port."""
        text = json.dumps({"pid": os.getpid(), **facts}) + "\n"
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, text.encode(), 0)

    def secret_key(self) -> str:
        """Django's secret key, made at the first start and readable by this account alone."""
        kept = self.path / "secret_key"
        if not kept.is_file():
            self.keep("secret_key", secrets.token_urlsafe(48) + "\n")
        return kept.read_text().strip()

    def keep(self, name: str, text: str) -> None:
        """Write the file `name`, readable by this account alone; readers see the old text or the new,
        whole.
        """
        fresh = self.path / f"{name}.new"
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(self.path / name)


@contextmanager
def claimed(path: Path) -> Iterator[DataDirectory]:
    """Create `path` when it is missing, and hold its lock. Raises CannotStart."""
    path = path.expanduser().absolute()
    lock = _open(path)
    try:
        _take(lock, path)
        yield from _used(DataDirectory(path, lock, recovering=os.fstat(lock).st_size > 0))
    finally:
        os.close(lock)


def _used(directory: DataDirectory) -> Iterator[DataDirectory]:
    """The note in the lock outlives only a process that is killed."""
    directory.announce()
    try:
        yield directory
    finally:
        os.ftruncate(directory.lock, 0)


def _open(path: Path) -> int:
    try:
        # As root others may pass through, because Postgres runs under an account of its own.
        path.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        return os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except (FileExistsError, NotADirectoryError):
        raise CannotStart(f"{path} is not a folder. Choose another with --data-dir.", BAD_USAGE) from None
    except OSError as problem:
        reason = os.strerror(problem.errno or errno.EIO)
        raise CannotStart(
            f"{path} cannot be used ({reason}). Choose another folder with --data-dir."
        ) from None


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CannotStart(f"{path} is in use by {_holder(lock)}. {_ADVICE}", CONFLICT) from None


_ADVICE = "Stop that one, or choose another folder with --data-dir."


def _holder(lock: int) -> str:
    try:
        facts = json.loads(os.pread(lock, 4096, 0))
    except ValueError:
        return "another Packmule"
    where = f" on port {facts['port']}" if "port" in facts else ", which is starting"
    return f"a running Packmule (process {facts['pid']}{where})"

"""The operating-system account that Postgres runs under: it refuses to run as root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from apps.tenancy.embedded.errors import EmbeddedPostgresError


@dataclass(frozen=True)
class Account:
    """An account of this machine."""

    name: str
    uid: int
    gid: int

    @property
    def identity(self) -> tuple[int, int] | None:
        """What `core.processes.spawn` needs to become this account; None when this process already is it."""
        return None if self.uid == os.geteuid() else (self.uid, self.gid)

    def give(self, folder: Path) -> None:
        """Make this account the owner of `folder` itself, with nobody else let in."""
        if self.identity is not None:
            os.chown(folder, self.uid, self.gid)
        folder.chmod(0o700)

    def may_execute(self, path: Path) -> bool:
        """Whether this account may run the file, or pass through the folder, at `path`."""
        if self.identity is None:
            return os.access(path, os.X_OK)
        asked = subprocess.run(
            ["/usr/bin/env", "test", "-x", str(path)],
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            cwd="/",
            check=False,
        )
        return asked.returncode == 0

    def first_closed(self, path: Path) -> Path | None:
        """The topmost folder on the way to `path` (itself included) that this account may not enter, if
        any.
        """
        for folder in [*reversed(path.parents), path]:
            if not self.may_execute(folder):
                return folder
        return None


def current() -> Account:
    """The account this process runs under. Raises EmbeddedPostgresError when the machine does not know it."""
    return _named(os.geteuid())


def server(data: Path) -> Account:
    """The account for the server of the data folder `data`, which may not exist yet.

    Without root that is the current one. With root it is the owner of existing data, else `postgres`, else
    `nobody`.
    """
    mine = current()
    if mine.uid != 0:
        return mine
    if data.is_dir() and data.stat().st_uid != 0:
        return _named(data.stat().st_uid)
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise EmbeddedPostgresError(
        "Postgres does not run as root and this machine has neither an account `postgres` nor `nobody`. "
        "Start Packmule under an ordinary account."
    )


def _named(uid: int) -> Account:
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError:
        raise EmbeddedPostgresError(
            f"This machine has no account for the user id {uid}, and Postgres needs one: "
            "add it to /etc/passwd or start Packmule under another account."
        ) from None


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)

"""Where the files of an embedded Postgres lie."""

import hashlib
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from apps.tenancy.embedded import account as accounts
from apps.tenancy.embedded import binaries
from apps.tenancy.embedded.account import Account
from apps.tenancy.embedded.errors import EmbeddedPostgresError

logger = logging.getLogger("packmule.startup")

SOCKET_FILE = ".s.PGSQL.5432"
# The system's limit for a socket's path is 104 bytes on macOS and 108 on Linux.
_LONGEST_SOCKET = 99


@dataclass(frozen=True)
class Place:
    """The folders of one embedded Postgres, and the account that owns `data` and `socket`."""

    home: Path
    socket: Path
    account: Account

    @property
    def data(self) -> Path:
        """The data folder ("PGDATA")."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The file that Postgres writes its log to."""
        return self.home / "postgres.log"

    @property
    def pid_file(self) -> Path:
        """Postgres's own `postmaster.pid`."""
        return self.data / "postmaster.pid"

    @property
    def socket_files(self) -> list[Path]:
        """The socket and its lock file."""
        return [self.socket / SOCKET_FILE, self.socket / f"{SOCKET_FILE}.lock"]


def find(data_dir: Path) -> Place:
    """The place for the installation in `data_dir`; created when new.

    Normally that is `data_dir`/postgres. When root starts Packmule inside a folder that the server's
    account may not enter (a clone under /root), no permission is changed: the data goes to a folder under
    /var/lib/packmule, which `data_dir`/postgres.location records.
    """
    home = _home(data_dir)
    account = accounts.server(home / "data")
    if account.identity is not None and not home.is_dir():
        home = _reachable(data_dir, home, account)
    _make(home, account)
    return Place(home, _socket_folder(home, account), account)


def _home(data_dir: Path) -> Path:
    record = _record(data_dir)
    if not record.is_file():
        return data_dir / "postgres"
    home = Path(record.read_text().strip())
    if not home.is_dir():
        raise EmbeddedPostgresError(
            f"The data of this installation was kept in {home} (says {record}), and that folder is gone. "
            f"Bring it back, or remove {data_dir} to begin anew."
        )
    return home


def _record(data_dir: Path) -> Path:
    return data_dir / "postgres.location"


def _reachable(data_dir: Path, home: Path, account: Account) -> Path:
    closed = account.first_closed(data_dir)
    if closed is None:
        return home
    binaries.open_folder(binaries.SHARED)
    elsewhere = Path(tempfile.mkdtemp(prefix=f"{data_dir.resolve().parent.name}-", dir=binaries.SHARED))
    elsewhere.chmod(0o711)
    (elsewhere / "belongs-to").write_text(f"{data_dir.resolve()}\n")
    _record(data_dir).write_text(f"{elsewhere}\n")
    logger.info(
        "Postgres runs as %s, which may not enter %s: its data is kept in %s", account.name, closed, elsewhere
    )
    return elsewhere


def _make(home: Path, account: Account) -> None:
    """Create what is missing, and refuse data that another account owns or the server's account cannot
    reach.
    """
    if not home.is_dir():
        home.mkdir(mode=0o711 if account.identity else 0o700)
    if not (home / "socket").is_dir():
        (home / "socket").mkdir()
        account.give(home / "socket")
    for folder in (home / "socket", home / "data"):
        if folder.is_dir() and folder.stat().st_uid != account.uid:
            raise EmbeddedPostgresError(
                f"{folder} belongs to another account of this machine (user id {folder.stat().st_uid}). "
                "Start Packmule under the account that created it."
            )
    closed = account.first_closed(home)
    if closed is not None:
        raise EmbeddedPostgresError(
            f"Postgres runs as {account.name}, which may not enter {closed}. "
            f"Let it pass (chmod o+x {closed}) or choose another folder with --data-dir."
        )


def _socket_folder(home: Path, account: Account) -> Path:
    """`home`/socket, or a private folder with a short name when that path is too long for a socket."""
    usual = home.resolve() / "socket"
    if len(os.fsencode(usual / SOCKET_FILE)) <= _LONGEST_SOCKET:
        return usual
    digest = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:12]
    short = Path("/tmp") / f"packmule-{account.uid}-{digest}"  # noqa: S108 - checked below to be ours alone
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if short.is_symlink() or found.st_uid not in (account.uid, os.geteuid()):
        raise EmbeddedPostgresError(
            f"{short} is needed for Postgres's socket but belongs to somebody else: remove it."
        )
    account.give(short)
    logger.info("%s is too long a path for a socket: it is in %s", usual, short)
    return short

"""Installations, made once for the code as it stands and copied for the tests: one with the world in it for every
session, and one as `up` makes it in an empty folder.

Installing takes ten seconds of a processor, copying a tenth of one. They are kept in pytest's own cache for a day.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from apps.tenancy.embedded import EmbeddedPostgres
from bench.installation import folder

if TYPE_CHECKING:
    # Its models can be imported no sooner than Django is set up.
    from tests.world import World

_ROOT = Path(__file__).resolve().parent.parent
#: What an installation and the world are made by.
_SOURCES = ("apps/**/*.py", "config/**/*.py", "tests/world.py", "tests/fixtures.py", "requirements/base.txt")
_KEPT_SECONDS = 600.0
URLS = ("PACKMULE_DATABASE_URL", "PACKMULE_OWNER_DATABASE_URL")


@dataclass(frozen=True)
class Prepared:
    """A folder with the data of a stopped Postgres in which the world stands."""

    folder: Path

    @property
    def data(self) -> Path:
        """Postgres's own data folder, to be copied."""
        return self.folder / "data"

    @property
    def world(self) -> World:
        """The world that stands there."""
        found: World = pickle.loads((self.folder / "world").read_bytes())
        return found


def prepared(cache: Path, build: Callable[[dict[str, str]], World]) -> Prepared:
    """What is kept in `cache` for the code of now; `build` gets a server's URLs and makes it where there is none."""
    return Prepared(_kept(cache, lambda fresh: _make(fresh, build)))


def begin_as_installed(data: Path) -> None:
    """Make `data`, which is not there, what `up` with nothing to say makes of an empty folder, and stops."""
    cache = _ROOT / ".pytest_cache" / "d" / "up"
    cache.mkdir(parents=True, exist_ok=True)
    _copy(_kept(cache, _make_by_up) / "data", data)


def _kept(cache: Path, make: Callable[[Path], None]) -> Path:
    """A folder in `cache` with what `make` puts there; of several processes one makes it, and the others wait."""
    folder = cache / _fingerprint()
    with _alone(cache):
        if not folder.is_dir():
            _forget_others(cache)
            # Beside it and renamed, so that what is there is always whole.
            fresh = folder.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            make(fresh)
            fresh.rename(folder)
        os.utime(folder)
    return folder


def urls(server: EmbeddedPostgres) -> dict[str, str]:
    """The URLs of a server by the names of the settings."""
    return dict(zip(URLS, (server.login_url, server.owner_url), strict=True))


def _fingerprint() -> str:
    digest = hashlib.sha256(f"{datetime.now(UTC):%Y-%m-%d}".encode())
    found = sorted({path for pattern in _SOURCES for path in _ROOT.glob(pattern)})
    for path in found:
        if path.parent.name != "tests" or path.parent.parent == _ROOT:
            digest.update(f"\0{path.relative_to(_ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_others(cache: Path) -> None:
    """Remove what no session has begun with for a while: another one may be copying it at this moment."""
    for found in cache.iterdir():
        if found.is_dir() and time.time() - found.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(found)


def _make(fresh: Path, build: Callable[[dict[str, str]], World]) -> None:
    with EmbeddedPostgres.temporary() as server:
        made = build(urls(server))
        server.stop()
        _copy(server.pgdata, fresh / "data")
    (fresh / "world").write_bytes(pickle.dumps(made))


def _make_by_up(fresh: Path) -> None:
    with folder() as above:
        line = [sys.executable, "manage.py", "up", "--json", "--port", "0", "--data-dir", f"{above}/data"]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PACKMULE_")}
        with subprocess.Popen(line, cwd=_ROOT, env=clean, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            said = child.stdout.readline()
            child.terminate()
        assert said, "up ended without saying that it is ready"
        _copy(above / "data", fresh / "data")


def _copy(there: Path, here: Path) -> None:
    # Its files keep their owner, whom Postgres insists on.
    subprocess.run(["/bin/cp", "-a", there, here], check=True)

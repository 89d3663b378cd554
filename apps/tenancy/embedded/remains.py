"""What a Postgres that was killed leaves behind, and making room for the next one."""

import logging
import os
import shutil
import signal
import time
from pathlib import Path

from apps.core import processes
from apps.tenancy.embedded.errors import EmbeddedPostgresError
from apps.tenancy.embedded.place import Place

logger = logging.getLogger("packmule.startup")

_PATIENCE = 20.0
_LOG_LIMIT = 4 * 1024 * 1024


def clear(place: Place) -> None:
    """Wait for a former server of `place` to be gone, and remove locks that would keep the next one from
    starting.

    The caller holds the data directory's lock, so a server that still runs has lost its supervisor and is
    stopping, or is told to. Raises EmbeddedPostgresError when it does not end.
    """
    former = _former(place)
    if former is not None and _is_server_of(place, former):
        _await_end(place, former)
    for pid in processes.working_in(place.data):  # sessions of a postmaster that was killed
        _send(pid, signal.SIGKILL)
        _until_gone(pid, 5.0)
    # Postgres takes a zombie, or another program that now has the number, for a running server.
    for path in [place.pid_file, *place.socket_files]:
        path.unlink(missing_ok=True)


def _former(place: Place) -> int | None:
    lines = read_lines(place.pid_file)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def _is_server_of(place: Place, pid: int) -> bool:
    """Whether `pid` lives and is the postmaster of `place`; where that cannot be seen, every live process
    counts.
    """
    if not processes.is_alive(pid):
        return False
    folder = processes.working_directory(pid)
    return folder is None or folder == place.data


def _await_end(place: Place, pid: int) -> None:
    logger.info("Waiting for the former Postgres (process %s) to stop", pid)
    for number in (signal.SIGINT, signal.SIGQUIT):
        _send(pid, number)
        if _until_gone(pid, _PATIENCE / 2):
            return
    raise EmbeddedPostgresError(
        f"Another Postgres (process {pid}) still uses {place.data} and does not stop. "
        "End it, then start again."
    )


def _until_gone(pid: int, seconds: float) -> bool:
    limit = time.monotonic() + seconds
    while processes.is_alive(pid):
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def read_lines(path: Path) -> list[str]:
    """The lines of `path`; empty when it does not exist (any more)."""
    try:
        return path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def remove(folder: Path) -> None:
    """Remove `folder` with everything in it, if it is there."""
    if folder.is_dir():
        shutil.rmtree(folder)


def shorten(log: Path) -> None:
    """Move a log that has grown past 4 MB aside, over the one moved before."""
    if log.is_file() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))

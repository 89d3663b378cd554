"""The folder of an export while it is written: beside the one that it becomes when it is whole, and gone on with."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from apps.core.problems import show
from apps.tenancy.transfer.errors import ArchiveInTheWay, ArchiveNotWritten, ExportRunning
from apps.tenancy.transfer.folder import BLOBS, EARLIER, PRIVATE

_OF_OTHERS = 0o077


@contextmanager
def making(target: Path, tenant: str) -> Iterator[Path]:
    """A private folder for the export of `tenant` (its id), which becomes `target` when the block ends well.

    Otherwise, also when the process is killed, it stays beside that as `….ID.partial`, which nothing imports, and the
    next export of the tenant to `target` gets it again: with the contents of files that it had, below EARLIER, and
    nothing else. Without any it is gone. Raises ArchiveInTheWay, ExportRunning and ArchiveNotWritten.
    """
    partial = target.with_name(f"{target.name}.{tenant}.partial")
    with _explained(target):
        _require_free(target)
        _require_no_other(target, partial)
        with _held(partial):
            _require_free(target)
            _leave_contents(partial)
            try:
                yield partial
                os.sync()
                partial.rename(target)
            except BaseException:
                _give_up(partial)
                raise
        _sync(target.parent)


def _require_free(target: Path) -> None:
    if os.path.lexists(target):
        raise ArchiveInTheWay(f"{show(str(target))} is there already. {ArchiveInTheWay.advice}")


def _require_no_other(target: Path, partial: Path) -> None:
    """Raise ArchiveInTheWay when another tenant's export to `target` broke off, or goes on."""
    named = re.compile(re.escape(target.name) + r"\.ten_[^.]+\.partial")
    others = {path.name for path in target.parent.iterdir() if named.fullmatch(path.name)} - {partial.name}
    for name in sorted(others):
        raise ArchiveInTheWay(
            f"{show(name)} is what there is of another tenant's export to {show(str(target))}."
            f" {ArchiveInTheWay.advice}"
        )


@contextmanager
def _held(partial: Path) -> Iterator[None]:
    """Have the folder, made where it is new, for this process alone. Raises ArchiveInTheWay and ExportRunning."""
    with suppress(FileExistsError):
        partial.mkdir(PRIVATE)
    descriptor = os.open(partial, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _require_own(partial, os.fstat(descriptor))
        _lock(partial, descriptor)
        yield
    finally:
        os.close(descriptor)


def _require_own(partial: Path, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OF_OTHERS:
        raise ArchiveInTheWay(f"{show(str(partial))} is no folder of yours alone. {ArchiveInTheWay.advice}")


def _lock(partial: Path, descriptor: int) -> None:
    """Lock the folder until it is closed. Raises ExportRunning."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it until now may have given it its name, or removed it.
        ours = os.path.samestat(os.fstat(descriptor), partial.stat())
    except (BlockingIOError, FileNotFoundError):
        ours = False
    if not ours:
        raise ExportRunning


def _leave_contents(root: Path) -> None:
    """Of what exports wrote into `root`, leave the contents of files alone, below EARLIER."""
    _gather(root / BLOBS, root / EARLIER)
    for path in list(root.iterdir()):
        if path.name != EARLIER:
            _remove(path)


def _gather(source: Path, place: Path) -> None:
    """Move the contents in the folders of `source` into those of `place`."""
    for part in [path for path in source.glob("*") if path.is_dir()]:
        (place / part.name).mkdir(PRIVATE, parents=True, exist_ok=True)
        for path in list(part.iterdir()):
            path.replace(place / part.name / path.name)


def _give_up(root: Path) -> None:
    """Leave contents for the next export, or nothing where there are none."""
    with suppress(OSError):  # a disk that takes nothing more: the next export does it
        _leave_contents(root)
    for folder in (*(root / EARLIER).glob("*"), root / EARLIER, root):
        with suppress(OSError):  # not empty
            folder.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        reason = os.strerror(failure.errno or 0)
        raise ArchiveNotWritten(
            f"{show(str(target))} cannot be written ({reason}). {ArchiveNotWritten.advice}"
        ) from None

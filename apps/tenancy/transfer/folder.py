"""The folder of an archive: private files, and read as plain files or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from apps.core.problems import show
from apps.tenancy.transfer.errors import ArchiveInvalid

MANIFEST, TABLES, REGISTRY, BLOBS, BLOB_LIST = "manifest.json", "tables", "registry", "blobs", "blobs.ndjson"
#: What exports that broke off had fetched, by the same names as in BLOBS. No archive has it.
EARLIER = "earlier"
CHUNK = 2**20
PRIVATE, _PRIVATE_FILE = 0o700, 0o600
#: No row is longer: a body of the API has 1 MB, and PostgreSQL doubles what it has to escape.
LONGEST_LINE = 64 * 2**20


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, where it is there."""
    if folder.is_dir():
        shutil.rmtree(folder)


def write(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a new private file."""
    path.parent.mkdir(PRIVATE, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE_FILE), "wb") as file:
        for chunk in chunks:
            file.write(chunk)


@contextmanager
def opened(root: Path, *names: str) -> Iterator[BinaryIO]:
    """The plain file at `names` below `root`. Raises ArchiveInvalid for links, pipes, and what is not there."""
    shown = "/".join(names)
    try:
        for depth in range(1, len(names)):
            _require_folder(root.joinpath(*names[:depth]))
        descriptor = os.open(
            root.joinpath(*names), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
    except OSError as failure:
        reason = os.strerror(failure.errno or 0)
        raise ArchiveInvalid(f"{show(shown)} cannot be read ({reason}). {ArchiveInvalid.advice}") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ArchiveInvalid(f"{show(shown)} is no plain file.")
        yield file


def size_of(file: BinaryIO) -> int:
    """How many bytes an opened file has."""
    return os.fstat(file.fileno()).st_size


def lines_of(file: BinaryIO, shown: str, longest: int = LONGEST_LINE) -> Iterator[bytes]:
    """The lines of a file. Raises ArchiveInvalid for one that is longer than any row, or that does not end."""
    while line := file.readline(longest + 1):
        if len(line) > longest:
            raise ArchiveInvalid(f"{shown} has a line of more than {longest} bytes, which no row has.")
        if not line.endswith(b"\n"):
            raise ArchiveInvalid(f"{shown} ends in the middle of a row.")
        yield line


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file."""
    while chunk := file.read(CHUNK):
        yield chunk


def require_only(root: Path, names: set[str], folder: str = "") -> None:
    """Raise ArchiveInvalid when `folder` of the archive holds something else than `names`."""
    try:
        found = {entry.name for entry in os.scandir(root / folder)}
    except OSError:
        found = set()
    for name in sorted(found ^ names):
        said = "is missing" if name in names else "belongs to no archive of a tenant"
        raise ArchiveInvalid(
            f"{show(f'{folder}/{name}' if folder else name)} {said}. {ArchiveInvalid.advice}"
        )


def _require_folder(path: Path) -> None:
    if not stat.S_ISDIR(path.lstat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "no folder")

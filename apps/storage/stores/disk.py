"""Files on a disk that are whole or not there: written beside, made durable, and then given their name once.

What is not finished lies in a folder of its own, where nothing is ever read as a blob.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from apps.storage.stores.errors import BlobExists, StoreFull, StoreUnreachable

logger = logging.getLogger("packmule.storage")
CHUNK = 256 * 1024
#: After how many bytes the disk is told to begin.
_AHEAD = 8 * 1024 * 1024
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: How often a name is tried again when its folder was cleared away at that very moment.
_TRIES = 100


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Turn what the system says of a disk into StoreFull, or StoreUnreachable; that a file is not there stays.

    It may stand before a function, too.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull from error
        logger.exception("The folder of the files cannot be used")
        raise StoreUnreachable from error


@contextlib.contextmanager
def incoming(folder: Path, *, room: int = 0) -> Iterator[Path]:
    """A new private file in `folder`, to be written and then named with `keep` or `replace`; gone afterwards.

    Raises StoreFull when the disk has no `room` (bytes), or is full before all was written, and StoreUnreachable.
    """
    path = folder / uuid4().hex
    with refusing():
        make_folder(folder)
        if shutil.disk_usage(folder).free < room:
            raise StoreFull
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE_FILE))
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write(path: Path, chunks: Iterable[bytes]) -> int:
    """Write `chunks` to `path` and make them durable; returns how many bytes there are now."""
    with path.open("r+b", buffering=0) as file:
        file.seek(0, os.SEEK_END)
        waiting = 0
        for chunk in chunks:
            with refusing():
                _write_all(file, chunk)
            waiting += len(chunk)
            if waiting >= _AHEAD:
                _begin_to_store(file, waiting)
                waiting = 0
        with refusing():
            os.fsync(file.fileno())
        return file.tell()


def _begin_to_store(file: BinaryIO, length: int) -> None:
    """Have the disk take the last `length` bytes while the next ones come, so that fsync finds little left to do."""
    if hasattr(os, "posix_fadvise"):
        # Of pages that are not stored yet, this advice begins the storing.
        os.posix_fadvise(file.fileno(), file.tell() - length, length, os.POSIX_FADV_DONTNEED)


def _write_all(file: BinaryIO, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def contents(pieces: Iterable[Path], each: Callable[[], None]) -> Iterator[bytes]:
    """The bytes of the files `pieces`, one after the other, in chunks of bounded size; `each` is called with each."""
    for piece in pieces:
        with piece.open("rb", buffering=0) as file:
            for chunk in iter(partial(file.read, CHUNK), b""):
                each()
                yield chunk


@refusing()
def keep(made: Path, path: Path) -> None:
    """Give `made` the name `path`, durably. Raises BlobExists when that is taken, and changes nothing then."""
    for _ in range(_TRIES):
        # Until it has the name, whoever deletes the last file of the folder deletes the folder too.
        with contextlib.suppress(FileNotFoundError):
            make_folder(path.parent)
            _link(made, path)
            return
    raise FileNotFoundError(path)


def _link(made: Path, path: Path) -> None:
    try:
        path.hardlink_to(made)
    except FileExistsError:
        raise BlobExists from None
    with contextlib.suppress(FileNotFoundError):  # deleted at once
        _sync(path.parent)


@refusing()
def replace(made: Path, path: Path) -> None:
    """Give `made` the name `path`, durably, in the place of what had it. Its folder has to be there."""
    made.replace(path)
    _sync(path.parent)


def make_folder(folder: Path) -> None:
    """Make `folder` with all above it, durably and for this user alone."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(_PRIVATE_FOLDER)
        _sync(folder.parent)


def touch(path: Path) -> None:
    """Have a private file `path`, durably; one that is there stays as it is."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, _PRIVATE_FILE))
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear_away(path: Path, root: Path) -> None:
    """Delete the file `path`, and the folders between it and `root` that are empty by that."""
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == root:
            return
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:  # not empty
            return


def chunks_of(file: BinaryIO, length: int) -> Iterator[bytes]:
    """The next `length` bytes of `file`, fewer where it ends, in chunks of bounded size."""
    while length > 0 and (chunk := file.read(min(CHUNK, length))):
        length -= len(chunk)
        yield chunk

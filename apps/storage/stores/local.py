"""Blobs in a folder of this machine: the embedded default. Clients come back to us with URLs that we signed."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from django.core.files.storage import FileSystemStorage

from apps.storage.stores import disk, keys, signing
from apps.storage.stores.base import Disposition, Part, SignedRequest, Stat, nobody
from apps.storage.stores.disposition import content_type, safe_name
from apps.storage.stores.errors import BlobExists, BlobMissing, PartsDiffer, StoreUnreachable, UploadGone
from apps.storage.stores.signing import Grant

logger = logging.getLogger("packmule.storage")
#: What is being written, and parts that wait for the others. No key begins with a dot.
_INCOMING, _UPLOADS = ".incoming", ".uploads"
#: Lies in a folder that was begun: a disk that is not mounted must not look like a store in which nothing is.
MARK = ".packmule"


class LocalStore:
    """A Store on the folder `root`, which `begin` makes. See base.Store for what its methods promise.

    Where the folder was never begun, or is away, whatever asks it raises StoreUnreachable and makes no other one.
    """

    joins_within = timedelta(0)

    def __init__(self, root: Path) -> None:
        # Its path() refuses whatever would lead out of the folder, after keys.check has.
        self._files = FileSystemStorage(location=root)
        self.root = Path(self._files.location)

    @property
    def is_begun(self) -> bool:
        """True where the folder that was begun is there."""
        return os.path.isfile(self.root / MARK)  # noqa: PTH113 - Path's raises what a broken disk answers

    @disk.refusing()
    def begin(self) -> None:
        """Make the folder with its mark; what lies there stays. Raises StoreFull and StoreUnreachable."""
        disk.make_folder(self.root)
        disk.touch(self.root / MARK)

    def require_begun(self) -> None:
        """Raise StoreUnreachable unless the folder that was begun is there."""
        if not self.is_begun:
            logger.error("%s holds no %s: its disk is away, or it was never begun", self.root, MARK)
            raise StoreUnreachable

    def require_writes_once(self) -> None:
        """A link to a name that is taken fails: see disk.keep."""

    def upload_url(self, key: str, *, size: int, seconds: int) -> SignedRequest:
        """A PUT that this server takes."""
        return signing.request(Grant("PUT", key, signing.until(seconds), size))

    @disk.refusing()
    def start_multipart(self, key: str) -> str:
        """Make a folder for the parts."""
        upload_id = uuid4().hex
        disk.make_folder(self._upload(key, upload_id))
        return upload_id

    def part_url(self, key: str, upload_id: str, number: int, *, size: int, seconds: int) -> SignedRequest:
        """A PUT that this server takes."""
        return signing.request(Grant("PUT", key, signing.until(seconds), size, upload_id, number))

    @disk.refusing()
    def parts(self, key: str, upload_id: str) -> Sequence[Part]:
        """The files in the upload's folder. Raises UploadGone."""
        folder = self._begun(key, upload_id)
        with _gone_when_aborted():
            return [_part(path) for path in sorted(folder.iterdir())]

    @disk.refusing()
    def finish_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], going_on: Callable[[], None] = nobody
    ) -> None:
        """Write the parts' files into another one, which takes as much room again, and delete them then.

        Raises BlobExists, UploadGone, PartsDiffer, and StoreFull, after which all parts are there as before.
        """
        if self._path(key).exists():
            raise BlobExists
        folder = self._begun(key, upload_id)
        _require_arrived(parts, self.parts(key, upload_id))
        pieces = [folder / _numbered(part.number) for part in parts]
        with disk.incoming(self.root / _INCOMING, room=sum(part.size for part in parts)) as made:
            with _gone_when_aborted():
                disk.write(made, disk.contents(pieces, going_on))
            disk.keep(made, self._path(key))
        shutil.rmtree(folder, ignore_errors=True)

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Delete the upload's folder."""
        shutil.rmtree(self._upload(key, upload_id), ignore_errors=True)

    def put(self, key: str, content: BinaryIO) -> int:
        """Write a file. Raises BlobExists and StoreFull."""
        return self.receive(Grant("PUT", key, 0), iter(lambda: content.read(disk.CHUNK), b""))

    @disk.refusing()
    def stat(self, key: str) -> Stat | None:
        """The file's size."""
        try:
            return Stat(self._path(key).stat().st_size)
        except FileNotFoundError:
            return None

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Read the file from `start`."""
        with disk.refusing(), self.open(key) as file:
            file.seek(start)
            yield from disk.chunks_of(file, 2**63 if length is None else length)

    def download_url(self, key: str, shown: Disposition, *, seconds: int) -> SignedRequest:
        """A GET that this server answers."""
        name, media = safe_name(shown.name), content_type(shown)
        until = signing.until(seconds)
        return signing.request(Grant("GET", key, until, name=name, content_type=media, inline=shown.inline))

    @disk.refusing()
    def delete(self, keys: Sequence[str]) -> None:
        """Delete the files, and folders that they leave empty."""
        for key in keys:
            disk.clear_away(self._path(key), self.root)

    @disk.refusing()
    def tidy(self, *, older_than: timedelta) -> int:
        """Delete what was left in the folders of unfinished writes and uploads."""
        self.require_begun()
        before = time.time() - older_than.total_seconds()
        left = [path for name in (_INCOMING, _UPLOADS) for path in _children(self.root / name)]
        stale = [path for path in left if _touched(path) < before]
        for path in stale:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        return len(stale)

    @disk.refusing()
    def open(self, key: str) -> BinaryIO:
        """The blob, to read from. Raises BlobMissing."""
        try:
            return self._path(key).open("rb", buffering=0)
        except FileNotFoundError:
            raise BlobMissing from None

    @disk.refusing()
    def expect(self, grant: Grant) -> None:
        """Raise BlobExists or UploadGone when what `grant` allows to put has no place, so that nobody sends it."""
        if grant.upload_id:
            self._begun(grant.key, grant.upload_id)
        elif self._path(grant.key).exists():
            raise BlobExists

    def receive(
        self, grant: Grant, chunks: Iterable[bytes], check: Callable[[int], None] | None = None
    ) -> int:
        """Write what `grant` allows to put; returns its size in bytes.

        `check` is told the size before the bytes get their name, and raises where they must not get it. Raises
        BlobExists, UploadGone and StoreFull; nothing is left of what was refused.
        """
        self.expect(grant)
        with disk.incoming(self.root / _INCOMING, room=grant.size) as made:
            size = disk.write(made, chunks)
            if check is not None:
                check(size)
            if grant.upload_id:
                self._keep_part(made, grant)
            else:
                disk.keep(made, self._path(grant.key))
        return size

    def _keep_part(self, made: Path, grant: Grant) -> None:
        try:
            disk.replace(made, self._upload(grant.key, grant.upload_id) / _numbered(grant.number))
        except FileNotFoundError:
            raise UploadGone from None

    def _path(self, key: str) -> Path:
        path = Path(self._files.path(keys.check(key)))
        self.require_begun()
        return path

    def _upload(self, key: str, upload_id: str) -> Path:
        """The folder of an upload's parts; of another key's upload there is none by that name."""
        named = hashlib.sha256(f"{keys.check(key)}\0{upload_id}".encode()).hexdigest()
        self.require_begun()
        return self.root / _UPLOADS / named

    def _begun(self, key: str, upload_id: str) -> Path:
        folder = self._upload(key, upload_id)
        try:
            folder.stat()
        except FileNotFoundError:
            raise UploadGone from None
        return folder


@contextmanager
def _gone_when_aborted() -> Iterator[None]:
    """Turn a part that is deleted while it is read into UploadGone."""
    try:
        yield
    except FileNotFoundError:
        raise UploadGone from None


def _numbered(number: int) -> str:
    return f"{number:05d}"


def _part(path: Path) -> Part:
    found = path.stat()
    return Part(int(path.name), found.st_size, f"{found.st_ino:x}-{found.st_mtime_ns:x}")


def _require_arrived(parts: Sequence[Part], arrived: Sequence[Part]) -> None:
    """Raise PartsDiffer unless `parts` have arrived as they are said to be, and go up."""
    rising = all(first.number < second.number for first, second in pairwise(parts))
    if not parts or not rising or not set(parts) <= set(arrived):
        raise PartsDiffer


def _children(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _touched(path: Path) -> float:
    """When anything last happened there; never, where it is gone by now."""
    try:
        return max(found.stat().st_mtime for found in [path, *_children(path)])
    except FileNotFoundError:
        return 0.0

"""The bytes of files in an archive: named by their own hash, listed by the keys under which rows name them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from apps.core.problems import show
from apps.tenancy.transfer import folder
from apps.tenancy.transfer.contents import Blob, Blobs
from apps.tenancy.transfer.errors import ArchiveInvalid, BytesMissing, BytesNotTaken
from apps.tenancy.transfer.manifest import BlobPart, Manifest

_HASH = re.compile(r"[0-9a-f]{64}")
_NAMED = "named.ndjson"
_INCOMING = "incoming"
_LONGEST_LINE = 2000


class Sum:
    """Size and SHA-256 of bytes that pass."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    def of(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The same chunks, summed up."""
        for chunk in chunks:
            self._add(chunk)
            yield chunk

    def over(self, chunks: Iterable[bytes]) -> Sum:
        """Itself, when all chunks have passed."""
        for chunk in chunks:
            self._add(chunk)
        return self

    def is_of(self, blob: Blob) -> bool:
        """True when exactly the bytes of `blob` have passed."""
        return (self.size, self.sha256) == (blob.size, blob.sha256)

    @property
    def sha256(self) -> str:
        """The hash of what has passed."""
        return self._hash.hexdigest()

    def _add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._hash.update(chunk)


class Summed:
    """A file that is summed up while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self.sum = Sum()
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        return next(self.sum.of([self._file.read(size)]))


def note_names(root: Path, named: Iterable[Blob]) -> None:
    """Keep the names that rows give while the snapshot lasts; the bytes are fetched after it."""
    folder.write(root / _NAMED, (_line(blob) for blob in named if blob.is_there))


def fetch(root: Path, blobs: Blobs) -> tuple[BlobPart, int]:
    """Write the bytes of all names that were kept, and the list of them; returns also how many lay there already.

    Those are not read from the store again: an export that broke off brought them, or another name. What it brought and
    nothing names any more goes. Raises BytesMissing.
    """
    whole, count, size, present = Sum(), 0, 0, 0

    def fetched() -> Iterator[bytes]:
        nonlocal count, size, present
        with (root / _NAMED).open("rb") as names:
            for name in names:
                blob = _parsed(name)
                if _is_present(root, blob):
                    present += 1
                else:
                    _fetch(root, blobs, blob)
                count, size = count + 1, size + blob.size
                yield _line(blob)

    folder.write(root / folder.BLOB_LIST, whole.of(fetched()))
    (root / _NAMED).unlink()
    folder.remove(root / folder.EARLIER)
    return BlobPart(count, size, whole.sha256), present


def _is_present(root: Path, blob: Blob) -> bool:
    """True when the bytes of `blob` are in the archive; what an earlier export left there is held against its hash."""
    place = root.joinpath(*_place(blob.sha256))
    if place.is_file():
        return place.stat().st_size == blob.size
    earlier = root.joinpath(folder.EARLIER, *_place(blob.sha256)[1:])
    if not earlier.is_file() or not _are_of(root, earlier, blob):
        return False
    _name(earlier, place)
    return True


def _are_of(root: Path, path: Path, blob: Blob) -> bool:
    try:
        with folder.opened(root, *path.relative_to(root).parts) as file:
            return Sum().over(folder.chunks_of(file)).is_of(blob)
    except ArchiveInvalid:  # a link, or a pipe
        return False


def _fetch(root: Path, blobs: Blobs, blob: Blob) -> None:
    chunks = blobs.read(blob.key)
    if chunks is None:
        raise BytesMissing(f"The store has no bytes under {blob.key}. {BytesMissing.advice}")
    incoming, found = root / folder.BLOBS / _INCOMING, Sum()
    folder.write(incoming, found.of(chunks))
    if not found.is_of(blob):
        raise BytesMissing(
            f"The bytes under {blob.key} are others than their row says. {BytesMissing.advice}"
        )
    _name(incoming, root.joinpath(*_place(blob.sha256)))


def _name(path: Path, place: Path) -> None:
    place.parent.mkdir(folder.PRIVATE, exist_ok=True)
    path.rename(place)


def listed(root: Path, manifest: Manifest, blobs: Blobs) -> Iterator[Blob]:
    """The bytes that the archive lists, by key. Raises ArchiveInvalid, also at the end, when it is another list."""
    whole, before = Sum(), ""
    with folder.opened(root, folder.BLOB_LIST) as file:
        for line in whole.of(folder.lines_of(file, folder.BLOB_LIST, _LONGEST_LINE)):
            blob = _parsed(line)
            if not before < blob.key or not blobs.is_of(blob.key, manifest.schema):
                raise ArchiveInvalid(
                    f"The bytes under {show(blob.key)} are not this tenant's, or not in order."
                )
            before = blob.key
            yield blob
    if whole.sha256 != manifest.blobs.sha256:
        raise ArchiveInvalid(f"{folder.BLOB_LIST} is not what the manifest says. {ArchiveInvalid.advice}")


def check(root: Path, manifest: Manifest, blobs: Blobs) -> None:
    """Hold all bytes of the archive against their hashes. Raises ArchiveInvalid."""
    count, total = 0, 0
    for blob in listed(root, manifest, blobs):
        with folder.opened(root, *_place(blob.sha256)) as file:
            if folder.size_of(file) != blob.size:
                raise ArchiveInvalid(
                    f"The bytes under {blob.key} are not {blob.size}. {ArchiveInvalid.advice}"
                )
            _require(Sum().over(folder.chunks_of(file)), blob)
        count, total = count + 1, total + blob.size
    if (count, total) != (manifest.blobs.count, manifest.blobs.bytes):
        raise ArchiveInvalid(
            f"{folder.BLOB_LIST} lists {count} things of {total} bytes, the manifest says otherwise."
        )


def require_named(root: Path, manifest: Manifest, blobs: Blobs) -> None:
    """Raise ArchiveInvalid unless the archive has the bytes that its rows name, and rows name no other tenant's.

    The rows are asked through the owner's connection, which stands in the tenant's schema.
    """
    for blob, have in zip_longest(_own(blobs, manifest), listed(root, manifest, blobs)):
        if blob != have:
            key = (blob or have).key
            raise ArchiveInvalid(f"Rows and list say different things of the bytes under {show(key)}.")


def _own(blobs: Blobs, manifest: Manifest) -> Iterator[Blob]:
    for blob in blobs.named("owner"):
        if not blobs.is_of(blob.key, manifest.schema):
            raise ArchiveInvalid(f"A row names the bytes under {show(blob.key)}, which are another tenant's.")
        if blob.is_there:
            yield blob


def put(root: Path, manifest: Manifest, blobs: Blobs) -> tuple[int, int]:
    """Bring all bytes into the store; returns how many were written and how many lay there already.

    Raises BytesNotTaken where other bytes lie, ArchiveInvalid when the archive was changed meanwhile, and what the
    store raises. What was written stays, so that the next import goes on there.
    """
    written = present = 0
    for blob in listed(root, manifest, blobs):
        chunks = blobs.read(blob.key)
        if chunks is None:
            _put(root, blobs, blob)
            written += 1
        elif Sum().over(chunks).is_of(blob):
            present += 1
        else:
            raise BytesNotTaken(f"Other bytes lie under {blob.key}. {BytesNotTaken.advice}")
    return written, present


def _put(root: Path, blobs: Blobs, blob: Blob) -> None:
    with folder.opened(root, *_place(blob.sha256)) as file:
        content = Summed(file)
        blobs.put(blob.key, content)
    try:
        _require(content.sum, blob)
    except ArchiveInvalid:
        blobs.delete(blob.key)
        raise


def _require(found: Sum, blob: Blob) -> None:
    if not found.is_of(blob):
        raise ArchiveInvalid(f"The bytes under {blob.key} have another SHA-256. {ArchiveInvalid.advice}")


def _place(sha256: str) -> tuple[str, str, str]:
    return folder.BLOBS, sha256[:2], sha256


def _line(blob: Blob) -> bytes:
    return orjson.dumps({"key": blob.key, "size": blob.size, "sha256": blob.sha256}) + b"\n"


def _parsed(line: bytes) -> Blob:
    try:
        found: Any = orjson.loads(line)
        key, size, sha256 = found["key"], found["size"], found["sha256"]
        right = (
            len(found) == 3 and isinstance(key, str) and type(size) is int and bool(_HASH.fullmatch(sha256))
        )
    except (ValueError, TypeError, KeyError):
        right = False
    if not right:
        raise ArchiveInvalid(f"{folder.BLOB_LIST} has a line that names no bytes: {show(repr(line))}.")
    return Blob(key, size, sha256)

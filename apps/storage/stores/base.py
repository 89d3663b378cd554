"""What a store of bytes can do. The local disk and S3 do the same, so that nothing above knows which one there is.

A blob is written once under a key (see keys.py) that is never used again, so that a reader never sees half of another
one. What a client PUTs is there whole, with exactly the size that was signed, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO, Protocol

#: The smallest part that S3 takes and that is not the last.
MIN_PART_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that a client makes by itself, straight to the store.

    The client sends `headers` as they are: they are signed too.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stat:
    """What the store knows of a blob: its size in bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload that has arrived: its number (from 1), size in bytes and the store's mark for it."""

    number: int
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Disposition:
    """How a download presents itself: a name for people, a content type, and whether a browser may show it."""

    name: str
    content_type: str
    inline: bool = False


def nobody() -> None:
    """Hear that something goes on, and do nothing."""


class Store(Protocol):
    """Where blobs lie. What asks the store raises StoreUnreachable (503, retryable) when it does not answer.

    Signing asks nobody, but for the first upload of a process, before which an S3 is tried. A key that is none raises
    ValueError everywhere.
    """

    @property
    def joins_within(self) -> timedelta:
        """For how long `finish_multipart` may say nothing."""

    def require_writes_once(self) -> None:
        """Raise StoreOverwrites when the store would write over a blob that is there."""

    def upload_url(self, key: str, *, size: int, seconds: int) -> SignedRequest:
        """A request that puts exactly `size` bytes under `key`, once, good for so many seconds.

        Raises StoreOverwrites.
        """

    def start_multipart(self, key: str) -> str:
        """Begin a multipart upload; returns the id by which the store knows it."""

    def part_url(self, key: str, upload_id: str, number: int, *, size: int, seconds: int) -> SignedRequest:
        """A request that puts part `number` (from 1), exactly `size` bytes; sent again, it replaces the part."""

    def parts(self, key: str, upload_id: str) -> Sequence[Part]:
        """The parts that have arrived, by number. Raises UploadGone when it was finished or aborted."""

    def finish_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], going_on: Callable[[], None] = nobody
    ) -> None:
        """Put `parts`, as `parts()` named them and in that order, together under `key`.

        `going_on` is called again and again meanwhile, but for times of up to `joins_within`.
        Raises BlobExists when something lies there, so also when it was finished before; UploadGone when it was
        aborted, and PartsDiffer when they are not the parts that arrived.
        """

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Forget the upload and its parts. One that is not there is no error."""

    def put(self, key: str, content: BinaryIO) -> int:
        """Write `content` under `key` from here; returns its size in bytes. Raises BlobExists."""

    def stat(self, key: str) -> Stat | None:
        """What lies under `key`, or None."""

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes of a blob, or of a range of it, in chunks of bounded size. Raises BlobMissing before the first."""

    def download_url(self, key: str, shown: Disposition, *, seconds: int) -> SignedRequest:
        """A GET that answers the bytes to whoever holds it, with ranges, and is good for so many seconds."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete blobs. One that is not there is no error."""

    def tidy(self, *, older_than: timedelta) -> int:
        """Forget multipart uploads, and what broken writes left, that are older; returns how many there were."""

"""What makes an upload a content: its bytes are put together, counted, hashed, recognised, scanned, and charged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core import clock
from apps.core.models import not_found
from apps.storage import accounting, blobs, scanning, sniffing, stores
from apps.storage.errors import (
    ChecksumMismatch,
    ContentTypeMismatch,
    SizeMismatch,
    UploadExpired,
    UploadMissing,
)
from apps.storage.models import File, FileStatus, FileVersion, Scan, VersionStatus
from apps.storage.placing import require_type
from apps.storage.stores.base import Part
from apps.storage.stores.errors import UploadGone


@dataclass(slots=True)
class Content:
    """What is learnt of the bytes while they pass by once, whatever their number."""

    size: int = 0
    head: bytes = b""
    _hash: Any = field(default_factory=hashlib.sha256)

    def passing(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same chunks, looked at."""
        for chunk in chunks:
            self.size += len(chunk)
            self._hash.update(chunk)
            if len(self.head) < sniffing.LOOKED_AT:
                self.head += chunk[: sniffing.LOOKED_AT - len(self.head)]
            yield chunk

    @property
    def sha256(self) -> str:
        """The hash of what has passed."""
        return str(self._hash.hexdigest())


def complete(file: File, upload: FileVersion, sha256: str) -> None:
    """Make the content of `upload` the file's current one; nothing happens when it is complete already.

    Its row is locked first, so that of two calls at once the second waits and finds it done. Raises UploadMissing,
    UploadExpired, SizeMismatch, ChecksumMismatch, ContentTypeMismatch, ContentTypeRefused, QuotaExceeded.
    """
    version = FileVersion.objects.select_for_update(of=("self",)).filter(pk=upload.pk).first()
    if version is None:
        raise not_found(File, file.pk)
    if version.status != VersionStatus.PENDING:
        _require_hash(version.sha256, sha256)
        return
    if version.due_at <= clock.now():
        raise UploadExpired
    _put_together(version)
    content, scan = _look_at(version)
    for said in (version.sha256, sha256):
        _require_hash(content.sha256, said)
    _keep(file, version, content, scan)


def arrived_parts(version: FileVersion) -> Sequence[Part]:
    """The parts of an upload that are there."""
    return stores.store().parts(version.blob, version.upload_id)


def _put_together(version: FileVersion) -> None:
    """Join the parts of an upload that has any, unless that happened in a call that ended before it was complete."""
    store = stores.store()
    stat = store.stat(version.blob)
    if stat is None and version.part_size:
        _require_parts(version, parts := _parts(version))
        store.finish_multipart(version.blob, version.upload_id, parts)
        stat = store.stat(version.blob)
    if stat is None:
        raise UploadMissing(f"Nothing has arrived yet. {UploadMissing.advice}")
    if stat.size != version.size:
        raise SizeMismatch(
            f"{version.size} bytes were announced, and {stat.size} arrived. {SizeMismatch.advice}",
            extra={"announced": version.size, "arrived": stat.size},
        )


def _parts(version: FileVersion) -> Sequence[Part]:
    try:
        return arrived_parts(version)
    except UploadGone:
        raise UploadMissing(f"The store has given the upload up. {UploadMissing.advice}") from None


def _require_parts(version: FileVersion, parts: Sequence[Part]) -> None:
    there = {part.number: part.size for part in parts}
    wanted = {number: version.size_of_part(number) for number in range(1, version.part_count + 1)}
    if missing := [number for number in wanted if number not in there]:
        first = ", ".join(map(str, missing[:10]))
        raise UploadMissing(
            f"{len(missing)} of {len(wanted)} parts are missing: {first}{'…' if len(missing) > 10 else ''}.",
            extra={"missing": missing[:100]},
        )
    if there != wanted:
        raise SizeMismatch(f"The parts have other sizes than was announced. {SizeMismatch.advice}")


def _look_at(version: FileVersion) -> tuple[Content, Scan]:
    """Read the whole content once, in chunks, and let the scanner read along."""
    content = Content()
    chunks = content.passing(stores.store().read(version.blob))
    scan = scanning.scan(chunks)
    for _ in chunks:  # what the scanner did not want to see
        continue
    return content, scan


def _require_hash(found: str, said: str) -> None:
    if said and said != found:
        raise ChecksumMismatch(
            f"The SHA-256 of what arrived is {found}, and {said} was said. {ChecksumMismatch.advice}",
            extra={"sha256": found},
        )


def _settled_type(file: File, version: FileVersion, content: Content) -> str:
    settled = sniffing.settled_type(version.content_type, content.head)
    if settled is None:
        found = sniffing.sniff(content.head)
        raise ContentTypeMismatch(
            f"{version.content_type} was announced, and the bytes are {found}. {ContentTypeMismatch.advice}",
            extra={"announced": version.content_type, "found": found},
        )
    require_type(file.bucket, settled)
    return settled


def _keep(file: File, version: FileVersion, content: Content, scan: Scan) -> None:
    """Write what was learnt, charge it, and make the version the current one unless the scanner found something."""
    version.content_type = _settled_type(file, version, content)
    version.sha256, version.scan, version.due_at = content.sha256, scan, clock.now()
    infected = scan == Scan.INFECTED
    version.status = VersionStatus.QUARANTINED if infected else VersionStatus.READY
    locked = File.objects.select_for_update(of=("self",)).select_related("bucket").filter(pk=file.pk).first()
    if locked is None or locked.deleted_at is not None:
        raise not_found(File, file.pk)
    first = accounting.stored_bytes(locked) is None
    version.save(update_fields=["content_type", "sha256", "scan", "status", "due_at"])
    accounting.charge(locked.bucket, locked.organization_id, version.size, files=int(first))
    if not infected or not locked.current:
        show(locked, version)
    _forget_oldest(locked)


def show(file: File, version: FileVersion) -> None:
    """Make `version` the current one of a locked file."""
    quarantined = version.status == VersionStatus.QUARANTINED
    file.apply(
        {
            "current": version.number,
            "size": version.size,
            "sha256": version.sha256,
            "content_type": version.content_type,
            "scan": version.scan,
            "status": (FileStatus.QUARANTINED if quarantined else FileStatus.READY).value,
        }
    )


def _forget_oldest(file: File) -> None:
    """Drop the oldest stored versions beyond those that the bucket keeps; never the current one."""
    stored = file.versions.stored().exclude(number=file.current).order_by("-number")
    surplus = list(stored[file.bucket.versions_kept - 1 :])
    if surplus:
        accounting.release(file.bucket_id, file.organization_id, sum(version.size for version in surplus))
        blobs.drop(surplus)

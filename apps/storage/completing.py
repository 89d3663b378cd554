"""What makes an upload a content: its bytes are put together, counted, hashed, recognised, scanned, and charged."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.core import clock
from apps.core.actor import Actor
from apps.core.problems import Problem
from apps.storage import accounting, blobs, scanning, sniffing, stores, turns
from apps.storage.errors import (
    ChecksumMismatch,
    ContentTypeMismatch,
    SizeMismatch,
    UploadExpired,
    UploadMissing,
    VersionUnknown,
)
from apps.storage.finding import find_file, find_version
from apps.storage.models import File, FileStatus, FileVersion, Scan, VersionStatus
from apps.storage.placing import require_type
from apps.storage.stores import room
from apps.storage.stores.base import Part, Stat
from apps.storage.stores.errors import BlobExists, StoreUnreachable, UploadGone


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


@dataclass(frozen=True, slots=True)
class Looked:
    """What was learnt of the bytes of a version outside of any transaction; no `content` where it is complete already.

    It stays true as long as the version's row is there: its key is never used again, bytes are written under a key once
    and never over others (see stores.base), and they are deleted with or after the row.
    """

    version_id: UUID
    content: Content | None = None
    scan: Scan = Scan.PENDING


@contextmanager
def look(
    actor: Actor, *, file_id: UUID, version: int | None = None, **_said: Any
) -> Generator[Looked, None, None]:
    """Join the parts of an upload and read its bytes once: what `complete` needs to know.

    Nobody else reads it until the block ends, which is after `complete` has committed. Who waits for a turn has a place
    already, so that they are few. Raises NotFound, VersionUnknown, CompletingBusy, UploadBusy, UploadMissing,
    UploadExpired and SizeMismatch, StoreNearlyFull where parts have no room to be joined, and what the store raises.
    """
    upload = _meant(find_file(actor, file_id), version)
    if upload.status != VersionStatus.PENDING:
        yield Looked(upload.pk)
        return
    with turns.place(), turns.turn(upload) as mine:
        yield _looked(mine)


def complete(actor: Actor, file_id: UUID, looked: Looked, sha256: str) -> File:
    """Make what was looked at a content of the file, and return the file; it may be complete already.

    Its time may have ended since: whoever began to read it in time completes it. Raises NotFound, VersionUnknown,
    ChecksumMismatch, ContentTypeMismatch, ContentTypeRefused and QuotaExceeded.
    """
    files = File.objects.visible_to(actor).alive().select_related("bucket")
    file = File.locked(files, file_id, None)
    version = file.versions.select_for_update(of=("self",)).filter(pk=looked.version_id).first()
    if version is None:
        raise VersionUnknown(f"The upload was given up meanwhile. {VersionUnknown.advice}")
    if version.status != VersionStatus.PENDING or looked.content is None:
        _require_hash(version.sha256, sha256)
        return file
    for said in (version.sha256, sha256):
        _require_hash(looked.content.sha256, said)
    _keep(file, version, looked.content, looked.scan)
    return file


def _meant(file: File, number: int | None) -> FileVersion:
    """The version that is meant: the newest that is open, else the current one, which is complete already."""
    if number is None:
        upload = FileVersion.objects.newest_open(file.pk)
        if upload is not None:
            return upload
    return find_version(file, number or file.waiting or file.current)


def _looked(mine: turns.Turn) -> Looked:
    """Read the version anew, which another call may have completed while this one waited for its turn."""
    version = FileVersion.objects.filter(pk=mine.version.pk).first()
    if version is None or version.status != VersionStatus.PENDING:
        return Looked(mine.version.pk)
    if version.due_at <= clock.now():
        raise UploadExpired
    try:
        _put_together(version, mine)
        return Looked(version.pk, *_read(version, mine))
    except Problem:
        if FileVersion.objects.filter(pk=version.pk).exists():
            raise
        # Given up or purged meanwhile, with its bytes: `complete` says so.
        return Looked(version.pk)


def arrived_parts(version: FileVersion) -> Sequence[Part]:
    """The parts of an upload that are there."""
    return stores.store().parts(version.blob, version.upload_id)


def _put_together(version: FileVersion, mine: turns.Turn) -> None:
    """Join the parts of an upload that has any, unless that happened in a call that ended before it was complete."""
    stat = stores.store().stat(version.blob)
    if stat is None and version.part_size:
        stat = _joined(version, mine)
    if stat is None:
        raise UploadMissing(f"Nothing has arrived yet. {UploadMissing.advice}")
    if stat.size != version.size:
        raise SizeMismatch(
            f"{version.size} bytes were announced, and {stat.size} arrived. {SizeMismatch.advice}",
            extra={"announced": version.size, "arrived": stat.size},
        )


def _joined(version: FileVersion, mine: turns.Turn) -> Stat:
    """Join the parts, and say what lies there then. They stay until that is done: what has no room now has it later."""
    store = stores.store()
    _require_parts(version, parts := _parts(version))
    room.require(store, version.size)
    # A library that hears nothing of its own join tries it again, and is told that something lies there by now.
    with mine.silent(store.joins_within), suppress(BlobExists):
        store.finish_multipart(version.blob, version.upload_id, parts, mine.go_on)
    stat = store.stat(version.blob)
    if stat is None:
        raise StoreUnreachable("The store put the parts together, and has nothing there yet.")
    return stat


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


def _read(version: FileVersion, mine: turns.Turn) -> tuple[Content, Scan]:
    """Read the whole content once, in chunks, and let the scanner read along."""
    content = Content()
    chunks = content.passing(turns.heard(stores.store().read(version.blob), mine.go_on))
    with mine.silent(scanning.longest_silence()):
        scan = scanning.scan(chunks)
    for _ in chunks:  # what the scanner did not want to see
        continue
    if content.size != version.size:
        # A store that broke off looks to a scanner like one that ended, and the hash would be that of a part.
        raise StoreUnreachable(f"Reading ended after {content.size} of {version.size} bytes.")
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
    """Write what was learnt of a version, both locked, charge it, and have the file show it if it may."""
    version.content_type = _settled_type(file, version, content)
    version.sha256, version.scan, version.due_at = content.sha256, scan, clock.now()
    infected = scan == Scan.INFECTED
    version.status = VersionStatus.QUARANTINED if infected else VersionStatus.READY
    first = not accounting.is_counted(file)
    version.save(update_fields=["content_type", "sha256", "scan", "status", "due_at"])
    accounting.settle(file.bucket, file.organization_id, version.size, files=int(first))
    if version.is_open or not file.current:
        show(file, version)
    tidy_versions(file)


def judge(version: FileVersion, found: Scan) -> File:
    """Write what the scanner found about a stored version, and have its file show it if it may; needs a transaction.

    A clean one becomes the current one if it is newer than all that may be handed out: also where one of those that
    came before it was restored since. Returns the file. Raises NotFound when it is gone, and VersionUnknown when the
    version is, or when the scanner was heard about it before.
    """
    file = File.locked(File.objects.select_related("bucket"), version.file_id, None)
    waiting = file.versions.filter(status=VersionStatus.READY, scan=Scan.PENDING)
    locked = waiting.select_for_update(of=("self",)).filter(pk=version.pk).first()
    if locked is None:
        raise VersionUnknown
    newest = _newest(file)
    locked.scan = found
    locked.status = VersionStatus.QUARANTINED if found == Scan.INFECTED else VersionStatus.READY
    locked.save(update_fields=["scan", "status"])
    if locked.number == file.current or (locked.is_open and locked.number > newest):
        show(file, locked)
    tidy_versions(file)
    return file


def show(file: File, version: FileVersion) -> None:
    """Make `version` the current one of a locked file; a deleted one stays deleted."""
    quarantined = version.status == VersionStatus.QUARANTINED
    status = FileStatus.QUARANTINED if quarantined else FileStatus.READY
    file.apply(
        {
            "current": version.number,
            "size": version.size,
            "sha256": version.sha256,
            "content_type": version.content_type,
            "scan": version.scan,
            "status": (FileStatus.DELETED if file.deleted_at else status).value,
        }
    )


def tidy_versions(file: File) -> None:
    """Say which version of a locked file waits to be the current one, and drop the oldest beyond those that are kept.

    Neither the current one goes, nor the one that waits: nobody knows yet whether it replaces the current one.
    """
    others = file.versions.stored().exclude(number=file.current).order_by("-number")
    newer = others.filter(status=VersionStatus.READY, scan=Scan.PENDING, number__gt=_newest(file))
    waiting = newer.values_list("number", flat=True).first() or 0
    file.apply({"waiting": waiting})
    surplus = [other.pk for other in others[file.bucket.versions_kept - 1 :] if other.number != waiting]
    if surplus:
        locked = file.versions.filter(pk__in=surplus).order_by("id").select_for_update(of=("self",))
        drop(file.bucket_id, list(locked))


def _newest(file: File) -> int:
    """The number of the newest content of a locked file, the current one included; those that wait are none yet."""
    newest = file.versions.clean().order_by("-number").values_list("number", flat=True).first()
    return max(newest or 0, file.current)


def drop(bucket_id: UUID, versions: Sequence[FileVersion]) -> None:
    """Delete locked versions of one organization's files in a bucket, which stay, and count them no more."""
    if versions:
        accounting.release(bucket_id, versions[0].organization_id, versions)
        blobs.drop(versions)

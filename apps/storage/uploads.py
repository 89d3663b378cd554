"""Operations on uploads: the bytes go straight to the store, and count once they were looked at here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from apps.accounts.machines import placed
from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import uuid7
from apps.core.operations import Risk, operation
from apps.storage import accounting, blobs, stores
from apps.storage import serializers as forms
from apps.storage.buckets import find_bucket
from apps.storage.completing import Looked, arrived_parts, complete, drop, look
from apps.storage.errors import NoOpenUpload, PartUnknown, UploadExpired
from apps.storage.finding import find_file, find_version
from apps.storage.models import File, FileVersion, Upload, VersionStatus
from apps.storage.placing import new_file, require_takes
from apps.storage.stores import room
from apps.storage.stores.errors import StoreUnreachable

MIB = 2**20
#: Above it an upload is cut into parts unless asked otherwise, so that a broken one goes on where it broke.
IN_PARTS_ABOVE = 64 * MIB
#: The largest that S3 takes in one request.
_LARGEST_REQUEST = 5 * 2**30
PART_SIZE = 8 * MIB
_MOST_PARTS = 9000


@dataclass(slots=True)
class _Opened:
    """Where the bytes of a version go that is not announced yet, for whoever announces it to take."""

    file_id: UUID
    version_id: UUID
    blob: str
    part_size: int | None = None
    upload_id: str = ""
    is_taken: bool = False


@contextmanager
def _new(
    actor: Actor,
    /,
    *,
    bucket: str,
    size: int,
    content_type: str,
    multipart: bool | None = None,
    organization: UUID | None = None,
    **_said: Any,
) -> Iterator[_Opened]:
    """Ask the store about a new file, while nothing is locked."""
    if _goes_in_parts(size, multipart):
        require_takes(find_bucket(bucket), size, content_type, placed(actor, organization))
    with _opened(actor, uuid7(), size, multipart) as opened:
        yield opened


@contextmanager
def _another(
    actor: Actor,
    *,
    file_id: UUID,
    size: int,
    content_type: str,
    multipart: bool | None = None,
    **_said: Any,
) -> Iterator[_Opened]:
    """Ask the store about another content of a file, while nothing is locked."""
    if _goes_in_parts(size, multipart):
        file = find_file(actor, file_id)
        require_takes(file.bucket, size, content_type, file.organization_id)
    with _opened(actor, file_id, size, multipart) as opened:
        yield opened


@contextmanager
def _opened(actor: Actor, file_id: UUID, size: int, multipart: bool | None) -> Iterator[_Opened]:
    """Have the store begin what goes in parts, and forget that again where it is not announced."""
    store, version_id = stores.store(), uuid7()
    opened = _Opened(file_id, version_id, blobs.key_of(actor.tenant, file_id, version_id))
    if _goes_in_parts(size, multipart):
        room.require(store, size, in_parts=True)
        opened.part_size, opened.upload_id = part_size(size), store.start_multipart(opened.blob)
    else:
        store.require_writes_once()
    try:
        yield opened
    except BaseException:
        opened.is_taken = False
        raise
    finally:
        if opened.upload_id and not opened.is_taken:
            with suppress(StoreUnreachable):  # what is left is tidied away after a while
                store.abort_multipart(opened.blob, opened.upload_id)


@operation(
    "files.create",
    scope="files:write",
    risk=Risk.WRITE,
    input=forms.FileInput,
    output=forms.NewFileOutput,
    prepare=_new,
)
def create_file(
    actor: Actor,
    /,
    *,
    size: int,
    content_type: str,
    prepared: _Opened,
    sha256: str = "",
    multipart: bool | None = None,
    **place: Any,
) -> File:
    """Announce a file, and get the request with which its bytes are sent straight to the store.

    Send them as `upload` says, exactly `size` of them, and then call `complete`. Above 64 MiB, or with `multipart`,
    they go in parts, and an upload that breaks goes on where it broke. One that is not complete after 24 hours is given
    up. The bucket's rules are held against what is announced here, and against the bytes when they are complete.
    """
    del multipart  # `prepared` is what came of it
    file = new_file(actor, file_id=prepared.file_id, size=size, content_type=content_type, **place)
    file.upload = _begin(actor, file, prepared, size, content_type, sha256)
    return file


@operation(
    "files.upload-version",
    scope="files:write",
    risk=Risk.WRITE,
    input=forms.UploadInput,
    output=forms.NewFileOutput,
    prepare=_another,
    event="file.version_created",
)
def upload_version(
    actor: Actor,
    *,
    file_id: UUID,
    size: int,
    content_type: str,
    prepared: _Opened,
    sha256: str = "",
    multipart: bool | None = None,
) -> File:
    """Announce another content for a file. The present one stays until the new one is complete, and then as a version.

    The bucket says how many versions are kept; the oldest ones go.
    """
    del multipart  # `prepared` is what came of it
    file = File.locked(File.objects.visible_to(actor).alive().select_related("bucket"), file_id, None)
    require_takes(file.bucket, size, content_type, file.organization_id)
    accounting.require_few_open(file)
    file.upload = _begin(actor, file, prepared, size, content_type, sha256)
    return file


@operation(
    "files.upload-request",
    scope="files:write",
    risk=Risk.READ,
    input=forms.VersionParameters,
    output=forms.UploadOutput,
)
def get_upload(actor: Actor, *, file_id: UUID, version: int | None = None) -> Upload:
    """Get the request that sends the bytes anew, for an upload that is not complete."""
    return _request(_open_upload(actor, file_id, version))


@operation(
    "files.parts",
    scope="files:write",
    risk=Risk.READ,
    input=forms.VersionParameters,
    output=forms.PartsOutput,
)
def list_parts(actor: Actor, *, file_id: UUID, version: int | None = None) -> dict[str, Any]:
    """List the parts of an upload that have arrived and those that are missing: where to go on."""
    upload = _in_parts(actor, file_id, version)
    arrived = arrived_parts(upload)
    there = {part.number for part in arrived}
    return {
        "number": upload.number,
        "part_size": upload.part_size,
        "parts": upload.part_count,
        "arrived": arrived,
        "missing": [number for number in range(1, upload.part_count + 1) if number not in there],
    }


@operation(
    "files.part",
    scope="files:write",
    risk=Risk.READ,
    input=forms.VersionParameters,
    output=forms.UploadOutput,
)
def get_part(actor: Actor, *, file_id: UUID, number: int, version: int | None = None) -> Upload:
    """Get the request that sends one part of an upload. Parts may be sent in any order, at once, and again."""
    upload = _in_parts(actor, file_id, version)
    if not 1 <= number <= upload.part_count:
        raise PartUnknown(f"The upload has the parts 1 to {upload.part_count}, and no {number}.")
    return _request(upload, number)


@operation(
    "files.give-up-upload",
    scope="files:write",
    risk=Risk.DESTRUCTIVE,
    input=forms.VersionParameters,
    event="file.upload_given_up",
)
def give_up_upload(actor: Actor, *, file_id: UUID, version: int | None = None) -> File:
    """Give an upload up that is not complete: what was sent of it is deleted, and what was reserved for it is free.

    A file that never had a content goes with its last upload.
    """
    file = File.locked(File.objects.visible_to(actor).alive().select_related("bucket"), file_id, None)
    upload = _open(file, version)
    drop(file.bucket_id, list(file.versions.filter(pk=upload.pk).select_for_update(of=("self",))))
    blobs.purge(File.objects.filter(pk=file.pk, current=0, versions__isnull=True))
    return file


@operation(
    "files.complete",
    scope="files:write",
    risk=Risk.WRITE,
    input=forms.CompleteInput,
    output=forms.FileOutput,
    prepare=look,
    event="file.uploaded",
)
def complete_upload(
    actor: Actor, *, file_id: UUID, prepared: Looked, version: int | None = None, sha256: str = ""
) -> File:
    """Say that all bytes were sent. They are counted, hashed, held against the announced type, and scanned.

    What is refused stays as it is and is given up after a day. Calling it again answers the file as it is. A version of
    which the scanner says nothing yet waits, as `waiting_version`, while a content that is there stays the current one.
    """
    del version  # `prepared` is what was learnt of it
    return complete(actor, file_id, prepared, sha256)


def _begin(actor: Actor, file: File, opened: _Opened, size: int, content_type: str, sha256: str) -> Upload:
    if not opened.upload_id:
        room.require(stores.store(), size)
    newest = file.versions.order_by("-number").values_list("number", flat=True).first()
    made = FileVersion(
        id=opened.version_id,
        file=file,
        organization_id=file.organization_id,
        number=(newest or 0) + 1,
        size=size,
        sha256=sha256,
        content_type=content_type,
        due_at=clock.now() + blobs.ABANDONED_AFTER,
        uploaded_by=actor.credential.public_id or "",
        blob=opened.blob,
        part_size=opened.part_size,
        upload_id=opened.upload_id,
    )
    request = _request(made)
    made.save(force_insert=True)
    accounting.reserve(file.bucket, file.organization_id, size)
    opened.is_taken = True
    return request


def _goes_in_parts(size: int, multipart: bool | None) -> bool:
    """Whether so many bytes are sent in parts, where the caller said `multipart` or nothing of it; none never are."""
    asked = size > IN_PARTS_ABOVE if multipart is None else multipart or size > _LARGEST_REQUEST
    return bool(size) and asked


def part_size(size: int) -> int:
    """The size of the parts into which `size` bytes are cut: whole MiB, and never more than the store takes parts."""
    needed = -(-size // _MOST_PARTS)
    return max(PART_SIZE, -(-needed // MIB) * MIB)


def _request(version: FileVersion, number: int = 1) -> Upload:
    seconds = min(blobs.REQUEST_SECONDS, int((version.due_at - clock.now()).total_seconds()))
    store, key = stores.store(), version.blob
    if not version.part_size:
        signed = store.upload_url(key, size=version.size, seconds=seconds)
    else:
        part = version.size_of_part(number)
        signed = store.part_url(key, version.upload_id, number, size=part, seconds=seconds)
    cut = {"part_size": version.part_size, "parts": version.part_count} if version.part_size else None
    until = clock.now() + timedelta(seconds=seconds)
    return Upload(version.number, signed.method, signed.url, dict(signed.headers), until, cut)


def _open_upload(actor: Actor, file_id: UUID, number: int | None) -> FileVersion:
    """The upload that is meant. Raises NotFound, NoOpenUpload and UploadExpired."""
    upload = _open(find_file(actor, file_id), number)
    if upload.due_at <= clock.now():
        raise UploadExpired
    return upload


def _open(file: File, number: int | None) -> FileVersion:
    upload = FileVersion.objects.newest_open(file.pk) if number is None else find_version(file, number)
    if upload is None or upload.status != VersionStatus.PENDING:
        raise NoOpenUpload(f"{file} waits for no upload. {NoOpenUpload.advice}")
    return upload


def _in_parts(actor: Actor, file_id: UUID, number: int | None) -> FileVersion:
    upload = _open_upload(actor, file_id, number)
    if not upload.part_size:
        raise NoOpenUpload("The upload goes in one request and not in parts: GET /v1/files/{id}/upload.")
    return upload

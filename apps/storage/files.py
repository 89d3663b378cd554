"""Operations on files that are there: finding, describing, deleting, restoring and purging them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.core import clock
from apps.core.actor import Actor
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.storage import blobs
from apps.storage import serializers as forms
from apps.storage.errors import RetentionOver
from apps.storage.finding import find_readable
from apps.storage.models import File, FileStatus, FileVersion, VersionStatus
from apps.storage.placing import require_future
from apps.storage.querysets import FileQuerySet


@operation(
    "files.list",
    scope="files:read",
    risk=Risk.READ,
    input=forms.FileParameters,
    output=forms.FileOutput,
    lists=True,
)
def list_files(
    actor: Actor,
    /,
    *,
    bucket: str | None = None,
    prefix: str | None = None,
    status: str | None = None,
    tag: dict[str, str] | None = None,
    **ids: UUID,
) -> FileQuerySet:
    """List the files that are there for the caller, the newest first.

    Deleted ones are listed with `status=deleted`, as long as they can be restored. `tag[name]=value` narrows the list
    to files that carry the tag.
    """
    files = File.objects.visible_to(actor).select_related("bucket")
    files = files.filter(deleted_at__isnull=False) if status == FileStatus.DELETED else files.alive()
    chosen: dict[str, Any] = {f"{name}_id": value for name, value in ids.items()}
    if bucket is not None:
        files = files.in_bucket(bucket)
    if prefix is not None:
        chosen["name__startswith"] = prefix
    if status is not None:
        chosen["status"] = status
    return files.filter(**chosen).tagged(_tags(tag or {}))


@operation(
    "files.get",
    scope="files:read",
    risk=Risk.READ,
    output=forms.FileOutput,
    publishable=True,
)
def get_file(actor: Actor, *, file_id: UUID) -> File:
    """Read about one file. What lies in a public bucket is there for everybody, with a publishable key too."""
    return find_readable(actor, file_id)


@operation(
    "files.update",
    scope="files:write",
    risk=Risk.WRITE,
    input=forms.FilePatch,
    output=forms.FileOutput,
    versioned=True,
)
def update_file(
    actor: Actor, /, *, file_id: UUID, expected_version: int | None = None, **changes: Any
) -> File:
    """Change a file's name, its tags, its metadata, or when it is deleted by itself.

    Tags and metadata are replaced as a whole.
    """
    require_future(changes.get("expires_at"))
    files = File.objects.visible_to(actor).alive().select_related("bucket")
    return File.locked(files, file_id, expected_version).apply(changes)


@operation("files.delete", scope="files:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_file(actor: Actor, *, file_id: UUID, expected_version: int | None = None) -> File:
    """Delete a file. For 30 days it can be restored, and counts as stored; then it is purged.

    Links that were handed out before work until they expire, a day at most; `purge` ends them at once.
    """
    files = File.objects.visible_to(actor).alive().select_related("bucket")
    return deleted(File.locked(files, file_id, expected_version))


@operation("files.restore", scope="files:write", risk=Risk.WRITE, output=forms.FileOutput)
def restore_file(actor: Actor, *, file_id: UUID) -> File:
    """Bring a deleted file back as it was; one that is there is answered as it is.

    An `expires_at` that is over is forgotten. When the bucket's `retention_days` are over it is refused.
    """
    file = File.locked(File.objects.visible_to(actor).select_related("bucket"), file_id, None)
    if file.deleted_at is None:
        return file
    over = file.expires_at is not None and file.expires_at <= clock.now()
    expires_at = None if over else file.expires_at
    changed = file.apply({"deleted_at": None, "expires_at": expires_at, "status": _resting(file)})
    if changed.ends_at is not None and changed.ends_at <= clock.now():
        raise RetentionOver(f"{file.bucket} keeps files for {file.bucket.retention_days} days.")
    return changed


@operation("files.purge", scope="files:write", risk=Risk.DESTRUCTIVE)
def purge_file(actor: Actor, *, file_id: UUID) -> File:
    """Delete a file for good, deleted before or not, with all its versions. Its bytes go, and so do all links."""
    found = File.objects.visible_to(actor).filter(pk=file_id)
    file = found.first()
    if file is None or not blobs.purge(found):
        raise not_found(File, file_id)
    return file


def deleted(file: File) -> File:
    """The locked `file`, deleted, so that it can be restored for a while."""
    return file.apply({"deleted_at": clock.now(), "status": FileStatus.DELETED.value})


def _resting(file: File) -> str:
    """The status of a file that is not deleted: that of its current version."""
    found = FileVersion.objects.filter(file=file, number=file.current).first()
    if found is None:
        return FileStatus.PENDING.value
    quarantined = found.status == VersionStatus.QUARANTINED
    return (FileStatus.QUARANTINED if quarantined else FileStatus.READY).value


def _tags(tag: dict[str, str]) -> dict[str, str]:
    """`{"tag[color]": "red"}` as the query has it, by the tags' own names."""
    return {name[4:-1]: value for name, value in tag.items()}

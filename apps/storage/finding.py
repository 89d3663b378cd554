"""Finding a file for an actor: what is not there for them is answered like what does not exist."""

from __future__ import annotations

from uuid import UUID

from apps.core.actor import Actor
from apps.core.models import not_found
from apps.storage.errors import NotReady, Quarantined, ScanPending, VersionUnknown
from apps.storage.models import File, FileVersion, Scan, VersionStatus
from apps.tenancy.walls import whole_tenant

_SCAN_TAKES = 10


def find_file(actor: Actor, file_id: UUID) -> File:
    """The file, if it is there for `actor` to read and change. Raises NotFound."""
    found = File.objects.visible_to(actor).alive().select_related("bucket").filter(pk=file_id).first()
    if found is None:
        raise not_found(File, file_id)
    return found


def find_readable(actor: Actor, file_id: UUID) -> File:
    """The file, if `actor` may read it: what they see, and what a public bucket shows to everybody. Raises NotFound."""
    found = File.objects.visible_to(actor).alive().select_related("bucket").filter(pk=file_id).first()
    if found is not None:
        return found
    # Another organization's, or the tenant's own: the rule lets everybody read it, and the wall would not.
    with whole_tenant():
        public = File.objects.open_to_all().select_related("bucket").filter(pk=file_id).first()
    if public is None:
        raise not_found(File, file_id)
    public.only_current = True
    return public


def find_version(file: File, number: int) -> FileVersion:
    """Version `number` of a file that was found. Raises VersionUnknown."""
    with whole_tenant():
        found = FileVersion.objects.filter(file=file, number=number).first()
    if found is None:
        raise VersionUnknown(f"{file} has no version {number}. {VersionUnknown.advice}")
    return found


def find_content(file: File, number: int | None) -> FileVersion:
    """Version `number` of a file, the current one for None, if its bytes may be handed out.

    Raises VersionUnknown and what `require_open` raises.
    """
    if not (number or file.current):
        raise NotReady(f"{file} has no content yet. {NotReady.advice}")
    if file.only_current and number not in (None, file.current):
        raise VersionUnknown(f"{file} has no version {number} that is public. {VersionUnknown.advice}")
    version = find_version(file, number or file.current)
    require_open(version)
    return version


def require_open(version: FileVersion) -> None:
    """Raise NotReady, Quarantined or ScanPending unless the bytes of `version` may be handed out."""
    if version.status == VersionStatus.PENDING:
        raise NotReady
    if version.status == VersionStatus.QUARANTINED:
        raise Quarantined
    if version.scan == Scan.PENDING:
        raise ScanPending(retry_after=_SCAN_TAKES)

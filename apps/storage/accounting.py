"""How much lies in a bucket, by organization: counted in the very transaction that changes it, and held to the quota.

What counts as stored are the bytes of every stored version of every file that is not purged, deleted ones included:
they can be restored. What is announced and not complete is reserved, and the quota bounds both together. Whoever counts
must hold the lock of the file's row, so that no two changes of one file are counted at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, F, Q, Sum

from apps.core.ids import encode
from apps.core.problems import missing
from apps.storage.errors import QuotaExceeded, TooManyUploads
from apps.storage.models import Bucket, File, FileVersion, Usage, VersionStatus

#: How many uploads may be open at a time: of one file, and of an organization in a bucket.
MOST_OPEN_OF_FILE = 10
MOST_OPEN = 1000
_STORED = Q(status__in=(VersionStatus.READY, VersionStatus.QUARANTINED))
_OPEN = Q(status=VersionStatus.PENDING)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is counted of an organization in a bucket; see Usage."""

    bytes: int = 0
    files: int = 0
    reserved_bytes: int = 0
    open_uploads: int = 0


def require_room(bucket: Bucket, organization_id: UUID | None, size: int) -> None:
    """Raise QuotaExceeded or TooManyUploads when another upload of `size` bytes has no room now.

    It sets nothing aside; `reserve` has the last word.
    """
    used = _used(bucket.pk, organization_id)
    if used.open_uploads >= MOST_OPEN:
        raise _too_many(bucket, organization_id)
    if bucket.quota_bytes is not None and used.bytes + used.reserved_bytes + size > bucket.quota_bytes:
        raise _exceeded(bucket, organization_id, size)


def begin(bucket: Bucket, organizations: Iterable[UUID | None]) -> None:
    """Have a row for each of them, which says nothing yet where it is new."""
    rows = [Usage(bucket=bucket, organization_id=whose) for whose in sorted(organizations, key=str)]
    Usage.objects.bulk_create(rows, ignore_conflicts=True)


def require_few_open(file: File) -> None:
    """Raise TooManyUploads when as many uploads of the locked `file` are open as may be."""
    if FileVersion.objects.filter(_OPEN, file=file).count() >= MOST_OPEN_OF_FILE:
        raise TooManyUploads(
            f"{MOST_OPEN_OF_FILE} uploads of {file} are open, and no more may be. {TooManyUploads.advice}",
            extra={"limit": MOST_OPEN_OF_FILE},
        )


def reserve(bucket: Bucket, organization_id: UUID | None, size: int) -> None:
    """Set `size` bytes aside for an upload that begins. Raises what `require_room` raises, whoever comes at once.

    Raises NotFound when the bucket was deleted meanwhile.
    """
    if _reserved(bucket, organization_id, size):
        return
    begin(bucket, [organization_id])
    if not _reserved(bucket, organization_id, size):
        require_room(bucket, organization_id, size)
        raise _exceeded(bucket, organization_id, size)
    _require_there(bucket)


def _reserved(bucket: Bucket, organization_id: UUID | None, size: int) -> bool:
    room = _of(bucket.pk, organization_id).filter(open_uploads__lt=MOST_OPEN)
    if bucket.quota_bytes is not None:
        room = room.filter(bytes__lte=bucket.quota_bytes - size - F("reserved_bytes"))
    changed: int = room.update(reserved_bytes=F("reserved_bytes") + size, open_uploads=F("open_uploads") + 1)
    return bool(changed)


def _require_there(bucket: Bucket) -> None:
    """Raise NotFound unless `bucket` is there until the transaction ends.

    Whoever deletes it finds no count of which they would wait for the lock, where there was none before this one.
    """
    try:
        with transaction.atomic():
            # At the commit PostgreSQL would look whether it is there: too late to say so.
            connection.check_constraints()
    except IntegrityError:
        if Bucket.objects.filter(pk=bucket.pk).exists():
            raise
        raise missing("bucket", bucket.name) from None


def settle(bucket: Bucket, organization_id: UUID | None, size: int, *, files: int = 0) -> None:
    """Count `size` bytes that were reserved as stored, and `files` more files.

    Raises QuotaExceeded when the quota was lowered meanwhile, so that they do not fit beside what is stored.
    """
    fits = Q() if bucket.quota_bytes is None else Q(bytes__lte=bucket.quota_bytes - size)
    changed = _of(bucket.pk, organization_id).filter(fits)
    if not changed.update(
        bytes=F("bytes") + size,
        files=F("files") + files,
        reserved_bytes=F("reserved_bytes") - size,
        open_uploads=F("open_uploads") - 1,
    ):
        raise _exceeded(bucket, organization_id, size)


def release(
    bucket_id: UUID, organization_id: UUID | None, versions: Sequence[FileVersion], *, whole: bool = False
) -> None:
    """Count `versions` no more, stored or reserved as they are; with `whole`, their files neither."""
    pending = [version.size for version in versions if version.status == VersionStatus.PENDING]
    stored = [version for version in versions if version.status != VersionStatus.PENDING]
    _of(bucket_id, organization_id).update(
        bytes=F("bytes") - sum(version.size for version in stored),
        files=F("files") - (len({version.file_id for version in stored}) if whole else 0),
        reserved_bytes=F("reserved_bytes") - sum(pending),
        open_uploads=F("open_uploads") - len(pending),
    )


def lock(places: Iterable[tuple[UUID, UUID | None]]) -> None:
    """Lock the counts of these buckets and organizations, for who changes several of them, one after the other."""
    named = set(places)
    buckets = {bucket for bucket, _ in named}
    organizations = {organization for _, organization in named if organization}
    whose = Q(organization__isnull=True) | Q(organization_id__in=organizations)
    list(Usage.objects.filter(whose, bucket_id__in=buckets).in_order().select_for_update(of=("self",)))


def is_counted(file: File) -> bool:
    """True when a version of the file is stored, and the file counts by that."""
    return FileVersion.objects.stored().filter(file=file).exists()


def owners(bucket_id: UUID) -> set[UUID | None]:
    """Whose files are in a bucket: organizations, and None for the tenant itself."""
    versions = FileVersion.objects.filter(file__bucket_id=bucket_id)
    return set(versions.values_list("organization_id", flat=True).distinct())


def counted(bucket_id: UUID) -> dict[UUID | None, Figures]:
    """What is stored and reserved in a bucket by organization, counted anew from the rows."""
    rows = (
        FileVersion.objects.filter(file__bucket_id=bucket_id)
        .values_list("organization_id")
        .annotate(
            total=Sum("size", filter=_STORED, default=0),
            files=Count("file_id", filter=_STORED, distinct=True),
            reserved=Sum("size", filter=_OPEN, default=0),
            uploads=Count("id", filter=_OPEN),
        )
    )
    return {organization: Figures(*figures) for organization, *figures in rows}


def figures_of(row: Usage) -> Figures:
    """What `row` says."""
    return Figures(row.bytes, row.files, row.reserved_bytes, row.open_uploads)


def set_right(row: Usage, now: Figures) -> None:
    """Have `row`, which is locked, say `now`."""
    row.bytes, row.files = now.bytes, now.files
    row.reserved_bytes, row.open_uploads = now.reserved_bytes, now.open_uploads
    row.save()


def _of(bucket_id: UUID, organization_id: UUID | None) -> Any:
    whose = Q(organization__isnull=True) if organization_id is None else Q(organization_id=organization_id)
    return Usage.objects.filter(whose, bucket_id=bucket_id)


def _used(bucket_id: UUID, organization_id: UUID | None) -> Figures:
    row: Usage | None = _of(bucket_id, organization_id).first()
    return Figures() if row is None else figures_of(row)


def _exceeded(bucket: Bucket, organization_id: UUID | None, asked: int) -> QuotaExceeded:
    limit, used = bucket.quota_bytes or 0, _used(bucket.pk, organization_id)
    return QuotaExceeded(
        f"{_named(organization_id)} stores {used.bytes} of {limit} bytes in {bucket}, {used.reserved_bytes} more are"
        f" announced, and {asked} more do not fit. {QuotaExceeded.advice}",
        extra={"limit": limit, "used": used.bytes, "reserved": used.reserved_bytes, "asked": asked},
    )


def _too_many(bucket: Bucket, organization_id: UUID | None) -> TooManyUploads:
    return TooManyUploads(
        f"{_named(organization_id)} has {MOST_OPEN} open uploads in {bucket}, and no more may be."
        f" {TooManyUploads.advice}",
        extra={"limit": MOST_OPEN},
    )


def _named(organization_id: UUID | None) -> str:
    return encode("org", organization_id) if organization_id else "The tenant itself"

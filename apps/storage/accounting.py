"""How much lies in a bucket, by organization: counted in the very transaction that changes it, and held to the quota.

What counts are the bytes of every stored version of every file that is not purged, deleted ones included: they can be
restored. Whoever counts must hold the lock of the file's row, so that no two changes of one file are counted at once.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, Sum

from apps.core.ids import encode
from apps.storage.errors import QuotaExceeded
from apps.storage.models import Bucket, File, FileVersion, Usage, VersionStatus


def charge(bucket: Bucket, organization_id: UUID | None, size: int, *, files: int = 0) -> None:
    """Count `size` more bytes and `files` more files. Raises QuotaExceeded, with the figures, when they do not fit."""
    Usage.objects.bulk_create([Usage(bucket=bucket, organization_id=organization_id)], ignore_conflicts=True)
    fits = Q() if bucket.quota_bytes is None else Q(bytes__lte=bucket.quota_bytes - size)
    changed = _of(bucket.pk, organization_id).filter(fits)
    if not changed.update(bytes=F("bytes") + size, files=F("files") + files):
        raise _exceeded(bucket, organization_id, size)


def release(bucket_id: UUID, organization_id: UUID | None, size: int, *, files: int = 0) -> None:
    """Count `size` fewer bytes and `files` fewer files."""
    _of(bucket_id, organization_id).update(bytes=F("bytes") - size, files=F("files") - files)


def require_room(bucket: Bucket, organization_id: UUID | None, size: int) -> None:
    """Raise QuotaExceeded when `size` more bytes do not fit now. It sets nothing aside; `charge` has the last word."""
    if bucket.quota_bytes is not None and _used(bucket.pk, organization_id) + size > bucket.quota_bytes:
        raise _exceeded(bucket, organization_id, size)


def release_whole(file: File) -> None:
    """Count a locked file no more, with all its versions."""
    stored = stored_bytes(file)
    release(file.bucket_id, file.organization_id, stored or 0, files=0 if stored is None else 1)


def stored_bytes(file: File) -> int | None:
    """The bytes of all stored versions of a file; None when there is none, and the file does not count either."""
    found: int | None = FileVersion.objects.stored().filter(file=file).aggregate(found=Sum("size"))["found"]
    return found


def counted(bucket_id: UUID) -> dict[UUID | None, tuple[int, int]]:
    """Bytes and files of a bucket by organization, counted anew from the rows."""
    stored = (VersionStatus.READY, VersionStatus.QUARANTINED)
    rows = (
        FileVersion.objects.filter(file__bucket_id=bucket_id, status__in=stored)
        .values_list("organization_id")
        .annotate(total=Sum("size"), files=Count("file_id", distinct=True))
    )
    return {organization: (total, files) for organization, total, files in rows}


def _of(bucket_id: UUID, organization_id: UUID | None) -> Any:
    whose = Q(organization__isnull=True) if organization_id is None else Q(organization_id=organization_id)
    return Usage.objects.filter(whose, bucket_id=bucket_id)


def _used(bucket_id: UUID, organization_id: UUID | None) -> int:
    used: int | None = _of(bucket_id, organization_id).values_list("bytes", flat=True).first()
    return used or 0


def _exceeded(bucket: Bucket, organization_id: UUID | None, asked: int) -> QuotaExceeded:
    limit, used = bucket.quota_bytes or 0, _used(bucket.pk, organization_id)
    whose = encode("org", organization_id) if organization_id else "The tenant itself"
    return QuotaExceeded(
        f"{whose} stores {used} of {limit} bytes in {bucket}, and {asked} more do not fit. {QuotaExceeded.advice}",
        extra={"limit": limit, "used": used, "asked": asked},
    )

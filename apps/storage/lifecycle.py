"""What happens to files by themselves: they expire, uploads are given up, deleted ones are purged, bytes are deleted.

Everything is done in batches in the tenant that stands, and may be done twice at once: rows are locked, and those that
another run holds are left to it.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import timedelta

from django.db import transaction

from apps.core import clock
from apps.storage import accounting, blobs, scanning, stores
from apps.storage.completing import show
from apps.storage.errors import ScannerUnreachable
from apps.storage.files import deleted
from apps.storage.models import (
    KEPT_AFTER_DELETION,
    Bucket,
    Condemned,
    File,
    FileVersion,
    Scan,
    Usage,
    VersionStatus,
)
from apps.storage.querysets import FileQuerySet, FileVersionQuerySet
from apps.storage.stores.errors import BlobMissing, StoreUnreachable

BATCH = blobs.BATCH
#: After what time the scanner is asked about a version again of which it said nothing.
SCANNED_AGAIN = timedelta(minutes=15)


@dataclass(slots=True)
class Report:
    """How many of each there were."""

    expired: int = 0
    abandoned: int = 0
    purged: int = 0
    cleared: int = 0
    scanned: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return int(sum(astuple(self)))


@dataclass(frozen=True, slots=True)
class Correction:
    """A count that was wrong."""

    bucket: str
    organization: object
    bytes: int
    files: int
    bytes_before: int
    files_before: int


def is_anything_due() -> bool:
    """True when there is something for `run` to do but to ask the scanner."""
    return (
        File.objects.expired().exists()
        or File.objects.outlived().exists()
        or _long_deleted().exists()
        or _given_up().exists()
        or Condemned.objects.filter(due_at__lte=clock.now()).exists()
        or (scanning.is_configured() and _unscanned().exists())
    )


def run() -> Report:
    """Do what is due, up to a batch of each, in the caller's transaction; the bytes go when it is committed."""
    # First, so that no bytes go of which this very transaction may yet fail to say that they are to go.
    report = Report(cleared=blobs.clear_quietly())
    report.expired = _expire(File.objects.expired()) + _expire(File.objects.outlived())
    report.abandoned = _give_up()
    chosen = _long_deleted().order_by("id").values_list("pk", flat=True)[:BATCH]
    report.purged = blobs.purge(File.objects.filter(pk__in=list(chosen)))
    report.scanned = _scan_again() if scanning.is_configured() else 0
    return report


def reconcile() -> list[Correction]:
    """Count every bucket anew, set the counts that do not agree right, and return those."""
    wrong: list[Correction] = []
    for bucket in Bucket.objects.order_by("id"):
        with transaction.atomic():
            wrong += _reconciled(bucket)
    return wrong


def _reconciled(bucket: Bucket) -> list[Correction]:
    # Whoever counts holds the lock of its row until it commits, so that what is read here is settled.
    rows = {row.organization_id: row for row in Usage.objects.select_for_update().filter(bucket=bucket)}
    found = accounting.counted(bucket.pk)
    wrong = []
    for organization in {*rows, *found}:
        row = rows.get(organization) or Usage(bucket=bucket, organization_id=organization)
        total, files = found.get(organization, (0, 0))
        if (row.bytes, row.files) != (total, files):
            wrong.append(Correction(bucket.name, organization, total, files, row.bytes, row.files))
            row.bytes, row.files = total, files
            row.save()
    return wrong


def _expire(files: FileQuerySet) -> int:
    free = files.select_related("bucket").select_for_update(of=("self",), skip_locked=True)
    return len([deleted(file) for file in free.order_by("id")[:BATCH]])


def _long_deleted() -> FileQuerySet:
    return File.objects.filter(deleted_at__lte=clock.now() - KEPT_AFTER_DELETION)


def _given_up() -> FileVersionQuerySet:
    return FileVersion.objects.filter(status=VersionStatus.PENDING, due_at__lte=clock.now())


def _unscanned() -> FileVersionQuerySet:
    return FileVersion.objects.filter(status=VersionStatus.READY, scan=Scan.PENDING, due_at__lte=clock.now())


def _give_up() -> int:
    """Drop uploads that were not completed in time, and files that never had another content."""
    versions = list(_given_up().order_by("id").select_for_update(of=("self",), skip_locked=True)[:BATCH])
    files = {version.file_id for version in versions}
    blobs.drop(versions)
    blobs.purge(File.objects.filter(pk__in=files, current=0, versions__isnull=True))
    return len(versions)


def _scan_again() -> int:
    """Ask the scanner about versions of which it has said nothing; what it says nothing of now waits for a while."""
    done, later = 0, clock.now() + SCANNED_AGAIN
    for version in _unscanned().order_by("due_at")[:BATCH]:
        try:
            found = scanning.ask(stores.store().read(version.blob))
        except (ScannerUnreachable, StoreUnreachable):
            _unscanned().update(due_at=later)
            break
        except BlobMissing:
            found = Scan.PENDING
        if found == Scan.PENDING:
            FileVersion.objects.filter(pk=version.pk).update(due_at=later)
            continue
        _say(version, found)
        done += 1
    return done


def _say(version: FileVersion, found: Scan) -> None:
    """Write what the scanner found, in the version and, where it is the current one, in its file."""
    files = File.objects.select_for_update(of=("self",)).select_related("bucket")
    file = files.filter(pk=version.file_id).first()
    if file is None or not file.versions.filter(pk=version.pk).exists():
        return
    version.scan = found
    if found == Scan.INFECTED:
        version.status = VersionStatus.QUARANTINED
    version.save(update_fields=["scan", "status"])
    if file.current == version.number and file.deleted_at is None:
        show(file, version)

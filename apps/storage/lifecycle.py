"""What happens to files by themselves: they expire, uploads are given up, deleted ones are purged, bytes are deleted.

Everything is done in batches in the tenant that stands, and may be done twice at once: rows are locked, and those that
another run holds are left to it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from apps.core import clock
from apps.storage import accounting, blobs, scanning, stores, turns
from apps.storage.accounting import Figures
from apps.storage.completing import drop
from apps.storage.errors import ScannerUnreachable, UploadBusy
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
#: For how many seconds it is asked about one version after the other.
_ASKED_FOR = 60.0
#: Writes a verdict; False when nobody needs it any more.
Judged = Callable[[FileVersion, Scan], bool]


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
    """Figures that were wrong: what they are now, and what they were before."""

    bucket: str
    organization: object
    now: Figures
    before: Figures


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


def run(scanned: int = 0) -> Report:
    """Do what is due, up to a batch of each, in the caller's transaction; the bytes go when it is committed.

    About `scanned` versions the scanner was heard before, which takes long: see `scan_again`.
    """
    # First, so that no bytes go of which this very transaction may yet fail to say that they are to go.
    report = Report(cleared=blobs.clear_quietly(), scanned=scanned)
    report.expired = _expire(File.objects.expired()) + _expire(File.objects.outlived())
    # All files are locked before anything is counted, and nobody is waited for: see File for the order.
    free = _long_deleted().select_for_update(of=("self",), skip_locked=True)
    chosen = list(free.order_by("id")[:BATCH])
    report.abandoned = _give_up()
    report.purged = blobs.purge(File.objects.filter(pk__in=[file.pk for file in chosen]))
    return report


def reconcile() -> list[Correction]:
    """Count every bucket anew, set the counts that do not agree right, and return those."""
    wrong: list[Correction] = []
    for bucket in Bucket.objects.order_by("id"):
        with transaction.atomic():
            wrong += _reconciled(bucket)
    return wrong


def _reconciled(bucket: Bucket) -> list[Correction]:
    # Whoever counts holds the lock of its row until it commits, so that what is read here is settled. That of the
    # bucket keeps those out who begin to count.
    Bucket.objects.select_for_update().filter(pk=bucket.pk).first()
    rows = {row.organization_id: row for row in Usage.objects.select_for_update().filter(bucket=bucket)}
    found = accounting.counted(bucket.pk)
    wrong = []
    for organization in {*rows, *found}:
        row = rows.get(organization) or Usage(bucket=bucket, organization_id=organization)
        before, now = accounting.figures_of(row), found.get(organization, Figures())
        if before != now:
            wrong.append(Correction(bucket.name, organization, now, before))
            accounting.set_right(row, now)
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
    due = list(_given_up().order_by("due_at").values_list("file_id", flat=True)[:BATCH])
    files = File.objects.filter(pk__in=due).order_by("id").select_for_update(of=("self",), skip_locked=True)
    owned = {file.pk: file.bucket_id for file in files}
    versions = list(_given_up().filter(file_id__in=owned).order_by("id").select_for_update(of=("self",)))
    whose: defaultdict[Any, list[FileVersion]] = defaultdict(list)
    for version in versions:
        whose[owned[version.file_id], version.organization_id].append(version)
    for place in sorted(whose, key=str):
        drop(place[0], whose[place])
    blobs.purge(File.objects.filter(pk__in=owned, current=0, versions__isnull=True))
    return len(versions)


def scan_again(judged: Judged) -> int:
    """Ask the scanner about versions of which it has said nothing, for a minute; returns of how many it said something.

    To be called outside of any transaction; each verdict is written in one of its own, by `judged`. A version of which
    it says nothing now waits for a while. When it does not answer at all, all do, and that one comes last.
    """
    if not scanning.is_configured():
        return 0
    done, until = 0, time.monotonic() + _ASKED_FOR
    for version in _unscanned().order_by("due_at")[:BATCH]:
        if time.monotonic() > until:
            break
        try:
            done += _asked(version, judged)
        except (ScannerUnreachable, StoreUnreachable):
            later = clock.now() + SCANNED_AGAIN
            _unscanned().exclude(pk=version.pk).update(due_at=later - timedelta(seconds=1))
            _wait(version, later)
            break
    return done


def _asked(version: FileVersion, judged: Judged) -> bool:
    """True when the scanner said something about `version`, and that is written."""
    try:
        with turns.turn(version, patience=0) as mine:
            found = scanning.ask(turns.heard(stores.store().read(version.blob), mine.go_on))
            if found != Scan.PENDING:
                return judged(version, found)
    except (BlobMissing, UploadBusy):  # gone, or asked about by another run
        pass
    _wait(version, clock.now() + SCANNED_AGAIN)
    return False


def _wait(version: FileVersion, until: datetime) -> None:
    FileVersion.objects.filter(pk=version.pk).update(due_at=until)

"""What happens to files by themselves: they expire, uploads are given up, deleted ones are purged, bytes are deleted.

Everything is done in batches in the tenant that stands, and may be done twice at once: rows are locked, and those that
another run holds are left to it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from apps.core import clock
from apps.storage import accounting, blobs, scanning, stores, turns
from apps.storage.accounting import Figures
from apps.storage.completing import Content, drop
from apps.storage.errors import CompletingBusy, ScannerUnreachable, UploadBusy
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
_ASKED_FOR = 5.0
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


def due() -> list[QuerySet[Any]]:
    """What there is for `run` to do, and to ask the scanner about."""
    condemned = Condemned.objects.filter(due_at__lte=clock.now())
    found = [File.objects.expired(), File.objects.outlived(), _long_deleted(), _given_up(), condemned]
    return [*found, _unscanned()] if scanning.is_configured() else found


def is_anything_due() -> bool:
    """True when there is something of that."""
    return any(rows.exists() for rows in due())


def run(*, cleared: int = 0, scanned: int = 0) -> Report:
    """Do what is due, up to a batch of each, in the caller's transaction; the bytes go when it is committed.

    The store was asked before to delete `cleared` blobs, and the scanner heard about `scanned` versions: both take
    long, and nothing is locked meanwhile. See `blobs.clear` and `scan_again`.
    """
    report = Report(cleared=cleared, scanned=scanned)
    report.expired = _expire(File.objects.expired()) + _expire(File.objects.outlived())
    # All files are locked before any version, and those before anything is counted; nobody is waited for but for
    # counts, which are locked in the order of everybody: see File.
    purged, abandoned = _few(_locked(_long_deleted())), _few(_locked(File.objects.filter(pk__in=_late())))
    owned = {file.pk for file in (*purged, *abandoned)}
    list(FileVersion.objects.filter(file__in=owned).order_by("id").select_for_update(of=("self",)))
    accounting.lock((file.bucket_id, file.organization_id) for file in (*purged, *abandoned))
    report.abandoned = _give_up(abandoned)
    report.purged = blobs.purge(File.objects.filter(pk__in=[file.pk for file in purged]))
    return report


def miscounted(bucket: Bucket) -> list[tuple[Usage, Figures]]:
    """Counts of a locked `bucket` that do not agree with its files, locked too, and what each of them has to say."""
    accounting.begin(bucket, accounting.owners(bucket.pk))
    # Whoever counts holds the lock of its row until it commits, so that what is read here is settled. What has no row
    # yet began after that, and is counted right.
    rows = list(Usage.objects.filter(bucket=bucket).in_order().select_for_update(of=("self",)))
    found = accounting.counted(bucket.pk)
    right = [(row, found.get(row.organization_id, Figures())) for row in rows]
    return [(row, now) for row, now in right if accounting.figures_of(row) != now]


def corrected(bucket: Bucket, wrong: Sequence[tuple[Usage, Figures]]) -> list[Correction]:
    """Set right what `miscounted` found in `bucket`."""
    done = [
        Correction(bucket.name, row.organization_id, now, accounting.figures_of(row)) for row, now in wrong
    ]
    for row, now in wrong:
        accounting.set_right(row, now)
    return done


def _expire(files: FileQuerySet) -> int:
    return len([deleted(file) for file in _locked(files.select_related("bucket"))])


def _locked(files: FileQuerySet) -> list[File]:
    """Up to a batch of `files` that nobody else holds, locked."""
    return list(files.order_by("id").select_for_update(of=("self",), skip_locked=True)[:BATCH])


def _few(files: Sequence[File]) -> list[File]:
    """The first of `files`, whose versions one transaction deletes; the others have their turn in the next one."""
    chosen = set(blobs.few([file.pk for file in files]))
    return [file for file in files if file.pk in chosen]


def _long_deleted() -> FileQuerySet:
    return File.objects.filter(deleted_at__lte=clock.now() - KEPT_AFTER_DELETION)


def _given_up() -> FileVersionQuerySet:
    """Uploads whose time is over, but for those that somebody began to complete in time."""
    late = FileVersion.objects.filter(status=VersionStatus.PENDING, due_at__lte=clock.now())
    return late.exclude(read_until__gt=clock.now())


def _late() -> list[UUID]:
    """Of which files uploads are given up, the oldest first."""
    return list(_given_up().order_by("due_at").values_list("file_id", flat=True)[:BATCH])


def _unscanned() -> FileVersionQuerySet:
    return FileVersion.objects.filter(status=VersionStatus.READY, scan=Scan.PENDING, due_at__lte=clock.now())


def _give_up(files: Sequence[File]) -> int:
    """Drop the uploads of locked `files` that were not completed in time, and files that never had another content."""
    owned = {file.pk: file.bucket_id for file in files}
    versions = list(_given_up().filter(file_id__in=owned).order_by("id"))
    whose: defaultdict[Any, list[FileVersion]] = defaultdict(list)
    for version in versions:
        whose[owned[version.file_id], version.organization_id].append(version)
    for place in sorted(whose, key=str):
        drop(place[0], whose[place])
    blobs.purge(File.objects.filter(pk__in=owned, current=0, versions__isnull=True))
    return len(versions)


def scan_again(judged: Judged) -> int:
    """Ask the scanner about versions of which it has said nothing, for a while; returns of how many it said something.

    To be called outside of any transaction; each verdict is written in one of its own, by `judged`. It takes a place,
    as whoever reads here does, and when none is free it is done another time. A version of which the scanner says
    nothing now waits for a while. When it does not answer at all, all do, and that one comes last.
    """
    if not scanning.is_configured() or not _unscanned().exists():
        return 0
    try:
        with turns.place():
            return _asked_for_a_while(judged)
    except CompletingBusy:
        return 0


def _asked_for_a_while(judged: Judged) -> int:
    done, until = 0, time.monotonic() + _ASKED_FOR
    for version in _unscanned().order_by("due_at")[:BATCH]:
        if time.monotonic() > until:
            break
        try:
            done += _asked(version, judged)
        except (ScannerUnreachable, StoreUnreachable):
            _put_off(version)
            break
    return done


def _put_off(asked: FileVersion) -> None:
    """Have all that the scanner is to be asked about wait, and `asked` come last."""
    later = clock.now() + SCANNED_AGAIN
    while _some_wait(_unscanned().exclude(pk=asked.pk), later - timedelta(seconds=1)):
        continue
    _wait(asked, later)


def _some_wait(versions: FileVersionQuerySet, until: datetime) -> int:
    """Have a batch of `versions`, which are due, wait; returns how many did: 0 when there are no more."""
    with transaction.atomic():
        # Nobody is waited for: whoever holds one changes it anyway, or asks about it.
        held = versions.order_by("due_at").select_for_update(of=("self",), skip_locked=True)
        some = list(held.values_list("pk", flat=True)[:BATCH])
        return FileVersion.objects.filter(pk__in=some).update(due_at=until)


def _asked(version: FileVersion, judged: Judged) -> bool:
    """True when the scanner said something about `version`, and that is written."""
    try:
        with turns.turn(version, patience=0) as mine:
            found = _verdict(mine)
            if found != Scan.PENDING:
                return judged(version, found)
    except (BlobMissing, UploadBusy):  # gone, or asked about by another run
        pass
    _wait(version, clock.now() + SCANNED_AGAIN)
    return False


def _verdict(mine: turns.Turn) -> Scan:
    """What the scanner says. Raises StoreUnreachable where it found a part of the content clean."""
    content, version = Content(), mine.version
    chunks = content.passing(turns.heard(stores.store().read(version.blob), mine.go_on))
    with mine.silent(scanning.longest_silence()):
        found = scanning.ask(chunks)
    if found == Scan.CLEAN and content.size != version.size:
        # A store that broke off looks to a scanner like one that ended.
        raise StoreUnreachable(f"Reading ended after {content.size} of {version.size} bytes.")
    return found


def _wait(version: FileVersion, until: datetime) -> None:
    FileVersion.objects.filter(pk=version.pk).update(due_at=until)

"""Bytes that nobody needs any more. A row says so until the store has deleted them, so that none is forgotten."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from uuid import UUID

from django.db import transaction
from django.db.models import Count

from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.ids import encode
from apps.storage import accounting, stores
from apps.storage.models import Condemned, File, FileVersion, VersionStatus
from apps.storage.querysets import FileQuerySet
from apps.storage.stores import keys, signing
from apps.storage.stores.absence import Absence
from apps.storage.stores.base import Store
from apps.storage.stores.errors import StoreUnreachable
from apps.tenancy.walls import current_tenant, enter, whole_tenant

logger = logging.getLogger("packmule.storage")
#: How many rows are done in one go.
BATCH = 500
#: How many versions one call purges, but for those of a single file: it is one transaction, which locks them all.
MOST_VERSIONS = 5000
#: For how long the store is not asked again to delete what it did not, and nobody else deletes what one has begun to.
AGAIN = timedelta(minutes=15)
#: After how many failures one after the other the store counts as away.
_AWAY = 3
#: For how many seconds a request of an upload is good.
REQUEST_SECONDS = 3600
#: After what time an upload that is not complete is given up, and no URL of it is good for anything.
ABANDONED_AFTER = timedelta(hours=24)
#: For how many seconds a store that fails is asked to delete one blob after the other.
_PATIENCE = 10.0
_absence = Absence()
#: Keys of what was made of versions.
Derived = Callable[[Sequence[FileVersion]], Iterable[str]]
_derived: list[Derived] = []


def register_derived(keys_of: Derived) -> None:
    """Delete what `keys_of` names together with the versions that it was made of. Its rows go by their foreign keys."""
    if keys_of not in _derived:
        _derived.append(keys_of)


def key_of(tenant: TenantRef, file_id: UUID, version_id: UUID) -> str:
    """The key under which the bytes of a new version lie: its own id is in it, so that no other ever has it."""
    return keys.make(tenant, encode(File.id_prefix, file_id), encode(FileVersion.id_prefix, version_id))


def few(files: Sequence[UUID]) -> list[UUID]:
    """The first of `files`: as many as have MOST_VERSIONS versions together, and one in any case."""
    rows = FileVersion.objects.filter(file__in=files).values_list("file_id").annotate(Count("pk"))
    counts = dict(rows)
    totals = accumulate(counts.get(file, 0) for file in files)
    fitting = sum(total <= MOST_VERSIONS for total in totals)
    return list(files[: max(1, fitting)])


def purge(files: FileQuerySet) -> int:
    """Delete `files` for good, with their versions and what they count. Returns how many; needs a transaction.

    All are locked before anything changes, in the order of everybody: files, versions, counts. So the caller bounds how
    many they are, see `few`. Uploads that are being completed, and images that are being kept, are waited for.
    """
    # What the caller wanted of them is asked again under the lock: one that was restored meanwhile stays.
    locked = list(files.order_by("id").select_for_update(of=("self",)))
    # Nobody adds a version to a file that is locked, so that these are all.
    owned = FileVersion.objects.filter(file__in=[file.pk for file in locked])
    versions = list(owned.order_by("id").select_for_update(of=("self",)))
    _release(locked, versions)
    condemned = _condemn(versions)
    # Django would name all versions in one statement, and all that was made of them: more than PostgreSQL takes.
    for some in _slices(versions):
        FileVersion.objects.filter(pk__in=[version.pk for version in some]).delete()
    File.objects.filter(pk__in=[file.pk for file in locked]).delete()
    _clear_after_commit(condemned)
    return len(locked)


def _release(files: Sequence[File], versions: Sequence[FileVersion]) -> None:
    """Count files that go no more, in one order, so that of two who do so none waits for the other in a circle."""
    buckets = {file.pk: file.bucket_id for file in files}
    gone: dict[tuple[UUID, UUID | None], list[FileVersion]] = defaultdict(list)
    for version in versions:
        gone[buckets[version.file_id], version.organization_id].append(version)
    for bucket, organization in sorted(gone, key=str):
        accounting.release(bucket, organization, gone[bucket, organization], whole=True)


def drop(versions: Sequence[FileVersion]) -> None:
    """Delete versions of files that stay; what they count is the caller's to say."""
    condemned = _condemn(versions)
    for version in versions:
        version.delete()
    _clear_after_commit(condemned)


def condemn(keys_of_blobs: Iterable[str]) -> None:
    """Delete what lies under these keys after the commit; needs a transaction."""
    _clear_after_commit(_written([Condemned(blob=key, due_at=clock.now()) for key in keys_of_blobs]))


def _condemn(versions: Sequence[FileVersion]) -> list[Condemned]:
    """Note the bytes of `versions` and what was made of them; returns the notes that are due at once."""
    later = [_condemned(version, until) for version in versions if (until := _may_arrive_until(version))]
    made_of_them = (key for some in _slices(versions) for keys_of in _derived for key in keys_of(some))
    due = [_condemned(version, clock.now()) for version in versions]
    due += [Condemned(blob=key, due_at=clock.now()) for key in made_of_them]
    _written(later)
    return _written(due)


def _written(rows: list[Condemned]) -> list[Condemned]:
    with whole_tenant():
        return Condemned.objects.bulk_create(rows, batch_size=BATCH)


def _slices(versions: Sequence[FileVersion]) -> Iterator[Sequence[FileVersion]]:
    """`versions`, as many at a time as one statement names."""
    return (versions[first : first + BATCH] for first in range(0, len(versions), BATCH))


def _clear_after_commit(condemned: Sequence[Condemned]) -> None:
    """Delete what was just condemned, up to a batch; the worker does the rest, and whatever else is due."""
    if not condemned:
        return
    tenant, own = current_tenant(), [row.pk for row in condemned[:BATCH]]

    def clear_there() -> None:
        with enter(tenant):
            clear_quietly(own)

    transaction.on_commit(clear_there, robust=True)


def clear(own: Sequence[UUID] = ()) -> int:
    """Delete the bytes of up to BATCH blobs whose time has come, and then their rows. Returns how many.

    With `own`, of no others. No row is locked meanwhile. What the store does not delete waits for AGAIN, and keeps
    nothing else from its turn. Raises StoreUnreachable when it deleted nothing of what is due; one that is away is left
    alone for a minute, in which nothing is done, so that it is waited for once and not in every tenant.
    """
    if _absence.lasts:
        return 0
    store = stores.store()
    with whole_tenant():
        taken = _taken(own)
        gone, untried = _deleted(store, taken)
        Condemned.objects.filter(pk__in=[row.pk for row in gone]).delete()
        Condemned.objects.bulk_update(untried, ["due_at"])
    if untried and not gone:
        _absence.note()
    if taken and not gone:
        raise StoreUnreachable
    return len(gone)


def _taken(own: Sequence[UUID]) -> list[Condemned]:
    """Rows whose time has come, with the time that they had; they are due again after a while, however this ends."""
    now = clock.now()
    with transaction.atomic():
        due = Condemned.objects.filter(due_at__lte=now).order_by("due_at", "id")
        due = due.filter(pk__in=own) if own else due
        rows = list(due.select_for_update(skip_locked=True)[:BATCH])
        Condemned.objects.filter(pk__in=[row.pk for row in rows]).update(due_at=now + AGAIN)
    return rows


def _deleted(store: Store, rows: Sequence[Condemned]) -> tuple[Sequence[Condemned], Sequence[Condemned]]:
    """Which of `rows` have no bytes any more, and which were not tried: one by one, where it fails for all at once."""
    until = time.monotonic() + _PATIENCE
    if _delete(store, rows):
        return rows, ()
    gone, failed = list[Condemned](), 0
    for place, row in enumerate(rows):
        if failed == _AWAY or time.monotonic() > until:
            return gone, rows[place:]
        if _delete(store, [row]):
            gone.append(row)
            failed = 0
        else:
            failed += 1
    return gone, ()


def _delete(store: Store, rows: Sequence[Condemned]) -> bool:
    """Delete the bytes of `rows`; False, with a word in the log, when that did not go well."""
    try:
        for row in rows:
            if row.upload_id:
                store.abort_multipart(row.blob, row.upload_id)
        if rows:
            store.delete([row.blob for row in rows])
    except (StoreUnreachable, OSError, ValueError) as failure:  # ValueError: what is no key of a blob
        named = rows[0].blob if len(rows) == 1 else f"{len(rows)} blobs"
        logger.warning("%s: %s could not be deleted (%s)", current_tenant().name, named, failure)
        return False
    return True


def _condemned(version: FileVersion, due_at: datetime) -> Condemned:
    """A note to delete what lies under the key of `version` then, and the parts of an upload that has not ended."""
    pending = version.status == VersionStatus.PENDING
    return Condemned(blob=version.blob, upload_id=version.upload_id if pending else "", due_at=due_at)


def _may_arrive_until(version: FileVersion) -> datetime | None:
    """Until when bytes may still come under the key, which is free again once they are deleted; None for not at all.

    They come by a URL that was handed out before, or from who puts the parts together at this moment.
    """
    now = clock.now()
    ends = min(version.created_at + ABANDONED_AFTER, now + timedelta(seconds=REQUEST_SECONDS)) + signing.LATE
    until = max(ends, version.read_until or ends)
    return until if until > now else None


def clear_quietly(own: Sequence[UUID] = ()) -> int:
    """The same, with a word in the log when the store does not answer: what is left then is done another time."""
    try:
        return clear(own)
    except StoreUnreachable as problem:
        logger.warning("%s: bytes are still to be deleted (%s)", current_tenant().name, problem.detail)
        return 0

"""Bytes that nobody needs any more. A row says so until the store has deleted them, so that none is forgotten."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import islice
from uuid import UUID

from django.db import transaction

from apps.core import clock
from apps.core.actor import TenantRef
from apps.storage import accounting, stores
from apps.storage.models import Condemned, FileVersion, VersionStatus
from apps.storage.querysets import FileQuerySet
from apps.storage.stores import keys
from apps.storage.stores.errors import StoreUnreachable
from apps.tenancy.walls import current_tenant, enter, whole_tenant

logger = logging.getLogger("packmule.storage")
#: How many rows are done in one go.
BATCH = 500
#: How long after its URL has ended an upload that began in time may still arrive.
LATE = timedelta(hours=1)
#: After what time an upload that is not complete is given up, and no URL of it is good for anything.
ABANDONED_AFTER = timedelta(hours=24)
#: Keys of what was made of versions.
Derived = Callable[[Sequence[FileVersion]], Iterable[str]]
_derived: list[Derived] = []


def register_derived(keys_of: Derived) -> None:
    """Delete what `keys_of` names together with the versions that it was made of. Its rows go by their foreign keys."""
    if keys_of not in _derived:
        _derived.append(keys_of)


def key_of(tenant: TenantRef, version: FileVersion) -> str:
    """The key under which the bytes of a new version lie: its own id is in it, so that no other ever has it."""
    return keys.make(tenant, version.file.public_id, version.public_id)


def purge(files: FileQuerySet) -> int:
    """Delete `files` for good, with their versions and what they count. Returns how many; needs a transaction.

    Uploads that are being completed are waited for: whoever completes one locks the version first, as this does.
    """
    gone = 0
    for chunk in _chunks(files.order_by("id").values_list("pk", flat=True).iterator()):
        list(FileVersion.objects.filter(file_id__in=chunk).order_by("id").select_for_update())
        # Asked again with what the caller wanted of them: one that was restored meanwhile stays. Nobody adds a version
        # to a file that is locked, so that these are all.
        locked = list(files.filter(pk__in=chunk).order_by("id").select_for_update(of=("self",)))
        versions = list(FileVersion.objects.filter(file__in=locked).order_by("id"))
        for file in locked:
            accounting.release_whole(file)
            _condemn([version for version in versions if version.file_id == file.pk])
            file.delete()
            gone += 1
    if gone:
        _clear_after_commit()
    return gone


def drop(versions: Sequence[FileVersion]) -> None:
    """Delete versions of files that stay; what they count is the caller's to say."""
    _condemn(versions)
    for version in versions:
        version.delete()
    if versions:
        _clear_after_commit()


def condemn(keys_of_blobs: Iterable[str]) -> None:
    """Delete what lies under these keys after the commit; needs a transaction."""
    with whole_tenant():
        Condemned.objects.bulk_create([Condemned(blob=key, due_at=clock.now()) for key in keys_of_blobs])
    _clear_after_commit()


def _condemn(versions: Sequence[FileVersion]) -> None:
    blobs = [_condemned(version) for version in versions]
    blobs += [again for version in versions if (again := _condemned_again(version))]
    made_of_them = (key for keys_of in _derived for key in keys_of(versions))
    blobs += [Condemned(blob=key, due_at=clock.now()) for key in made_of_them]
    with whole_tenant():
        Condemned.objects.bulk_create(blobs)


def _clear_after_commit() -> None:
    tenant = current_tenant()

    def clear_there() -> None:
        with enter(tenant):
            clear_quietly()

    transaction.on_commit(clear_there, robust=True)


def clear() -> int:
    """Delete the bytes of up to BATCH blobs whose time has come, and then their rows. Returns how many.

    Raises StoreUnreachable, and has forgotten none then.
    """
    with whole_tenant(), transaction.atomic():
        due = Condemned.objects.filter(due_at__lte=clock.now()).order_by("id")
        rows = list(due.select_for_update(skip_locked=True)[:BATCH])
        store = stores.store()
        for row in rows:
            if row.upload_id:
                store.abort_multipart(row.blob, row.upload_id)
        if rows:
            store.delete([row.blob for row in rows])
        Condemned.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def _condemned(version: FileVersion) -> Condemned:
    """What never was complete may still be on its way: it waits until its URL is good for nothing."""
    pending = version.status == VersionStatus.PENDING
    return Condemned(
        blob=version.blob,
        upload_id=version.upload_id if pending else "",
        due_at=version.due_at + LATE if pending else clock.now(),
    )


def _condemned_again(version: FileVersion) -> Condemned | None:
    """Once more when its URL is good for nothing: with its bytes gone, the URL would take others until then."""
    good_until = version.created_at + ABANDONED_AFTER + LATE
    if version.status == VersionStatus.PENDING or good_until <= clock.now():
        return None
    return Condemned(blob=version.blob, due_at=good_until)


def clear_quietly() -> int:
    """The same, with a word in the log when the store does not answer: what is left then is done another time."""
    try:
        return clear()
    except StoreUnreachable as problem:
        logger.warning("%s: bytes are still to be deleted (%s)", current_tenant().name, problem.detail)
        return 0


def _chunks(ids: Iterable[UUID]) -> Iterator[list[UUID]]:
    rest = iter(ids)
    while chunk := list(islice(rest, BATCH)):
        yield chunk

"""The reserve of the disk on which the local store keeps bytes, which is for what else lives there: a database."""

from __future__ import annotations

import shutil

from django.conf import settings

from apps.storage.stores.base import Store
from apps.storage.stores.errors import StoreNearlyFull
from apps.storage.stores.local import LocalStore

#: After how many seconds somebody may have made room.
_AGAIN = 600
_TWICE = " (parts lie there twice while they are joined; one request, `multipart: false`, needs the half)"


def require(store: Store, size: int, *, in_parts: bool = False) -> None:
    """Raise StoreNearlyFull when `size` more bytes would leave the disk less than PACKMULE_STORAGE_RESERVE bytes.

    Those that come `in_parts` lie there twice while they are joined. It sets nothing aside, and of another store it
    knows nothing. Raises StoreUnreachable when the disk is away.
    """
    if not isinstance(store, LocalStore):
        return
    store.require_begun()
    if in_parts:
        size *= 2
    free, kept = shutil.disk_usage(store.root).free, settings.PACKMULE_STORAGE_RESERVE
    if free - size < kept:
        left = max(0, free - kept)
        raise StoreNearlyFull(
            f"{size} bytes{_TWICE if in_parts else ''} have no room: {left} are left on the disk."
            f" {StoreNearlyFull.advice}",
            extra={"size": size, "left": left},
            retry_after=_AGAIN,
        )

"""How many transfers one process makes at a time, so that slow clients leave threads for everybody else.

They leave places for other tenants too: one tenant's slow clients never hold all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Self
from uuid import UUID

from django.conf import settings

from apps.storage.stores import disk
from apps.storage.stores.errors import StoreBusy
from apps.storage.stores.places import Places

_places = Places(lambda: settings.PACKMULE_STORAGE_TRANSFERS)


def take_place(tenant: UUID) -> None:
    """Begin a transfer for `tenant`, which `give_back` has to end. Raises StoreBusy when it would be one too many."""
    if not _places.take(tenant):
        raise StoreBusy(retry_after=1)


def give_back(tenant: UUID) -> None:
    """End a transfer."""
    _places.give_back(tenant)


@contextmanager
def place(tenant: UUID) -> Iterator[None]:
    """Take a place for as long as the block runs."""
    take_place(tenant)
    try:
        yield
    finally:
        give_back(tenant)


class Outgoing:
    """The next `length` bytes of `file` for a server to send. It holds a place until the server closes it."""

    def __init__(self, file: BinaryIO, length: int, tenant: UUID) -> None:
        self._file, self._tenant = file, tenant
        take_place(tenant)
        self._chunks = disk.chunks_of(file, length)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """End the transfer; also when the client went away. Closing twice does nothing."""
        if not self._file.closed:
            self._file.close()
            give_back(self._tenant)

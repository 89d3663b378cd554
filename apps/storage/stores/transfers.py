"""How many transfers one process makes at a time, so that slow clients leave threads for everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import BinaryIO, Self

from django.conf import settings

from apps.storage.stores import disk
from apps.storage.stores.errors import StoreBusy

_lock = Lock()
_running = 0


def take_place() -> None:
    """Begin a transfer, which `give_back` has to end. Raises StoreBusy when PACKMULE_STORAGE_TRANSFERS run."""
    global _running
    with _lock:
        if _running >= settings.PACKMULE_STORAGE_TRANSFERS:
            raise StoreBusy(retry_after=1)
        _running += 1


def give_back() -> None:
    """End a transfer."""
    global _running
    with _lock:
        _running -= 1


@contextmanager
def place() -> Iterator[None]:
    """Take a place for as long as the block runs."""
    take_place()
    try:
        yield
    finally:
        give_back()


class Outgoing:
    """The next `length` bytes of `file` for a server to send. It holds a place until the server closes it."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        take_place()
        self._chunks = disk.chunks_of(file, length)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """End the transfer; also when the client went away. Closing twice does nothing."""
        if not self._file.closed:
            self._file.close()
            give_back()

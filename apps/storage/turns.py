"""Reading the bytes of versions here: one reader at a time for each, and few at a time in one process.

It goes on for as long as gigabytes take, so it happens outside of any transaction. Whose turn it is stands in the
version's row until it ends or is taken over: a lock of a connection would be another one's behind PgBouncer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from apps.core import clock
from apps.storage.errors import CompletingBusy, UploadBusy
from apps.storage.models import FileVersion
from apps.storage.stores.places import Places
from apps.tenancy.walls import current_tenant

#: How many uploads one process reads at a time; how many seconds others wait for a place, and for their turn.
_places = Places(lambda: 4)
_PATIENCE_FOR_PLACE, _PATIENCE = 1.0, 5.0
_LOOKED_AGAIN = 0.05
#: For how long a turn is good without a word, and so for how long a process that was killed keeps others waiting.
LASTS = timedelta(seconds=15)


@dataclass(slots=True)
class Turn:
    """The turn to read a version, which whoever has it prolongs as it goes on."""

    version: FileVersion
    until: datetime
    #: How long nothing may be said beside what a turn allows; see `silent`.
    silence: timedelta = timedelta()

    def go_on(self) -> None:
        """Say that it is still being read. Costs nothing most of the time."""
        if self.until - clock.now() < LASTS / 2 + self.silence:
            self._lasts(LASTS + self.silence)

    @contextmanager
    def silent(self, longest: timedelta) -> Iterator[None]:
        """Have it last for up to `longest` more, after each word, while the block runs."""
        self.silence = longest
        if longest:
            self._lasts(LASTS + longest)
        yield
        self.silence = timedelta()
        if longest:
            self._lasts(LASTS)

    def _lasts(self, time: timedelta) -> None:
        until = clock.now() + time
        if _written(self.version, self.until, until):
            self.until = until


@contextmanager
def turn(version: FileVersion, *, patience: float | None = None) -> Iterator[Turn]:
    """Have the turn to read `version` as long as the block runs, after waiting `patience` seconds, or a few, at most.

    Raises UploadBusy. A row that is gone by now is nobody's: whoever writes what was read finds that out.
    """
    waits_until = time.monotonic() + (_PATIENCE if patience is None else patience)
    while (taken := _taken(version)) is None:
        if time.monotonic() >= waits_until:
            raise UploadBusy(retry_after=_PATIENCE)
        time.sleep(_LOOKED_AGAIN)
    try:
        yield taken
    finally:
        _written(version, taken.until, None)


@contextmanager
def place() -> Iterator[None]:
    """Have one of the places of this process as long as the block runs. Raises CompletingBusy."""
    tenant = current_tenant().id
    if not _places.take(tenant, patience=_PATIENCE_FOR_PLACE):
        raise CompletingBusy(retry_after=_PATIENCE)
    try:
        yield
    finally:
        _places.give_back(tenant)


def heard(chunks: Iterator[bytes], each: Callable[[], None]) -> Iterator[bytes]:
    """The same chunks; `each` is called with every one."""
    for chunk in chunks:
        each()
        yield chunk


def _taken(version: FileVersion) -> Turn | None:
    now = clock.now()
    until = now + LASTS
    mine = FileVersion.objects.filter(pk=version.pk)
    free = mine.filter(Q(read_until__isnull=True) | Q(read_until__lte=now))
    if free.update(read_until=until) or not mine.exists():
        return Turn(version, until)
    return None


def _written(version: FileVersion, before: datetime, after: datetime | None) -> bool:
    return bool(FileVersion.objects.filter(pk=version.pk, read_until=before).update(read_until=after))

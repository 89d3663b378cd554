"""That a store did not answer, remembered in this process, for who can do without it for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from apps.core import clock

#: For how long a store that did not answer is not asked again.
LASTS = timedelta(minutes=1)


class Absence:
    """One purpose's memory of it: a store that does not delete may well read."""

    def __init__(self) -> None:
        self._noted: datetime | None = None

    def note(self) -> None:
        """Say that the store did not answer just now."""
        self._noted = clock.now()

    @property
    def lasts(self) -> bool:
        """True for a while after that was said."""
        return self._noted is not None and timedelta(0) <= clock.now() - self._noted < LASTS

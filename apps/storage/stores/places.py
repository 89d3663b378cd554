"""Places for what takes long, in one process: so many, of which one tenant never takes all where there are several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Condition
from uuid import UUID

from django.conf import settings


def most_of(count: int) -> int:
    """Three of five, and at least one."""
    return max(1, count * 3 // 5)


#: One for all places: a thread that one kind of work gives back may be what another waits for.
_changed = Condition()
_everywhere: Counter[UUID] = Counter()


def most_together() -> int:
    """How many threads of a process all long work has together, so that some are left for calls."""
    return int(settings.PACKMULE_STORAGE_TRANSFERS)


class Places:
    """As many places as `count` says at that moment, of which one tenant has up to `each` of so many.

    Whoever has one keeps a thread of the process busy, and all kinds of places together have `most_together` of them,
    of which the last is nobody's who has all the others; those that are taken `inside` of others are not counted twice.
    """

    def __init__(
        self, count: Callable[[], int], each: Callable[[int], int] = most_of, *, inside: bool = False
    ) -> None:
        self._count, self._each, self._inside = count, each, inside
        self._taken: Counter[UUID] = Counter()

    def take(self, tenant: UUID, *, patience: float = 0) -> bool:
        """Take a place, which `give_back` ends, after so many seconds at most; False when none became free."""
        with _changed:
            if not _changed.wait_for(lambda: self._is_free(tenant), max(0.0, patience)):
                return False
            self._taken[tenant] += 1
            self._count_everywhere(tenant, 1)
            return True

    def give_back(self, tenant: UUID) -> None:
        """End what `take` began."""
        with _changed:
            self._taken[tenant] -= 1
            # Without this, every tenant that ever was here would be kept in mind.
            self._taken += Counter()
            self._count_everywhere(tenant, -1)
            _changed.notify_all()

    def _is_free(self, tenant: UUID) -> bool:
        count = self._count()
        return (
            self._has_thread(tenant)
            and self._taken.total() < count
            and self._taken[tenant] < self._each(count)
        )

    def _has_thread(self, tenant: UUID) -> bool:
        most = most_together()
        return self._inside or (_everywhere.total() < most and _everywhere[tenant] < max(1, most - 1))

    def _count_everywhere(self, tenant: UUID, change: int) -> None:
        if self._inside:
            return
        _everywhere[tenant] += change
        if not _everywhere[tenant]:
            del _everywhere[tenant]

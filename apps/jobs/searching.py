"""Waiting for jobs of a queue: looking when something was woken, and thoroughly now and then."""

from __future__ import annotations

import math
import time

from django.db import connection

from apps.core import clock
from apps.core.clock import NOW_SQL
from apps.jobs.expiring import in_time
from apps.jobs.hearing import PAUSE, Ear
from apps.jobs.sweeping import relieve
from apps.jobs.turns import Lease, Wish, claim_from
from apps.tenancy.walls import outside

#: Seconds between two thorough looks of whoever waits.
THOROUGH = 2.0
#: How often one claim meets jobs whose time is over before it answers without them.
_ROUNDS = 10
#: In how many seconds a claim from one queue may find something; null while all of it sleeps. It locks and writes
#: nothing.
_OPENS = f"""
select min(greatest(extract(epoch from greatest(l.blocked_until, s.blocked_until) - {NOW_SQL}), 0))::float
from public.jobs_lane l join public.jobs_share s using (schema_name, queue)
where l.schema_name = %(schema)s and l.queue = %(queue)s and l.active and not l.paused and s.active
  and (%(share)s::uuid is null or s.share = %(share)s)
"""  # noqa: S608 - made of constants


class Search:
    """What whoever waits for jobs calls again and again: it claims, or sees with one light statement that it need not.

    Every two seconds it looks thoroughly, in case that nobody woke what is there, or swept.
    """

    def __init__(self, wish: Wish, limit: int, ear: Ear) -> None:
        self._wish, self._limit, self._ear = wish, limit, ear
        self._thorough = 0.0

    def __call__(self) -> list[Lease]:
        """Jobs, or none this time."""
        now = time.monotonic()
        due = now >= self._thorough
        if not due and opens_in(self._wish) > 0:
            return []
        self._thorough = now + THOROUGH
        found = self._claim()
        if found or not due or not relieve(self._wish.schema_name, self._wish.queue):
            return found
        return self._claim()

    def _claim(self) -> list[Lease]:
        """Claim, and once more for those whose time is over; some rounds, so that no call takes seconds."""
        found: list[Lease] = []
        for _ in range(_ROUNDS):
            claimed = claim_from(self._wish, self._limit - len(found))
            standing = in_time(claimed)
            found += standing
            if len(standing) == len(claimed):
                break
        return found

    def rest(self, seconds: float) -> None:
        """Wait until it is time to look again, for so many seconds at most."""
        # Asked first: what is woken after the look at the lane is told.
        if not self._ear.listens():
            self._ear.rest(min(seconds, PAUSE))
            return
        thorough = self._thorough - time.monotonic()
        self._ear.rest(min(seconds, max(PAUSE, min(opens_in(self._wish), thorough))))


def opens_in(wish: Wish) -> float:
    """In how many seconds a claim may find something, so far as is known: 0 for now, infinity while all sleeps."""
    asked = {"schema": wish.schema_name, "queue": wish.queue, "share": wish.share, "now": clock.held()}
    with outside(), connection.cursor() as cursor:
        cursor.execute(_OPENS, asked)
        found: float | None = cursor.fetchone()[0]
    return math.inf if found is None else found

"""How often a credential may call: GCRA, one statement a call, shared by every worker through the registry.

A limit of `6000/60` lets calls through at 100 a second on average. Unused calls add up to a burst: a tenth of the quota
and at least 50, but never more than the quota itself. One number is kept for each caller, the time at which its next
call would arrive if it kept to the average; the table is unlogged, so a crash of the database starts everybody afresh.
The clock is the database's. Header syntax: draft-ietf-httpapi-ratelimit-headers.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from apps.core.problems import RateLimited
from apps.tenancy.walls import registry

_LEAST_BURST = 50
_TAKE = """
insert into public.tenancy_ratecounter as counter (key, arrives_at)
values (%(key)s, clock_timestamp() + %(step)s * interval '1 second')
on conflict (key) do update
set arrives_at = greatest(counter.arrives_at, clock_timestamp()) + %(step)s * interval '1 second'
where counter.arrives_at <= clock_timestamp() + %(ahead)s * interval '1 second'
returning extract(epoch from arrives_at - clock_timestamp())::float8
"""
_WAIT = """
select extract(epoch from arrives_at - clock_timestamp())::float8 from public.tenancy_ratecounter where key = %s
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """`quota` calls in `seconds`, under the name that the headers show."""

    name: str
    quota: int
    seconds: int

    @property
    def step(self) -> float:
        """Seconds from one call to the next at the average rate."""
        return self.seconds / self.quota

    @property
    def burst(self) -> int:
        """How many calls may come at once after a pause."""
        return min(self.quota, max(self.quota // 10, _LEAST_BURST))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a caller stands: how many calls may come now, and in how many seconds the whole burst is there again."""

    limit: Limit
    remaining: int
    full_in: float

    @property
    def headers(self) -> dict[str, str]:
        """The two RateLimit headers."""
        name, limit = f'"{self.limit.name}"', self.limit
        return {
            "RateLimit-Policy": f"{name};q={limit.quota};w={limit.seconds}",
            "RateLimit": f"{name};r={self.remaining};t={math.ceil(self.full_in)}",
        }


@lru_cache(maxsize=64)
def read_limit(name: str, text: str) -> Limit:
    """The limit that `text` ("6000/60": quota/seconds) says. Raises ImproperlyConfigured."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,5})", text)
    if found is None:
        raise ImproperlyConfigured(
            f"A rate limit is written quota/seconds, such as 6000/60, and not '{text[:40]}'."
        )
    return Limit(name, int(found[1]), int(found[2]))


def take(limit: Limit, caller: str) -> Standing:
    """Count one call of `caller` (at most 100 characters). Raises RateLimited, with headers, when it is one too many.

    One statement as the bare login role; the connection must stand outside of every tenant.
    """
    key = f"{limit.name}:{caller}"
    # The tenth of a step forgives what is lost where the clock is read twice.
    ahead = (limit.burst - 1 + 0.1) * limit.step
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"key": key, "step": limit.step, "ahead": ahead})
        row = cursor.fetchone()
    if row is None:
        raise _refusal(limit, key)
    return Standing(limit, max(0, int(limit.burst - row[0] / limit.step + 0.01)), max(0.0, row[0]))


def for_credential() -> Limit:
    """The limit of one credential (setting PACKMULE_RATE_LIMIT)."""
    return read_limit("credential", settings.PACKMULE_RATE_LIMIT)


def for_failures() -> Limit:
    """The limit of failed authentications from one address (setting PACKMULE_FAILURE_LIMIT), which is far stricter."""
    return read_limit("failures", settings.PACKMULE_FAILURE_LIMIT)


def forget_idle() -> int:
    """Drop the counters of callers that stand as if they had never called; returns how many. For maintenance."""
    with registry(), connection.cursor() as cursor:
        cursor.execute(
            "delete from public.tenancy_ratecounter where arrives_at < clock_timestamp() - interval '1 hour'"
        )
        return int(cursor.rowcount)


def _refusal(limit: Limit, key: str) -> RateLimited:
    with connection.cursor() as cursor:
        cursor.execute(_WAIT, [key])
        row = cursor.fetchone()
    full_in = max(0.0, row[0]) if row else 0.0
    wait = max(0.0, full_in - (limit.burst - 1) * limit.step)
    return RateLimited(
        f"More than {limit.quota} calls in {limit.seconds} s, or more than {limit.burst} at once. "
        f"The next one may come in {max(1, math.ceil(wait))} s.",
        headers=Standing(limit, 0, full_in).headers,
        retry_after=wait,
    )

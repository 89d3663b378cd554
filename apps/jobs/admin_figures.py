"""What the pages about jobs ask the tenant's tables: where jobs stand by queue, what failed and why, what it took.

Every question is one statement behind the wall of whoever looks. Each looks at no more rows than it says, by an index,
so that a page opens whether there are a hundred jobs or a million.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.core import clock
from apps.jobs.models import Job, Step
from apps.jobs.states import ENDED, JobState

#: Jobs of one state in one queue that are counted; more are said to be more.
MOST_COUNTED: Final = 10_000
#: Jobs that ended, the newest, out of which durations are made.
MOST_MEASURED: Final = 100_000
#: The platform's own queues are left out, as they are in lists.
_SYSTEM = "packmule.%"
_MOST_QUEUES, _MOST_FAILED, _MOST_RETRIED, _MOST_GROUPS = 200, 20_000, 1000, 20
_MOST_STEPS = 500
_DAY = timedelta(days=1)
UNFINISHED: Final = [state.value for state in JobState if state not in ENDED]
_LATER = (JobState.SCHEDULED, JobState.RETRY_WAIT)

#: The names of queues without reading every job: from one to the next by the index of queues.
_NAMES = """
with recursive step(queue, nth) as (
    (select queue, 1 from jobs_job order by queue limit 1)
    union all
    select (select j.queue from jobs_job j where j.queue > s.queue order by j.queue limit 1), s.nth + 1
    from step s where s.queue is not null and s.nth < %(queues)s
), names as (
    select queue from step where queue is not null and queue not like %(system)s
)
"""
_STANDING = f"""{_NAMES}
select n.queue, s.state, found.jobs, found.due, found.since, found.due_since
from names n cross join unnest(%(states)s::text[]) s(state) cross join lateral (
    select count(*) as jobs, count(*) filter (where run_at <= %(now)s) as due,
        min(greatest(created_at, run_at)) as since, min(run_at) filter (where run_at <= %(now)s) as due_since
    from (select j.created_at, j.run_at from jobs_job j
          where j.queue = n.queue and j.state = s.state order by j.id limit %(most)s) looked
) found
where found.jobs > 0
"""  # noqa: S608 - made of constants
_WAITING = f"""{_NAMES}
select w.id from names n cross join lateral (
    select j.id from jobs_job j
    where j.queue = n.queue and j.state = 'waiting' and j.created_at < %(before)s
    order by j.id limit %(most)s
) w order by w.id limit %(most)s
"""  # noqa: S608 - made of constants
_FAILURES = f"""{_NAMES}, ended as (
    select id, kind, state, error, finished_at as at from jobs_job
    where finished_at > %(since)s and state in ('dead', 'expired') and not system
    order by finished_at desc limit %(failed)s
), retried as (
    select r.id, r.kind, r.state, r.error, coalesce(a.at, r.created_at) as at from names n cross join lateral (
        select j.id, j.kind, j.state, j.error, j.created_at from jobs_job j
        where j.queue = n.queue and j.state = 'retry_wait' order by j.id desc limit %(retried)s
    ) r cross join lateral (select max(ended_at) as at from jobs_attempt where job_id = r.id) a
), failed as (
    select *, coalesce(error->>'type', '') as type from (select * from ended union all select * from retried) both_
)
select kind, type, count(*) filter (where state = 'dead'), count(*) filter (where state = 'expired'),
    count(*) filter (where state = 'retry_wait'), max(at), (array_agg(id order by at desc))[1],
    (array_agg(left(error->>'message', 400) order by at desc))[1]
from failed group by kind, type order by max(at) desc limit %(groups)s
"""  # noqa: S608 - made of constants
_DONE = """
with done as (
    select kind, state, attempt, created_at, started_at, finished_at,
        floor(extract(epoch from %(now)s - finished_at) / 3600)::int as hour
    from jobs_job where finished_at > %(since)s and not system order by finished_at desc limit %(most)s
)
select kind, hour, count(*), count(*) filter (where state = 'succeeded'),
    count(*) filter (where state in ('dead', 'expired')),
    count(*) filter (where state = 'succeeded' and attempt > 1),
    percentile_cont(array[0.5, 0.95]) within group (order by extract(epoch from finished_at - started_at))
        filter (where state = 'succeeded' and started_at is not null),
    min(finished_at)
from done group by grouping sets ((kind), (hour))
"""


@dataclass(slots=True)
class Standing:
    """The unfinished jobs of one queue: how many in which state, up to MOST_COUNTED + 1; since when one is ready."""

    queue: str
    jobs: dict[str, int] = field(default_factory=dict)
    ready_since: datetime | None = None

    def count(self, *states: str) -> int:
        """How many are in one of `states`."""
        return sum(self.jobs.get(state, 0) for state in states)

    def add(self, state: str, jobs: int, due: int, since: datetime, due_since: datetime | None) -> None:
        """Count what stands in `state`; what waited for a time that has come is ready."""
        if state not in _LATER:
            self.jobs[state] = self.jobs.get(state, 0) + jobs
            self._ready(since if state == JobState.READY else None)
            return
        self.jobs[state] = jobs - due
        self.jobs[JobState.READY] = self.jobs.get(JobState.READY, 0) + due
        self._ready(due_since)

    def _ready(self, since: datetime | None) -> None:
        self.ready_since = min(filter(None, (self.ready_since, since)), default=None)


@dataclass(frozen=True, slots=True)
class Failure:
    """Jobs of one kind that fail with one type of error: how many are over, and how many are tried again."""

    kind: str
    type: str
    dead: int
    expired: int
    retried: int
    last_at: datetime
    sample: UUID
    message: str | None


@dataclass(frozen=True, slots=True)
class Done:
    """Jobs of one kind, or of one hour, that ended; `seconds` are median and 95th percentile of the successful ones."""

    jobs: int
    succeeded: int
    failed: int
    after_retries: int
    seconds: tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Day:
    """What ended in the last 24 hours: by kind, the most frequent first, and by how many hours ago.

    `since` is set where more ended than are looked at: nothing before it is counted.
    """

    kinds: Mapping[str, Done]
    hours: Mapping[int, Done]
    since: datetime | None

    @property
    def jobs(self) -> int:
        """How many ended."""
        return sum(one.jobs for one in self.hours.values())

    @property
    def succeeded(self) -> int:
        """How many of them succeeded."""
        return sum(one.succeeded for one in self.hours.values())

    @property
    def failed(self) -> int:
        """How many are dead or expired."""
        return sum(one.failed for one in self.hours.values())


def standing() -> dict[str, Standing]:
    """Where the unfinished jobs stand, by queue."""
    asked = _named(states=UNFINISHED, now=clock.now(), most=MOST_COUNTED + 1)
    found: dict[str, Standing] = {}
    for queue, *figures in _rows(_STANDING, asked):
        found.setdefault(queue, Standing(queue)).add(*figures)
    return found


def names() -> list[str]:
    """The names of the queues in which there are jobs."""
    return [row[0] for row in _rows(f"{_NAMES} select queue from names order by queue", _named())]  # noqa: S608


def waiting_since_before(before: datetime, most: int) -> list[Job]:
    """Jobs that were enqueued before that time and wait for something else, the oldest first."""
    ids = [row[0] for row in _rows(_WAITING, _named(before=before, most=most))]
    return list(Job.objects.filter(pk__in=ids).defer("payload", "result").order_by("id"))


def open_steps(jobs: Iterable[UUID]) -> dict[UUID, list[Step]]:
    """What each of `jobs` waits for, the oldest first."""
    by_job: dict[UUID, list[Step]] = {}
    waited = Step.objects.filter(job__in=jobs, done_at__isnull=True).defer("result").order_by("id")
    for step in waited[:_MOST_STEPS]:
        by_job.setdefault(step.job_id, []).append(step)
    return by_job


def failures() -> list[Failure]:
    """What failed in the last 24 hours and what is failing now, by kind and type of error, the newest first."""
    asked = _named(since=yesterday(), failed=_MOST_FAILED, retried=_MOST_RETRIED, groups=_MOST_GROUPS)
    return [Failure(*row) for row in _rows(_FAILURES, asked)]


def day() -> Day:
    """What ended in the last 24 hours."""
    asked = {"since": yesterday(), "now": clock.now(), "most": MOST_MEASURED}
    kinds: dict[str, Done] = {}
    hours: dict[int, Done] = {}
    first = None
    for kind, hour, ended, good, bad, again, seconds, least in _rows(_DONE, asked):
        median, slow = seconds or (None, None)
        done = Done(ended, good, bad, again, (median, slow))
        if kind is None:
            hours[max(hour, 0)], first = done, min(filter(None, (first, least)))
        else:
            kinds[kind] = done
    busiest = sorted(kinds.items(), key=lambda one: (-one[1].jobs, one[0]))[:_MOST_GROUPS]
    total = sum(one.jobs for one in hours.values())
    return Day(dict(busiest), hours, first if total >= MOST_MEASURED else None)


def failed_since_yesterday() -> int:
    """How many jobs died or expired in the last 24 hours, up to MOST_COUNTED + 1."""
    over = Job.objects.of_the_product().filter(state__in=(JobState.DEAD, JobState.EXPIRED))
    return over.filter(finished_at__gt=yesterday())[: MOST_COUNTED + 1].count()


def yesterday() -> datetime:
    """24 hours ago: what the pages mean by today."""
    return clock.now() - _DAY


def _named(**more: Any) -> dict[str, Any]:
    return {"queues": _MOST_QUEUES, "system": _SYSTEM, **more}


def _rows(statement: str, asked: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, asked)
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
    return rows

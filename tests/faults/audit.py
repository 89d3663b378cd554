"""What the rows say afterwards: of every job one end, of every attempt one number, and nothing left over."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import class_row

from apps.core.ids import decode, encode

ENDS = ("succeeded", "dead", "cancelled", "expired")
_TERMINAL = tuple(f"job.{end}" for end in ENDS)
#: Notes every change to a job that was over, as nothing of the product's does.
_WATCH = """
create table if not exists public.faults_rewritten (id uuid, before jsonb, after jsonb);
create or replace function public.faults_rewritten() returns trigger language plpgsql security definer as $$
begin
    insert into public.faults_rewritten values (old.id, to_jsonb(old), to_jsonb(new));
    return new;
end $$;
"""
_TRIGGER = """
create trigger faults_rewritten after update on {schema}.jobs_job for each row
when (old.finished_at is not null) execute function public.faults_rewritten()
"""
_JOBS = """
select j.id, j.kind, j.queue, j.state, j.attempt, j.result, j.finished_at, j.system, j.priority,
    coalesce(j.max_attempts, q.max_attempts, 5) as most
from {schema}.jobs_job j left join {schema}.jobs_queue q on q.name = j.queue
"""
_ATTEMPTS = """
select job_id, number, state, worker, started_at, ended_at from {schema}.jobs_attempt order by started_at, id
"""
_EVENTS = "select subject, type, count(*) from {schema}.events_event where type like 'job.%' group by 1, 2"
_LEFT = """
select schema_name, queue, state, min(leased_until) - now(), min(run_at) - now(), count(*)
from public.jobs_dispatch group by 1, 2, 3
"""
#: Rows that could be claimed where nobody would ask: the lane or the share sleeps.
_ASLEEP = """
select d.schema_name, d.queue, count(*) from public.jobs_dispatch d
where d.state = 'ready' and not exists (
    select from public.jobs_lane l join public.jobs_share s using (schema_name, queue)
    where l.schema_name = d.schema_name and l.queue = d.queue and s.share = d.share and l.active and s.active)
group by 1, 2
"""


@dataclass(frozen=True)
class JobRow:
    """A job as it is kept."""

    id: Any
    kind: str
    queue: str
    state: str
    attempt: int
    result: Any
    finished_at: datetime | None
    system: bool
    priority: int
    most: int

    @property
    def shown(self) -> str:
        """Its id as it is shown."""
        return encode("job", self.id)


@dataclass(frozen=True)
class AttemptRow:
    """An attempt as it is kept."""

    job_id: Any
    number: int
    state: str
    worker: str
    started_at: datetime
    ended_at: datetime | None


class Audit:
    """Reads the rows of an installation as the owner of its database."""

    def __init__(self, owner_url: str) -> None:
        self.url = owner_url

    def rows(self, statement: str, **names: str) -> list[Any]:
        """What a statement finds; `names` are put into it."""
        with self._connected() as connection:
            return connection.execute(_put(statement, names)).fetchall()

    def execute(self, statement: str, **names: str) -> None:
        """Have statements done that find nothing; `names` are put into them."""
        with self._connected() as connection:
            connection.execute(_put(statement, names))

    def _connected(self) -> psycopg.Connection[Any]:
        """A connection, as soon as a server that was killed is there again."""
        limit = time.monotonic() + 60
        while True:
            try:
                return psycopg.connect(self.url, autocommit=True)
            except psycopg.OperationalError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.2)

    def schemas(self) -> list[str]:
        """Those of the product's tenants."""
        found = self.rows("select schema_name from public.tenancy_tenant where name like '%/development'")
        return [row[0] for row in found]

    def watch(self) -> None:
        """From now on, remember whatever changes a job that is over."""
        self.execute(_WATCH)
        for schema in self.schemas():
            self.execute(_TRIGGER, schema=schema)

    def jobs(self) -> list[JobRow]:
        """All jobs of the product's tenants."""
        return [row for schema in self.schemas() for row in self._of(JobRow, _JOBS, schema)]

    def attempts(self) -> dict[Any, list[AttemptRow]]:
        """Their attempts, in order."""
        found: defaultdict[Any, list[AttemptRow]] = defaultdict(list)
        for schema in self.schemas():
            for row in self._of(AttemptRow, _ATTEMPTS, schema):
                found[row.job_id].append(row)
        return found

    def _of(self, kind: type[Any], statement: str, schema: str) -> list[Any]:
        with self._connected() as connection, connection.cursor(row_factory=class_row(kind)) as cursor:
            return cursor.execute(_put(statement, {"schema": schema})).fetchall()

    def unfinished(self) -> int:
        """How many dispatch rows there are."""
        return int(self.rows("select count(*) from public.jobs_dispatch")[0][0])

    def await_end(self, ids: Collection[str], seconds: float) -> None:
        """Wait until all of `ids` have ended; fails where none of them did for so many seconds."""
        wanted = {decode(one, "job") for one in ids}
        left, since = wanted, time.monotonic()
        while left:
            if time.monotonic() - since > seconds:
                rows = [row for row in self.jobs() if row.id in left][:5]
                pytest.fail(f"{len(left)} of {len(wanted)} jobs are not over: {rows} {self.rows(_LEFT)}")
            time.sleep(0.5)
            before, left = left, self._left(wanted)
            if len(left) < len(before):
                since = time.monotonic()

    def _left(self, wanted: set[Any]) -> set[Any]:
        over = "select id from {schema}.jobs_job where finished_at is not null"
        ended = {row[0] for schema in self.schemas() for row in self.rows(over, schema=schema)}
        return wanted - ended

    def check(self, ids: Iterable[str]) -> Counter[str]:
        """Everything that holds of jobs that have ended, of which `ids` were acknowledged. Returns how they ended."""
        jobs, attempts = self.jobs(), self.attempts()
        there = {job.shown for job in jobs}
        assert [one for one in ids if one not in there] == [], "acknowledged, and gone"
        assert [job for job in jobs if job.state not in ENDS or job.finished_at is None] == []
        for job in jobs:
            check_attempts(job, attempts[job.id])
        self._check_events(jobs, attempts)
        rewritten = self.rows("select * from public.faults_rewritten")
        assert rewritten == [], "written again after the end"
        return Counter(job.state for job in jobs)

    def _check_events(self, jobs: list[JobRow], attempts: dict[Any, list[AttemptRow]]) -> None:
        told: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for schema in self.schemas():
            for subject, kind, count in self.rows(_EVENTS, schema=schema):
                told[subject][kind] += count
        for job in jobs:
            if job.system:
                assert job.shown not in told
                continue
            ends = {kind: count for kind, count in told[job.shown].items() if kind in _TERMINAL}
            assert ends == {f"job.{job.state}": 1}, f"{job} was told as {told[job.shown]}"
            again = sum(one.state in ("failed", "lost") for one in counted(attempts[job.id]))
            assert told[job.shown]["job.failed"] == again - (job.state == "dead"), (job, attempts[job.id])

    def asleep(self) -> list[Any]:
        """Queues in which something could be claimed and nobody would ask."""
        return self.rows(_ASLEEP)


def counted(attempts: Iterable[AttemptRow]) -> list[AttemptRow]:
    """Those that count: not what a worker gave back unbegun."""
    return [one for one in attempts if one.state != "waits"]


def check_attempts(job: JobRow, attempts: list[AttemptRow]) -> None:
    """The attempts of a job that ended: 1 to n, all over, the last one of them as the job ended."""
    tried = counted(attempts)
    assert [one.number for one in tried] == list(range(1, job.attempt + 1)), (job, attempts)
    assert job.attempt <= job.most, job
    assert all(one.ended_at is not None for one in attempts), (job, attempts)
    assert all(one.state in ("failed", "lost") for one in tried[:-1]), (job, attempts)
    if job.state == "succeeded":
        assert tried[-1].state == "succeeded", (job, attempts)
        assert job.result["attempt"] == job.attempt, "the result of another attempt"
    elif job.state == "dead":
        assert tried[-1].state in ("failed", "lost"), (job, attempts)
    elif tried:
        assert tried[-1].state in ("cancelled", "failed", "lost"), (job, attempts)


def _put(statement: str, names: dict[str, str]) -> sql.Composed:
    return sql.SQL(statement).format(**{name: sql.Identifier(value) for name, value in names.items()})

"""What the tests of schedules have in common: making one, and a worker that does what is due on the held clock."""

from __future__ import annotations

from typing import Any

from apps.jobs import sweeping
from apps.jobs.inside import performing
from apps.jobs.models import Job
from apps.jobs.settling import settle
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import Space


def schedule(me: Api, **said: Any) -> Answer:
    """A schedule that was made: every night at half past two in Berlin, unless `said`."""
    body = {"name": "nightly", "queue": "reports", "kind": "report.make", "payload": {"days": 1}, **said}
    if not {"cron", "every_seconds", "at"} & said.keys():
        body |= {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}
    made = me.post("/v1/schedules", body)
    assert made.status == 201, made.body
    return made


def work() -> list[Any]:
    """Do all jobs of the platform that are due now, as its worker does; what came of each."""
    came = []
    sweeping.ripen()
    sweeping.repair()
    for _ in range(20):
        taken, there = performing.take(10, "worker")
        for held in taken:
            outcome = performing.perform(held)
            assert outcome is not None
            with enter(held.tenant):
                settle(None, [outcome])
            came.append(outcome.error or outcome.result)
        if not there:
            return came
    raise AssertionError("There is always more to do.")


def jobs_of(me: Api, made: Answer) -> list[Any]:
    """The product's jobs that a schedule enqueued, the first one first."""
    return list(reversed(me.get(f"/v1/jobs?schedule={made['id']}&limit=200")["data"]))


def firings(me: Api, made: Answer, limit: int = 10) -> Answer:
    """Those that come and those that were."""
    answer = me.get(f"/v1/schedules/{made['id']}/firings?limit={limit}")
    assert answer.status == 200, answer.body
    return answer


def pending(space: Space) -> int:
    """How many firings wait."""
    with enter(space.ref):
        return Job.objects.unfinished().filter(kind="schedules.fire").count()

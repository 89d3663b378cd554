"""Whatever two workers and an owner do, in whatever order, and however late: what is promised of jobs holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.core import clock
from apps.core.ids import encode
from apps.jobs import sweeping
from apps.jobs.models import Job, Step
from apps.jobs.registry import Dispatch
from apps.jobs.states import ENDED, HELD, JobState, StepKind
from apps.jobs.tests.workers import Held, claim, describe
from apps.tenancy.walls import enter, outside
from tests.client import Answer, Api
from tests.world import World

MOST, ATTEMPTS, LEASE = 2, 2, 10


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do what comes after the commit at once: a test's transaction has none."""
    monkeypatch.setattr("django.db.transaction.on_commit", lambda work, **_: work())


class Machine(RuleBasedStateMachine):
    """One queue, in which two run at a time, with leases of ten seconds."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.undo = transaction.atomic()
        self.undo.__enter__()
        self.still = clock.frozen(clock.now())
        self.time = self.still.__enter__()
        self.me = Api(self.world.acorn.root_key)
        describe(self.me, lease_seconds=LEASE, max_in_flight=MOST, max_attempts=ATTEMPTS)
        self.jobs: list[str] = []
        self.held: list[Held] = []
        self.newest: dict[str, str] = {}
        self.over: dict[str, str] = {}

    def teardown(self) -> None:
        self.still.__exit__(None, None, None)
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)

    @rule(data=st.data(), key=st.sampled_from(["", "", "k"]), seconds=st.sampled_from([0, 0, 20]))
    def enqueue(self, data: Any, key: str, seconds: int) -> None:
        said: dict[str, Any] = {
            "queue": "menus",
            "kind": "x",
            "concurrency_key": key,
            "delay_seconds": seconds,
        }
        said["retry"] = {"initial_seconds": 1, "jitter": 0}
        if self.jobs and data.draw(st.booleans()):
            said["after"] = [data.draw(st.sampled_from(self.jobs))]
        if data.draw(st.integers(0, 4)) == 0:
            said["deadline_at"] = (clock.now() + timedelta(seconds=25)).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = self.me.post("/v1/jobs", said)
        assert answer.status in (201, 404), answer.body
        if answer.status == 201:
            self.jobs.append(answer["id"])

    @rule(limit=st.integers(1, 3), worker=st.sampled_from(["one", "other"]))
    def claim(self, limit: int, worker: str) -> None:
        for held in claim(self.me, limit=limit, worker=worker):
            assert held.job["state"] == "running"
            self.held.append(held)
            self.newest[held.id] = held.token

    @precondition(lambda self: self.held)
    @rule(data=st.data(), verb=st.sampled_from(["beat", "complete", "fail", "give up", "nap", "step"]))
    def say(self, data: st.DataObject, verb: str) -> None:
        held = data.draw(st.sampled_from(self.held))
        answer = self.said(held, verb)
        assert answer.status == 200 or answer.code in ("lease_lost", "step_taken"), answer.body
        if answer.status == 200:
            assert held.token == self.newest[held.id], "an old token was taken"
            if verb not in ("beat", "step") and answer.body.get("waiting") is not False:
                self.newest[held.id] = "none: the attempt is over"

    def said(self, held: Held, verb: str) -> Answer:
        ways: dict[str, Callable[[], Answer]] = {
            "beat": held.beat,
            "complete": held.complete,
            "fail": held.fail,
            "give up": lambda: held.fail(retryable=False),
            "nap": lambda: held.wait("nap", seconds=15),
            "step": lambda: held.step("note"),
        }
        return ways[verb]()

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        assert self.me.post(f"/v1/jobs/{data.draw(st.sampled_from(self.jobs))}/cancel").status == 200

    @precondition(lambda self: self.over)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.over)))
        answer = self.me.post(f"/v1/jobs/{job}/retry")
        assert answer.status == (409 if self.over[job] == "succeeded" else 200)
        if answer.status == 200:
            del self.over[job]

    @rule(seconds=st.sampled_from([1, 4, LEASE + 1, 30]))
    def time_passes(self, seconds: int) -> None:
        self.time.move(timedelta(seconds=seconds))
        sweeping.sweep()
        sweeping.repair()

    @invariant()
    def everything_fits(self) -> None:
        with enter(self.world.acorn.ref):
            jobs = {encode("job", job.pk): job for job in Job.objects.filter(queue="menus")}
            waits = Step.objects.filter(kind=StepKind.JOB, done_at__isnull=True, job__in=jobs.values())
            waiting = {encode("job", pk) for pk in waits.values_list("job_id", flat=True)}
        with outside():
            known = Dispatch.objects.filter(queue="menus", schema_name=self.world.acorn.ref.schema_name)
            rows = {encode("job", row.pk): row for row in known}
        assert set(rows) <= set(jobs)
        leased = {job for job, row in rows.items() if row.state == "leased"}
        assert len(leased) <= MOST
        assert len([job for job in leased if rows[job].concurrency_key == "k"]) <= 1
        assert leased == {name for name, job in jobs.items() if job.state in HELD}
        for name, job in jobs.items():
            self.fits(name, job, rows.get(name), name in waiting)

    def fits(self, name: str, job: Job, row: Dispatch | None, waits: bool) -> None:
        assert job.attempt <= ATTEMPTS
        assert (job.finished_at is not None) == (job.state in ENDED)
        if job.state in ENDED:
            assert row is None
            assert self.over.setdefault(name, str(job.state)) == job.state, "it ended twice"
            return
        assert name not in self.over
        assert row is not None or (job.state == JobState.WAITING and waits)
        if row is not None and job.state in HELD:
            assert row.token == job.lease_token


@pytest.mark.slow
def test_what_is_promised_holds_whatever_happens(world: World) -> None:
    machine = type("MachineHere", (Machine,), {"world": world})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

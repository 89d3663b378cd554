"""Streams of jobs: every change that a reader wants to see is another mark, and the end is none. And `jobs watch`."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.ids import encode, uuid7
from apps.jobs import watching
from apps.jobs.streaming import Jobs
from apps.jobs.tests.workers import clockwork, later, make, state, take
from apps.tenancy.streaming import tickets
from apps.tenancy.streaming.sources import Subject
from apps.tenancy.walls import outside
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import Space, World


@pytest.fixture
def me(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


class Watched:
    """A job as the streaming process sees it; `changed` says whether a look finds another mark than the last one."""

    def __init__(self, space: Space, job: str) -> None:
        self.source, self.subject = Jobs(), Subject(space.ref, None, job)
        self.mark = self.look()

    def look(self) -> Any:
        with outside():
            return self.source.look([self.subject]).get(self.subject)

    def changed(self) -> bool:
        before, self.mark = self.mark, self.look()
        return bool(before != self.mark)


def test_every_change_of_a_job_is_seen_and_nothing_else(world: World, me: Api) -> None:
    with clockwork() as now:
        job = make(me, delay_seconds=5)
        watched = Watched(world.acorn, job)
        assert watched.mark is not None
        assert not watched.changed()
        later(now, 6)
        assert watched.changed(), "it is ready"
        held = take(me)
        assert watched.changed(), "it runs"
        assert watched.changed(), "a claim commits before its attempt begins, so that is told twice"
        assert not watched.changed()
        later(now, 1)
        held.beat(progress=0.5)
        assert watched.changed(), "how far it is"
        later(now, 1)
        held.fail()
        assert watched.changed(), "it waits for another attempt"
        later(now, 120)
        assert watched.changed(), "it is ready again"
        held = take(me)
        assert (watched.changed(), watched.changed(), watched.changed()) == (True, True, False)
        later(now, 1)
        held.wait("sleep", seconds=60)
        assert watched.changed(), "it sleeps"
        later(now, 61)
        assert watched.changed(), "it slept"
        held = take(me)
        assert (watched.changed(), watched.changed(), watched.changed()) == (True, True, False)
        later(now, 1)
        me.post(f"/v1/jobs/{job}/cancel")
        assert state(me, job) == "cancelling"
        assert watched.changed(), "it is being cancelled"
        held.complete()
        assert watched.changed()
        assert watched.mark is None, "it is over"


@pytest.mark.parametrize("how", ["complete", "fail", "cancel", "lost"])
def test_each_end_is_an_end(world: World, me: Api, how: str) -> None:
    with clockwork() as now:
        job = make(me, max_attempts=1)
        watched = Watched(world.acorn, job)
        if how == "cancel":
            me.post(f"/v1/jobs/{job}/cancel")
        else:
            held = take(me, lease_seconds=5)
            later(now, 6 if how == "lost" else 0)
            if how != "lost":
                held.complete() if how == "complete" else held.fail()
        assert state(me, job) in ("succeeded", "dead", "cancelled")
        assert watched.changed()
        assert watched.mark is None


def test_a_job_that_waits_for_another_is_not_over(world: World, me: Api) -> None:
    first = make(me)
    watched = Watched(world.acorn, make(me, after=[first]))
    assert watched.mark is not None
    assert not watched.changed()
    take(me).complete()
    assert watched.changed(), "it is ready"
    assert watched.mark is not None
    take(me).complete()
    assert watched.changed()
    assert watched.mark is None


def test_one_that_is_dead_with_the_job_that_it_waited_for_is_over(world: World, me: Api) -> None:
    first = make(me)
    watched = Watched(world.acorn, make(me, after=[first]))
    me.post(f"/v1/jobs/{first}/cancel")
    assert watched.changed()
    assert watched.mark is None


def test_a_job_of_another_tenant_is_none(world: World, me: Api) -> None:
    assert Watched(world.birch, make(me)).mark is None


def test_any_number_of_jobs_is_one_query(world: World, me: Api) -> None:
    jobs = [Subject(world.acorn.ref, None, make(me)) for _ in range(3)]
    with outside():
        Jobs().look(jobs)
        with CaptureQueriesContext(connection) as queries:
            marks = Jobs().look(jobs)
    assert set(marks) == set(jobs)
    assert len(queries) == 1


def test_a_ticket_is_for_who_may_read_the_job(world: World, me: Api, settings: Any) -> None:
    settings.PACKMULE_STREAM_URL = "https://streams.example.test"
    job = make(me)
    answer = me.post(f"/v1/jobs/{job}/stream")
    assert answer.status == 201
    base, _, token = answer["url"].rpartition("/streams/")
    assert base == "https://streams.example.test"
    ticket = tickets.read(token)
    assert (ticket.topic, ticket.subject, ticket.tenant_id) == ("job", job, world.acorn.ref.id)
    stranger = me.using(world.birch.root_key)
    check_refusal(stranger.post(f"/v1/jobs/{job}/stream"), 404, "not_found")
    south = me.using(world.acorn.parties["south"].agent_key)
    check_refusal(south.post(f"/v1/jobs/{job}/stream"), 404, "not_found")


def test_watching_says_what_is_new_and_ends_with_the_job() -> None:
    def job(**said: Any) -> dict[str, Any]:
        nothing = {"state": "running", "attempt": 1, "progress": None, "message": "", "error": None}
        return {**nothing, **said}

    error = {"type": "Burnt", "message": "too hot"}
    jobs = [
        job(state="ready", attempt=0),
        job(),
        job(),
        job(progress=0.5, message="half"),
        job(state="dead", error=error, progress=0.5, message="half"),
    ]
    said: list[str] = []
    assert watching.watch(iter(jobs).__next__, said.append, pause=0) == jobs[-1]
    end = "dead attempt 1 0.5 half (Burnt: too hot)"
    assert said == ["ready", "running attempt 1", "running attempt 1 0.5 half", end]


def test_watching_ends_when_somebody_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("apps.jobs.watching.time.sleep", interrupted)
    job = {"state": "ready", "attempt": 0, "progress": None, "message": "", "error": None}
    assert watching.watch(lambda: job, lambda _line: None) == job


@pytest.mark.parametrize("ends", ["succeeded", "dead"])
def test_the_command_exits_with_how_the_job_ended(world: World, me: Api, settings: Any, ends: str) -> None:
    settings.PACKMULE_KEY = world.acorn.root_key
    job = make(me, max_attempts=1)
    held = take(me)
    held.complete({"dishes": 7}) if ends == "succeeded" else held.fail()
    out, err = StringIO(), StringIO()
    code = 0
    try:
        call_command("jobs", "watch", job, "--json", stdout=out, stderr=err)
    except CommandError as ended:
        code = ended.returncode
    assert code == (0 if ends == "succeeded" else 1)
    assert json.loads(out.getvalue())["state"] == ends
    assert ends in err.getvalue()


def test_the_command_says_when_there_is_no_such_job(world: World, settings: Any) -> None:
    settings.PACKMULE_KEY = world.acorn.root_key
    for named in (encode("job", uuid7()), "../whoami"):
        with pytest.raises(CommandError) as refusal:
            call_command("jobs", "watch", named, "--json", stdout=StringIO())
        assert refusal.value.returncode == 3

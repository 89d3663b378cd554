"""Attempts that fail: tried again later and later, until there are no more, and sent on their way again."""

from __future__ import annotations

from typing import Any

import pytest

from apps.jobs import backoff
from apps.jobs.tests.workers import claim, clockwork, describe, kept, later, make, rows, state, states, take
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import World

CALM = {"initial_seconds": 10, "factor": 2, "max_seconds": 30, "jitter": 0}


def test_it_is_tried_again_later_each_time_until_it_is_dead(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me, retry=CALM, max_attempts=4)
        for wait in (10, 20, 30):
            failed = take(me).fail("Timeout")
            assert (failed["state"], failed["error"]["type"]) == ("retry_wait", "Timeout")
            later(now, wait - 1)
            assert claim(me) == []
            later(now, 1)
            assert state(me, job) == "ready"
        last = take(me)
        assert last.job["attempt"] == 4
        assert last.fail()["state"] == "dead"
        assert (rows(job), claim(me)) == ({}, [])
        states_of = [each["state"] for each in me.get(f"/v1/jobs/{job}/attempts")["data"]]
        assert states_of == ["failed"] * 4


def test_the_queue_says_how_often_and_how_long_unless_the_job_does(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, max_attempts=2, retry={**CALM, "initial_seconds": 5})
    with clockwork() as now:
        as_queue, own = make(me), make(me, max_attempts=1)
        for held in claim(me, limit=2):
            held.fail()
        assert states(me, as_queue, own) == ["retry_wait", "dead"]
        later(now, 5)
        assert take(me).fail()["state"] == "dead"


def test_a_job_changes_one_part_of_the_backoff_of_its_queue(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, retry=CALM)
    with clockwork() as now:
        job = make(me, retry={"initial_seconds": 3})
        take(me).fail()
        waits = kept(world.acorn, job).run_at
        assert waits is not None
        assert (waits - now.at).total_seconds() == 3


def test_what_is_not_retryable_is_dead_at_once(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    job = make(me)
    assert take(me).fail(retryable=False)["state"] == "dead"
    assert rows(job) == {}


def test_errors_of_types_that_are_named_are_final(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, retry={"never_on": ["NotAMenu", "Unreadable"]})
    ends = {}
    for kind in ("NotAMenu", "Timeout"):
        make(me)
        ends[kind] = take(me).fail(kind)["state"]
    make(me, retry={"never_on": ["Timeout"]})
    ends["the job's own"] = take(me).fail("NotAMenu")["state"]
    assert ends == {"NotAMenu": "dead", "Timeout": "retry_wait", "the job's own": "retry_wait"}
    refused = me.post("/v1/jobs", {"queue": "menus", "kind": "x", "retry": {"never_on": "NotAMenu"}})
    check_refusal(refused, 422, "validation_failed")
    assert [error["field"] for error in refused["errors"]] == ["retry.never_on"]


def test_a_worker_may_ask_for_more_time_and_never_for_less(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me, retry=CALM)
        take(me).fail(retry_after_seconds=100)
        later(now, 99)
        assert claim(me) == []
        later(now, 1)
        take(me).fail(retry_after_seconds=1)
        waits = kept(world.acorn, job).run_at
        assert waits is not None
        assert (waits - now.at).total_seconds() == 20


@pytest.mark.parametrize(("attempt", "least", "most"), [(1, 0.8, 1.2), (3, 12.8, 19.2), (1000, 2880, 4320)])
def test_chance_spreads_the_wait_within_its_bounds(attempt: int, least: float, most: float) -> None:
    waits = [backoff.seconds_after(attempt) for _ in range(200)]
    assert least <= min(waits) < max(waits) <= most
    assert len(set(waits)) > 100


# Running again.


def dead(me: Api, **said: Any) -> str:
    job = make(me, **said)
    assert take(me).fail(retryable=False)["state"] == "dead"
    return job


def test_a_dead_job_runs_again_with_all_its_attempts(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    job = dead(me, max_attempts=1)
    again = me.post(f"/v1/jobs/{job}/retry")
    assert (again.status, again["state"], again["attempt"], again["finished_at"]) == (200, "ready", 0, None)
    check_refusal(me.post(f"/v1/jobs/{job}/retry"), 409, "job_not_over")
    assert take(me).complete()["state"] == "succeeded"
    check_refusal(me.post(f"/v1/jobs/{job}/retry"), 409, "job_not_over")


def test_redriving_takes_what_matches_and_says_what_is_left(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    mine = [dead(me, kind="a"), dead(me, kind="a"), dead(me, kind="b")]
    cancelled = make(me)
    me.post(f"/v1/jobs/{cancelled}/cancel")
    one = me.post("/v1/jobs/redrive", {"kind": "a", "limit": 1})
    assert (one["redriven"], one["left"], states(me, *mine)) == (1, 1, ["ready", "dead", "dead"])
    assert me.post("/v1/jobs/redrive", {"queue": "nothing"})["redriven"] == 0
    assert me.post("/v1/jobs/redrive", {"since": "2031-01-01T00:00:00Z"})["redriven"] == 0
    assert me.post("/v1/jobs/redrive")["redriven"] == 2
    assert me.post("/v1/jobs/redrive", {"state": "cancelled"})["redriven"] == 1
    assert states(me, *mine, cancelled) == ["ready"] * 4
    assert rows(*mine, cancelled) == dict.fromkeys([*mine, cancelled], "ready")


def test_a_job_whose_key_another_one_has_by_now_stays_dead(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    jobs = [dead(me, key="k"), dead(me, key="k"), dead(me, key="free")]
    holder = make(me, key="k")
    check_refusal(me.post(f"/v1/jobs/{jobs[0]}/retry"), 422, "job_key_reused")
    answer = me.post("/v1/jobs/redrive")
    assert (answer["redriven"], answer["left"]) == (1, 2)
    assert states(me, *jobs, holder) == ["dead", "dead", "ready", "ready"]
    me.post(f"/v1/jobs/{holder}/cancel")
    assert me.post("/v1/jobs/redrive")["redriven"] == 1, "of two with one key one can run"


def test_redriving_is_within_the_organization(world: World, api: Api) -> None:
    north, south = (api.using(party.person_key) for party in world.acorn.parties.values())
    job = dead(north)
    assert south.post("/v1/jobs/redrive")["redriven"] == 0
    assert north.post("/v1/jobs/redrive")["redriven"] == 1
    assert state(north, job) == "ready"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("TimeoutError", "TimeoutError"),
        ("smtp.mailbox-full", "smtp.mailbox-full"),
        ("Anna's card 4242 was declined", "error"),
        ("https://example.com/?token=1", "error"),
        ("x" * 101, "error"),
        ("Broken\n", "error"),
    ],
)
def test_events_say_the_type_of_an_error_where_it_is_a_name_and_never_what_it_says(
    world: World, api: Api, kind: str, told: str
) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me, max_attempts=2)
        take(me).fail(kind)
        later(now, 60)
        take(me).fail(kind)
    events = [
        event
        for event in me.get("/v1/events?types=job.failed,job.dead&limit=200")["data"]
        if event["subject"] == job
    ]
    assert [(event["type"], event["data"]["error"]) for event in events] == [
        ("job.failed", {"type": told}),
        ("job.dead", {"type": told}),
    ]
    assert me.get(f"/v1/jobs/{job}")["error"]["message"] == "it broke"

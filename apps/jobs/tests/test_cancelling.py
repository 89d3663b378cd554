"""Cancelling is final, wherever the job stands and whatever its worker does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from apps.jobs import turns, working
from apps.jobs.tests.workers import claim, clockwork, later, make, rows, state, states, take
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.refusals import check_refusal
from tests.world import World


def cancel(me: Api, job: str) -> str:
    answer = me.post(f"/v1/jobs/{job}/cancel")
    assert answer.status == 200, answer.body
    return str(answer["state"])


def test_a_job_that_nobody_has_begun_is_cancelled_at_once(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    first = make(me)
    jobs = [make(me), make(me, delay_seconds=60), make(me, after=[first], deadline_at="2027-05-01T00:00:00Z")]
    assert [cancel(me, job) for job in jobs] == ["cancelled"] * 3
    assert rows(*jobs) == {}
    assert [cancel(me, job) for job in jobs] == ["cancelled"] * 3, "again changes nothing"
    assert [held.id for held in claim(me, limit=9)] == [first]


def test_one_that_waits_for_its_next_attempt_is_cancelled_at_once(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    job = make(me)
    take(me).fail()
    assert (cancel(me, job), rows(job)) == ("cancelled", {})


@pytest.mark.parametrize("verb", ["complete", "fail", "fail for good", "wait"])
def test_one_that_runs_is_cancelled_whatever_its_worker_says(world: World, api: Api, verb: str) -> None:
    me = api.using(world.acorn.root_key)
    job = make(me)
    after = make(me, after=[job])
    held = take(me)
    assert cancel(me, job) == "cancelling"
    assert held.beat()["cancel"] is True
    ways: dict[str, Callable[[], Answer]] = {
        "complete": held.complete,
        "fail": held.fail,
        "fail for good": lambda: held.fail(retryable=False),
        "wait": lambda: held.wait("nap", seconds=60),
    }
    said = ways[verb]()
    assert said.status == 200, said.body
    assert states(me, job, after) == ["cancelled", "dead"]
    assert rows(job, after) == {}
    (attempt,) = me.get(f"/v1/jobs/{job}/attempts")["data"]
    assert attempt["state"] == "cancelled"
    told = [event["type"] for event in me.get("/v1/events?limit=200")["data"]]
    assert told.count("job.cancelled") == 1


def test_one_whose_worker_ignores_it_is_cancelled_when_the_lease_is_over(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me)
        held = take(me, lease_seconds=10)
        assert cancel(me, job) == "cancelling"
        later(now, 11)
        assert (state(me, job), rows(job)) == ("cancelled", {})
        check_refusal(held.complete(), 409, "lease_lost")


def test_one_whose_worker_goes_on_and_renews_its_lease_is_cancelled_all_the_same(
    world: World, api: Api
) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me)
        held = take(me, lease_seconds=10)
        assert cancel(me, job) == "cancelling"
        for _ in range(2):
            later(now, 4)
            assert held.beat()["cancel"] is True
        later(now, 4)
        assert (state(me, job), rows(job)) == ("cancelled", {})
        check_refusal(held.beat(), 409, "lease_lost")
        (attempt,) = me.get(f"/v1/jobs/{job}/attempts")["data"]
        assert (attempt["state"], attempt["error"]["type"]) == ("cancelled", "cancelled")


def test_one_that_is_over_is_answered_as_it_is(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    job = make(me)
    take(me).complete()
    assert cancel(me, job) == "succeeded"


def test_one_that_was_leased_and_not_begun_never_begins(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    job = make(me)
    schema = world.acorn.ref.schema_name
    leased = turns.claim_from(turns.Wish(schema, "menus"), 1)
    assert cancel(me, job) == "cancelled"
    with enter(world.acorn.ref):
        assert working.begun(leased, "late") == []
    assert (state(me, job), rows(job)) == ("cancelled", {})


@pytest.mark.parametrize("attempts", [1, 5])
def test_one_whose_worker_died_between_claim_and_begin_is_not_lost(
    world: World, api: Api, attempts: int
) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me, max_attempts=attempts, retry={"initial_seconds": 300, "jitter": 0})
        assert turns.claim_from(turns.Wish(world.acorn.ref.schema_name, "menus", seconds=1), 1)
        later(now, 2)
        assert state(me, job) == "ready"
        assert rows(job) == {job: "ready"}
        assert take(me).complete()["state"] == "succeeded"


def test_what_waited_begins_anew_when_it_is_retried(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork():
        job = make(me)
        take(me).wait("nap", seconds=600)
        assert cancel(me, job) == "cancelled"
        me.post(f"/v1/jobs/{job}/retry")
        again = take(me).wait("nap", seconds=600)
        assert (again["waiting"], again["step"]["done"]) == (True, False)


def test_a_retried_job_does_not_wait_for_what_it_waited_for(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    first = make(me)
    second = make(me, after=[first])
    cancel(me, second)
    me.post(f"/v1/jobs/{second}/retry")
    held = {each.id: each for each in claim(me, limit=9)}
    held[second].wait("nap", seconds=600)
    assert held[first].fail(retryable=False)["state"] == "dead"
    assert state(me, second) == "waiting", "the end of the first one is not its business any more"

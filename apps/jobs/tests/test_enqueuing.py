"""What is enqueued: keys, times, batches, and who may."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core import clock
from apps.core.strictjson import timestamp
from apps.jobs.tests.workers import claim, clockwork, describe, later, make, rows, state, states, take
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import World


def in_seconds(seconds: float) -> str:
    return timestamp(clock.now() + timedelta(seconds=seconds))


def test_a_job_has_what_it_was_given_and_a_dispatch_row(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    job = make(me, payload={"photo": [1, None, "ü"]}, priority=3, max_attempts=2, concurrency_key="k")
    found = me.get(f"/v1/jobs/{job}")
    assert (found["payload"], found["priority"], found["max_attempts"]) == ({"photo": [1, None, "ü"]}, 3, 2)
    assert (found["state"], found["attempt"], found["organization"]) == ("ready", 0, None)
    assert rows(job) == {job: "ready"}


@pytest.mark.parametrize("who", ["person_key", "agent_key", "service_key"])
def test_person_agent_and_machine_enqueue_for_their_organization(world: World, api: Api, who: str) -> None:
    north = world.acorn.parties["north"]
    me = api.using(getattr(north, who))
    found = me.get(f"/v1/jobs/{make(me)}")
    assert found["organization"] == north.id
    kinds = {"person_key": "user", "agent_key": "agent", "service_key": "service_account"}
    assert found["enqueued_by"]["kind"] == kinds[who]
    take(me).complete()


def test_a_viewer_and_a_stranger_enqueue_and_claim_nothing(world: World, api: Api) -> None:
    job = make(api.using(world.acorn.root_key))
    for key in (world.acorn.parties["north"].viewer_key, world.acorn.stranger_key):
        me = api.using(key)
        assert me.post("/v1/jobs", {"kind": "x"}).status == 403
        assert me.post("/v1/queues/menus/claims", {}).status == 403
    assert rows(job) == {job: "ready"}


def test_a_job_that_is_not_due_waits_for_its_time(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        at, delayed = make(me, run_at=in_seconds(60)), make(me, delay_seconds=90)
        past = make(me, run_at="1970-01-01T00:00:00Z")
        assert states(me, at, delayed, past) == ["scheduled", "scheduled", "ready"]
        assert [held.complete()["id"] for held in claim(me, limit=9)] == [past]
        later(now, 61)
        assert state(me, at) == "ready"
        assert [held.id for held in claim(me, limit=9)] == [at]
        later(now, 30)
        assert [held.id for held in claim(me, limit=9)] == [delayed]


def test_higher_priorities_come_first_and_then_the_older(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    made = [make(me, priority=priority) for priority in (0, 5, -5, 5)]
    order = [made[1], made[3], made[0], made[2]]
    assert [take(me).id for _ in made] == order


def test_jobs_that_nobody_began_in_time_expire(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        missed, begun = make(me, expires_at=in_seconds(30), priority=-1), make(me, expires_at=in_seconds(30))
        held = take(me)
        assert held.id == begun
        later(now, 31)
        assert states(me, missed, begun) == ["expired", "running"]
        assert rows(missed, begun) == {begun: "leased"}
        assert held.complete()["state"] == "succeeded"
        assert claim(me) == []


def test_a_deadline_ends_a_job_whatever_it_does(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me, deadline_at=in_seconds(30))
        held = take(me, lease_seconds=300)
        later(now, 31)
        assert state(me, job) == "expired"
        check_refusal(held.complete(), 409, "lease_lost")
        (attempt,) = me.get(f"/v1/jobs/{job}/attempts")["data"]
        assert attempt["state"] == "expired"


def test_a_deadline_is_kept_for_a_job_that_waits_for_another(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        first = make(me)
        second = make(me, after=[first], deadline_at=in_seconds(30))
        assert claim(me, limit=9)[0].id == first
        later(now, 31)
        assert states(me, first, second) == ["running", "expired"]
        assert rows(second) == {}


def test_a_job_whose_next_attempt_would_come_too_late_is_dead_at_once(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork():
        make(me, deadline_at=in_seconds(30))
        assert take(me).fail(retry_after_seconds=60)["state"] == "dead"


# Keys.


def test_the_same_key_and_body_is_the_same_job_until_it_is_over(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    first = make(me, key="photo 1", payload={"n": 1})
    assert make(me, key="photo 1", payload={"n": 1}) == first
    other = me.post(
        "/v1/jobs", {"queue": "menus", "kind": "menu.read", "key": "photo 1", "payload": {"n": 2}}
    )
    check_refusal(other, 422, "job_key_reused")
    assert make(me, queue="others", key="photo 1", payload={"n": 2}) != first
    held = take(me)
    assert make(me, key="photo 1", payload={"n": 1}) == first
    held.complete()
    assert make(me, key="photo 1", payload={"n": 1}) != first


def test_a_key_is_an_organizations_own(world: World, api: Api) -> None:
    keys = [party.person_key for party in world.acorn.parties.values()]
    made = {make(api.using(key), key="same") for key in (*keys, world.acorn.root_key, world.birch.root_key)}
    assert len(made) == 4


def test_a_key_twice_in_one_batch_is_one_job(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    same: dict[str, Any] = {"queue": "menus", "kind": "x", "key": "same"}
    made = me.post("/v1/jobs/batch", {"jobs": [same, {**same, "key": ""}, same]})
    assert made.status == 201, made.body
    first, plain, again = (job["id"] for job in made["data"])
    assert first == again != plain
    assert rows(first, plain) == {first: "ready", plain: "ready"}
    check_refusal(me.post("/v1/jobs/batch", {"jobs": [same, {**same, "priority": 1}]}), 422, "job_key_reused")


def test_a_job_with_a_key_that_waits_for_finished_ones_is_answered_as_ready(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    before = make(me)
    take(me).complete()
    made = me.post("/v1/jobs", {"queue": "menus", "kind": "x", "key": "k", "after": [before]})
    assert (made["state"], rows(made["id"])) == ("ready", {made["id"]: "ready"})


# Batches.


def test_a_batch_is_all_or_nothing(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, kinds=["menu.read"])
    good, bad = {"queue": "menus", "kind": "menu.read"}, {"queue": "menus", "kind": "other"}
    check_refusal(me.post("/v1/jobs/batch", {"jobs": [good, bad]}), 422, "kind_refused")
    assert claim(me) == []
    assert me.get("/v1/jobs")["data"] == []


def test_a_batch_of_two_hundred_costs_as_many_statements_as_one_of_two(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    before = make(me)
    costs = []
    for many in (2, 200):
        wishes = [{"kind": "x", "key": f"{many} {n}", "after": [before]} for n in range(many)]
        with CaptureQueriesContext(connection) as seen:
            assert me.post("/v1/jobs/batch", {"jobs": wishes}).status == 201
        costs.append(sum("SAVEPOINT" not in query["sql"] for query in seen.captured_queries))
    assert costs[0] == costs[1]


def test_a_batch_has_up_to_five_hundred(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    check_refusal(me.post("/v1/jobs/batch", {"jobs": [{"kind": "x"}] * 501}), 422)
    check_refusal(me.post("/v1/jobs/batch", {"jobs": []}), 422)


def test_the_timeline_of_a_job_begins_with_the_batch_that_it_came_in(world: World, api: Api) -> None:
    me = api.using(world.acorn.parties["north"].person_key)
    one, other = [
        job["id"] for job in me.post("/v1/jobs/batch", {"jobs": [{"kind": "x"}, {"kind": "y"}]})["data"]
    ]
    take(me, "default").fail(retryable=False)
    me.post("/v1/jobs/redrive", {})
    told = [entry["operation"] for entry in me.get(f"/v1/timeline/{one}")["data"]]
    assert told == ["jobs.enqueue-batch", "jobs.redrive"]
    assert [entry["operation"] for entry in me.get(f"/v1/timeline/{other}")["data"]] == ["jobs.enqueue-batch"]
    assert api.using(world.acorn.parties["south"].person_key).get(f"/v1/timeline/{one}").status == 404

"""Jobs that wait for others: chains, diamonds, and what becomes of them when one fails."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.ids import decode, encode, uuid7
from apps.jobs.models import Job
from apps.jobs.tests.workers import claim, clockwork, later, make, rows, state, states, take
from apps.tenancy.walls import enter
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import World


def test_a_chain_runs_in_its_order(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    chain = [make(me)]
    for _ in range(2):
        chain.append(make(me, after=[chain[-1]]))
    assert states(me, *chain) == ["ready", "waiting", "waiting"]
    assert rows(*chain) == {chain[0]: "ready"}
    for job in chain:
        held = take(me)
        assert (held.id, claim(me)) == (job, [])
        held.complete()
    assert states(me, *chain) == ["succeeded"] * 3


def test_those_that_are_waited_for_are_locked_in_the_order_of_all(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    first = make(me)
    with CaptureQueriesContext(connection) as seen:
        make(me, after=[first])
    locking = [query["sql"] for query in seen.captured_queries if "FOR UPDATE" in query["sql"]]
    assert ["jobs_dispatch" in sql for sql in locking] == [True, False], locking


def test_a_diamond_waits_for_both_sides(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    top = make(me)
    left, right = make(me, after=[top]), make(me, after=[top])
    bottom = make(me, after=[left, right, left])
    take(me).complete()
    sides = claim(me, limit=9)
    assert {each.id for each in sides} == {left, right}
    sides[0].complete()
    assert state(me, bottom) == "waiting"
    sides[1].complete()
    assert take(me).id == bottom
    steps = me.get(f"/v1/jobs/{bottom}/steps")["data"]
    assert {(each["name"], each["result"]["state"]) for each in steps} == {
        (left, "succeeded"),
        (right, "succeeded"),
    }


def test_what_waited_for_a_job_that_failed_is_dead_to_the_last(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    top = make(me)
    middle = make(me, after=[top])
    last, aside = make(me, after=[middle]), make(me)
    held = {each.id: each for each in claim(me, limit=9)}
    held[top].fail()
    assert state(me, middle) == "waiting", "another attempt may succeed"
    me.post(f"/v1/jobs/{top}/cancel")
    assert states(me, middle, last, aside) == ["dead", "dead", "running"]
    error = me.get(f"/v1/jobs/{last}")["error"]
    assert (error["type"], error["job"]) == ("dependency_failed", middle)
    told = me.get("/v1/events?limit=200&types=job.dead")["data"]
    assert {event["subject"] for event in told} == {middle, last}


def test_what_is_dead_because_of_a_job_waits_again_when_that_is_run_again(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    left, right = make(me), make(me)
    last = make(me, after=[left, right])
    end = make(me, after=[last])
    held = {each.id: each for each in claim(me, limit=9)}
    for job in (left, right):
        held[job].fail(retryable=False)
    assert states(me, left, right, last, end) == ["dead"] * 4
    again = me.post(f"/v1/jobs/{left}/retry", {"dependents": True})
    assert (again.status, again["state"]) == (200, "ready")
    assert states(me, left, right, last, end) == ["ready", "dead", "dead", "dead"], "right is still dead"
    me.post(f"/v1/jobs/{right}/retry", {"dependents": True})
    assert states(me, left, right, last, end) == ["ready", "ready", "waiting", "waiting"]
    assert me.get(f"/v1/jobs/{last}")["error"] is None
    told = me.get(f"/v1/events?subject={end}&types=job.redriven")["data"]
    assert len(told) == 1
    for _ in range(3):
        for each in claim(me, limit=9):
            each.complete()
    assert states(me, left, right, last, end) == ["succeeded"] * 4


@pytest.mark.parametrize(("ended", "after"), [("succeeded", "waiting"), ("dead", "dead")])
def test_a_job_that_was_forgotten_is_waited_for_no_more(
    world: World, api: Api, ended: str, after: str
) -> None:
    me = api.using(world.acorn.root_key)
    gone, lost = make(me), make(me)
    last = make(me, after=[gone, lost])
    held = {each.id: each for each in claim(me, limit=9)}
    if ended == "succeeded":
        held[gone].complete()
    else:
        held[gone].fail(retryable=False)
    held[lost].fail(retryable=False)
    with enter(world.acorn.ref):
        Job.objects.filter(pk=decode(gone, "job")).delete()
    me.post(f"/v1/jobs/{lost}/retry", {"dependents": True})
    assert states(me, lost, last) == ["ready", after]
    take(me).complete()
    assert state(me, last) == ("ready" if after == "waiting" else "dead")


def test_without_being_told_so_nothing_comes_back_with_a_job(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    first = make(me)
    second = make(me, after=[first])
    take(me).fail(retryable=False)
    me.post(f"/v1/jobs/{first}/retry")
    assert states(me, first, second) == ["ready", "dead"]


def test_a_redrive_of_all_has_dependents_wait_instead_of_running(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    first, other = make(me), make(me)
    second, taken = make(me, after=[first]), make(me, after=[first], key="k")
    held = {each.id: each for each in claim(me, limit=9)}
    held[first].fail(retryable=False)
    me.post(f"/v1/jobs/{other}/cancel")
    assert states(me, first, second, taken) == ["dead"] * 3
    make(me, key="k")
    done = me.post("/v1/jobs/redrive", {"dependents": True})
    assert (done["redriven"], done["left"]) == (1, 0)
    assert states(me, first, second, taken) == ["ready", "waiting", "dead"], "another job has its key"


def test_nobody_brings_back_what_they_do_not_see(world: World, api: Api) -> None:
    root, north = api.using(world.acorn.root_key), world.acorn.parties["north"]
    first = make(root, organization=north.id)
    of_the_tenant, of_north = make(root, after=[first]), make(root, after=[first], organization=north.id)
    take(root).fail(retryable=False)
    assert states(root, of_the_tenant, of_north) == ["dead", "dead"]
    person = api.using(north.person_key)
    assert person.post(f"/v1/jobs/{first}/retry", {"dependents": True}).status == 200
    assert states(root, first, of_the_tenant, of_north) == ["ready", "dead", "waiting"]


def test_two_hundred_that_wait_end_with_as_many_statements_as_two(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    costs = []
    for many in (2, 200):
        top = make(me)
        wishes = [{"kind": "x", "after": [top], "deadline_at": "2027-06-01T00:00:00Z"}] * many
        me.post("/v1/jobs/batch", {"jobs": wishes})
        held = take(me)
        with CaptureQueriesContext(connection) as seen:
            assert held.fail(retryable=False)["state"] == "dead"
        costs.append(len(seen.captured_queries))
        assert len(me.get("/v1/jobs?state=dead&limit=200&kind=x")["data"]) >= many
    assert costs[0] == costs[1]


def test_jobs_that_are_over_already_are_waited_for_no_more(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    done = make(me)
    take(me).complete()
    assert state(me, make(me, after=[done])) == "ready"
    bad = make(me)
    take(me, limit=1).complete()
    take(me).fail(retryable=False)
    assert state(me, bad) == "dead"
    check_refusal(me.post("/v1/jobs", {"kind": "x", "after": [bad]}), 404, "dependency_unknown")


def test_a_time_counts_from_both(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        first = make(me)
        second = make(me, after=[first], delay_seconds=60)
        take(me).complete()
        assert (state(me, second), claim(me)) == ("scheduled", [])
        later(now, 61)
        assert take(me).id == second


def test_what_is_waited_for_is_found_behind_the_walls_alone(world: World, api: Api) -> None:
    north, south = (api.using(party.person_key) for party in world.acorn.parties.values())
    theirs = make(south)
    for job in (theirs, encode("job", uuid7()), make(api.using(world.birch.root_key))):
        check_refusal(north.post("/v1/jobs", {"kind": "x", "after": [job]}), 404, "dependency_unknown")


def test_a_worker_of_one_organization_frees_what_waits_in_another(world: World, api: Api) -> None:
    """The tenant as a whole may let a job of one organization wait for one of another."""
    root = api.using(world.acorn.root_key)
    north, south = world.acorn.parties.values()
    first = make(root, organization=north.id)
    second = make(root, organization=south.id, after=[first])
    take(api.using(north.service_key)).complete()
    assert state(root, second) == "ready"
    assert take(api.using(south.service_key)).id == second

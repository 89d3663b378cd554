"""Claims, heartbeats and ends; and leases that are lost, with which nothing can be done any more."""

from __future__ import annotations

import pytest

from apps.core import idempotency
from apps.core.ids import encode, uuid7
from apps.core.problems import Conflict
from apps.jobs import working
from apps.jobs.registry import Dispatch
from apps.jobs.tests.workers import Held, claim, clockwork, describe, kept, later, make, rows, state, take
from apps.tenancy.walls import outside
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import World


def test_a_heartbeat_renews_the_lease_and_says_how_far_it_is(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me)
        held = take(me, lease_seconds=30, worker="oven")
        for part in (0.25, 0.5):
            later(now, 25)
            assert held.beat(progress=part, message=f"{part}", lease_seconds=30)["cancel"] is False
        assert (state(me, job), me.get(f"/v1/jobs/{job}")["progress"]) == ("running", 0.5)
        (attempt,) = me.get(f"/v1/jobs/{job}/attempts")["data"]
        assert [line["message"] for line in attempt["messages"]] == ["0.25", "0.5"]
        assert attempt["worker"] == "oven"


def test_only_the_last_hundred_messages_are_kept(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    job = make(me)
    held = take(me)
    for number in range(103):
        held.beat(message=str(number))
    (attempt,) = me.get(f"/v1/jobs/{job}/attempts")["data"]
    assert [line["message"] for line in attempt["messages"]] == [str(number) for number in range(3, 103)]


def test_a_worker_that_says_nothing_loses_its_lease_to_another(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me)
        first = take(me, lease_seconds=10)
        later(now, 11)
        # At once: it has waited as long as the lease already, and one sweep does both.
        assert state(me, job) == "ready"
        second = take(me)
        assert second.job["attempt"] == 2
        for late in (
            first.beat(),
            first.complete(),
            first.fail(),
            first.wait("x", seconds=1),
            first.step("x"),
        ):
            check_refusal(late, 409, "lease_lost")
        assert second.complete()["state"] == "succeeded"
        attempts = me.get(f"/v1/jobs/{job}/attempts")["data"]
        assert [(each["number"], each["state"]) for each in attempts] == [(2, "succeeded"), (1, "lost")]


def test_a_lease_that_nobody_took_over_can_still_be_used(world: World, api: Api) -> None:
    """The sweep has not come by: the work is not done again for that."""
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        make(me)
        held = take(me, lease_seconds=1)
        now.move(now.at - now.at)
        assert held.complete()["state"] == "succeeded"


def test_tokens_open_their_own_job_alone(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    jobs = [make(me), make(me)]
    one, other = claim(me, limit=2)
    for token in (other.token, "nonsense", encode("lse", uuid7()), encode("job", uuid7()), "lse_", "\u0661"):
        swapped = Held(me, {"job": one.job, "lease": {**one.lease, "token": token}})
        for late in (
            swapped.beat(),
            swapped.complete(),
            swapped.fail(),
            swapped.step("x"),
            swapped.wait("x", seconds=1),
        ):
            check_refusal(late, 409, "lease_lost")
    assert rows(*jobs) == dict.fromkeys(jobs, "leased")
    assert [one.complete().status, other.complete().status] == [200, 200]


def test_a_token_opens_nothing_for_another_tenant_or_organization(world: World, api: Api) -> None:
    north, south = (party.person_key for party in world.acorn.parties.values())
    job = make(api.using(north))
    held = take(api.using(north))
    for key in (south, world.birch.root_key, world.birch.parties["north"].person_key):
        theirs = Held(api.using(key), {"job": held.job, "lease": held.lease})
        for late in (
            theirs.beat(),
            theirs.complete(),
            theirs.fail(),
            theirs.step("x"),
            theirs.wait("x", seconds=1),
        ):
            check_refusal(late, 404, "not_found")
    assert rows(job) == {job: "leased"}


def test_completing_twice_is_refused_the_second_time(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    job = make(me)
    held = take(me)
    assert held.complete({"n": 1}).status == 200
    check_refusal(held.complete({"n": 2}), 409, "lease_lost")
    assert (kept(world.acorn, job).result, rows(job)) == ({"n": 1}, {})


def test_a_claim_that_is_repeated_with_its_key_is_the_same_claim(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    jobs = [make(me), make(me)]
    answers = [me.post("/v1/queues/menus/claims", {}, idempotency_key="once").body for _ in range(2)]
    assert answers[0] == answers[1]
    assert sorted(rows(*jobs).values()) == ["leased", "ready"]


def test_what_a_repeated_claim_leased_for_nothing_is_given_back(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two calls at once do not know of each other when they lease; one of them is answered with what the other got."""
    me = api.using(world.acorn.root_key)
    jobs = [make(me), make(me)]
    first = me.post("/v1/queues/menus/claims", {}, idempotency_key="once").body
    monkeypatch.setattr(idempotency, "is_answered", lambda *_args, **_more: False)
    assert me.post("/v1/queues/menus/claims", {}, idempotency_key="once").body == first
    assert sorted(rows(*jobs).values()) == ["leased", "scheduled"]


def test_the_platforms_own_queues_are_not_claimed_from_outside(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    assert claim(me, "packmule.mail") == []
    check_refusal(me.post("/v1/jobs", {"queue": "packmule.mail", "kind": "x"}), 422, "queue_reserved")
    check_refusal(me.post("/v1/queues", {"name": "packmule.mail"}), 422, "queue_reserved")


def test_a_claim_takes_no_more_than_it_asks_for(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    for _ in range(5):
        make(me)
    assert [len(claim(me, limit=2)) for _ in range(4)] == [2, 2, 1, 0]


def test_a_lease_lasts_as_long_as_the_queue_says(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, lease_seconds=7)
    with clockwork() as now:
        job = make(me)
        take(me)
        with outside():
            row = Dispatch.objects.get(state="leased", queue="menus")
        assert row.leased_until is not None
        assert (row.leased_until - now.at).total_seconds() == 7
        later(now, 8)
        assert [each["state"] for each in me.get(f"/v1/jobs/{job}/attempts")["data"]] == ["lost"]


def test_a_claim_that_comes_to_nothing_gives_its_leases_back(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        job = make(me)

        def broken(*_: object) -> None:
            raise Conflict("not now")

        with monkeypatch.context() as patched:
            patched.setattr(working, "begun", broken)
            assert me.post("/v1/queues/menus/claims", {"lease_seconds": 600}).status == 409
        later(now, 1)
        assert rows(job) == {job: "ready"}
        assert take(me).job["attempt"] == 1

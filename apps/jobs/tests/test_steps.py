"""Steps that are remembered, and waiting without holding a slot."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.happenings import Happening, tell
from apps.jobs import waking
from apps.jobs.models import Step
from apps.jobs.tests.workers import Held, claim, clockwork, kept, later, make, rows, state, take
from apps.tenancy.walls import enter
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import World


def publish(me: Api, kind: str, **said: object) -> None:
    answer = me.post("/v1/events", {"type": kind, "data": {"total": 3}, **said})
    assert answer.status == 201, answer.body


@pytest.fixture
def root(world: World, api: Api) -> Api:
    """The tenant, which declares an event."""
    me = api.using(world.acorn.root_key)
    assert me.post("/v1/event-types", {"name": "menu_order.paid", "schema": {"type": "object"}}).status == 201
    return me


def test_another_attempt_resumes_with_two_calls(root: Api) -> None:
    with clockwork() as now:
        make(root)
        first = take(root)
        assert first.step("fetched", {"dishes": 3})["done"] is True
        first.fail()
        later(now, 2)
        second = take(root)
        (known,) = root.get(f"/v1/jobs/{second.id}/steps")["data"]
        assert (known["name"], known["result"]) == ("fetched", {"dishes": 3})
        assert second.step("fetched", {"dishes": 99})["result"] == {"dishes": 3}, "the first answer counts"


def test_a_step_is_of_one_kind(root: Api) -> None:
    make(root)
    held = take(root)
    held.step("a")
    check_refusal(held.wait("a", seconds=1), 409, "step_taken")
    assert held.wait("b", seconds=0)["waiting"] is False
    check_refusal(held.step("b"), 409, "step_taken")


@pytest.mark.parametrize("name", ["x" * 201, "x" * 300, "a%00b"])
def test_a_step_that_cannot_be_kept_is_refused(root: Api, name: str) -> None:
    make(root)
    answer = take(root).step(name)
    assert answer.status in (404, 422), answer.body


def test_a_nap_holds_no_slot_and_costs_no_attempt(root: Api) -> None:
    with clockwork() as now:
        job = make(root, max_attempts=1)
        held = take(root)
        napping = held.wait("nap", seconds=60)
        assert (napping["waiting"], state(root, job), rows(job)) == (True, "waiting", {job: "scheduled"})
        check_refusal(held.complete(), 409, "lease_lost")
        later(now, 59)
        assert claim(root) == []
        later(now, 1)
        again = take(root)
        assert again.job["attempt"] == 1
        woken = again.wait("nap", seconds=60)
        assert (woken["waiting"], woken["step"]["done"], woken["step"]["result"]) == (False, True, None)
        assert again.complete()["state"] == "succeeded"


def test_an_event_wakes_who_waits_for_it(world: World, root: Api) -> None:
    with clockwork():
        job = make(root)
        take(root).wait("paid", event={"type": "menu_order.paid", "subject": "order 7"})
        publish(root, "menu_order.paid", subject="order 8")
        assert claim(root) == []
        publish(root, "menu_order.paid", subject="order 7")
        assert (state(root, job), kept(world.acorn, job).run_at) == ("ready", None)
        again = take(root)
        step = again.wait("paid", event={"type": "menu_order.paid", "subject": "order 7"})
        assert step["waiting"] is False
        assert step["step"]["result"]["data"] == {"total": 3}
        assert step["step"]["result"]["subject"] == "order 7"
        publish(root, "menu_order.paid", subject="order 7")
        assert again.complete()["state"] == "succeeded"


def test_who_waits_too_long_for_an_event_gets_null(root: Api) -> None:
    event = {"type": "menu_order.paid"}
    with clockwork() as now:
        make(root)
        take(root).wait("paid", event=event, seconds=30)
        later(now, 31)
        step = take(root).wait("paid", event=event, seconds=30)
        assert (step["waiting"], step["step"]["result"]) == (False, None)


def test_an_event_of_a_room_wakes_too(root: Api) -> None:
    with clockwork():
        first, _ = make(root), make(root)
        one, other = claim(root, limit=2)
        other.wait("done", event={"type": "job.succeeded", "subject": first})
        one.complete()
        assert take(root).id == other.id


def test_an_old_wait_does_not_keep_the_next_one_asleep(root: Api) -> None:
    """A worker that goes on after a nap without asking for it again leaves it undone."""
    with clockwork() as now:
        make(root)
        take(root).wait("nap", seconds=10)
        later(now, 11)
        take(root).wait("paid", event={"type": "menu_order.paid"})
        publish(root, "menu_order.paid")
        assert take(root).wait("paid", event={"type": "menu_order.paid"})["waiting"] is False


def waits(me: Api) -> Held:
    make(me)
    held = take(me)
    held.wait("paid", event={"type": "menu_order.paid"})
    return held


def test_an_organization_hears_of_its_own_events_alone(world: World, root: Api, api: Api) -> None:
    north, south = world.acorn.parties.values()
    tenants, norths = waits(root), waits(api.using(north.person_key))
    publish(root, "menu_order.paid", organization=south.id)
    assert [state(root, held.id) for held in (tenants, norths)] == ["ready", "waiting"]
    publish(root, "menu_order.paid")
    assert state(root, norths.id) == "waiting"
    publish(root, "menu_order.paid", organization=north.id)
    assert state(root, norths.id) == "ready"


def test_an_event_costs_no_statement_more_where_nobody_waits_for_it(world: World, root: Api) -> None:
    make(root)
    take(root).wait("paid", event={"type": "menu_order.paid", "subject": "order 7"})
    happened = [Happening("menu_order.paid", f"order {n}") for n in range(8, 58)]
    with enter(world.acorn.ref, world.acorn.parties["north"].uuid), CaptureQueriesContext(connection) as seen:
        tell(None, *happened)
    assert len(seen.captured_queries) == 1, seen.captured_queries


def test_waits_are_found_by_type_and_subject(world: World, root: Api) -> None:
    happened = Happening("menu_order.paid", "order 7")
    job = kept(world.acorn, make(root))
    with enter(world.acorn.ref), connection.cursor() as cursor:
        waits = {"job": job, "kind": "event", "event_type": happened.type}
        Step.objects.bulk_create(
            Step(name=f"{n}", event_subject=f"order {n}", **waits) for n in range(10, 5000)
        )
        cursor.execute(f"explain analyze select {waking.AWAITED}", waking.columns([happened]))
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "jobs_step_waiting" in plan, plan
    assert "Rows Removed" not in plan, plan


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"seconds": 1, "until": "2027-01-01T00:00:00Z"},
        {"seconds": -1},
        {"seconds": 1, "event": {}},
        {"until": "yesterday"},
        {"seconds": 1e15},
        {"event": {"type": "x" * 300}},
    ],
)
def test_a_wait_for_nothing_that_makes_sense_is_refused(root: Api, said: dict[str, object]) -> None:
    make(root)
    held = take(root)
    check_refusal(held.wait("x", **said), 422)
    assert held.complete().status == 200


def test_a_wait_in_the_past_is_over(root: Api) -> None:
    make(root)
    assert take(root).wait("x", until="1970-01-01T00:00:00Z")["waiting"] is False

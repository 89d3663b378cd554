"""Jobs of which there are many, with much in each: nothing reads them all at once, nor what they were asked."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from apps.core import clock
from apps.core.ids import decode, uuid7
from apps.jobs import ending, sweeping, waking
from apps.jobs.models import Job, Step
from apps.jobs.tests.clockwork import work
from apps.jobs.tests.workers import clockwork, make, states, take
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

#: So many jobs with so much in each are fifty times what may be in memory.
COUNT, BYTES, MOST = 250, 200_000, 10_000_000
_FILL = """
insert into jobs_job (id, queue, kind, state, payload, result, priority, attempt, key, concurrency_key, worker, message,
    system, request_id, created_at, finished_at)
select unnest(%(ids)s::uuid[]), 'menus', 'heavy', %(state)s, to_jsonb(repeat('x', %(bytes)s)),
    to_jsonb(repeat('y', %(bytes)s)), 0, 5, '', '', '', '', false, '', %(now)s, %(finished)s
"""
_WAIT = """
insert into jobs_step (id, job_id, name, kind, on_job, event_type, event_subject, created_at)
select gen_random_uuid(), id, 'before', %(kind)s, %(on_job)s, %(event)s, '', %(now)s
from jobs_job where kind = 'heavy'
"""
_DISPATCH = """
insert into public.jobs_dispatch (id, schema_name, queue, share, runner, state, rank, concurrency_key, ends_at)
select unnest(%(ids)s::uuid[]), %(schema)s, 'menus', %(share)s, 'client', 'ready', 0, '', %(ends)s
"""


@pytest.fixture
def root(world: World, api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setattr(ending, "SLICE", 20)
    made = api.using(world.acorn.root_key)
    # What the first call of a process reads for all others is not counted.
    assert made.post("/v1/jobs/redrive").status == 200
    return made


def heavy(world: World, state: str, *, over: bool) -> list[UUID]:
    """Jobs of the tenant with 400,000 bytes in each; their ids."""
    ids, now = [uuid7() for _ in range(COUNT)], clock.now()
    said: dict[str, Any] = {"ids": ids, "state": state, "bytes": BYTES, "now": now}
    with enter(world.acorn.ref), connection.cursor() as cursor:
        cursor.execute(_FILL, said | {"finished": now if over else None})
    return ids


def waiting(world: World, **what: Any) -> None:
    said = {"on_job": None, "event": "", "now": clock.now()} | what
    with enter(world.acorn.ref), connection.cursor() as cursor:
        cursor.execute(_WAIT, said)


def states_of(world: World) -> set[str]:
    with enter(world.acorn.ref):
        return set(Job.objects.filter(kind="heavy").values_list("state", flat=True))


def counts_of(world: World) -> Counter[str]:
    with enter(world.acorn.ref):
        return Counter(Job.objects.filter(kind="heavy").values_list("state", flat=True))


@contextmanager
def in_little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST, f"{peak:,} bytes at once"


def test_all_that_are_dead_are_redriven_some_at_a_time(world: World, root: Api) -> None:
    heavy(world, "dead", over=True)
    with in_little_memory():
        said = root.post("/v1/jobs/redrive", {"limit": COUNT - 50})
    assert said.body == {"redriven": COUNT - 50, "left": 50}
    assert root.post("/v1/jobs/redrive").body == {"redriven": 50, "left": 0}
    assert states_of(world) == {"ready"}
    told = root.get("/v1/events?types=job.redriven&limit=200")
    assert len(told["data"]) == 200


def test_of_several_with_one_key_a_single_one_is_redriven_whatever_slice_they_are_in(
    world: World, root: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "SLICE", 2)
    jobs = []
    for _ in range(5):
        jobs.append(make(root, key="photo"))
        root.post(f"/v1/jobs/{jobs[-1]}/cancel")
    assert root.post("/v1/jobs/redrive", {"state": "cancelled"}).body == {"redriven": 1, "left": 4}


@pytest.mark.parametrize(("verb", "state"), [("complete", "ready"), ("cancel", "dead")])
def test_many_that_waited_for_one_job_go_on_or_are_dead(
    world: World, root: Api, verb: str, state: str
) -> None:
    first = make(root)
    heavy(world, "waiting", over=False)
    waiting(world, kind="job", on_job=decode(first, "job"))
    held = take(root)
    end: Callable[[], Any] = held.complete if verb == "complete" else lambda: held.fail(retryable=False)
    with in_little_memory():
        assert end().status == 200
    assert states_of(world) == {state}


def test_many_that_waited_for_one_event_go_on(world: World, root: Api) -> None:
    root.post("/v1/event-types", {"name": "menu_order.paid", "schema": {"type": "object"}})
    heavy(world, "waiting", over=False)
    waiting(world, kind="event", event="menu_order.paid")
    with in_little_memory():
        assert root.post("/v1/events", {"type": "menu_order.paid", "data": {}}).status == 201
    assert states_of(world) == {"ready"}


@pytest.mark.parametrize(("verb", "state"), [("complete", "ready"), ("cancel", "dead")])
def test_of_very_many_that_waited_for_one_job_the_rest_goes_on_in_tasks(
    world: World, root: Api, monkeypatch: pytest.MonkeyPatch, verb: str, state: str
) -> None:
    monkeypatch.setattr(ending, "MOST", 100)
    first = make(root)
    heavy(world, "waiting", over=False)
    waiting(world, kind="job", on_job=decode(first, "job"))
    held = take(root)
    (held.complete if verb == "complete" else lambda: held.fail(retryable=False))()
    assert counts_of(world) == {"waiting": COUNT - 100, state: 100}
    assert {"released": 50} in work()
    assert states_of(world) == {state}


def test_a_chain_behind_very_many_is_dead_to_the_last(
    world: World, root: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "MOST", 1)
    chain = [make(root)]
    chain += [make(root, after=chain), make(root, after=chain)]
    chain += [make(root, after=[job]) for job in chain[1:]]
    take(root).fail(retryable=False)
    work()
    assert states(root, *chain) == ["dead"] * 5


def test_of_very_many_that_waited_for_one_event_the_rest_goes_on_in_tasks(
    world: World, root: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "MOST", 100)
    root.post("/v1/event-types", {"name": "menu_order.paid", "schema": {"type": "object"}})
    heavy(world, "waiting", over=False)
    waiting(world, kind="event", event="menu_order.paid")
    root.post("/v1/events", {"type": "menu_order.paid", "data": {"total": 3}})
    assert counts_of(world) == {"waiting": COUNT - 100, "ready": 100}
    make(root, queue="late")
    late = take(root, "late")
    late.wait("paid", event={"type": "menu_order.paid"})
    with enter(world.acorn.ref):
        Step.objects.filter(job=decode(late.id, "job")).update(id=UUID(int=2**128 - 1))
    assert {"woken": 50} in work()
    assert states_of(world) == {"ready"}
    assert states(root, late.id) == ["waiting"], "it began to wait when that had happened"
    with enter(world.acorn.ref):
        steps = Step.objects.filter(done_at__isnull=False)
        assert {step.result["data"]["total"] for step in steps if step.result} == {3}


def test_many_expire_at_once(world: World, root: Api) -> None:
    with clockwork() as now:
        ids = heavy(world, "ready", over=False)
        schema, ends = world.acorn.ref.schema_name, clock.now()
        with enter(world.acorn.ref), connection.cursor() as cursor:
            said: dict[str, Any] = {"ids": ids, "schema": schema, "share": "0" * 32, "ends": ends}
            cursor.execute(_DISPATCH, said)
            cursor.execute("update jobs_job set expires_at = %s where kind = 'heavy'", [ends])
        now.move(timedelta(seconds=1))
        with in_little_memory():
            while sweeping.expire():
                continue
    assert states_of(world) == {"expired"}

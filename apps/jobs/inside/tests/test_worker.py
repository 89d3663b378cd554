"""The platform's own worker: its threads do what lies in the lanes of all tenants."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from apps.jobs import tasks
from apps.jobs.inside.worker import Worker
from apps.jobs.models import Job
from apps.jobs.registry import Dispatch, Lane, Share
from apps.jobs.tasks import AgainLater, NeverAgain, Run, Task, task
from apps.jobs.tests.workers import describe, kept, make
from apps.tenancy.walls import current_tenant, enter, registry
from tests.client import Api
from tests.world import Space, World


@pytest.fixture
def declared() -> Iterator[Callable[..., Task]]:
    """Declares tasks that are gone after the test."""
    before = dict(tasks._tasks)

    def declare(function: Callable[[Run], Any], **rules: Any) -> Task:
        return task(f"test.{function.__name__}", queue="packmule.test", **rules)(function)

    yield declare
    tasks._tasks.clear()
    tasks._tasks.update(before)


@contextmanager
def working(threads: int = 4) -> Iterator[Worker]:
    worker = Worker(threads)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def await_end(space: Space, kind: str, count: int) -> list[Job]:
    for _ in range(400):
        with enter(space.ref):
            jobs = list(Job.objects.filter(kind=kind).order_by("id"))
        if len(jobs) == count and all(job.is_over for job in jobs):
            return jobs
        time.sleep(0.05)
    raise AssertionError([(job.state, job.error) for job in jobs])


@pytest.fixture
def left_clean(committing: World) -> Iterator[World]:
    yield committing
    for space in (committing.acorn, committing.birch):
        with enter(space.ref):
            Job.objects.filter(system=True).delete()
    with registry():
        for model in (Dispatch, Share, Lane):
            model.objects.all().delete()


def test_tasks_of_two_tenants_are_done_inside_their_walls(
    left_clean: World, declared: Callable[..., Task]
) -> None:
    seen: list[tuple[str, int]] = []

    def look(run: Run) -> dict[str, Any]:
        seen.append((current_tenant().name, run.payload["n"]))
        assert run.actor.tenant.name == current_tenant().name
        return {"n": run.payload["n"]}

    looking = declared(look)
    spaces = (left_clean.acorn, left_clean.birch)
    for space in spaces:
        with enter(space.ref), transaction.atomic():
            looking.enqueue_many(None, [({"n": n}, None) for n in range(20)])
    with working():
        for space in spaces:
            jobs = await_end(space, "test.look", 20)
            assert [job.state for job in jobs] == ["succeeded"] * 20
            assert [job.result for job in jobs] == [{"n": n} for n in range(20)]
            assert [job.attempt for job in jobs] == [1] * 20
    assert sorted(seen) == sorted((space.ref.name, n) for space in spaces for n in range(20))
    with registry():
        assert not Dispatch.objects.exists()


def test_nothing_is_done_without_a_lease(world: World, api: Api) -> None:
    job = kept(world.acorn, make(api.using(world.acorn.root_key)))
    worker = Worker(1)
    with pytest.raises(RuntimeError, match=f"{job.pk} is not held here"):
        worker.perform(str(job.pk))


def test_what_a_task_raises_decides_about_another_attempt(
    left_clean: World, declared: Callable[..., Task]
) -> None:
    def stumble(run: Run) -> str:
        if run.payload["how"] == "never":
            raise NeverAgain("this cannot be")
        if run.attempt == 1:
            raise AgainLater("not yet", seconds=0.1)
        return "done"

    stumbling = declared(stumble, retry={"initial_seconds": 0.1, "jitter": 0})
    space = left_clean.acorn
    with enter(space.ref), transaction.atomic():
        stumbling.enqueue(None, {"how": "never"})
        stumbling.enqueue(None, {"how": "again"})
    with working():
        never, again = await_end(space, "test.stumble", 2)
    assert (never.state, never.attempt, never.error) == (
        "dead", 1, {"type": "NeverAgain", "message": "this cannot be"},
    )  # fmt: skip
    assert (again.state, again.attempt, again.result) == ("succeeded", 2, "done")


def test_slow_receivers_of_many_tenants_leave_a_thread_to_everybody_else(
    world: World, api: Api, settings: Any, monkeypatch: pytest.MonkeyPatch, declared: Callable[..., Task]
) -> None:
    settings.PACKMULE_OUTGOING_AT_ONCE = 100
    monkeypatch.setattr("django.db.transaction.on_commit", lambda work, **_: work())
    monkeypatch.setattr("apps.jobs.queues.require_receiver", lambda *_: None)
    worker = Worker(3)
    for space in (world.acorn, world.birch):
        me = api.using(space.root_key)
        describe(me, push_url="https://receiver.example/jobs")
        for _ in range(4):
            make(me)
    found = [held for _ in range(4) for held in worker.take(8)[0]]
    assert (len(found), {held.lease.outgoing for held in found}) == (2, {True})

    def own(run: Run) -> None: ...

    with enter(world.birch.ref):
        declared(own).enqueue_many(None, [({}, None)])
    assert [held.job.kind for _ in range(2) for held in worker.take(8)[0]] == ["test.own"]
    worker.keeper.forget([found[0].job.pk])
    assert len(worker.take(8)[0]) == 1

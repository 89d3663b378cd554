"""Waiting for news of one job, in a call that is bounded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event, Thread

import pytest
from django.conf import LazySettings
from django.db import connections

from apps.core.ids import encode, uuid7
from apps.jobs.registry import Dispatch, Lane, Share
from apps.jobs.tests.workers import Held, make, take
from apps.tenancy.walls import registry
from tests.client import Answer, Api
from tests.refusals import check_refusal
from tests.scratch import Scratch, scratch_tenant
from tests.world import World


@pytest.fixture
def me(committing: World) -> Iterator[Api]:
    with scratch_tenant() as made:
        yield _api(made)
        with registry():
            for model in (Dispatch, Lane, Share):
                model.objects.filter(schema_name=made.ref.schema_name).delete()


def _api(made: Scratch) -> Api:
    return Api(made.key)


def read(me: Api, job: str, seconds: int = 20) -> Answer:
    return me.get(f"/v1/jobs/{job}?wait_seconds={seconds}")


class Reader(Thread):
    """Somebody who waits for news of a job."""

    def __init__(self, me: Api, job: str) -> None:
        super().__init__()
        self.me, self.job, self.heard = me, job, list[Answer]()
        self.start()

    def run(self) -> None:
        try:
            self.heard.append(read(self.me, self.job))
        finally:
            connections.close_all()

    def answer(self) -> Answer:
        self.join(8)
        return self.heard[0]


def test_who_waits_is_answered_when_the_job_changes_and_when_it_ends(me: Api) -> None:
    job = make(me)
    held: list[Held] = []
    shown = []
    for step in (
        lambda: held.append(take(me)),
        lambda: held[0].beat(message="half"),
        lambda: held[0].beat(progress=0.5),
        lambda: held[0].complete({"dishes": 3}),
    ):
        reader = Reader(me, job)
        Event().wait(0.7)
        assert reader.heard == []
        step()
        news = reader.answer()
        shown.append((news["state"], news["message"], news["progress"], news["result"]))
    assert shown == [
        ("running", "", None, None),
        ("running", "half", None, None),
        ("running", "half", 0.5, None),
        ("succeeded", "half", 0.5, {"dishes": 3}),
    ]


def test_a_job_that_is_over_is_answered_at_once(me: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make(me)
    take(me).complete()
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    assert (read(me, job)["state"], naps) == ("succeeded", [])
    check_refusal(read(me, encode("job", uuid7())), 404)
    assert naps == []


def test_where_no_place_is_free_or_nothing_comes_it_is_answered_as_it_is(
    me: Api, settings: LazySettings
) -> None:
    job = make(me)
    began = time.monotonic()
    assert read(me, job, 1)["state"] == "ready"
    assert 1 <= time.monotonic() - began < 5
    settings.PACKMULE_LONG_POLLS = 0
    began = time.monotonic()
    assert read(me, job)["state"] == "ready"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("seconds", ["-1", "21", "soon"])
def test_a_wait_that_is_none_is_refused(world: World, api: Api, seconds: str) -> None:
    root = api.using(world.acorn.root_key)
    check_refusal(root.get(f"/v1/jobs/{make(root)}?wait_seconds={seconds}"), 400, "parameters_invalid")

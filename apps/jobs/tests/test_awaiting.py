"""Claims that wait: they are told of what was woken, look seldom in between, and look often where nobody tells them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import ServiceAccount
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyKind
from apps.core import clock
from apps.core.scopes import Scopes
from apps.jobs import hearing, sweeping
from apps.jobs.hearing import Listener
from apps.jobs.tests.workers import claim, describe, forget, make, take
from apps.tenancy.walls import enter
from tests.client import Api
from tests.scratch import Scratch, begun, scratch_tenant
from tests.world import World

#: A claim that nobody told of anything looks thoroughly after two seconds.
_SOON = 0.9


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        yield made
        forget(made)


@pytest.fixture
def listener(committing: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A listener of this test's own, which listens as soon as somebody rests, and soon again."""
    made = Listener()
    monkeypatch.setattr("apps.jobs.working.listener", made)
    monkeypatch.setattr(hearing, "_LOOK", 0.05)
    monkeypatch.setattr(hearing, "_AGAIN", 0.05)
    yield made
    monkeypatch.setattr(hearing, "_IDLE", 0.0)
    assert reaches(lambda: made._thread is None)


def reaches(true: Callable[[], bool]) -> bool:
    """Whether it becomes true within some seconds."""
    ends = time.monotonic() + 10
    while not true() and time.monotonic() < ends:
        time.sleep(0.01)
    return true()


def waited(me: Api, meanwhile: Callable[[], object], **said: Any) -> tuple[list[str], float]:
    """What a claim got that waited while that was done, and how many seconds after it."""
    done: list[float] = []

    def do() -> None:
        time.sleep(0.5)
        meanwhile()
        done.append(time.monotonic())

    doing = begun(do)
    found = [held.id for held in claim(me, wait_seconds=5, **said)]
    ended = time.monotonic()
    doing.join()
    return found, ended - done[0]


def test_a_claim_that_waits_hears_of_a_job_at_once(scratch: Scratch, listener: Listener) -> None:
    me, made = Api(scratch.key), list[str]()
    assert reaches(listener.listens)
    found, after = waited(me, lambda: made.append(make(Api(scratch.key))))
    assert (found, after < _SOON) == (made, True), after


def test_whoever_waits_asks_little(scratch: Scratch, listener: Listener) -> None:
    me = Api(scratch.key)
    make(me)
    take(me).complete()
    assert reaches(listener.listens)
    with CaptureQueriesContext(connection) as seen:
        assert claim(me, wait_seconds=3) == []
    asked = [query["sql"] for query in seen.captured_queries if "jobs_" in query["sql"]]
    # Two thorough looks, of which the first puts the lane to rest, and a light one before and after each.
    assert len(asked) <= 20, asked


def bound_key(scratch: Scratch) -> str:
    """A key of an account of the scratch tenant's organization."""
    with enter(scratch.ref):
        account = ServiceAccount.objects.create(name="oven", role="owner", organization=scratch.organization)
        minted = mint(
            tenant=scratch.ref,
            principal=account,
            kind=KeyKind.SECRET,
            name="oven",
            scopes=Scopes.everything(),
            expires_at=clock.now() + timedelta(days=1),
            minter=None,
        )
        return minted.secret


def test_whoever_is_bound_hears_of_a_job_in_a_lane_that_is_awake(
    scratch: Scratch, listener: Listener
) -> None:
    oven, made = bound_key(scratch), list[str]()
    make(Api(scratch.key))
    assert reaches(listener.listens)
    found, after = waited(Api(oven), lambda: made.append(make(Api(oven))))
    assert (found, after < _SOON) == (made, True), after


def test_a_job_whose_time_has_come_is_heard_of(scratch: Scratch, listener: Listener) -> None:
    me = Api(scratch.key)
    job = make(me, delay_seconds=0.4)
    assert reaches(listener.listens)
    found, after = waited(me, sweeping.ripen)
    assert (found, after < _SOON) == ([job], True), after


def test_a_queue_that_goes_on_is_heard_of(scratch: Scratch, listener: Listener) -> None:
    me = Api(scratch.key)
    describe(me)
    job = make(me)
    me.post("/v1/queues/menus/pause")
    assert reaches(listener.listens)
    found, after = waited(me, lambda: Api(scratch.key).post("/v1/queues/menus/resume"))
    assert (found, after < _SOON) == ([job], True), after


def test_whoever_waits_for_a_rate_looks_when_it_lets_the_next_one_in(
    scratch: Scratch, listener: Listener
) -> None:
    me = Api(scratch.key)
    describe(me, rate={"count": 1, "seconds": 1})
    make(me)
    second = make(me)
    assert reaches(listener.listens)
    take(me)
    began = time.monotonic()
    assert take(me, wait_seconds=5).id == second
    assert time.monotonic() - began < 1 + _SOON / 2


@pytest.mark.parametrize("why", ["no connection", "a pooler"])
def test_where_nobody_listens_a_claim_looks_often(
    scratch: Scratch, listener: Listener, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    def refused() -> None:
        raise psycopg.OperationalError

    if why == "no connection":
        monkeypatch.setattr(hearing, "connected", refused)
    else:
        monkeypatch.setattr(hearing, "is_own", lambda _: False)
        monkeypatch.setattr(hearing, "_POOLED", 0.05)
    me, made = Api(scratch.key), list[str]()
    found, after = waited(me, lambda: made.append(make(Api(scratch.key))))
    assert (found, after < _SOON) == (made, True), after
    assert not listener.listens()


def test_whoever_listens_connects_as_everybody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    params = {
        "host": "db",
        "sslmode": "verify-full",
        "connect_timeout": 3,
        "options": "-c a=b",
        "prepare_threshold": 3,
    }
    monkeypatch.setattr(connections["default"], "get_connection_params", lambda: params)
    monkeypatch.setattr(psycopg, "connect", lambda **said: asked.update(said))
    hearing.connected()
    assert asked == {"host": "db", "sslmode": "verify-full", "connect_timeout": 3, "autocommit": True}


def test_what_greets_with_another_number_is_a_pooler() -> None:
    class Greeted:
        def __init__(self, number: int) -> None:
            self.info = type("Info", (), {"backend_pid": number})

        def execute(self, _: str) -> Any:
            return type("Cursor", (), {"fetchone": lambda _: (7,)})()

    assert hearing.is_own(Greeted(7))  # type: ignore[arg-type]
    assert not hearing.is_own(Greeted(8))  # type: ignore[arg-type]


def test_a_connection_that_is_lost_is_made_again(
    scratch: Scratch, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[psycopg.Connection[Any]] = []
    connect = hearing.connected

    def noted() -> psycopg.Connection[Any]:
        made.append(connect())
        return made[-1]

    monkeypatch.setattr(hearing, "connected", noted)
    assert reaches(listener.listens)
    with listener.ear(scratch.ref.schema_name, "menus") as ear:
        with connect() as other:
            other.execute("select pg_terminate_backend(%s)", [made[0].info.backend_pid])
        assert reaches(lambda: len(made) > 1 and listener.listens())
        began = time.monotonic()
        ear.rest(5)
        assert time.monotonic() - began < 1, "something may have been woken meanwhile"
    jobs: list[str] = []
    found, after = waited(Api(scratch.key), lambda: jobs.append(make(Api(scratch.key))))
    assert (found, after < _SOON) == (jobs, True), after


def test_nobody_listens_for_long_when_nobody_waits(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "_IDLE", 0.2)
    assert reaches(listener.listens)
    thread = listener._thread
    assert isinstance(thread, Thread)
    thread.join(10)
    assert not thread.is_alive()
    assert reaches(listener.listens), "the next one who rests begins another"
    assert not listener._ears

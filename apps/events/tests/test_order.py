"""Whoever reads on sees every event once and in order, whenever its transaction commits. In threads that commit."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial
from threading import Event as Signal
from threading import Thread
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.core.happenings import Happening, tell
from apps.events.models import Event
from apps.events.positions import Position
from apps.events.querysets import EventQuerySet
from apps.tenancy.walls import enter
from tests.client import Api
from tests.scratch import Scratch, at_once, scratch_tenant
from tests.world import World


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        yield made


def write(scratch: Scratch, *kinds: str) -> None:
    """Tell of things in a transaction of its own."""
    with enter(scratch.ref), transaction.atomic():
        tell(None, *(Happening(kind, None) for kind in kinds))


def read(scratch: Scratch, after: str, **query: object) -> tuple[list[str], str]:
    """The types behind `after`, and how to go on."""
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    page = Api(scratch.key).get(f"/v1/events?after={after}&types=test.*&{asked}")
    assert page.status == 200, page
    return [one["type"] for one in page["data"]], page["next_cursor"]


class Slow:
    """A transaction in another thread, which has written and is not over."""

    def __init__(self, scratch: Scratch, kind: str, *, fails: bool = False) -> None:
        self._scratch, self._kind, self._fails = scratch, kind, fails
        self._wrote, self._ends = Signal(), Signal()
        self._thread = Thread(target=self._run)
        self._thread.start()
        assert self._wrote.wait(20)

    def _run(self) -> None:
        with enter(self._scratch.ref), transaction.atomic():
            tell(None, Happening(self._kind, None))
            self._wrote.set()
            self._ends.wait(20)
            transaction.set_rollback(self._fails)
        connections.close_all()

    def end(self) -> None:
        self._ends.set()
        self._thread.join(20)


def test_what_commits_late_is_not_skipped(scratch: Scratch) -> None:
    """The one that began first commits last. A reader by number alone would have passed it by then."""
    _, start = read(scratch, "latest")
    early = Slow(scratch, "test.began_first")
    write(scratch, "test.committed_first")
    seen, cursor = read(scratch, start)
    assert seen == []
    early.end()
    seen, cursor = read(scratch, cursor)
    assert seen == ["test.began_first", "test.committed_first"]
    assert read(scratch, cursor)[0] == []


def test_what_is_rolled_back_holds_nobody_up(scratch: Scratch) -> None:
    _, start = read(scratch, "latest")
    failing = Slow(scratch, "test.undone", fails=True)
    write(scratch, "test.done")
    failing.end()
    assert read(scratch, start)[0] == ["test.done"]


def test_events_of_one_transaction_come_in_their_order(scratch: Scratch) -> None:
    _, start = read(scratch, "latest")
    kinds = [f"test.number_{number}" for number in range(30)]
    write(scratch, *kinds)
    found: list[str] = []
    cursor = start
    for _ in range(10):
        some, cursor = read(scratch, cursor, limit=3)
        found += some
    assert found == kinds


@given(
    limits=st.lists(st.integers(1, 7), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
    writers=st.integers(1, 4),
)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_reader_beside_writers_sees_each_event_once_and_in_order(
    scratch: Scratch, limits: list[int], seed: int, writers: int
) -> None:
    _, start = read(scratch, "latest")
    before = _all(scratch)
    over = Signal()
    found: list[str] = []

    def reads() -> None:
        cursor, turn, last = start, 0, False
        while True:
            last = last or over.is_set()
            ids, cursor = _ids(scratch, cursor, limits[turn % len(limits)])
            found.extend(ids)
            turn += 1
            if last and not ids:
                break
        connections.close_all()

    reader = Thread(target=reads)
    reader.start()
    try:
        at_once([partial(_writes, scratch, random.Random(seed + number)) for number in range(writers)])
    finally:
        over.set()
        reader.join(60)
    assert found == _all(scratch)[len(before) :]
    assert len(found) == len(set(found))


def _writes(scratch: Scratch, chance: random.Random) -> None:
    """Some transactions of some events, of which some fail, and some write, wait, and write again."""
    for _ in range(10):
        with enter(scratch.ref), transaction.atomic():
            for _ in range(chance.randint(1, 3)):
                tell(None, *(Happening("test.happened", None) for _ in range(chance.randint(1, 4))))
                Signal().wait(chance.random() * 0.004)
            transaction.set_rollback(chance.random() < 0.2)


def _ids(scratch: Scratch, after: str, limit: int) -> tuple[list[str], str]:
    page: Any = Api(scratch.key).get(f"/v1/events?after={after}&types=test.*&limit={limit}")
    return [one["id"] for one in page["data"]], page["next_cursor"]


def _all(scratch: Scratch) -> list[str]:
    with enter(scratch.ref):
        rows = Event.objects.filter(type__startswith="test.").order_by("xid", "id")
        return [row.public_id for row in rows]


# Waiting.


def test_who_waits_is_answered_when_something_comes(scratch: Scratch) -> None:
    _, start = read(scratch, "latest")
    heard: list[list[str]] = []

    def waits() -> None:
        heard.append(read(scratch, start, wait_seconds=20)[0])
        connections.close_all()

    waiting = Thread(target=waits)
    waiting.start()
    Signal().wait(0.7)
    assert heard == []
    write(scratch, "test.came")
    waiting.join(5)
    assert heard == [["test.came"]]


def test_who_waits_does_not_search_what_was_looked_at_already(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Position] = []
    between = EventQuerySet.between

    def noted(self: EventQuerySet, after: Position, horizon: int) -> EventQuerySet:
        looked.append(after)
        return between(self, after, horizon)

    _, start = read(scratch, "latest")
    write(scratch, "other.happened", "other.happened")
    monkeypatch.setattr(EventQuerySet, "between", noted)
    assert read(scratch, start, wait_seconds=1)[0] == []
    assert min(looked[1:]) > looked[0], "the second look goes on from where the first one was"


def test_where_no_place_is_free_nobody_waits(
    scratch: Scratch, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    _, start = read(scratch, "latest")
    settings.PACKMULE_LONG_POLLS = 0
    assert read(scratch, start, wait_seconds=20)[0] == []
    assert naps == []

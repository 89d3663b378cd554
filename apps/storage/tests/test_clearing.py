"""Bytes that the store does not delete: they wait, and nothing else waits for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.storage import blobs, stores
from apps.storage.models import Condemned
from apps.storage.stores import absence, keys
from apps.storage.stores.absence import Absence
from apps.storage.stores.errors import StoreUnreachable
from apps.storage.tests.parcels import make_bucket, uploaded
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import Space, World


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


@pytest.fixture(autouse=True)
def _answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test before this one found that the store is away."""
    monkeypatch.setattr(blobs, "_absence", Absence())


class Stubborn:
    """The store, which does not delete some blobs; it says which it was asked for alone."""

    def __init__(self, kept: Collection[str], failure: Exception) -> None:
        self._kept, self._failure = kept, failure
        self.asked: list[str] = []

    def delete(self, keys: Sequence[str]) -> None:
        self.asked += keys if len(keys) == 1 else []
        if set(keys) & set(self._kept):
            raise self._failure


def condemned(space: Space, count: int) -> list[str]:
    """Keys of bytes that are to be deleted, the first one first."""
    named = [keys.make(space.ref, "file", f"ver_{number}") for number in range(count)]
    with enter(space.ref):
        for seconds, key in enumerate(named):
            due = clock.now() - timedelta(hours=1) + timedelta(seconds=seconds)
            Condemned.objects.create(blob=key, due_at=due)
    return named


def left_of(space: Space) -> list[str]:
    with enter(space.ref):
        return list(Condemned.objects.order_by("blob").values_list("blob", flat=True))


@pytest.mark.parametrize("failure", [StoreUnreachable(), OSError(5, "made up"), ValueError("no key")])
def test_a_blob_that_cannot_be_deleted_keeps_no_other_from_its_turn(
    world: World, root: Api, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    named = condemned(world.acorn, 6)
    store = Stubborn((named[0], named[3]), failure)
    monkeypatch.setattr(stores, "store", lambda: store)
    assert root.post("/v1/storage/lifecycle")["cleared"] == 4
    assert (left_of(world.acorn), store.asked) == ([named[0], named[3]], named)
    assert root.post("/v1/storage/lifecycle")["cleared"] == 0
    assert store.asked == named, "they have to wait"
    monkeypatch.setattr(stores, "store", lambda: Stubborn((), failure))
    with clock.frozen(clock.now() + blobs.AGAIN):
        assert root.post("/v1/storage/lifecycle")["cleared"] == 2
    assert left_of(world.acorn) == []


def test_a_store_that_deletes_nothing_is_not_asked_for_each(
    world: World, root: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = condemned(world.acorn, 9)
    store = Stubborn(named, StoreUnreachable())
    monkeypatch.setattr(stores, "store", lambda: store)
    assert root.post("/v1/storage/lifecycle")["cleared"] == 0
    assert (left_of(world.acorn), store.asked) == (named, named[:3])
    store = Stubborn(named[:3], StoreUnreachable())
    monkeypatch.setattr(stores, "store", lambda: store)
    with clock.frozen(clock.now() + absence.LASTS):
        assert root.post("/v1/storage/lifecycle")["cleared"] == 6, (
            "those that were not tried are due as before"
        )
    assert left_of(world.acorn) == named[:3]


def test_a_store_that_is_away_is_waited_for_once_and_not_in_every_tenant(
    world: World, root: Api, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs, of which there is a single blob to delete in each: a minute goes by in every call."""
    named, others = condemned(world.acorn, 1), condemned(world.birch, 1)
    moment, asked = [0.0], list[str]()

    class Hanging:
        def delete(self, keys: Sequence[str]) -> None:
            moment[0] += 60
            asked.extend(keys)
            raise StoreUnreachable

    monkeypatch.setattr("time.monotonic", lambda: moment[0])
    monkeypatch.setattr(stores, "store", Hanging)
    with clock.frozen(clock.now()) as moved:
        for _ in range(2):
            for space in (world.acorn, world.birch):
                with enter(space.ref):
                    assert blobs.clear_quietly() == 0
        assert asked == named
        monkeypatch.setattr(stores, "store", lambda: Stubborn((), StoreUnreachable()))
        moved.move(absence.LASTS)
        for space in (world.acorn, world.birch):
            with enter(space.ref):
                assert blobs.clear_quietly() == 1
    assert left_of(world.acorn) + left_of(world.birch) == []
    assert others


def test_who_purges_deletes_no_bytes_of_others(
    world: World, root: Api, django_capture_on_commit_callbacks: Any
) -> None:
    make_bucket(world.acorn)
    path = uploaded(world.acorn, root)
    named = condemned(world.acorn, 2)
    with django_capture_on_commit_callbacks(execute=True):
        assert root.post(f"{path}/purge").status == 204
    with enter(world.acorn.ref):
        due = Condemned.objects.filter(due_at__lte=clock.now())
        assert sorted(due.values_list("blob", flat=True)) == named
    assert root.post("/v1/storage/lifecycle")["cleared"] == 2

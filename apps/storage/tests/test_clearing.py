"""Bytes that the store does not delete: they wait, and nothing else waits for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

import pytest

from apps.core import clock
from apps.storage import blobs, stores
from apps.storage.models import Condemned
from apps.storage.stores import keys
from apps.storage.stores.errors import StoreUnreachable
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import Space, World


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


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
    assert root.post("/v1/storage/lifecycle")["cleared"] == 6, "those that were not tried are due as before"
    assert left_of(world.acorn) == named[:3]

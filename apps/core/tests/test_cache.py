"""The cache that allauth keeps device codes and rate limits in: shared by workers, apart for tenants."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import DatabaseError, connections, transaction

from apps.core import clock
from apps.core.models import CacheEntry
from apps.tenancy.walls import enter, outside
from tests.world import World


def test_what_is_kept_is_found_until_it_ends(world: World) -> None:
    with enter(world.acorn.ref), clock.frozen(clock.now()) as time:
        cache.set("code", {"granted": None, "tries": [1, 2]}, timeout=60)
        assert cache.get("code") == {"granted": None, "tries": [1, 2]}
        assert "code" in cache
        time.move(timedelta(seconds=60))
        assert cache.get("code", "gone") == "gone"
        assert CacheEntry.forget_ended() == 1


def test_a_tenant_does_not_find_what_its_twin_keeps(world: World) -> None:
    with enter(world.acorn.ref):
        cache.set("user_code", "acorn's")
    with enter(world.birch.ref):
        assert cache.get("user_code") is None
        cache.set("user_code", "birch's")
        cache.clear()
    with enter(world.acorn.ref):
        assert cache.get("user_code") == "acorn's"


def test_an_ended_entry_can_be_added_again_and_a_living_one_cannot(world: World) -> None:
    with enter(world.acorn.ref), clock.frozen(clock.now()) as time:
        assert cache.add("lock", value=True, timeout=10)
        assert not cache.add("lock", value=True, timeout=10)
        time.move(timedelta(seconds=11))
        assert cache.add("lock", value=True, timeout=10)


def test_of_several_who_add_at_once_one_does(committing: World) -> None:
    def take(_number: int) -> bool:
        try:
            with enter(committing.acorn.ref):
                return bool(cache.add("one of many", value=True, timeout=60))
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(take, range(16))) == 1
    finally:
        with enter(committing.acorn.ref):
            cache.delete("one of many")


def test_what_is_no_json_is_refused(world: World) -> None:
    with enter(world.acorn.ref), pytest.raises(TypeError):
        cache.set("object", object())


@pytest.mark.parametrize("use", [lambda: cache.get("x"), lambda: cache.set("x", 1), lambda: cache.clear()])
def test_outside_of_a_tenant_there_is_no_cache(world: World, use: Any) -> None:
    with outside(), pytest.raises(DatabaseError), transaction.atomic():
        use()


def test_touching_and_deleting_say_whether_there_was_something(world: World) -> None:
    with enter(world.acorn.ref):
        assert not cache.touch("nothing")
        assert not cache.delete("nothing")
        cache.set("something", 1)
        assert cache.touch("something", 5)
        assert cache.delete("something")


def test_a_long_key_is_as_good_as_a_short_one(world: World) -> None:
    with enter(world.acorn.ref):
        cache.set("long " * 100, 1)
        assert cache.get("long " * 100) == 1
        assert cache.get("long " * 99) is None

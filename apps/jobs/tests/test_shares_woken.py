"""Waking many shares: one statement for each lane, in one order of locks, and what their time is then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.ids import uuid7
from apps.jobs import turns
from apps.jobs.registry import Lane, Place, Share
from apps.jobs.tests.workers import describe, forget, lane, listening, make
from apps.tenancy.walls import outside, registry
from tests.client import Api
from tests.scratch import Scratch, begun, scratch_tenant, wait_until_somebody_waits
from tests.world import Space, World


def shares(space: Space | Scratch, *times: float, active: bool = False) -> list[tuple[Place, str]]:
    """Shares of a lane that sleeps, of so much virtual time each; as they are woken."""
    own: dict[str, Any] = {"schema_name": space.ref.schema_name, "queue": "menus"}
    with registry():
        Lane.objects.get_or_create(runner="client", defaults={"active": False}, **own)
        made = [Share(share=uuid7(), virtual_time=time, active=active, **own) for time in times]
        Share.objects.bulk_create(made)
    return [(Place(share=each.share, **own), "client") for each in made]


def times_of(places: list[tuple[Place, str]]) -> list[float]:
    """Virtual times of shares that all have to be awake."""
    with outside():
        found = {each.share: each for each in Share.objects.filter(active=True)}
    return [found[place.share].virtual_time for place, _ in places]


def wakes(seen: CaptureQueriesContext) -> int:
    return sum("with lane as" in query["sql"] for query in seen.captured_queries)


def test_many_shares_of_a_lane_are_woken_with_one_statement(world: World) -> None:
    places = shares(world.acorn, *[0.0] * 30)
    with CaptureQueriesContext(connection) as seen:
        turns.wake(places)
    assert wakes(seen) == len([query for query in seen.captured_queries if "jobs_" in query["sql"]]) == 1
    assert (times_of(places), lane(world.acorn).active) == ([0.0] * 30, True)


def test_shares_that_are_not_there_are_founded_beside_those_that_are(world: World) -> None:
    places = shares(world.acorn, 0.0, 0.0)
    new = [
        (Place(world.acorn.ref.schema_name, queue, uuid7()), "client") for queue in ("menus", "new", "new")
    ]
    turns.wake(places + new)
    assert times_of(places + new) == [0.0] * 5
    assert (lane(world.acorn).active, lane(world.acorn, "new").active) == (True, True)


def test_a_batch_for_several_organizations_is_one_wake(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.db.transaction.on_commit", lambda work, **_: work())
    me = api.using(world.acorn.root_key)
    make(me)
    wishes = [
        {"queue": "menus", "kind": "x", "organization": party.id} for party in world.acorn.parties.values()
    ]
    me.post("/v1/jobs/batch", {"jobs": wishes})
    with CaptureQueriesContext(connection) as seen:
        assert me.post("/v1/jobs/batch", {"jobs": wishes}).status == 201
    assert wakes(seen) == 1


def test_shares_that_wake_together_use_up_no_time_of_their_sleep(world: World) -> None:
    together = shares(world.acorn, 3.0, 100.0)
    turns.wake(together)
    assert times_of(together) == [100.0, 100.0]
    later_ones = shares(world.acorn, 3.0, 200.0)
    turns.wake(later_ones)
    assert times_of(later_ones) == [100.0, 200.0], "where somebody is awake, at their time"


@pytest.mark.parametrize("asleep", [True, False])
def test_those_who_listen_are_told_once_of_many_shares(committing: World, asleep: bool) -> None:
    with scratch_tenant() as scratch, listening() as heard:
        places = shares(scratch, *[0.0] * 5)
        with registry():
            Lane.objects.filter(schema_name=scratch.ref.schema_name).update(active=not asleep)
        turns.wake(places)
        own = f"client {scratch.ref.schema_name} menus"
        assert [said for said in heard() if said == own] == [own]
        turns.wake(places)
        assert own not in heard(), "they are awake"
        forget(scratch)


def only_the_first_is_waited_for(scratch: Scratch, change: Callable[[], object]) -> bool:
    """Whether `change` locks no other share of two before the first one, which somebody holds; it is done then."""
    rows = Share.objects.filter(schema_name=scratch.ref.schema_name).order_by("share")
    with registry():
        first, second = rows
        rows.select_for_update().get(pk=first.pk)
        changing = begun(change)
        wait_until_somebody_waits()
        free = rows.select_for_update(skip_locked=True).filter(pk=second.pk).exists()
    changing.join()
    return free


def reversed_shares(scratch: Scratch) -> list[tuple[Place, str]]:
    """Two that sleep, the later one first in the table and in the list."""
    own: dict[str, Any] = {"schema_name": scratch.ref.schema_name, "queue": "menus"}
    ids = sorted((uuid7(), uuid7()), reverse=True)
    with registry():
        Lane.objects.update_or_create(runner="client", active=True, **own)
        for share in ids:
            Share.objects.create(share=share, active=False, **own)
    return [(Place(share=share, **own), "client") for share in ids]


@pytest.mark.parametrize("by", ["waking", "another rule of the queue"])
def test_shares_are_locked_in_one_order(committing: World, by: str) -> None:
    with scratch_tenant() as scratch:
        me = Api(scratch.key)
        describe(me)
        places = reversed_shares(scratch)

        def change() -> None:
            # As where the table is small: in the order in which the rows lie.
            with connection.cursor() as cursor:
                cursor.execute("set enable_indexscan = off; set enable_bitmapscan = off")
            if by == "waking":
                turns.wake(places)
            else:
                me.patch("/v1/queues/menus", {"weight": 2})

        assert only_the_first_is_waited_for(scratch, change)
        with outside():
            own = Share.objects.filter(schema_name=scratch.ref.schema_name)
            assert set(own.values_list("active", flat=True)) == {True}
        forget(scratch)

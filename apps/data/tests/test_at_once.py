"""The worker carries on while somebody else defines, deletes or cancels: what it began with counts no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connections

from apps.data import advancing, building, changing
from apps.data.entering import enter_into
from apps.data.models import Collection, Entry
from apps.data.tests.shelves import DISH, DISHES, RECORDS, menu, names, serve
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.duties import in_every_tenant
from tests.scratch import Scratch, scratch_tenant, wait_until_somebody_waits
from tests.world import Space, World


@pytest.fixture(autouse=True)
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two, of which the call that defines something does none."""
    monkeypatch.setattr(building, "BATCH", 2)
    monkeypatch.setattr(changing, "BATCH", 2)
    monkeypatch.setattr(advancing, "AT_ONCE", 0)


def carried_on() -> None:
    in_every_tenant(advancing.carry_on_everywhere)


def as_it_is(space: Space) -> Collection:
    """The row as a worker read it, which will be out of date."""
    with enter(space.ref):
        return Collection.objects.get(name="dishes")


def batch(space: Space, work: Callable[[Collection], bool], row: Collection) -> bool:
    with enter(space.ref):
        return work(row)


def entries(space: Space) -> int:
    with enter(space.ref):
        return Entry.objects.count()


def test_an_index_that_was_dropped_meanwhile_stays_dropped(world: World) -> None:
    api = menu(world.acorn)
    serve(api, {"name": "Ramen", "price": 1}, {"name": "Udon", "price": 2})
    api.patch(DISHES, {"indexes": [{"field": "price"}]})
    row = as_it_is(world.acorn)
    api.patch(DISHES, {"indexes": []})
    for _ in range(3):
        batch(world.acorn, building.build_on, row)
    carried_on()
    assert (api.get(DISHES)["indexes"], entries(world.acorn)) == ([], 0)


def test_what_is_built_into_a_slot_that_is_free_again_is_nothing(world: World) -> None:
    api = menu(world.acorn)
    serve(api, {"name": "Ramen", "price": 1}, {"name": "Udon", "price": 2})
    api.patch(DISHES, {"indexes": [{"field": "price"}]})
    row = as_it_is(world.acorn)
    api.patch(DISHES, {"indexes": []})
    carried_on()
    assert batch(world.acorn, building.build_on, row) is False
    assert entries(world.acorn) == 0


def test_an_index_that_is_added_while_records_are_moved_knows_all_of_them(world: World) -> None:
    api = menu(world.acorn)
    ids = serve(api, *({"name": f"dish {n}", "price": n} for n in range(4)))
    api.patch(DISHES, {"schema": DISH, "steps": [{"do": "convert", "field": "sku", "to": "string"}]})
    row = as_it_is(world.acorn)
    while as_it_is(world.acorn).schema_version == 1:
        batch(world.acorn, changing.change_on, row)
    row = as_it_is(world.acorn)
    api.patch(DISHES, {"indexes": [{"field": "price"}]})
    while api.get(DISHES)["indexes"][0]["state"] == "building":
        batch(world.acorn, building.build_on, as_it_is(world.acorn))
    while batch(world.acorn, changing.change_on, row):
        pass
    assert len(names(api.get(f"{RECORDS}?filter[price][gte]=0"))) == len(ids)


def test_a_search_that_was_declared_meanwhile_stays(world: World) -> None:
    api = menu(world.acorn)
    serve(api, {"name": "soup", "tags": ["hot"]})
    api.patch(DISHES, {"search": {"fields": ["name"]}})
    row = as_it_is(world.acorn)
    api.patch(DISHES, {"search": {"fields": ["tags"]}})
    batch(world.acorn, building.build_on, row)
    carried_on()
    assert api.get(DISHES)["search"]["fields"] == ["tags"]
    assert names(api.get(f"{RECORDS}?search=hot")) == ["soup"]
    assert names(api.get(f"{RECORDS}?search=soup")) == []


def test_nothing_that_was_left_behind_is_found_in_another_collection(world: World) -> None:
    api = menu(world.acorn)
    gone = as_it_is(world.acorn)
    assert api.delete(DISHES).status == 204
    assert batch(world.acorn, building.build_on, gone) is False
    assert batch(world.acorn, changing.change_on, gone) is False
    with enter(world.acorn.ref):
        Entry.objects.create(index=gone.number * 64 + 1, key="n", record_id=gone.id)
    menu(world.acorn)
    assert as_it_is(world.acorn).number > gone.number


# In threads that commit.


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        yield made


def dishes(scratch: Scratch, many: int = 2) -> Api:
    api = Api(scratch.key)
    assert api.post("/v1/collections", {"name": "dishes", "schema": DISH}).status == 201
    serve(api, *({"name": f"dish {n}", "price": n} for n in range(many)))
    return api


def in_thread(call: Callable[[], Any], answers: list[Any]) -> Thread:
    def run() -> None:
        try:
            answers.append(call())
        finally:
            connections.close_all()

    made = Thread(target=run)
    made.start()
    return made


def row_of(scratch: Scratch) -> Collection:
    with enter(scratch.ref):
        return Collection.objects.get(name="dishes")


def test_deleting_waits_for_the_batch_and_leaves_nothing(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = dishes(scratch)
    api.patch(DISHES, {"indexes": [{"field": "price"}]})
    answers: list[Answer] = []
    deleting: list[Thread] = []

    def meanwhile(*args: Any) -> None:
        enter_into(*args)
        deleting.append(in_thread(lambda: api.delete(f"{DISHES}?with_records=2"), answers))
        wait_until_somebody_waits()

    monkeypatch.setattr(building, "enter_into", meanwhile)
    with enter(scratch.ref):
        building.build_on(Collection.objects.get(name="dishes"))
    deleting[0].join()
    assert [answer.status for answer in answers] == [204]
    with enter(scratch.ref):
        assert not Entry.objects.exists()


def test_what_is_begun_while_the_worker_ends_is_not_forgotten(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, told = dishes(scratch), advancing.is_busy
    answers: list[Answer] = []

    def meanwhile(row: Collection) -> bool:
        monkeypatch.setattr(advancing, "is_busy", told)
        found = told(row)
        defining.append(in_thread(lambda: api.patch(DISHES, {"indexes": [{"field": "price"}]}), answers))
        defining[0].join(1)
        return found

    defining: list[Thread] = []
    row = row_of(scratch)
    row.busy = True
    with enter(scratch.ref):
        Collection.objects.update(busy=True)
        monkeypatch.setattr(advancing, "is_busy", meanwhile)
        advancing.carry_on(row)
    defining[0].join()
    assert [answer.status for answer in answers] == [200]
    assert row_of(scratch).busy


def test_cancelling_and_going_on_do_not_wait_for_each_other(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = dishes(scratch, many=1)
    narrower = {**DISH, "properties": {**DISH["properties"], "price": {"type": "number", "maximum": 9}}}
    api.patch(DISHES, {"schema": narrower})
    begun, go_on, begin_moving = Event(), Event(), changing._begin_moving

    def slow(*args: Any) -> None:
        begun.set()
        go_on.wait(10)
        begin_moving(*args)

    monkeypatch.setattr(changing, "_begin_moving", slow)
    carried: list[Any] = []
    cancelled: list[Any] = []

    def carry_on() -> None:
        with enter(scratch.ref):
            advancing.carry_on(Collection.objects.get(name="dishes"))

    working = in_thread(carry_on, carried)
    assert begun.wait(10)
    cancelling = in_thread(lambda: api.post(f"{DISHES}/cancel-change"), cancelled)
    wait_until_somebody_waits()
    go_on.set()
    working.join()
    cancelling.join()
    assert (carried, cancelled[0].code) == ([None], "no_schema_change")
    assert row_of(scratch).schema_version == 2

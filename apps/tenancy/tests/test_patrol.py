"""The worker's way through all tenants: what is due is done, what is not costs next to nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import ServiceAccount
from apps.core import clock
from apps.core.clock import FrozenClock
from apps.core.ids import uuid7
from apps.tenancy import patrol
from apps.tenancy.models import Errand, Tenant
from apps.tenancy.patrol import Patrol, ask_for, register_duty, rows_of
from apps.tenancy.walls import current_tenant, enter, outside, registry
from tests.world import World


@dataclass
class Way:
    """A patrol on a clock that a test moves."""

    held: FrozenClock
    moment: float = 1000.0
    patrol: Patrol = field(default_factory=Patrol)

    def later(self, seconds: float) -> None:
        self.moment += seconds
        self.held.move(timedelta(seconds=seconds))

    def walk(self, seconds: float) -> None:
        """So long, with two steps a second as the worker takes them."""
        for _ in range(int(seconds * 2)):
            self.patrol.step()
            self.later(0.5)


@pytest.fixture
def way(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    monkeypatch.setattr(patrol, "_duties", {})
    monkeypatch.setattr(connections, "close_all", lambda: None)
    with clock.frozen(clock.now()) as held:
        made = Way(held)
        monkeypatch.setattr("time.monotonic", lambda: made.moment)
        yield made


def active() -> list[str]:
    with outside():
        return [tenant.name for tenant in Tenant.objects.active()]


def doing(done: list[str], *counts: int) -> Callable[[], int]:
    """Work that finds so much to do in the calls of one tenant, and nothing after them."""

    def work() -> int:
        done.append(current_tenant().name)
        turn = done.count(current_tenant().name)
        return counts[turn - 1] if turn <= len(counts) else 0

    return work


def test_every_tenant_has_its_turn_and_only_what_is_due_is_done(world: World, way: Way) -> None:
    asked, done = list[str](), list[str]()

    def due(tenant: Tenant) -> list[patrol.Rows]:
        asked.append(tenant.name)
        found = (
            ServiceAccount.objects.all() if tenant.name == world.acorn.name else ServiceAccount.objects.none()
        )
        return rows_of(found) if tenant.name == world.acorn.name else [("select 1 where false", [])]

    register_duty("test", work=doing(done), due=due)
    way.walk(patrol.REST * (len(active()) + 2))
    assert set(asked) == set(active())
    assert set(done) == {world.acorn.name}


def test_an_idle_walk_costs_the_same_however_many_tenants_there_are(world: World, way: Way) -> None:
    register_duty("a", work=lambda: 0, due=lambda _: [("select 1 where false", [])])
    register_duty("b", work=lambda: 0, due=lambda _: rows_of(ServiceAccount.objects.filter(pk=uuid7())))
    seconds = 400
    with CaptureQueriesContext(connection) as seen:
        way.walk(seconds)
    kinds = Counter("errand" if "errand" in query["sql"] else "look" for query in seen.captured_queries)
    assert kinds["errand"] <= seconds / patrol.LOOK + 1
    # One for each tenant that was asked, and one for the next ones.
    assert seconds / patrol.REST / 2 < kinds["look"] <= seconds / patrol.REST * 2 + 1
    assert len(seen) / seconds < 0.5


def test_an_errand_is_done_at_once_and_again_while_there_is_more(world: World, way: Way) -> None:
    done = list[str]()
    register_duty("test", work=doing(done, 5, 2), due=lambda _: [])
    way.walk(1)
    assert done == []
    with enter(world.birch.ref):
        ask_for("test")
        ask_for("test")
    way.walk(patrol.LOOK + 10)
    assert done == [world.birch.name] * 3, "twice something, and then nothing"
    with outside():
        assert not Errand.objects.exists()


def test_what_was_due_goes_on_before_the_next_round(world: World, way: Way) -> None:
    done = list[str]()
    register_duty("test", work=doing(done, 1, 1, 1), due=lambda _: [("select 1", [])])
    way.walk(30)
    assert Counter(done).most_common(1)[0][1] >= 4


def test_a_duty_that_fails_keeps_no_other_from_its_turn(
    world: World, way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    done = list[str]()

    def fail() -> int:
        raise OSError("made up for the test")

    register_duty("bad", work=fail, due=lambda _: [("select 1", [])])
    register_duty("good", work=doing(done), due=lambda _: [("select 1", [])])
    way.walk(patrol.REST * (len(active()) + 2))
    assert set(done) == set(active())
    assert f"bad in {world.acorn.name} failed" in caplog.text


def test_errands_of_tenants_that_serve_nobody_are_dropped(world: World, way: Way) -> None:
    done = list[str]()
    register_duty("test", work=doing(done), due=lambda _: [])
    with enter(world.birch.ref):
        ask_for("test")
    with registry():
        Tenant.objects.filter(name=world.birch.name).update(state="deleted")
    way.walk(patrol.LOOK * 2)
    assert done == []
    with outside():
        assert not Errand.objects.exists()


def errands() -> list[str]:
    with outside():
        return sorted(Errand.objects.values_list("duty", flat=True))


def test_an_errand_that_nobody_here_knows_is_left_to_a_newer_process_for_a_week(
    world: World, way: Way
) -> None:
    register_duty("test", work=lambda: 0, due=lambda _: [])
    with enter(world.birch.ref):
        ask_for("of_tomorrow")
        ask_for("test")
    way.walk(patrol.LOOK * 2)
    assert errands() == ["of_tomorrow"]
    way.later(7 * 24 * 3600)
    way.walk(patrol.LOOK * 2)
    assert errands() == []


def test_an_errand_whose_process_dies_is_done_by_another_one(world: World, way: Way) -> None:
    done = list[str]()

    def die() -> int:
        raise SystemExit

    register_duty("test", work=die, due=lambda _: [])
    with enter(world.birch.ref):
        ask_for("test")
    with pytest.raises(SystemExit):
        way.patrol.step()
    register_duty("test", work=doing(done), due=lambda _: [])
    way.patrol = Patrol()
    way.walk(50)
    assert (done, errands()) == ([], ["test"]), "somebody may be doing it"
    way.walk(30)
    assert (done, errands()) == ([world.birch.name], [])


def test_an_errand_that_fails_is_done_again_later_and_keeps_no_other(world: World, way: Way) -> None:
    done, tried = list[str](), list[float]()

    def fail() -> int:
        tried.append(way.moment)
        raise OSError("made up for the test")

    register_duty("bad", work=fail, due=lambda _: [])
    register_duty("good", work=doing(done), due=lambda _: [])
    with enter(world.birch.ref):
        ask_for("bad")
        ask_for("good")
    way.patrol.step()
    assert (len(tried), done, errands()) == (1, [world.birch.name], ["bad"])
    way.walk(130)
    assert len(tried) == 3


def test_who_took_too_long_for_an_errand_leaves_it_to_who_has_it_now(world: World, way: Way) -> None:
    done = list[str]()

    def slow() -> int:
        way.later(90)
        register_duty("test", work=doing(done, 3), due=lambda _: [])
        Patrol().step()
        return 0

    register_duty("test", work=slow, due=lambda _: [])
    with enter(world.birch.ref):
        ask_for("test")
    way.patrol.step()
    assert (done, errands()) == ([world.birch.name], ["test"]), "the other one has it done again"


def test_asking_again_fails_for_itself_alone(world: World, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    done = list[str]()

    def refuse(*_: object) -> None:
        raise OSError("made up for the test")

    monkeypatch.setattr(patrol, "_ask_again", refuse)
    for name in ("a", "b"):
        register_duty(name, work=doing(done, 1, 1), due=lambda _: [("select 1", [])])
    way.patrol.step()
    assert Counter(done).most_common(1)[0][1] == 2


def test_a_patrol_ends_when_it_is_stopped_however_much_there_is(world: World, way: Way) -> None:
    stop, done = Event(), list[str]()

    def work() -> int:
        done.append(current_tenant().name)
        stop.set()
        return 1

    for name in ("a", "b"):
        register_duty(name, work=work, due=lambda _: [("select 1", [])])
    Patrol(stop).step()
    assert len(done) == 1


def test_processes_that_do_not_live_long_reach_every_tenant(world: World, way: Way) -> None:
    asked = set[str]()

    def due(tenant: Tenant) -> list[patrol.Rows]:
        asked.add(tenant.name)
        return [("select 1 where false", [])]

    register_duty("test", work=lambda: 0, due=due)
    for _ in range(300):
        Patrol().step()
        if asked == set(active()):
            return
    raise AssertionError(f"only {asked}")


def test_a_tenant_asks_for_nothing_in_the_name_of_another(world: World) -> None:
    with enter(world.acorn.ref):
        ask_for("test")
    with registry():
        assert set(Errand.objects.values_list("schema_name", flat=True)) == {world.acorn.ref.schema_name}

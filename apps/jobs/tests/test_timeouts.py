"""How long an attempt may take, by its job or by its queue, whoever works on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from apps.core import clock
from apps.core.clock import FrozenClock
from apps.jobs.inside import performing
from apps.jobs.inside.keeping import Keeper
from apps.jobs.leases import place_of
from apps.jobs.registry import Dispatch
from apps.jobs.tests.workers import clockwork, describe, later, make, state, take
from apps.jobs.turns import wake
from apps.tenancy.walls import outside
from tests.client import Api
from tests.receiving import Receiver, receiving, work
from tests.refusals import check_refusal
from tests.standins.outside import answer, dripping
from tests.world import World


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


@pytest.fixture
def frozen() -> Iterator[FrozenClock]:
    with clockwork() as held:
        yield held


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.PACKMULE_OUTBOUND_LOOPBACK = True
    with receiving() as made:
        yield made


def seconds_until(shown: str) -> float:
    return (datetime.fromisoformat(shown) - clock.now()).total_seconds()


@pytest.mark.parametrize(
    ("rules", "said", "seconds"),
    [
        ({"timeout_seconds": 30}, {}, 30),
        ({"timeout_seconds": 30}, {"timeout_seconds": 10}, 10),
        ({"timeout_seconds": 10}, {"timeout_seconds": 30}, 30),
        ({}, {"timeout_seconds": 10}, 10),
        ({"timeout_seconds": 90}, {}, 60),
    ],
)
def test_a_lease_is_no_longer_than_an_attempt_may_take(
    root: Api, frozen: FrozenClock, rules: dict[str, Any], said: dict[str, Any], seconds: int
) -> None:
    describe(root, **rules)
    make(root, **said)
    assert seconds_until(take(root).lease["expires_at"]) == seconds


def test_no_heartbeat_makes_an_attempt_longer_than_its_queue_says(root: Api, frozen: FrozenClock) -> None:
    describe(root, timeout_seconds=90)
    job = make(root)
    held = take(root)
    later(frozen, 50)
    assert seconds_until(held.beat()["expires_at"]) == 40
    later(frozen, 40)
    check_refusal(held.beat(), 409, "lease_lost")
    later(frozen, 1)
    assert state(root, job) == "ready"
    assert take(root).job["attempt"] == 2


def test_what_a_queue_says_later_counts_for_who_works_already(root: Api, frozen: FrozenClock) -> None:
    describe(root)
    make(root)
    held = take(root)
    root.patch("/v1/queues/menus", {"timeout_seconds": 20})
    later(frozen, 5)
    assert seconds_until(held.beat()["expires_at"]) == 15


def test_a_receiver_that_goes_on_by_itself_has_no_longer(
    root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    describe(root, push_url=receiver.url(), timeout_seconds=40)
    receiver.page = answer(b"", "202 Accepted")
    job = make(root)
    work()
    later(frozen, 41)
    assert state(root, job) != "running", "its lease would be good for a minute"
    (attempt, *_) = root.get(f"/v1/jobs/{job}/attempts")["data"][::-1]
    assert attempt["state"] == "lost"


def test_a_receiver_that_needs_longer_than_the_queue_allows_is_cut_off(root: Api, receiver: Receiver) -> None:
    describe(root, push_url=receiver.url(), timeout_seconds=1)
    receiver.page = dripping(b"HTTP/1.1 200 OK\r\n\r\n", b" ")
    job = make(root)
    work()
    assert root.get(f"/v1/jobs/{job}")["error"]["type"] == "answer_too_slow"


def test_the_platforms_worker_keeps_no_lease_for_longer(
    root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    describe(root, push_url=receiver.url(), timeout_seconds=50)
    make(root)
    with outside():
        row = Dispatch.objects.get(queue="menus")
    wake([(place_of(row), row.runner)])
    (held,), _ = performing.take(1, "worker")
    keeper = Keeper()
    keeper.keep([held])
    (kept,) = keeper._kept.values()
    began = time.monotonic()
    assert [kept.is_due(began + seconds) for seconds in (1, 45, 51)] == [False, True, False]

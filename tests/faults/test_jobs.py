"""Jobs while everything dies: workers, web and Postgres are killed under load, workers are stopped past their leases.

Ten thousand jobs of two tenants, in a queue that is pulled, in one that is pushed, and in the platform's own. None is
lost, none ends twice, no stale end is taken, attempts are counted right, and higher priorities go first.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core.ids import decode
from tests.faults import order
from tests.faults.audit import Audit, counted
from tests.faults.installation import installed, seed
from tests.faults.product import (
    LATE,
    LEASE,
    PUSHED,
    UNLIMITED,
    Caller,
    Product,
    Receiver,
    Space,
    Worker,
    batch,
    working,
)
from tests.faults.storm import INSIDE, MANY, UNSERVED, Enqueuer, Site, Storm, inside_jobs, stop_past_lease
from tests.standins.outside import outside

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="finds its victims in /proc"),
]

#: Seconds that a killed worker's jobs have beyond the lease until they run again.
BEYOND = 2.0
#: Pairs of jobs of a queue whose order says something about it.
ENOUGH = 1000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    env = UNLIMITED | {"DJANGO_SETTINGS_MODULE": "tests.standins.settings"}
    receiver = Receiver()
    with outside({"/jobs": receiver.page}) as server, installed(env) as installation:
        product = Product(installation, tmp_path_factory.mktemp("ledgers"), server.url("/jobs"))
        receiver.caller = product.callers
        audit = Audit(installation.owner_url)
        audit.watch()
        order.watch(audit)
        with working(product):
            yield Site(product, receiver, audit)


def test_no_job_is_lost_and_none_ends_twice(site: Site) -> None:
    number = seed()
    chance = random.Random(number)
    ids = inside_jobs(site, "standin.mark", INSIDE // 2) + inside_jobs(site, "standin.stumble", 20)
    unserved = unserved_jobs(site, chance)
    enqueuers = [Enqueuer(site, queue, random.Random(number + n)) for n, queue in enumerate(MANY)]
    storm, began = Storm(site, chance), time.monotonic()
    for enqueuer in enqueuers:
        enqueuer.start()
    storm.rage()
    for enqueuer in enqueuers:
        enqueuer.join(180)
        assert enqueuer.problem is None, enqueuer.problem
        ids += enqueuer.ids
    raged = time.monotonic() - began
    storm.tend()
    site.audit.await_end(ids, 90)
    print(
        f"{len(ids)} jobs in {time.monotonic() - began:.0f} s, faults over {raged:.0f} s: {dict(storm.done)}"
    )
    assert site.audit.asleep() == []
    storm.pullers.append(site.product.puller(LATE))
    site.audit.await_end(unserved, 60)
    # Those that were stopped in the storm may have held nothing; this one does.
    late = stop_at_work(site, storm.pullers[-1])
    site.audit.await_end([late], 60)
    report(site, [*ids, *unserved, late])


def stop_at_work(site: Site, puller: Worker) -> str:
    """Have a worker stand still past its lease, in the middle of a job; the job."""
    space = site.product.spaces[0]
    job = {"queue": LATE, "kind": "plain", "payload": {"first_seconds": 1}}
    (shown,) = site.product.enqueue(space, [job])
    until = time.monotonic() + 30
    while caller(site, space).call("GET", f"/v1/jobs/{shown}").json()["state"] != "running":
        assert time.monotonic() < until
        time.sleep(0.05)
    stop_past_lease(puller)
    return shown


def unserved_jobs(site: Site, chance: random.Random) -> list[str]:
    """Jobs of a queue to which no worker comes until all is over."""
    made = [
        site.product.enqueue(space, batch(chance, space, LATE, {"plain": 1}, UNSERVED // 2))
        for space in site.product.spaces
    ]
    return [one for ids in made for one in ids]


def report(site: Site, ids: list[str]) -> None:
    """Check what the rows, the ledgers and the receiver say of `ids`, and print the figures."""
    ends = site.audit.check(ids)
    attempts = site.audit.attempts()
    states = Counter(one.state for each in attempts.values() for one in each)
    refused, taken = check_ledgers(site)
    check_receiver(site)
    check_order(site)
    assert site.audit.unfinished() == 0
    print(f"ends {dict(ends)}, attempts {dict(states)}, {taken} ends taken, {refused} stale ones refused")
    assert refused > 0, "nobody came too late: that was not tried"
    assert states["lost"] > 0


def check_ledgers(site: Site) -> tuple[int, int]:
    """What pull workers were answered is what the rows say. Returns how many ends were refused, and how many taken."""
    by_attempt = {
        (job, one.number): one for job, each in site.audit.attempts().items() for one in counted(each)
    }
    refused = taken = 0
    for line in site.product.ledgers():
        assert line[1] != "given up", line
        if line[1] != "ended":
            continue
        _, _, job, number, verb, status, code = line
        row = by_attempt[decode(job, "job"), number]
        if status == 200:
            taken += 1
            expected = {"complete": ("succeeded", "cancelled"), "fail": ("failed", "cancelled")}[verb]
            assert row.state in expected, (line, row)
        else:
            refused += 1
            assert (status, code) == (409, "lease_lost"), line
            assert row.state in ("lost", "cancelled"), (line, row)
    return refused, taken


def check_receiver(site: Site) -> None:
    """Only attempts that there are were sent, and what went on after a 202 was answered as the rows say."""
    rows = {(job, one.number): one for job, each in site.audit.attempts().items() for one in each}
    for shown, number in site.receiver.seen:
        assert (decode(shown, "job"), number) in rows
    for (shown, number), status in site.receiver.late.items():
        state = rows[decode(shown, "job"), number].state
        assert (status, state) in {(200, "succeeded"), (409, "lost")}, (shown, number, status, state)


def check_order(site: Site) -> None:
    """Of jobs of a share that waited together, nobody claimed one before another of a higher priority."""
    found = order.orders(site.audit)
    pairs = {queue: one.pairs for queue, one in found.items()}
    print(f"pairs of jobs that waited together: {pairs}")
    assert [one for one in found.values() if one.wrong] == []
    few = [queue for queue in MANY if pairs.get(queue, 0) < ENOUGH]
    assert few == [], "too few waited together: that was not tried"


# How soon jobs of a killed worker run again.


def test_jobs_of_a_killed_worker_run_again_within_their_lease_and_two_seconds(site: Site) -> None:
    waits: dict[str, list[float]] = {}
    for name, begin in {"pull": running_pulled, "inside": running_inside}.items():
        ids, worker, spare = begin(site)
        killed = datetime.now(UTC)
        worker.signal(signal.SIGKILL)
        spare()
        site.audit.await_end(ids, 30)
        waits[name] = [(started_again(site, one) - killed).total_seconds() for one in ids]
        print(
            f"{name}: {len(ids)} jobs ran again {min(waits[name]):.2f} to {max(waits[name]):.2f} s after the kill"
        )
    assert {name: found for name, found in waits.items() if max(found) > LEASE + BEYOND} == {}


def running_pulled(site: Site) -> tuple[list[str], Worker, Callable[[], Any]]:
    """Ten jobs that a pull worker has claimed, who will be followed by another one."""
    space = site.product.spaces[0]
    jobs = [{"queue": LATE, "kind": "plain", "payload": {"first_seconds": 60}} for _ in range(10)]
    stop_all(site)
    worker = site.product.puller(LATE, limit=10, spaces=[space])
    ids = site.product.enqueue(space, jobs)
    await_running(site, ids)
    return ids, worker, lambda: site.product.puller(LATE, limit=10, spaces=[space])


def running_inside(site: Site) -> tuple[list[str], Worker, Callable[[], Any]]:
    """Jobs that one of the platform's workers does while the other one is held still, who follows it."""
    stop_all(site)
    (pid,) = site.installation.pids("worker")
    os.kill(pid, signal.SIGSTOP)
    worker = site.product.inside()
    ids = inside_jobs(site, "standin.mark", 4, '{"first_seconds": 60}')
    await_running(site, ids)
    return ids, worker, lambda: os.kill(pid, signal.SIGCONT)


def stop_all(site: Site) -> None:
    site.product.stop()


def await_running(site: Site, ids: list[str]) -> None:
    limit, wanted = time.monotonic() + 20, {decode(one, "job") for one in ids}
    while time.monotonic() < limit:
        if {job.id for job in site.audit.jobs() if job.state == "running"} >= wanted:
            return
        time.sleep(0.05)
    pytest.fail(f"not running: {[job for job in site.audit.jobs() if job.id in wanted]}")


def started_again(site: Site, shown: str) -> datetime:
    """When the second attempt began."""
    first, second = counted(site.audit.attempts()[decode(shown, "job")])
    assert (first.state, second.state) == ("lost", "succeeded")
    return second.started_at


# What a single job can do to the others.


def test_a_poisonous_job_is_dead_after_its_attempts_and_blocks_nobody(site: Site) -> None:
    stop_all(site)
    space = site.product.spaces[0]
    poison = [{"queue": LATE, "kind": "poison", "payload": {}, "max_attempts": 3, "priority": 9}]
    ids = site.product.enqueue(space, poison)
    others = site.product.enqueue(space, [{"queue": LATE, "kind": "plain", "payload": {}}] * 40)
    others += inside_jobs(site, "standin.poison", 1)
    others += inside_jobs(site, "standin.mark", 20)
    site.product.inside()
    puller = site.product.puller(LATE, limit=5, spaces=[space])
    done = threading.Event()

    def keep() -> None:
        while not done.wait(0.2):
            if not puller.is_alive():
                puller.start()

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    site.audit.await_end([*ids, *others], 120)
    done.set()
    keeper.join()
    ends = {job.shown: (job.kind, job.state, job.attempt) for job in site.audit.jobs()}
    assert {ends[one] for one in ids} == {("poison", "dead", 3)}
    assert Counter(ends[one][:2] for one in others) == {
        ("plain", "succeeded"): 40, ("standin.poison", "dead"): 2, ("standin.mark", "succeeded"): 40,
    }  # fmt: skip


def test_one_worker_gets_jobs_of_a_lane_in_the_order_of_their_priorities(site: Site) -> None:
    chance, space = random.Random(seed()), site.product.spaces[1]
    stop_all(site)
    jobs: list[dict[str, Any]] = [
        {"queue": LATE, "kind": "plain", "payload": {}, "priority": chance.randint(-100, 100)}
        for _ in range(200)
    ]
    ids = site.product.enqueue(space, jobs)
    wanted = [one for _, one in sorted(zip(jobs, ids, strict=True), key=lambda pair: -pair[0]["priority"])]
    before = len(claims(site))
    site.product.puller(LATE, limit=7, spaces=[space])
    site.audit.await_end(ids, 60)
    assert claims(site)[before:] == wanted


def claims(site: Site) -> list[str]:
    """Which jobs pull workers claimed, in order."""
    lines = [line for line in site.product.ledgers() if line[1] == "claimed"]
    return [line[2] for line in sorted(lines, key=lambda line: line[0])]


def test_a_cancelled_job_ends_cancelled_although_its_worker_goes_on(site: Site) -> None:
    stop_all(site)
    space = site.product.spaces[0]
    jobs = [{"queue": LATE, "kind": "stubborn", "payload": {"first_seconds": 3, "seconds": 3}}]
    (shown,) = site.product.enqueue(space, jobs)
    site.product.puller(LATE, limit=1, spaces=[space])
    await_running(site, [shown])
    assert caller(site, space).post(f"/v1/jobs/{shown}/cancel").json()["state"] == "cancelling"
    site.audit.await_end([shown], 30)
    job = caller(site, space).get(f"/v1/jobs/{shown}")
    assert (job["state"], job["attempt"]) == ("cancelled", 1), "it was not tried again"


def caller(site: Site, space: Space) -> Caller:
    return site.product.callers[space.tenant]


@pytest.mark.parametrize("seconds", [600, -600])
def test_a_worker_whose_clock_is_ten_minutes_off_goes_by_the_databases(site: Site, seconds: int) -> None:
    stop_all(site)
    space, began = site.product.spaces[1], datetime.now(UTC)
    said: dict[str, Any] = {"queue": PUSHED, "payload": {"tenant": space.tenant}}
    delayed = [said | {"kind": "plain", "delay_seconds": 8}] * 5
    jobs = [said | {"kind": "failing"}] * 20 + [said | {"kind": "plain"}] * 20
    with only_workers_of_ours(site):
        ids = site.product.enqueue(space, delayed + jobs)
        site.product.inside(STANDIN_CLOCK_SECONDS=str(seconds))
        site.audit.await_end(ids, 60)
    attempts = site.audit.attempts()
    starts = [[one.started_at for one in counted(attempts[decode(shown, "job")])] for shown in ids]
    assert [len(each) for each in starts] == [1] * 5 + [2] * 20 + [1] * 20
    assert all(each[0] >= began + timedelta(seconds=8) for each in starts[:5])
    assert all(began <= time_ <= datetime.now(UTC) for each in starts for time_ in each)


@contextmanager
def only_workers_of_ours(site: Site) -> Iterator[None]:
    """Keep the worker that `up` started still."""
    (pid,) = site.installation.pids("worker")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)

"""RabbitMQ and Redis carry doorbells: they are rung ten times for a job, and the broker dies, and no job minds."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.core.ids import decode
from tests.faults.audit import Audit, counted
from tests.faults.installation import installed, seed
from tests.faults.product import PUSHED, UNLIMITED, Product, Receiver, batch, working
from tests.standins.brokers import Server, require_broker, standing
from tests.standins.outside import outside

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="as the others here"),
]

BROKERS = ("rabbitmq", "redis")
#: For how many seconds it is down.
DOWN = 60.0
RINGS, BATCHES, BATCH = 10, 6, 50
KINDS = {"plain": 90, "failing": 10}
#: Seconds within which enqueuing answers although there is no broker, and jobs go on once there is one again.
ANSWERED, RUNG = 10.0, 60.0


@pytest.fixture(params=BROKERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    require_broker(request.param)
    with standing(request.param) as made:
        yield made


@pytest.fixture
def product(server: Server, tmp_path: Path) -> Iterator[Product]:
    receiver = Receiver()
    env = UNLIMITED | {
        "DJANGO_SETTINGS_MODULE": "tests.standins.settings",
        "PACKMULE_BROKER_URL": server.url,
        "STANDIN_RINGS": str(RINGS),
    }
    with outside({"/jobs": receiver.page}) as pushed, installed(env) as installation:
        made = Product(installation, tmp_path, pushed.url("/jobs"))
        with working(made):
            yield made


def enqueue(product: Product, chance: random.Random) -> tuple[list[str], float]:
    """Jobs of both tenants; the ids, and how long the slowest call took."""
    ids, slowest = [], 0.0
    for number in range(BATCHES):
        space, began = product.spaces[number % 2], time.monotonic()
        ids += product.enqueue(space, batch(chance, space, PUSHED, KINDS, BATCH))
        slowest = max(slowest, time.monotonic() - began)
    return ids, slowest


def test_jobs_survive_their_broker(request: pytest.FixtureRequest, product: Product, server: Server) -> None:
    kind = request.node.callspec.params["server"]
    chance, audit = random.Random(seed()), Audit(product.installation.owner_url)
    audit.watch()
    before, _ = enqueue(product, chance)
    audit.await_end(before, 60)
    check_once(audit, before)
    server.kill()
    down = time.monotonic()
    during, slowest = enqueue(product, chance)
    time.sleep(max(0.0, DOWN - (time.monotonic() - down)))
    server.start()
    began = time.monotonic()
    audit.await_end(during, RUNG)
    over = time.monotonic() - began
    after, _ = enqueue(product, chance)
    audit.await_end(after, 60)
    print(f"{kind}: enqueuing took {slowest:.2f} s at most while it was down for {DOWN:.0f} s;"
          f" {len(during)} jobs were over {over:.1f} s after it was back")  # fmt: skip
    check_once(audit, [*before, *during, *after])
    ends = audit.check([*before, *during, *after])
    assert ends == Counter(succeeded=3 * BATCHES * BATCH)
    assert audit.unfinished() == 0
    assert slowest < ANSWERED


def check_once(audit: Audit, ids: list[str]) -> None:
    """However often it was rung: one attempt each, and two for those that fail at the first."""
    attempts = audit.attempts()
    kinds = {job.id: job.kind for job in audit.jobs()}
    for one in ids:
        job = decode(one, "job")
        assert len(counted(attempts[job])) == (2 if kinds[job] == "failing" else 1), attempts[job]

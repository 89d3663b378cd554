"""The storm: jobs are enqueued while workers, web and Postgres are killed, and workers sleep past their leases."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

from tests.faults.audit import Audit
from tests.faults.product import LEASE, PULLED, PUSHED, Product, Receiver, Space, Worker, batch

#: Jobs of each queue in the storm, and how many are enqueued at once.
MANY = {PULLED: 1800, PUSHED: 4400}
INSIDE, BATCH, UNSERVED = 4000, 50, 60
KINDS = {
    PULLED: {"plain": 90, "failing": 6, "final": 2, "stubborn": 2},
    PUSHED: {"plain": 88, "failing": 6, "final": 2, "later": 4},
}
FAULTS = 20


class Site:
    """An installation with a product, a receiver and an audit."""

    def __init__(self, product: Product, receiver: Receiver, audit: Audit) -> None:
        self.product, self.receiver, self.audit = product, receiver, audit
        self.installation = product.installation


class Enqueuer(threading.Thread):
    """Enqueues batches until there are enough, whatever dies meanwhile; `ids` are what was acknowledged."""

    def __init__(self, site: Site, queue: str, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.site, self.queue, self.chance = site, queue, chance
        self.ids: list[str] = []
        self.problem: BaseException | None = None

    def run(self) -> None:
        """Until there are enough."""
        try:
            while len(self.ids) < MANY[self.queue]:
                space = self.chance.choice(self.site.product.spaces)
                jobs = batch(self.chance, space, self.queue, KINDS[self.queue], BATCH)
                made = self.site.product.enqueue(space, jobs)
                self.ids += made
                self._cancel(
                    space, [one for one, job in zip(made, jobs, strict=True) if job["kind"] == "stubborn"]
                )
                time.sleep(0.2)
        except BaseException as problem:  # noqa: BLE001 - said by whoever joins
            self.problem = problem

    def _cancel(self, space: Space, ids: list[str]) -> None:
        """Cancel half of those that do not listen to it, at whatever they are."""
        for one in ids[::2]:
            said = self.site.product.callers[space.tenant].post(f"/v1/jobs/{one}/cancel")
            assert said.status_code == 200, said.text


def stop_past_lease(worker: Worker) -> None:
    """SIGSTOP for longer than its leases and the sweep need, then SIGCONT."""
    worker.signal(signal.SIGSTOP)
    time.sleep(LEASE + 2.5)
    worker.signal(signal.SIGCONT)


class Storm:
    """Faults, one after the other, in an order by chance."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self.site, self.chance = site, chance
        self.pullers = [site.product.puller(limit=5) for _ in range(3)]
        self.inside = site.product.inside()
        self.done: Counter[str] = Counter()
        self.faults: dict[str, Callable[[], None]] = {
            "puller killed": self.kill_puller,
            "puller stopped": lambda: stop_past_lease(self.chance.choice(self.pullers)),
            "worker killed": lambda: self._kill("worker"),
            "other worker killed": self.kill_inside,
            "other worker stopped": lambda: stop_past_lease(self.inside),
            "web process killed": lambda: self._kill("web process"),
            "web killed": lambda: self._kill("web"),
            "Postgres killed": lambda: self._kill("Postgres"),
        }

    def rage(self) -> None:
        """Each fault at least twice, the rest by chance."""
        names = list(self.faults)
        order = names * 2 + self.chance.choices(names, k=max(0, FAULTS - 2 * len(names)))
        self.chance.shuffle(order)
        for name in order:
            time.sleep(self.chance.uniform(0.3, 2.0))
            self.faults[name]()
            self.done[name] += 1
            self.tend()

    def tend(self) -> None:
        """Start pullers again that a poisonous job killed."""
        for puller in self.pullers:
            if not puller.is_alive():
                puller.start()

    def _kill(self, part: str) -> None:
        self.site.installation.kill(part, self.chance)

    def kill_puller(self) -> None:
        """SIGKILL, and start it again."""
        self.chance.choice(self.pullers).start()

    def kill_inside(self) -> None:
        """The same for the worker beside that of `up`."""
        self.inside.start()


def inside_jobs(site: Site, kind: str, count: int, payload: str = "{}") -> list[str]:
    """Jobs of the platform itself, in every tenant."""
    said = [
        site.installation.manage(
            "standin_jobs",
            space.tenant,
            kind,
            "--count",
            str(count),
            "--payload",
            payload,
            "--lease",
            str(LEASE),
        )
        for space in site.product.spaces
    ]
    return [one for line in said for one in json.loads(line)]

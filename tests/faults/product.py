"""A product on a real installation: two tenants with two organizations each, its queues, and its workers."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.faults.installation import ROOT, Installation, is_in_flight
from tests.standins.outside import Asked, Say, answer

PULLED, PUSHED, LATE = "pulled", "pushed", "late"
#: Seconds that a lease is good in these tests.
LEASE = 4
_PATIENCE = 90
_RULES = {
    "lease_seconds": LEASE,
    "max_attempts": 30,
    "retry": {"initial_seconds": 0.2, "factor": 1.5, "max_seconds": 2, "jitter": 0.2},
}
#: A worker of these tests may call as often as it likes.
UNLIMITED = {"PACKMULE_RATE_LIMIT": "6000000/60", "PACKMULE_FAILURE_LIMIT": "6000000/60"}


@dataclass(frozen=True)
class Space:
    """One tenant: its name, a key for it as a whole, and its organizations' ids."""

    tenant: str
    key: str
    organizations: tuple[str, str]


class Caller:
    """Calls until there is an answer, with one key for all tries."""

    def __init__(self, installation: Installation, key: str) -> None:
        self.installation, self.key = installation, key
        self.repeated = 0
        self.client = httpx.Client(timeout=20)

    def post(self, path: str, body: Any = None) -> httpx.Response:
        """The answer that counts. Raises AssertionError when there is none in a minute and a half."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        limit, last = time.monotonic() + _PATIENCE, "no answer"
        while time.monotonic() < limit:
            try:
                said = self.call("POST", path, json=body, headers=headers)
            except httpx.HTTPError as failure:
                last = repr(failure)
            else:
                if said.status_code < 500 and not is_in_flight(said):
                    return said
                last = said.text[:500]
            self.repeated += 1
            time.sleep(0.05)
        raise AssertionError(f"{path}: {last}")

    def made(self, path: str, body: Any) -> Any:
        """What was made."""
        said = self.post(path, body)
        assert said.status_code == 201, f"{path}: {said.status_code} {said.text[:1000]}"
        return said.json()

    def get(self, path: str) -> Any:
        """What is there."""
        return self.call("GET", path).raise_for_status().json()

    def call(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One try."""
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        url = self.installation.facts["api_url"] + path
        return self.client.request(method, url, headers=headers, **more)


class Product:
    """The product's side of an installation. `push_url` is where jobs of its push queue are sent."""

    def __init__(self, installation: Installation, folder: Path, push_url: str) -> None:
        self.installation, self.folder = installation, folder
        self.console = Caller(installation, installation.facts["console_key"])
        self.callers: dict[str, Caller] = {}
        self.spaces = [self._space(name) for name in ("acorn", "birch")]
        for caller in self.callers.values():
            for name in (PULLED, LATE):
                caller.made("/v1/queues", {"name": name, **_RULES})
            caller.made("/v1/queues", {"name": PUSHED, "push_url": push_url, **_RULES})
        self._workers: list[Worker] = []

    def _space(self, name: str) -> Space:
        self.console.made("/v1/applications", {"slug": name, "name": name})
        path = f"/v1/applications/{name}/environments/development/keys"
        key = self.console.made(path, {"name": "backend", "kind": "secret", "scopes": ["*"]})["secret"]
        tenant = f"{name}/development"
        caller = self.callers[tenant] = Caller(self.installation, key)
        north, south = (
            caller.made("/v1/organizations", {"name": slug, "slug": slug})["id"]
            for slug in ("north", "south")
        )
        return Space(tenant, key, (north, south))

    def enqueue(self, space: Space, jobs: list[dict[str, Any]]) -> list[str]:
        """Enqueue a batch; the ids, which are acknowledged by that."""
        made = self.callers[space.tenant].made("/v1/jobs/batch", {"jobs": jobs})
        return [job["id"] for job in made["data"]]

    def puller(self, queue: str = PULLED, limit: int = 20, spaces: list[Space] | None = None) -> Worker:
        """Start a worker of the product's own."""
        name = f"puller-{len(self._workers)}"
        said = {
            "url": self.installation.facts["api_url"],
            "keys": [space.key for space in spaces or self.spaces],
            "queue": queue,
            "name": name,
            "limit": limit,
            "ledger": str(self.folder / f"{name}.ledger"),
        }
        return self._started(Worker(name, [sys.executable, "tests/standins/puller.py"], {}, said))

    def inside(self, **env: str) -> Worker:
        """Start another worker of the platform beside the one that `up` keeps."""
        name = f"inside-{len(self._workers)}"
        command = [sys.executable, "manage.py", "worker"]
        return self._started(Worker(name, command, {**self.installation.environment(), **env}, {}))

    def _started(self, worker: Worker) -> Worker:
        self._workers.append(worker)
        worker.start()
        return worker

    def ledgers(self) -> list[list[Any]]:
        """What all pull workers wrote down, the dead ones' too: when, what, which job, which attempt, and how."""
        files = sorted(self.folder.glob("*.ledger"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def stop(self) -> None:
        """End all workers that were started here."""
        for worker in self._workers:
            worker.stop()


@dataclass
class Worker:
    """A process that works, and can be started again under its name."""

    name: str
    command: list[str]
    env: dict[str, str]
    said: dict[str, Any]
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, also again."""
        self.stop()
        env = {**os.environ, **self.env}
        self.child = subprocess.Popen(self.command, cwd=ROOT, env=env, stdin=subprocess.PIPE)
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps(self.said).encode() + b"\n")
        self.child.stdin.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that has just died gets none."""
        assert self.child is not None
        with contextlib.suppress(ProcessLookupError):
            self.child.send_signal(number)

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.child is not None and self.child.poll() is None

    def stop(self) -> None:
        """Kill it where it runs, stopped or not."""
        if self.child is not None:
            self.child.kill()
            self.child.wait()


@dataclass
class Receiver:
    """Where jobs of the push queue arrive. It answers as the kind says, and remembers which attempts it saw."""

    seen: list[tuple[str, int]] = field(default_factory=list)
    caller: dict[str, Caller] = field(default_factory=dict)
    late: dict[tuple[str, int], int] = field(default_factory=dict)

    def page(self, asked: Asked, say: Say) -> None:
        """Answer one job."""
        document = json.loads(asked.body)
        job, token = document["job"], document["lease"]["token"]
        kind, attempt = job["kind"], job["attempt"]
        self.seen.append((job["id"], attempt))
        done = json.dumps({"attempt": attempt}).encode()
        if kind == "final":
            answer(b"", "410 Gone")(asked, say)
        elif kind == "failing" and attempt == 1:
            answer(b"broken", "500 Internal Server Error")(asked, say)
        elif kind == "later":
            answer(b"", "202 Accepted")(asked, say)
            threading.Timer(0.3, self._complete, (job, token)).start()
        else:
            time.sleep(job["payload"].get("seconds", 0))
            answer(done)(asked, say)

    def _complete(self, job: dict[str, Any], token: str) -> None:
        tenant = job["payload"]["tenant"]
        body = {"lease_token": token, "result": {"attempt": job["attempt"]}}
        said = self.caller[tenant].post(f"/v1/jobs/{job['id']}/complete", body)
        self.late[job["id"], job["attempt"]] = said.status_code


@contextmanager
def working(product: Product) -> Iterator[Product]:
    """`product`, whose workers end with the block."""
    try:
        yield product
    finally:
        product.stop()
        for caller in (product.console, *product.callers.values()):
            caller.client.close()


def batch(
    chance: random.Random, space: Space, queue: str, kinds: Mapping[str, float], size: int
) -> list[Any]:
    """Jobs of kinds that chance chooses by their weights, of the tenant and of its organizations."""
    owners = (None, *space.organizations)
    chosen = chance.choices(list(kinds), list(kinds.values()), k=size)
    return [
        {
            "queue": queue,
            "kind": kind,
            "payload": {"tenant": space.tenant},
            "organization": chance.choice(owners),
            "priority": chance.randint(-5, 5),
            **({"max_attempts": 3} if kind == "poison" else {}),
        }
        for kind in chosen
    ]

"""Twenty times kill -9 while clients write: whatever was acknowledged is there afterwards, once."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.core import processes

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="finds its victims in /proc"),
]

ROOT = Path(__file__).resolve().parent.parent.parent
VICTIMS = ("Postgres", "web", "web process", "worker", "supervisor")
KILLS = 20
WRITERS = 2


class Installation:
    """`up` in a folder, on one port over all its lives."""

    def __init__(self, data: Path) -> None:
        self.data = data
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.facts: dict[str, Any] = {}
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start `up` and wait for its line of JSON."""
        arguments = ["up", "--json", "--data-dir", str(self.data), "--port", str(self.port)]
        self.child = subprocess.Popen(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, stdout=subprocess.PIPE
        )
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line, "up ended without saying that it is ready"
        self.facts = json.loads(line)

    def stop(self) -> float:
        """SIGTERM; returns the seconds until everything had ended."""
        assert self.child is not None
        began = time.monotonic()
        self.child.terminate()
        self.child.communicate(timeout=30)
        return time.monotonic() - began

    def kill(self, victim: str, chance: random.Random) -> int:
        """Kill one process of the part `victim`; the supervisor is started again. Returns the process id."""
        assert self.child is not None
        if victim == "supervisor":
            self.child.kill()
            self.child.communicate()
            pid = self.child.pid
            self.start()
            return pid
        pid = chance.choice(self.pids(victim))
        os.kill(pid, signal.SIGKILL)
        return pid

    def pids(self, victim: str) -> list[int]:
        """The processes of a part; waits for one that is being started."""
        assert self.child is not None
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            found = self._find(victim, self.child.pid)
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{victim} is not running")

    def _find(self, victim: str, supervisor: int) -> list[int]:
        if victim == "web process":
            return [pid for web in self._find("web", supervisor) for pid, _ in children(web)]
        word = {"Postgres": "bin/postgres", "web": " serve ", "worker": " worker"}[victim]
        return [pid for pid, line in children(supervisor) if word in f"{line} "]


def children(parent: int) -> list[tuple[int, str]]:
    """Id and command line of every living child of `parent`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        if fields[:2] != ["Z", str(parent)] and fields[1] == str(parent):
            found.append((int(folder.name), line))
    return found


class Writer(threading.Thread):
    """Creates applications one after the other; a call without an answer is repeated with its key until it has one."""

    def __init__(self, installation: Installation, number: int) -> None:
        super().__init__(daemon=True)
        self.installation, self.number = installation, number
        self.acknowledged: dict[str, str] = {}
        self.refusals: list[str] = []
        self.repeated = 0
        self.last = ""
        self.done = threading.Event()

    def run(self) -> None:
        """Write until told to stop; the last call is seen through."""
        with httpx.Client(timeout=10) as client:
            count = 0
            while not self.done.is_set():
                count += 1
                self.create(client, f"kept-{self.number}-{count}")

    def create(self, client: httpx.Client, slug: str) -> None:
        """POST until there is an answer that is no failure of the server."""
        key = str(uuid.uuid4())
        limit = time.monotonic() + 90
        while time.monotonic() < limit:
            answer = self.post(client, slug, key)
            if answer is not None and answer.status_code < 500 and not is_in_flight(answer):
                self.note(slug, answer)
                return
            self.repeated += 1
            self.last = "no answer" if answer is None else answer.text[:500]
            time.sleep(0.05)
        self.refusals.append(f"{slug}: no answer in 90 s")

    def post(self, client: httpx.Client, slug: str, key: str) -> httpx.Response | None:
        facts = self.installation.facts
        headers = {"Authorization": f"Bearer {facts['console_key']}", "Idempotency-Key": key}
        try:
            return client.post(
                f"{facts['api_url']}/v1/applications", json={"slug": slug, "name": slug}, headers=headers
            )
        except httpx.HTTPError:
            return None

    def note(self, slug: str, answer: httpx.Response) -> None:
        if answer.status_code == 201:
            self.acknowledged[slug] = answer.json()["id"]
        else:
            self.refusals.append(f"{slug}: {answer.status_code} {answer.text[:300]}")


def is_in_flight(answer: httpx.Response) -> bool:
    """Whether the first try of this call is still being worked on."""
    return answer.status_code == 409 and bool(answer.json().get("retryable"))


@pytest.fixture
def installation() -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="pm-"))
    folder.chmod(0o711)
    made = Installation(folder / "data")
    made.start()
    yield made
    if made.child is not None and made.child.poll() is None:
        made.stop()
    shutil.rmtree(folder)


def plan(chance: random.Random) -> list[str]:
    """Every victim at least twice, the rest by chance, in an order by chance."""
    sure = [*VICTIMS, *VICTIMS]
    victims = sure + [chance.choice(VICTIMS) for _ in range(KILLS - len(sure))]
    chance.shuffle(victims)
    return victims


def count(writers: list[Writer]) -> int:
    return sum(len(writer.acknowledged) + len(writer.refusals) for writer in writers)


def await_progress(writers: list[Writer], victim: str) -> float:
    """Wait until a write is acknowledged again; returns after how many seconds."""
    before, began = count(writers), time.monotonic()
    while count(writers) == before:
        if time.monotonic() - began > 60:
            last = "\n".join(writer.last for writer in writers)
            pytest.fail(
                f"Nothing was acknowledged for 60 s after {victim} was killed. The last answers:\n{last}"
            )
        time.sleep(0.02)
    return time.monotonic() - began


def applications(installation: Installation) -> dict[str, str]:
    """Slug and id of every application, page by page."""
    found: dict[str, str] = {}
    facts, cursor = installation.facts, ""
    headers = {"Authorization": f"Bearer {facts['console_key']}"}
    with httpx.Client(base_url=facts["api_url"], headers=headers, timeout=10) as client:
        while True:
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            page = client.get("/v1/applications", params=query).raise_for_status().json()
            found |= {row["slug"]: row["id"] for row in page["data"]}
            cursor = page["next_cursor"]
            if not cursor:
                return found


def test_every_acknowledged_write_survives(installation: Installation) -> None:
    seed = int(os.environ.get("PACKMULE_SEED", random.SystemRandom().randrange(10**6)))
    print(f"\nseed {seed} (PACKMULE_SEED={seed} repeats the order)")
    chance = random.Random(seed)
    writers = [Writer(installation, number) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    await_progress(writers, "nothing")
    for victim in plan(chance):
        time.sleep(chance.uniform(0.1, 1.0))
        pid = installation.kill(victim, chance)
        print(f"killed {victim} ({pid}); written again after {await_progress(writers, victim):.2f} s")
    for writer in writers:
        writer.done.set()
    for writer in writers:
        writer.join(120)
    acknowledged = {slug: key for writer in writers for slug, key in writer.acknowledged.items()}
    print(f"{len(acknowledged)} acknowledged, {sum(writer.repeated for writer in writers)} calls repeated")
    assert [refusal for writer in writers for refusal in writer.refusals] == []
    assert installation.stop() < 10
    installation.start()
    kept = applications(installation)
    assert {slug: kept.get(slug) for slug in acknowledged} == acknowledged


def test_nothing_is_left_after_the_end(installation: Installation) -> None:
    assert installation.child is not None
    supervisor = installation.child.pid
    pids = [pid for pid, _ in children(supervisor)]
    pids += [pid for child in pids for pid, _ in children(child)]
    assert len(pids) > 5
    assert installation.stop() < 10
    assert [pid for pid in pids if processes.is_alive(pid)] == []

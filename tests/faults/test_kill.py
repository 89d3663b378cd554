"""Twenty times kill -9 while clients write: whatever was acknowledged is there afterwards, once."""

import random
import sys
import threading
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest

from apps.core import processes
from tests.faults.installation import Installation, children, installed, is_in_flight, seed

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform != "linux", reason="finds its victims in /proc"),
]

VICTIMS = ("Postgres", "web", "web process", "worker", "supervisor")
KILLS = 20
WRITERS = 2


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


@pytest.fixture
def installation() -> Iterator[Installation]:
    with installed() as made:
        yield made


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
    chance = random.Random(seed())
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

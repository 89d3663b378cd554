"""An authenticated list of 5 rows, against a bare Django view that runs the same statements; rounds alternate.

`python -m bench.throughput` measures this alone.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from bench.capture import statements_of
from bench.installation import NO_LIMIT, ROOT, Installation, folder, running
from bench.load import CONNECTIONS, Load, generator
from bench.processes import postgres_processes, seconds_of, web_processes

# Short rounds, so that what else runs on the machine meets all sides alike.
ROUNDS = 30
SECONDS = 0.6
ROWS = 5
LIST = "/v1/organizations"


@dataclass
class Side:
    """One of the servers, and what its rounds gave: `web` and `postgres` are processor time a call in milliseconds."""

    name: str
    url: str
    pid: int
    installation: int
    rates: list[float] = field(default_factory=list)
    web: list[float] = field(default_factory=list)
    postgres: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Calls a second, the median of the rounds."""
        return statistics.median(self.rates)

    def percentile(self, share: int) -> float:
        """The latency in milliseconds under which `share` percent of all calls stayed."""
        return statistics.quantiles(self.latencies, n=100)[share - 1] * 1000

    def measure(self, load: Load, key: str, seconds: float) -> None:
        """One round."""
        web, postgres = web_processes(self.pid), postgres_processes(self.installation)
        before = seconds_of(web), seconds_of(postgres)
        latencies = load(self.url, key, seconds)
        self.web.append((seconds_of(web) - before[0]) / len(latencies) * 1000)
        self.postgres.append((seconds_of(postgres) - before[1]) / len(latencies) * 1000)
        self.rates.append(len(latencies) / seconds)
        self.latencies += latencies

    def ratios(self, other: Side) -> list[float]:
        """This side's rate over the other's, round by round."""
        return [mine / theirs for mine, theirs in zip(self.rates, other.rates, strict=True)]


@dataclass
class Result:
    """Packmule first, then the bare views; `states` of the `statements` only set path, role and organization."""

    sides: list[Side]
    statements: int
    states: int
    sizes: list[int]


def measure(rounds: int = ROUNDS, seconds: float = SECONDS) -> Result:
    """Start them, compare them in alternating rounds, and stop them."""
    with folder() as base, running(base / "data", PACKMULE_RATE_LIMIT=NO_LIMIT) as installation:
        key, kept = prepare(installation), base / "statements"
        statements = statements_of(installation, LIST, key, kept)
        states = sum("set_config" in str(statement) for statement, _ in statements)
        with (
            bare("bare view, as Django comes", installation, kept) as plain,
            bare("bare view, prepared statements", installation, kept, BENCH_PREPARES="1") as prepared,
        ):
            mine = Side("Packmule", installation.url + LIST, installation.pid, installation.pid)
            sides = [mine, plain, prepared]
            sizes = [len(answer_of(side.url, key)) for side in sides]
            alternate(sides, key, rounds, seconds)
        return Result(sides, len(statements), states, sizes)


def prepare(installation: Installation) -> str:
    """Make an environment with ROWS organizations; returns the secret key of its backend."""
    installation.call("POST", "/v1/applications", {"slug": "bench", "name": "Bench"})
    asked = {"name": "bench", "kind": "secret", "scopes": ["*"], "expires_in_days": 1}
    key = installation.call("POST", "/v1/applications/bench/environments/production/keys", asked)["secret"]
    for number in range(ROWS):
        installation.call("POST", "/v1/organizations", {"name": f"Customer {number}"}, key=key)
    return str(key)


@contextmanager
def bare(name: str, installation: Installation, statements: Path, **more: str) -> Iterator[Side]:
    """The bare project, serving on the installation's Postgres until the end of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = os.environ | installation.environment | {"BENCH_STATEMENTS": str(statements)} | more
    child = subprocess.Popen([sys.executable, "-m", "bench.bare", str(port)], cwd=ROOT, env=here)
    try:
        side = Side(name, f"http://127.0.0.1:{port}/rows", child.pid, installation.pid)
        _await(side.url)
        yield side
    finally:
        child.terminate()
        child.wait(30)


def alternate(sides: Sequence[Side], key: str, rounds: int, seconds: float) -> None:
    """Measure `sides` in turn, the order reversed every other time."""
    with generator() as load:
        for side in sides:
            load(side.url, key, 2.0)  # every thread connects, and prepares what it will run
        for turn in range(rounds):
            for side in sides if turn % 2 == 0 else sides[::-1]:
                side.measure(load, key, seconds)


def _await(url: str) -> None:
    for _ in range(200):
        try:
            answer_of(url, "")
        except URLError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{url} does not answer.")


def answer_of(url: str, key: str) -> bytes:
    """The body of the answer to one call."""
    with urlopen(Request(url, headers={"Authorization": f"Bearer {key}"}), timeout=10) as answer:
        body: bytes = answer.read()
    return body


def lines(result: Result) -> list[str]:
    """The result in Markdown."""
    said = (
        f"* The list costs {result.statements - result.states} queries, and {result.states} statements that set path, "
        f"role and organization. {CONNECTIONS} connections ask."
    )
    return [*table(result), said]


def table(result: Result) -> list[str]:
    """The sides beside each other, and their ratios."""
    sides = result.sides
    rows = [
        ["", *(side.name for side in sides)],
        ["---", *("---:" for _ in sides)],
        ["requests a second", *(f"{side.rate:.0f}" for side in sides)],
        *(
            [f"latency, p{share}", *(f"{side.percentile(share):.1f} ms" for side in sides)]
            for share in (50, 99)
        ),
        ["processor time of the web processes, a request", *(_milliseconds(side.web) for side in sides)],
        ["processor time of Postgres, a request", *(_milliseconds(side.postgres) for side in sides)],
        ["bytes of the answer", *(str(size) for size in result.sizes)],
    ]
    said = [comparison(sides[0], other) for other in sides[1:]]
    return [*(f"| {' | '.join(row)} |" for row in rows), "", *said]


def _milliseconds(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ms"


def comparison(mine: Side, other: Side) -> str:
    """The ratio of the two in a line of Markdown."""
    ratios = mine.ratios(other)
    return (
        f"* Throughput of {mine.name} over the {other.name}: **{statistics.median(ratios):.0%}** "
        f"(median of {len(ratios)} pairs of rounds; {min(ratios):.0%} to {max(ratios):.0%})."
    )


if __name__ == "__main__":
    print("\n".join(lines(measure(*(int(word) for word in sys.argv[1:2])))))

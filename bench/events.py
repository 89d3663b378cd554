"""What an event adds to an operation: the same calls with and without the log's recorder, in pairs of one run.

`python -m bench.events` measures this alone. Both sides run in one process on the same connection, so that nothing but
the event differs: writing it into the transaction, and making that durable with it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.filling import DEFINITION
from bench.installation import NO_LIMIT, ROOT, Installation, folder, running
from bench.records import prepare

ROUNDS = 40
#: Calls of each side in a round.
CALLS = 25
#: What a bulk write holds.
BULK = 200


@dataclass(frozen=True)
class Pair:
    """Milliseconds a call without and with the event, the medians of each round; and statements that only it sends."""

    name: str
    without: list[float]
    with_it: list[float]
    statements: int

    @property
    def added(self) -> float:
        """The share that it adds: the median of the rounds' ratios."""
        ratios = [mine / bare for mine, bare in zip(self.with_it, self.without, strict=True)]
        return statistics.median(ratios) - 1


def measure(rounds: int = ROUNDS) -> list[Pair]:
    """Start an installation, and measure inside of it."""
    with folder() as base, running(base / "data", PACKMULE_RATE_LIMIT=NO_LIMIT) as installation:
        return _inside(installation, prepare(installation).organization, rounds, base / "found.json")


def _inside(installation: Installation, key: str, rounds: int, kept: Path) -> list[Pair]:
    command = [sys.executable, "-m", "bench.events", key, str(rounds), str(kept)]
    subprocess.run(command, cwd=ROOT, env=os.environ | installation.environment, check=True)
    return [Pair(**found) for found in json.loads(kept.read_text())]


def _measure_here(key: str, rounds: int) -> list[Pair]:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.test import Client

    client = Client(headers={"Authorization": f"Bearer {key}", "Host": "127.0.0.1"})

    def send(method: str, path: str, body: dict[str, Any]) -> Any:
        answer = client.generic(method, path, json.dumps(body), content_type="application/json")
        if answer.status_code >= 300:
            raise RuntimeError(f"{answer.status_code}: {answer.content[:500]!r}")
        return answer.json()

    return [_pair(name, call, rounds) for name, call in _calls(send).items()]


def _calls(send: Callable[..., Any]) -> dict[str, Callable[[int], Any]]:
    agent = send("POST", "/v1/agents", {"name": "Bench", "role": "viewer"})["id"]
    records = f"/v1/collections/{DEFINITION['name']}/records"
    product = {"name": "Bench", "kind": "x", "price": 1}

    def many(number: int) -> Any:
        made = [{"do": "create", "data": {**product, "sku": f"b{number}-{one}"}} for one in range(BULK)]
        return send("POST", f"{records}/bulk", {"items": made})

    return {
        "Changing an agent": lambda number: send("PATCH", f"/v1/agents/{agent}", {"name": f"n{number}"}),
        "Making a record": lambda number: send("POST", records, {"data": {**product, "sku": f"s{number}"}}),
        f"Writing {BULK} records at once": many,
    }


def _pair(name: str, call: Callable[[int], Any], rounds: int) -> Pair:
    from apps.core import operations
    from apps.events import log

    both, numbers = list(operations._recorders), iter(range(10**9))
    bare = [recorder for recorder in both if recorder is not log.record]
    found: dict[bool, list[float]] = {False: [], True: []}
    sent = [_statements(call, next(numbers), recorders) for recorders in (bare, both)]
    calls = 3 if "at once" in name else CALLS
    for turn in range(rounds):
        for with_it in (False, True) if turn % 2 else (True, False):
            operations._recorders[:] = both if with_it else bare
            times = [_timed(call, next(numbers)) for _ in range(calls)]
            found[with_it].append(statistics.median(times))
    operations._recorders[:] = both
    return Pair(name, found[False], found[True], sent[1] - sent[0])


def _statements(call: Callable[[int], Any], number: int, recorders: list[Any]) -> int:
    """How many statements a call sends, those that set path, role and organization included."""
    import psycopg

    from apps.core import operations

    seen: list[object] = []
    execute = psycopg.Cursor.execute

    def noting(self: Any, query: Any, params: Any = None, **more: Any) -> Any:
        seen.append(query)
        return execute(self, query, params, **more)

    operations._recorders[:] = recorders
    call(number)
    psycopg.Cursor.execute = noting  # type: ignore[method-assign]
    try:
        call(number + 10**6)
    finally:
        psycopg.Cursor.execute = execute  # type: ignore[method-assign]
    return len(seen)


def _timed(call: Callable[[int], Any], number: int) -> float:
    began = time.perf_counter()
    call(number)
    return (time.perf_counter() - began) * 1000


def lines(pairs: list[Pair]) -> list[str]:
    """All of it in Markdown."""
    rows = [
        f"| {one.name} | {statistics.median(one.without):.2f} ms | {statistics.median(one.with_it):.2f} ms |"
        f" {one.added:+.1%} | {one.statements} |"
        for one in pairs
    ]
    return [
        "| operation | without | with its event | added | statements more |",
        "|---|---:|---:|---:|---:|",
        *rows,
    ]


if __name__ == "__main__":
    if sys.argv[3:]:
        measured = _measure_here(sys.argv[1], int(sys.argv[2]))
        Path(sys.argv[3]).write_text(json.dumps([vars(pair) for pair in measured]))
    else:
        print("\n".join(lines(measure(*(int(word) for word in sys.argv[1:2])))))

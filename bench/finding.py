"""How long PostgreSQL takes to find records, by kind of query: asked inside an installation's environment by `find`.

python -m bench.finding ROUNDS KEY

The calls go through the whole application, with a credential, so that the statements are its own, prepared as it
prepares them, under the wall in which that credential stands. What is timed is the statements that touch records or
entries, from sending one until its rows are there, without what Python does with them.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from bench.filling import DEFINITION, KINDS, WORDS
from bench.installation import ROOT, Installation

_TABLES = ("data_record", "data_entry")
#: Pages of 200 before the deep one.
_DEEP = 50
Parameters = dict[str, Any]


@dataclass(frozen=True)
class Timing:
    """One kind of query: milliseconds and statements a call, the indexes in its plans, and how many were found."""

    name: str
    median: float
    p95: float
    statements: int
    indexes: list[str]
    found: int


def find(installation: Installation, key: str, rounds: int) -> list[Timing]:
    """Ask every kind of query `rounds` times, each time for other values."""
    command = [sys.executable, "-m", "bench.finding", str(rounds), key]
    here = os.environ | installation.environment
    shown = subprocess.run(command, cwd=ROOT, env=here, check=True, stdout=subprocess.PIPE)
    return [Timing(**one) for one in json.loads(shown.stdout)]


def _price(chance: random.Random, width: float) -> Parameters:
    """A range of prices, `width` of the 1,000 wide."""
    low = round(chance.uniform(0, 1000 - width), 2)
    return {"filter[price][gte]": low, "filter[price][lt]": round(low + width, 2)}


def _kind(chance: random.Random) -> str:
    return chance.choice(KINDS)


def _word(chance: random.Random, first: int, last: int) -> str:
    return chance.choice(WORDS[first:last])


#: What is asked for, by its name in the page; `~` in front counts instead of listing.
SHAPES: dict[str, Callable[[random.Random], Parameters]] = {
    "the newest": lambda _: {},
    "one value, of which there is one": lambda c: {"filter[sku]": f"s-{c.randrange(1_000_000):07}"},
    "one value of a few": lambda c: {"filter[kind]": _kind(c)},
    "range, in its order": lambda c: {"filter[price][gte]": c.randrange(900), "order": "price"},
    "no filter, in the order of a field": lambda _: {"order": "-price"},
    "narrow range (0.1 %), newest first": lambda c: _price(c, 1),
    "range of 3 %, newest first": lambda c: _price(c, 30),
    "wide range (half), newest first": lambda c: _price(c, 500),
    "range without a match, newest first": lambda c: {"filter[price][gt]": 1000 + c.randrange(9)},
    "two fields: value and range": lambda c: {"filter[kind]": _kind(c), **_price(c, 100)},
    "two fields: common value, narrow range": lambda c: {"filter[kind]": KINDS[0], **_price(c, 1)},
    "value, in the order of another field": lambda c: {"filter[kind]": _kind(c), "order": "-price"},
    "rare value, in the order of another field": lambda c: {
        "filter[sku]": f"s-{c.randrange(1_000_000):07}", "order": "price"
    },
    "range of 3 %, in the order of another field": lambda c: {**_price(c, 30), "order": "sku"},
    "range without a match, in the order of another field": lambda c: {
        "filter[price][gt]": 1000 + c.randrange(9), "order": "kind"
    },
    "prefix of 100 values": lambda c: {"filter[sku][prefix]": f"s-{c.randrange(10_000):05}"},
    "in: three values of a few": lambda c: {"filter[kind][in]": ",".join(c.sample(KINDS, 3))},
    "in: twenty values": lambda c: {"filter[price][in]": ",".join(f"{c.randrange(100_000) / 100}" for _ in range(20))},
    "not a value": lambda c: {"filter[kind][ne]": _kind(c)},
    "search: a common word": lambda c: {"search": _word(c, 0, 20)},
    "search: a rare word": lambda c: {"search": _word(c, 1_000, 5_000)},
    "search: two words": lambda c: {"search": f"{_word(c, 0, 50)} {_word(c, 0, 500)}"},
    "search, in the order of a field": lambda c: {"search": _word(c, 100, 1_000), "order": "price"},
    "~count of a value": lambda c: {"filter[kind]": _kind(c)},
    "~count of a range of 3 %": lambda c: _price(c, 30),
    "~count of two fields": lambda c: {"filter[kind]": _kind(c), **_price(c, 100)},
}  # fmt: skip


def _find(rounds: int, key: str) -> list[Timing]:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.test import Client

    client = Client(headers={"Authorization": f"Bearer {key}", "Host": "127.0.0.1"})
    asked = _Asked(client, f"/v1/collections/{DEFINITION['name']}/records")
    chances = {shape: random.Random(shape) for shape in SHAPES}
    for _ in range(rounds):
        for shape, parameters in SHAPES.items():
            path = "/count" if shape.startswith("~") else ""
            asked.time(shape.lstrip("~"), path, parameters(chances[shape]))
    asked.walk("the page after 10,000, in the order of a field", {"order": "-price"}, rounds)
    for shape, parameters in SHAPES.items():
        path = "/count" if shape.startswith("~") else ""
        asked.explain(shape.lstrip("~"), path, parameters(chances[shape]))
    return asked.timings()


class _Asked:
    """What was asked, and how long it took."""

    def __init__(self, client: Any, path: str) -> None:
        self.client, self.path = client, path
        self.times: dict[str, list[float]] = {}
        self.statements: dict[str, int] = {}
        self.indexes: dict[str, list[str]] = {}
        self.found: dict[str, list[int]] = {}

    def time(self, name: str, path: str, parameters: Parameters) -> dict[str, Any]:
        """One call."""
        with _timed() as times:
            answer: dict[str, Any] = self._get(path, parameters)
        self.times.setdefault(name, []).append(sum(times) * 1000)
        self.statements[name] = len(times)
        self.found.setdefault(name, []).append(answer["count"] if path else len(answer["data"]))
        return answer

    def walk(self, name: str, parameters: Parameters, rounds: int) -> None:
        """Go through pages, and time the ones after them."""
        following: Parameters = {}
        for _ in range(_DEEP):
            following = _after(self._get("", parameters | {"limit": 200} | following))
        for _ in range(rounds):
            following = _after(self.time(name, "", parameters | following))
        self.explain(name, "", parameters | following)

    def explain(self, name: str, path: str, parameters: Parameters) -> None:
        """Note the indexes that the plans of a call use."""
        with _explained() as plans:
            self._get(path, parameters)
        self.indexes[name] = list(dict.fromkeys(index for plan in plans for index in _indexes(plan)))

    def timings(self) -> list[Timing]:
        """What came of it."""
        return [
            Timing(
                name,
                statistics.median(times),
                statistics.quantiles(times, n=20)[-1],
                self.statements[name],
                self.indexes[name],
                round(statistics.median(self.found[name])),
            )
            for name, times in self.times.items()
        ]

    def _get(self, path: str, parameters: Parameters) -> Any:
        query = "&".join(f"{quote(name)}={quote(str(value))}" for name, value in parameters.items())
        answer = self.client.get(f"{self.path}{path}?{query}")
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code}: {answer.content[:500]!r}")
        return json.loads(answer.content)


def _after(answer: dict[str, Any]) -> Parameters:
    """What asks for the next page; for the first one again after the last."""
    return {"cursor": answer["next_cursor"]} if answer["next_cursor"] else {}


@contextmanager
def _timed() -> Iterator[list[float]]:
    """The seconds that each statement on records took, one after the other."""
    times: list[float] = []

    def timing(execute: Callable[..., Any], cursor: Any, query: Any, params: Any, more: Any) -> Any:
        began = time.perf_counter()
        done = execute(cursor, query, params, **more)
        times.append(time.perf_counter() - began)
        return done

    with _around(timing):
        yield times


@contextmanager
def _explained() -> Iterator[list[Any]]:
    """The plans of the statements on records."""
    plans: list[Any] = []

    def explaining(execute: Callable[..., Any], cursor: Any, query: Any, params: Any, more: Any) -> Any:
        import psycopg

        with psycopg.ClientCursor(cursor.connection) as other:
            execute(other, f"explain (analyze, buffers, format json) {query}", params)
            plans.append(other.fetchone()[0][0]["Plan"])  # type: ignore[index]
        return execute(cursor, query, params, **more)

    with _around(explaining):
        yield plans


@contextmanager
def _around(act: Callable[..., Any]) -> Iterator[None]:
    """Do `act` in the place of each statement on records."""
    import psycopg

    execute = psycopg.Cursor.execute

    def instead(self: Any, query: Any, params: Any = None, **more: Any) -> Any:
        if any(table in str(query) for table in _TABLES):
            return act(execute, self, query, params, more)
        return execute(self, query, params, **more)

    psycopg.Cursor.execute = instead  # type: ignore[method-assign]
    try:
        yield
    finally:
        psycopg.Cursor.execute = execute  # type: ignore[method-assign]


def _indexes(plan: dict[str, Any]) -> Iterator[str]:
    if plan["Node Type"] == "Seq Scan" and plan["Actual Loops"]:
        yield f"all of {plan['Relation Name']}"
    if "Index Name" in plan and plan["Actual Loops"]:
        yield plan["Index Name"]
    for below in plan.get("Plans", ()):
        yield from _indexes(below)


if __name__ == "__main__":
    found = _find(int(sys.argv[1]), sys.argv[2])
    sys.stdout.write(json.dumps([asdict(one) for one in found]))

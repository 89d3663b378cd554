"""Records: read, listed, written in bulk, found among a million, and indexed while others write.

`python -m bench.records` measures this alone; it takes some minutes, most of them to fill the collection.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import finding
from bench.capture import Statement, statements_of
from bench.filling import DEFINITION, fill, product
from bench.finding import Timing
from bench.installation import NO_LIMIT, Installation, folder, running
from bench.throughput import Result, Side, alternate, answer_of, bare, table

RECORDS = 1_000_000
ORGANIZATIONS = 20
ROUNDS = 30
SECONDS = 0.6
#: How often each kind of query is asked.
ASKED = 40
BULK = 500
_CALLS = 12
_COLLECTION = f"/v1/collections/{DEFINITION['name']}"
_PATH = f"{_COLLECTION}/records"
_LIST = f"{_PATH}?filter%5Bprice%5D%5Bgte%5D=500&order=kind"


@dataclass(frozen=True)
class Keys:
    """A key of the tenant as a whole, and one of a service account of one of its organizations."""

    tenant: str
    organization: str


@dataclass(frozen=True)
class Bulk:
    """Statements of a bulk write of 2 and of BULK records, and the records a second of some calls."""

    few: int
    many: int
    rates: list[float]


@dataclass(frozen=True)
class Build:
    """An index over everything: how long it took, and milliseconds of single writes before and meanwhile."""

    records: int
    seconds: float
    before: list[float]
    meanwhile: list[float]


@dataclass(frozen=True)
class Measured:
    """All of it. `comparisons` by what was asked; `timings` by whose credential asked."""

    comparisons: dict[str, Result]
    bulk: Bulk
    timings: dict[str, list[Timing]]
    build: Build


def measure(count: int = RECORDS, rounds: int = ROUNDS) -> Measured:
    """Start an installation, fill a collection with `count` records, and ask."""
    with folder() as base, running(base / "data", PACKMULE_RATE_LIMIT=NO_LIMIT) as installation:
        keys = prepare(installation)
        fill(installation, "bench/production", count)
        one = installation.call("GET", f"{_PATH}?limit=1", key=keys.organization)["data"][0]["id"]
        asked = {"a record by its id": f"{_PATH}/{one}", "50 records, filtered and in order": _LIST}
        comparisons = {
            name: _compare(installation, path, keys.organization, base / f"statements-{number}", rounds)
            for number, (name, path) in enumerate(asked.items())
        }
        timings = {
            "one organization of 20": finding.find(installation, keys.organization, ASKED),
            "the tenant as a whole": finding.find(installation, keys.tenant, ASKED),
        }
        bulk = _bulk(installation, keys.organization, base)
        return Measured(comparisons, bulk, timings, _build(installation, keys, count))


def prepare(installation: Installation) -> Keys:
    """Make an environment with organizations, a service account in the first one, and the collection."""
    installation.call("POST", "/v1/applications", {"slug": "bench", "name": "Bench"})
    asked = {"name": "bench", "kind": "secret", "scopes": ["*"], "expires_in_days": 1}
    made = installation.call("POST", "/v1/applications/bench/environments/production/keys", asked)
    tenant = str(made["secret"])
    places = [
        installation.call("POST", "/v1/organizations", {"name": f"Customer {number}"}, key=tenant)["id"]
        for number in range(ORGANIZATIONS)
    ]
    account = {"name": "Backend", "organization": places[0]}
    account = installation.call("POST", "/v1/service-accounts", account, key=tenant)
    asked = {"name": "bench", "scopes": ["*"], "expires_in_days": 1}
    made = installation.call("POST", f"/v1/service-accounts/{account['id']}/keys", asked, key=tenant)
    installation.call("POST", "/v1/collections", DEFINITION, key=tenant)
    return Keys(tenant, str(made["secret"]))


def _compare(installation: Installation, path: str, key: str, kept: Path, rounds: int) -> Result:
    """The call against the bare views that send its statements."""
    statements = statements_of(installation, path, key, kept)
    with (
        bare("bare view, as Django comes", installation, kept) as plain,
        bare("bare view, prepared statements", installation, kept, BENCH_PREPARES="1") as prepared,
    ):
        mine = Side("Packmule", installation.url + path, installation.pid, installation.pid)
        sides = [mine, plain, prepared]
        sizes = [len(answer_of(side.url, key)) for side in sides]
        alternate(sides, key, rounds, SECONDS)
    return Result(sides, len(statements), _states(statements), sizes)


def _states(statements: Sequence[Statement]) -> int:
    return sum("set_config" in str(statement) for statement, _ in statements)


def _bulk(installation: Installation, key: str, base: Path) -> Bulk:
    few, many = (_statements_of_bulk(installation, key, count, base / f"bulk-{count}") for count in (2, BULK))
    return Bulk(few, many, [_bulk_rate(installation, key, number) for number in range(_CALLS)])


def _statements_of_bulk(installation: Installation, key: str, count: int, kept: Path) -> int:
    body = kept.with_suffix(".json")
    body.write_text(json.dumps(_items(count, f"{count}-@")))
    statements = statements_of(installation, f"{_PATH}/bulk", key, kept, body)
    return len(statements) - _states(statements)


def _bulk_rate(installation: Installation, key: str, number: int) -> float:
    items = _items(BULK, f"call-{number}")
    began = time.perf_counter()
    answer = installation.call("POST", f"{_PATH}/bulk", items, key=key)
    if answer["refused"]:
        raise RuntimeError(f"{answer['results'][:1]}")
    return BULK / (time.perf_counter() - began)


def _items(count: int, mark: str) -> dict[str, Any]:
    chance = random.Random(mark)
    made = [product(chance, number) | {"sku": f"{mark}-{number}"} for number in range(count)]
    return {"items": [{"do": "create", "data": data} for data in made]}


def _build(installation: Installation, keys: Keys, count: int) -> Build:
    """Declare one more index, and write one record after the other until it is there."""
    chance = random.Random(count)
    before = [_write(installation, keys.organization, chance, number) for number in range(100)]
    indexes = [*DEFINITION["indexes"], {"field": "stock"}]
    with ThreadPoolExecutor(1) as other:
        began = time.perf_counter()
        building = other.submit(_advance, installation, keys.tenant, indexes)
        meanwhile: list[float] = []
        while not building.done():
            meanwhile.append(_write(installation, keys.organization, chance, 1_000 + len(meanwhile)))
            time.sleep(0.05)
        building.result()
        return Build(count, time.perf_counter() - began, before, meanwhile)


def _advance(installation: Installation, key: str, indexes: list[dict[str, Any]]) -> None:
    found = installation.call("PATCH", _COLLECTION, {"indexes": indexes}, key=key)
    while any(one["state"] != "ready" for one in found["indexes"]):
        found = installation.call("POST", f"{_COLLECTION}/advance", {}, key=key)


def _write(installation: Installation, key: str, chance: random.Random, number: int) -> float:
    """Make a record and change it; the milliseconds of the two calls."""
    data = product(chance, number) | {"sku": f"single-{number}"}
    began = time.perf_counter()
    made = installation.call("POST", _PATH, {"data": data}, key=key)
    installation.call("PATCH", f"{_PATH}/{made['id']}", {"data": {"price": 1}}, key=key)
    return (time.perf_counter() - began) * 1000


def lines(measured: Measured) -> list[str]:
    """All of it in Markdown."""
    return [
        *(line for name, result in measured.comparisons.items() for line in _compared(name, result)),
        *_found(measured.timings),
        "",
        *_written(measured.bulk, measured.build),
    ]


def _compared(name: str, result: Result) -> list[str]:
    said = f"{result.statements - result.states} queries, and {result.states} that set path, role and organization"
    return [f"**{name[0].upper()}{name[1:]}**: {said}.", "", *table(result), ""]


def _found(timings: dict[str, list[Timing]]) -> list[str]:
    """A row for each kind of query, with both credentials beside each other."""
    names = list(timings)
    rows = [
        f"| what is asked for | {' | '.join(f'{name}, median | p95 | found' for name in names)} | indexes |",
        f"|---|{'---:|' * (3 * len(names))}---|",
    ]
    for several in zip(*timings.values(), strict=True):
        figures = [f"{one.median:.1f} ms | {one.p95:.1f} ms | {one.found:,}" for one in several]
        used = dict.fromkeys(index for one in several for index in one.indexes)
        shown = ", ".join(index.removeprefix("data_") for index in used)
        rows.append(f"| {several[0].name} | {' | '.join(figures)} | {shown} |")
    return rows


def _written(bulk: Bulk, build: Build) -> list[str]:
    before, meanwhile = statistics.median(build.before), statistics.median(build.meanwhile)
    written = (
        f"* A bulk write of 2 records sends {bulk.few} statements, and one of {BULK} sends {bulk.many}: "
        f"**{statistics.median(bulk.rates):.0f} records a second** (median of {len(bulk.rates)} calls)."
    )
    built = (
        f"* One more index over {build.records:,} records takes {build.seconds:.0f} s, "
        f"**{build.records / build.seconds:,.0f} records a second**. Making and changing a record takes "
        f"{before:.0f} ms before (longest {max(build.before):.0f} ms) and {meanwhile:.0f} ms meanwhile "
        f"(median of {len(build.meanwhile)}, longest {max(build.meanwhile):.0f} ms)."
    )
    return [written, built]


if __name__ == "__main__":
    print("\n".join(lines(measure(*(int(word) for word in sys.argv[1:2])))))

"""How long `POST /v1/applications/{slug}/environments` takes, with spares in the pool and without.

`python -m bench.provisioning` measures this alone.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import psycopg

from bench.installation import Installation, folder, running

CALLS = 30
_FILLED_WITHIN = 60.0
_COUNT_SPARES = "select count(*) from public.tenancy_tenant where state = 'spare'"


@dataclass(frozen=True)
class Series:
    """The times of some calls in milliseconds, one after the other, and under which circumstances."""

    name: str
    times: list[float]

    @property
    def median(self) -> float:
        """The median in milliseconds."""
        return statistics.median(self.times)

    @property
    def p95(self) -> float:
        """The time under which 95 % of the calls stayed, in milliseconds."""
        return statistics.quantiles(self.times, n=20)[-1]


def measure() -> list[Series]:
    """Each circumstance with an installation of its own."""
    return [
        _series("one call after the other, a pool for all of them", size=CALLS + 2, filled=True),
        _series("one call after the other, the pool of 2 that is the default", size=2, filled=True),
        _series("no pool: the call builds the tenant itself", size=0, filled=False),
    ]


def _series(name: str, *, size: int, filled: bool) -> Series:
    with folder() as base, running(base / "data", PACKMULE_POOL_SIZE=str(size)) as installation:
        installation.call("POST", "/v1/applications", {"slug": "bench", "name": "Bench"})
        if filled:
            _await_spares(installation, size)
        return Series(name, [_timed(installation, number) for number in range(CALLS)])


def _timed(installation: Installation, number: int) -> float:
    began = time.perf_counter()
    installation.call("POST", "/v1/applications/bench/environments", {"name": f"e{number}"})
    return (time.perf_counter() - began) * 1000


def _await_spares(installation: Installation, size: int) -> None:
    until = time.monotonic() + _FILLED_WITHIN
    with psycopg.connect(installation.environment["PACKMULE_DATABASE_URL"], autocommit=True) as connection:
        while connection.execute(_COUNT_SPARES).fetchone() != (size,):
            if time.monotonic() > until:
                raise RuntimeError(f"The pool did not reach {size} spares within {_FILLED_WITHIN:.0f} s.")
            time.sleep(0.2)


def lines(measured: list[Series]) -> list[str]:
    """The series in Markdown."""
    table = [f"| {CALLS} environments | median | p95 |", "|---|---:|---:|"]
    return [*table, *(f"| {one.name} | {one.median:.0f} ms | {one.p95:.0f} ms |" for one in measured)]


if __name__ == "__main__":
    print("\n".join(lines(measure())))

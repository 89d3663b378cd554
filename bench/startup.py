"""How long a start takes, new and again, until the first answered request.

`python -m bench.startup` measures this alone.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from bench.installation import Installation, folder, running

WARM = 5


def measure() -> list[Installation]:
    """One new start and WARM further ones on the same data, each stopped before the next; what each was like."""
    with folder() as base:
        return [_start(base / "data") for _ in range(WARM + 1)]


def _start(data: Path) -> Installation:
    with running(data) as installation:
        return installation


def lines(starts: list[Installation]) -> list[str]:
    """The starts in Markdown, with the phases as `up` reports them."""
    new, *again = starts
    table = ["| | new data directory | warm, median | warm, longest |", "|---|---:|---:|---:|"]
    for phase in new.phases:
        times = [start.phases[phase] for start in again]
        table.append(_row(phase, new.phases[phase], times))
    table.append(_row("**first answered request**", new.seconds, [start.seconds for start in again]))
    return table


def _row(name: str, new: float, again: list[float]) -> str:
    return f"| {name} | {new:.1f} s | {statistics.median(again):.1f} s | {max(again):.1f} s |"


if __name__ == "__main__":
    print("\n".join(lines(measure())))

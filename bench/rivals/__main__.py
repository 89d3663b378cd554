"""`python -m bench.rivals [ROUNDS]`: measure the other queues, and print a table and the same in JSON."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from apps.tenancy.embedded.cluster import EmbeddedPostgres
from bench.installation import folder
from bench.rivals import PATIENCE, Figures, Kill, Rivals
from bench.rivals.kit import VERSIONS, install

ROUNDS = 5


def main(rounds: int = ROUNDS) -> None:
    """Install what can be installed, take turns, kill, and print."""
    with folder() as base:
        kit = install(base)
        for name, reason in kit.missing.items():
            _tell(f"{name} {VERSIONS[name]} cannot be installed and is left out: {reason}")
        with EmbeddedPostgres(_made(base / "postgres")) as server:
            figures = measure(Rivals(base, str(server.place.socket), kit), rounds)
    print("\n".join(lines(figures)))
    print(json.dumps({"missing": kit.missing, "figures": [_document(one) for one in figures]}, indent=2))


def _made(place: Path) -> Path:
    place.mkdir()
    return place


def measure(rivals: Rivals, rounds: int) -> list[Figures]:
    """`rounds` of each setting in turn, the order reversed every other time; then a kill of each."""
    figures = [Figures(setting) for setting in rivals.settings()]
    for turn in range(rounds):
        for one in figures if turn % 2 == 0 else figures[::-1]:
            one.rounds.append(rivals.round(one.setting))
            _tell(f"round {turn + 1}, {one.setting.name}: {one.rounds[-1].rate:,.0f} jobs/s")
    for one in figures:
        one.kill = rivals.kill(one.setting)
        _tell(f"killed, {one.setting.name}: {one.kill.stuck} of {one.kill.jobs} stuck")
    return figures


def _tell(line: str) -> None:
    """How far it is, beside the figures."""
    print(line, file=sys.stderr, flush=True)


def lines(figures: Sequence[Figures]) -> list[str]:
    """The figures in Markdown."""
    names = [
        "",
        "jobs a second",
        "least to most",
        "enqueued a second, one a call",
        "in bulk",
        "most held at once",
        "held when killed",
        f"stuck after {PATIENCE:.0f} s",
        "all done after",
    ]
    head = [f"| {' | '.join(names)} |", f"|---|{'---:|' * (len(names) - 1)}"]
    return [*head, *(_row(one) for one in figures)]


def _row(figures: Figures) -> str:
    rates = [one.rate for one in figures.rounds]
    singles, bulk = (
        statistics.median(getattr(one, name) for one in figures.rounds) for name in ("singles", "bulk")
    )
    cells = [
        f"{figures.setting.name} ({VERSIONS[figures.setting.package]})",
        f"{figures.rate:,.0f}",
        f"{min(rates):,.0f} to {max(rates):,.0f}",
        f"{singles:,.0f}",
        f"{bulk:,.0f}",
        f"{figures.setting.claims}",
    ]
    return f"| {' | '.join([*cells, *_killed(figures.kill)])} |"


def _killed(kill: Kill | None) -> list[str]:
    if kill is None:
        return ["", "", ""]
    return [str(kill.held), f"{kill.stuck} of {kill.jobs}", "-" if kill.stuck else f"{kill.waited:.1f} s"]


def _document(figures: Figures) -> dict[str, Any]:
    return asdict(figures) | {"rate": figures.rate}


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))

"""Whole collections to a file and from one, in calls of bounded size: what the command does."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from apps.core.commands import FAILED, BadUsage, Failure
from apps.core.problems import Problem, Remedy, show
from apps.core.strictjson import body_limit

MEDIA_TYPE = "application/x-ndjson"
_LINES_A_CALL = 1_000
#: So many refused lines are told one by one; the rest is counted.
_MOST_TOLD = 1_000


def export(lines: Callable[[Mapping[str, str]], bytes], path: Path) -> dict[str, Any]:
    """Write all that `lines` gives (called with the query of one call) to the end of `path`; says how many came.

    A file that is there already is gone on with: after the last whole line in it. Raises BadUsage where that is no
    record.
    """
    with path.open("ab+") as file:
        after, written = _last_id(file), 0
        while True:
            query = {"limit": str(_LINES_A_CALL), **({"after": after} if after else {})}
            came = lines(query)
            if not came:
                return {"written": written, "file": str(path)}
            whole, last = _whole_lines(came)
            file.write(whole)
            written += whole.count(b"\n")
            if "problem" in last:
                raise Failure(last["problem"], FAILED)
            after = last["id"]


def _whole_lines(came: bytes) -> tuple[bytes, dict[str, Any]]:
    """The lines that are records, and the last line of all, which is a problem where the export broke off."""
    head, _, tail = came.rstrip(b"\n").rpartition(b"\n")
    last: dict[str, Any] = json.loads(tail)
    return (head + b"\n" if head else b"") if "problem" in last else came, last


def _last_id(file: IO[bytes]) -> str:
    """The id in the last whole line; '' for an empty file. Half a line at the end is cut off."""
    end, last = 0, b""
    file.seek(0)
    for line in file:
        if line.endswith(b"\n"):
            end, last = end + len(line), line
    file.truncate(end)
    try:
        return str(json.loads(last)["id"]) if last else ""
    except (ValueError, KeyError, TypeError):
        raise BadUsage(f"The file's last line is no record: {show(last.decode(errors='replace'))}.") from None


@dataclass(slots=True)
class Taken:
    """How far an import is: up to which line, and what came of those that it took."""

    line: int
    results: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)

    def add(self, lines: Sequence[bytes], answer: Mapping[str, Any]) -> None:
        """Add the `answer` to the next `lines`."""
        for name, made in answer["results"].items():
            self.results[name] = self.results.get(name, 0) + made
        self.refused += len(answer["errors"])
        told = [{**error, "line": error["line"] + self.line} for error in answer["errors"]]
        self.errors += told[: _MOST_TOLD - len(self.errors)]
        self.line += sum(line.endswith(b"\n") for line in lines)

    @property
    def told(self) -> str:
        """The counts in words."""
        counts = {**self.results, "refused": self.refused}
        return ", ".join(f"{count} {name}" for name, count in counts.items())

    def document(self) -> dict[str, Any]:
        """As the command shows it."""
        return {"results": self.results, "refused": self.refused, "errors": self.errors}


@dataclass(frozen=True, slots=True)
class Import:
    """The lines of a file from number `first` on, for `taken`, which gets some at a time and a key for each call.

    The keys come from `run`: a call that was taken, and whose answer was lost, is not taken again by an import of that
    name. `again` is the command line that began it, and `say` is told how far it is.
    """

    taken: Callable[[bytes, str], dict[str, Any]]
    path: Path
    again: str
    say: Callable[[str], None]
    first: int = 1
    run: str = field(default_factory=lambda: secrets.token_hex(8))

    def carry_out(self) -> dict[str, Any]:
        """Take the lines; says what came of them, with the numbers of those that were refused, the first 1,000 of them.

        Raises BadUsage for a file that is not there, and Failure, which says how far it is and how to go on.
        """
        if not self.path.is_file():
            raise BadUsage(f"There is no file {show(str(self.path))}.")
        done = Taken(self.first - 1)
        try:
            for lines in _portions(self.path, self.first):
                going_on = self._options(done.line + 1)
                self.say(f"from line {done.line + 1} on; if this breaks off, go on with {going_on}")
                done.add(lines, self.taken(b"".join(lines), f"{self.run}-{done.line + 1}"))
        except (Failure, Problem) as broken:
            raise self._broken_off(broken, done) from None
        return done.document()

    def _options(self, line: int) -> str:
        return f"--from-line {line} --run {self.run}"

    def _broken_off(self, broken: Failure | Problem, done: Taken) -> Failure:
        """`broken`, with how far it is and how to go on."""
        failure = Failure.of(broken) if isinstance(broken, Problem) else broken
        said = failure.document
        # A refusal is kept as the answer to its key: whoever mended what it names needs another.
        is_refused = said["status"] < 500 and not said.get("retryable")
        options = f"--from-line {done.line + 1}" if is_refused else self._options(done.line + 1)
        again = f"{self.again} {options}"
        more = {
            "detail": f"{said['detail']} All lines up to {done.line} are done ({done.told}). Go on with: {again}",
            "remedy": said.get("remedy") or Remedy(again).document(),
            "imported": {"line": done.line, **done.document()},
        }
        return Failure({**said, **more}, failure.returncode)


def _portions(path: Path, first: int) -> Iterator[list[bytes]]:
    """The lines of a file from number `first` on, in portions that fit into a call."""
    portion: list[bytes] = []
    limit, size = body_limit() // 2, 0
    for line in _lines_from(path, first):
        if portion and (size + len(line) > limit or len(portion) >= _LINES_A_CALL):
            yield portion
            portion, size = [], 0
        portion.append(line)
        size += len(line)
    if portion:
        yield portion


def _lines_from(path: Path, first: int) -> Iterator[bytes]:
    """The lines, of which the longest is in memory, and no more of it than a call takes; that refuses it then."""
    longest, number = body_limit() + 1, 1
    with path.open("rb") as file:
        while line := file.readline(longest):
            if number >= first:
                yield line
            number += line.endswith(b"\n")

"""Whole collections to a file and from one, in calls of bounded size: what the command does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from apps.core.commands import FAILED, BadUsage, Failure
from apps.core.problems import show
from apps.core.strictjson import body_limit

MEDIA_TYPE = "application/x-ndjson"
_LINES_A_CALL = 1_000


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


def take(taken: Callable[[bytes], dict[str, Any]], path: Path) -> dict[str, Any]:
    """Give all lines of `path` to `taken`, some at a time; says what came of them, with the numbers of the lines.

    Raises BadUsage for a file that is not there.
    """
    if not path.is_file():
        raise BadUsage(f"There is no file {show(str(path))}.")
    results: dict[str, int] = {}
    errors: list[dict[str, Any]] = []
    for first, lines in _portions(path):
        answer = taken(b"".join(lines))
        for name, count in answer["results"].items():
            results[name] = results.get(name, 0) + count
        errors += [{**error, "line": error["line"] + first - 1} for error in answer["errors"]]
    return {"results": results, "errors": errors}


def _portions(path: Path) -> Iterator[tuple[int, list[bytes]]]:
    """The lines of a file in portions that fit into a call, each with the number of its first line."""
    portion: list[bytes] = []
    limit, size, first = body_limit() // 2, 0, 1
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if portion and (size + len(line) > limit or len(portion) >= _LINES_A_CALL):
                yield first, portion
                portion, size, first = [], 0, number
            portion.append(line)
            size += len(line)
    if portion:
        yield first, portion

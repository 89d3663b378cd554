"""Records as lines of JSON (NDJSON), out of a collection and into one.

Lines come in the order of the records' ids, so that an export goes on after the last id that arrived. A line that names
an id makes that record, or gives it this data if it is there: importing the same lines twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core import problems, strictjson
from apps.core.actor import Actor
from apps.core.ids import decode
from apps.core.operations import Risk, operation
from apps.core.problem_handlers import problem_for
from apps.core.problems import FieldError, Problem
from apps.data import access
from apps.data import serializers as forms
from apps.data.access import Reach
from apps.data.collections import named
from apps.data.errors import TooManyLines
from apps.data.intents import MOST_INTENTS, Intent
from apps.data.models import Collection, Record
from apps.data.moving import MEDIA_TYPE
from apps.data.records import held
from apps.data.writing import write
from apps.tenancy import walls

MOST_LINES = 5_000
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Export:
    """The records that somebody may read, line by line."""

    actor: Actor
    collection: Collection
    owner: UUID | None
    after: UUID | None
    limit: int | None

    def chunks(self) -> Iterator[bytes]:
        """The lines, some at a time: no more than that is in memory.

        The status was sent long ago when something fails on the way; a last line with a `problem` says so then.
        """
        try:
            yield from self._lines()
        except Exception as failure:  # noqa: BLE001 - whatever it is, the reader must not take this for the end
            document = problem_for(failure, None).document()
            yield strictjson.dumps({"problem": document}) + b"\n"

    def _lines(self) -> Iterator[bytes]:
        after, left = self.after, self.limit
        while left is None or left > 0:
            rows = self._next(after, _AT_ONCE if left is None else min(left, _AT_ONCE))
            if not rows:
                return
            for row in rows:
                yield strictjson.dumps(forms.RecordOutput.render(row)) + b"\n"
            after, left = rows[-1].id, None if left is None else left - len(rows)

    def _next(self, after: UUID | None, count: int) -> list[Record]:
        with _standing_again(self.actor):
            rows = Record.objects.of(self.collection).alive().visible_to(self.actor, self.collection)
            rows = rows if self.owner is None else rows.filter(owner_id=self.owner)
            rows = rows if after is None else rows.filter(id__gt=after)
            return list(rows.order_by("id")[:count])


def _standing_again(actor: Actor) -> AbstractContextManager[None]:
    """The walls in which the call stood: they are gone when its answer is being sent."""
    if actor.organization is not None:
        inside: walls.Within = actor.organization.id
    else:
        inside = None if actor.is_tenant_wide else walls.NO_ORGANIZATION
    standing: AbstractContextManager[None] = walls.enter(actor.tenant, inside)
    return standing


@operation(
    "records.export", scope="records:read", risk=Risk.READ, input=forms.ExportParameters, streams=MEDIA_TYPE
)
def export_records(
    actor: Actor, *, collection: str, after: UUID | None = None, limit: int | None = None
) -> Export:
    """Stream the records of a collection as lines of JSON, in the order of their ids.

    To go on after a break, name the id of the last line that arrived.
    """
    row = named(collection)
    own = access.require(actor, row, "read") is Reach.OWN
    return Export(actor, row, access.person_of(actor) if own else None, after, limit)


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: how many lines did what, and which were refused."""

    collection: Collection
    results: dict[str, int]
    errors: Sequence[dict[str, Any]]


@operation(
    "records.import",
    scope="records:write",
    risk=Risk.WRITE,
    takes=MEDIA_TYPE,
    output=forms.ImportOutput,
    subject=lambda imported: imported.collection,
    event="record.bulk_written",
)
def import_records(actor: Actor, *, collection: str, body: bytes) -> Imported:
    """Take records as lines of JSON, up to 5,000 in a call; a line is what an export gives, of which `data` is needed.

    A line with an id makes that record or replaces its data; one without makes a new record. Lines that are refused are
    told by their number, and all others are taken.
    """
    row = held(collection)
    lines = _lines(body)
    results = {"created": 0, "updated": 0, "unchanged": 0}
    errors: list[dict[str, Any]] = []
    for start in range(0, len(lines), MOST_INTENTS):
        _take(actor, row, lines[start : start + MOST_INTENTS], results, errors)
    return Imported(row, results, errors)


def _lines(body: bytes) -> list[tuple[int, bytes]]:
    found = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    if len(found) > MOST_LINES:
        raise TooManyLines(f"A call takes at most {MOST_LINES:,} lines, and these are {len(found):,}.")
    return found


def _take(
    actor: Actor,
    collection: Collection,
    lines: Sequence[tuple[int, bytes]],
    results: dict[str, int],
    errors: list[dict[str, Any]],
) -> None:
    intents: list[tuple[int, Intent]] = []
    for number, line in lines:
        try:
            intents.append((number, _intent(line)))
        except Problem as problem:
            errors.append(_error(number, problem))
    outcomes = write(actor, collection, [intent for _, intent in intents])
    for (number, _), outcome in zip(intents, outcomes, strict=True):
        if outcome.problem is not None:
            errors.append(_error(number, outcome.problem))
        elif outcome.result is not None:
            told = "updated" if outcome.result == "restored" else outcome.result
            results[told] += 1


def _intent(line: bytes) -> Intent:
    """What a line wants. Raises MalformedRequest or ValidationFailed."""
    members = strictjson.read_object(line)
    data = members.get("data")
    if not isinstance(data, dict):
        raise problems.ValidationFailed(
            "A line is an object with `data`, which is an object.",
            errors=[FieldError("data", "required", "An object with `data`.")],
        )
    return Intent(
        "put",
        data,
        _id(members, "id", "rec"),
        owner_id=_id(members, "owner", "usr"),
        organization_id=_id(members, "organization", "org"),
    )


def _id(members: dict[str, Any], name: str, prefix: str) -> UUID | None:
    text = members.get(name)
    if text is None:
        return None
    try:
        return decode(text if isinstance(text, str) else "", prefix)
    except ValueError:
        raise problems.ValidationFailed(
            f"`{name}` is no id of the form {prefix}_….",
            errors=[FieldError(name, "invalid_id", "No such id.")],
        ) from None


def _error(number: int, problem: Problem) -> dict[str, Any]:
    document = problem.document()
    told = {name: document[name] for name in ("code", "detail")}
    return {"line": number, **told, "errors": document.get("errors", [])}

"""What is looked for in a collection, and how the pages of what is found are cut.

Which way a query goes is said in apps.data.finding. Where a field has no index every record has to be looked at: up to
a size that is done, above it only on request, and the answer says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DataError

from apps.core.actor import Actor, PrincipalKind
from apps.core.pagination import Page, paginate_values
from apps.core.problems import FieldError, Remedy, show
from apps.data import access, conditions, finding
from apps.data.access import Reach
from apps.data.errors import FilterInvalid, IndexBuilding, IndexNeeded, ScanRefused
from apps.data.filters import Condition, read_filters
from apps.data.finding import Finder
from apps.data.indexes import Index, index_on, indexes_of, search_of
from apps.data.keys import key_of
from apps.data.models import Collection
from apps.data.rows import Row, pick
from apps.data.schemas.errors import FieldUnknown
from apps.data.schemas.fields import Field, find_field
from apps.data.statements import Part, Rows

#: So many records are looked at one by one without being asked to.
MOST_SCANNED = 10_000
#: What a record itself can be ordered by: its id, which is made in the order of time.
_OF_THE_RECORD = ("id", "created_at")


@dataclass(frozen=True, slots=True)
class Order:
    """By which field, or by age for None."""

    field: Field | None = None
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for in one collection."""

    collection: Collection
    conditions: Sequence[Condition] = ()
    order: Order = Order()
    search: str = ""
    scan: bool = False

    @property
    def by_index(self) -> list[tuple[Condition, Index]]:
        """The conditions that an index answers."""
        found = [(one, _index_for(self.collection, one)) for one in self.conditions]
        return [(condition, index) for condition, index in found if index is not None]

    @property
    def by_looking(self) -> list[Condition]:
        """The conditions for which every record has to be looked at."""
        return [one for one in self.conditions if _index_for(self.collection, one) is None]


def read_query(
    collection: Collection, *, filters: Mapping[str, str], order: str, search: str, scan: bool
) -> Query:
    """The query that parameters of a call stand for. Raises FilterInvalid."""
    if search and search_of(collection) is None:
        detail = f"{collection.name} declares no fields to search."
        raise FilterInvalid(detail, errors=[FieldError("search", "not_declared", detail)])
    found = read_filters(collection.schema, filters)
    return Query(collection, found, _read_order(collection, order), search, scan)


def _read_order(collection: Collection, text: str) -> Order:
    path, descending = text.removeprefix("-"), text.startswith("-")
    try:
        field = find_field(collection.schema, path)
    except FieldUnknown as unknown:
        if path in _OF_THE_RECORD:
            return Order(None, descending)
        raise FilterInvalid(
            unknown.detail, errors=[FieldError("order", "unknown_field", unknown.detail)]
        ) from None
    if field.many:
        detail = f"{show(path)} is an array, and records cannot be put in order by one."
        raise FilterInvalid(detail, errors=[FieldError("order", "operator_unfit", detail)])
    return Order(field, descending)


def _index_for(collection: Collection, condition: Condition) -> Index | None:
    """The index that answers `condition`; none does what a text has in its middle."""
    return None if _is_in_text(condition) else index_on(collection, condition.field.path)


def _is_in_text(condition: Condition) -> bool:
    return condition.operator == "contains" and not condition.field.many


def find(actor: Actor, query: Query) -> Found:
    """The records that `actor` may read and that `query` looks for.

    Raises RecordAccessDenied, ScanRefused, IndexNeeded, IndexBuilding.
    """
    own = access.require(actor, query.collection, "read") is Reach.OWN
    if query.scan and actor.kind is PrincipalKind.VISITOR:
        raise ScanRefused
    return Found(Finder(actor, query, access.person_of(actor) if own else None))


@dataclass(frozen=True, slots=True)
class Counted:
    """How many records a query finds; `extra` are further members of the answer."""

    number: int
    extra: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """The records that a query finds, to be paged or counted."""

    finder: Finder

    def count(self) -> Counted:
        """How many there are, and what the answer says about how that was found."""
        extra = self._weigh()
        with _comparable():
            return Counted(self.finder.count(), extra)

    def page(self, *, limit: int, cursor: str | None, scope: str) -> Page[Row]:
        """The page after `cursor`, as pagination.Listing has it."""
        extra = self._weigh()
        with _comparable():
            found = self._cut(limit, cursor, scope)
        return Page(found.data, found.next_cursor, {**found.extra, **extra})

    def _cut(self, limit: int, cursor: str | None, scope: str) -> Page[Row]:
        if self.finder.is_sorted_here:
            return self._sorted_here(limit, cursor, scope)
        entries = self.finder.entries()
        rows = self.finder.records() if entries is None else entries
        cut = rows.page(limit=limit, cursor=cursor, scope=scope, walk=finding.WALK)
        if cut is None:
            return self._together(rows, limit, cursor, scope)
        if entries is None:
            return Page([Row.read(row) for row in cut.data], cut.next_cursor)
        return Page(pick([row[-1] for row in cut.data]), cut.next_cursor)

    def _together(self, rows: Rows, limit: int, cursor: str | None, scope: str) -> Page[Row]:
        """The page for which all records were gone through that indexes lead to. Raises ScanRefused."""
        why = "many records fulfil one of the conditions, and few fulfil all of them"
        if self.finder.actor.kind is PrincipalKind.VISITOR:
            raise ScanRefused(f"That would take a look at every record: {why}. Ask through your own backend.")
        cut = rows.page_at_once(limit=limit, cursor=cursor, scope=scope)
        fields = list(dict.fromkeys(one.field.path for one in self.finder.query.conditions))
        said = {"code": "scanned", "detail": f"Every record was looked at, because {why}.", "fields": fields}
        return Page(pick([row[-1] for row in cut.data]), cut.next_cursor, {"notice": said})

    def _sorted_here(self, limit: int, cursor: str | None, scope: str) -> Page[Row]:
        """Few enough to be put in order by their keys without an index: the very order that an index would give."""
        order = self.finder.query.order
        assert order.field is not None  # noqa: S101 - `is_sorted_here` said so
        rows = self.finder.all().select(conditions.json_at(order.field.path), Part("r.id")).read()
        keyed = [(key_of(_said(found), order.field.kind), str(identity)) for found, identity in rows]
        cut, following = paginate_values(
            keyed, limit=limit, cursor=cursor, scope=scope, descending=order.descending
        )
        return Page(pick([UUID(identity) for _, identity in cut]), following)

    def _weigh(self) -> Mapping[str, Any]:
        """What the answer says about how it was found. Raises IndexNeeded where that would take too long."""
        query = self.finder.query
        in_text = [one.field.path for one in query.by_looking if _is_in_text(one)]
        wanting = [one.field.path for one in query.by_looking if not _is_in_text(one)]
        if self.finder.is_sorted_here and query.order.field is not None:
            wanting.append(query.order.field.path)
        unindexed = list(dict.fromkeys([*wanting, *in_text]))
        if not unindexed and not self.finder.has_phrases:
            return {}
        many = self.finder.candidates().count(MOST_SCANNED + 1) > MOST_SCANNED
        if many and (self.finder.is_sorted_here or not query.scan):
            raise _index_needed(query, list(dict.fromkeys(wanting)), in_text)
        return {"notice": _notice(unindexed)} if many else {}


def _said(found: str | None) -> Any:
    return None if found is None else json.loads(found)


@contextmanager
def _comparable() -> Iterator[None]:
    """Raises FilterInvalid where PostgreSQL cannot read a stored value as what its field is by now."""
    try:
        yield
    except DataError as error:
        raise FilterInvalid("A record holds a value that cannot be compared like this.") from error


def _index_needed(query: Query, fields: list[str], in_text: list[str]) -> IndexNeeded | IndexBuilding:
    """The refusal of a query with conditions on `fields`, and on what stands in the texts `in_text`."""
    collection = query.collection
    if not fields and not in_text:
        return IndexNeeded(
            f"More than {MOST_SCANNED:,} records have all of these words, and each of them would have to be looked at "
            "for those in quotation marks: ask for rarer words too, or look at every one with `scan=true`."
        )
    if not fields:
        return _no_index_serves(collection, in_text)
    building = [
        one.field for one in indexes_of(collection) if one.state == "building" and one.field in fields
    ]
    if building:
        return IndexBuilding(f"The index on {', '.join(building)} of {collection.name} is being built.")
    written = [one for one in indexes_of(collection) if one.is_written and one.field not in fields]
    wanted = [{"field": one.field, "unique": one.unique} for one in written]
    wanted += [{"field": name} for name in fields]
    why = f"No index serves {', '.join(fields)}, and more than {MOST_SCANNED:,} records would have to be looked at."
    return IndexNeeded(
        f"{why} So many are put in order by an index alone, with `scan=true` too." if query.scan else why,
        remedy=Remedy(None, "PATCH", f"/v1/collections/{collection.name}", {"indexes": wanted}),
        extra={"fields": fields},
    )


def _no_index_serves(collection: Collection, in_text: list[str]) -> IndexNeeded:
    names = ", ".join(in_text)
    how = "use `search`" if search_of(collection) is not None else "declare `search` over it and use that"
    return IndexNeeded(
        f"No index serves `contains` on {names}, and more than {MOST_SCANNED:,} records would have to be looked at: "
        f"to find words {how}, or look at every record with `scan=true`.",
        extra={"fields": in_text},
    )


def _notice(fields: list[str]) -> dict[str, Any]:
    why = (
        f"no index serves {', '.join(fields)}"
        if fields
        else "words in quotation marks have to follow each other"
    )
    said = f"Every record was looked at, because {why}."
    return {"code": "scanned", "detail": said, "fields": fields}

"""What an index decides about a record: that it has an entry there whose key is as asked, or that it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import (
    BooleanField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce

from apps.data.models import Entry
from apps.data.querysets import EntryQuerySet

#: A query of ids of records.
Ids = QuerySet[Any, Any]


@dataclass(frozen=True, slots=True)
class LookUp:
    """Entries of one index.

    `absent`: the record must have none of them. `is_value`: they have one key, so that the index has them in the order
    of their records. `is_once`: no record has two of them; `is_only`: nor any other one in this index.
    """

    index: int
    keys: Q
    absent: bool = False
    is_value: bool = False
    is_once: bool = True
    is_only: bool = False

    @property
    def entries(self) -> EntryQuerySet:
        """The entries in question."""
        return Entry.objects.in_index(self.index).filter(self.keys)

    def narrowed(self, other: LookUp) -> LookUp:
        """Entries that fulfil both."""
        return replace(self, keys=self.keys & other.keys, is_value=self.is_value or other.is_value)

    def one_by_one(self, outer: str) -> Q:
        """That the record of the outer query, whose id is `outer` there, fulfils it: looked up when its turn comes.

        PostgreSQL would rather join, by what it knows about how often keys occur. That is little, because all indexes
        stand in one column; and a join goes through all records where a page needs fifty.
        """
        entries = Entry.objects.in_index_by_record(self.index).filter(self.keys, record_id=OuterRef(outer))
        one = entries.annotate(found=Value(True)).values("found")[:1]
        found = Q(Coalesce(Subquery(one), Value(False)))
        return ~found if self.absent else found

    def at_once(self, outer: str) -> Q:
        """The same for a query that goes through all records anyhow, such as a count."""
        found = Exists(self.entries.filter(record_id=OuterRef(outer)))
        return ~Q(found) if self.absent else Q(found)


def merged(look_ups: Sequence[LookUp]) -> list[LookUp]:
    """The same with one look-up for all demands on a key of an index that has one for each record: a range, say."""
    made: dict[Any, LookUp] = {}
    for place, one in enumerate(look_ups):
        name = one.index if one.is_only and not one.absent else (place,)
        other = made.get(name)
        made[name] = one if other is None else other.narrowed(one)
    return list(made.values())


def among(outer: str, ids: Ids) -> Q:
    """That the id `outer` is one of `ids`: a query of few, which is done first, and by which the others are found."""
    return Q(_Among(F(outer), Subquery(ids)))


def one_of(outer: str, ids: Ids) -> Q:
    """The same for a query that something else drives: `ids` are read once, and what comes is held against them."""
    found = ExpressionWrapper(Q(**{f"{outer}__in": ids}), output_field=BooleanField())
    # Without the coalesce PostgreSQL would make a join of it.
    return Q(Coalesce(found, Value(False)))


class _Among(Func):
    """Membership in an array, so that the planner counts on few whatever it believes about the subquery."""

    template = "(%(expressions)s))"
    arg_joiner = " = any(array"
    output_field = BooleanField()
    conditional = True

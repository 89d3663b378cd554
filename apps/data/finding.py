"""Which way a query goes: what it is driven by, and what is looked up record by record on the way.

A page is found in one of three ways. If one condition holds for few records, these are taken first and the rest is
decided about them. Else an index gives the order: that of the field to order by, that of a value which is asked for,
or that of the records' age; it is followed until the page is full. How many records fulfil a condition is counted
beforehand, up to what is still few: PostgreSQL could only guess, because the keys of all indexes are one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from apps.core.actor import Actor
from apps.data import conditions, fulltext
from apps.data.errors import IndexBuilding
from apps.data.fulltext import Asked
from apps.data.indexes import Index, Search, index_on, number_of, search_of
from apps.data.lookups import Ids, LookUp, among, merged, one_of
from apps.data.models import Entry, Record
from apps.data.querysets import EntryQuerySet, RecordQuerySet, weight

if TYPE_CHECKING:
    from apps.data.querying import Query

#: So many records are looked up in another index one by one. Within an organization that takes ten microseconds each,
#: because its wall is not in that index; without, a third, and there is more to go through on any other way.
FEW, FEW_OF_TENANT = 500, 4_000
#: So many ids are read and kept, to be put in order or to hold others against, which takes a fraction of one.
MANY = 10_000


@dataclass(frozen=True)
class Finder:
    """Builds the querysets of a query. `owner` is whose records alone the actor may read, None for all."""

    actor: Actor
    query: Query
    owner: UUID | None

    @property
    def order_index(self) -> Index | None:
        """The index of the order."""
        field = self.query.order.field
        return None if field is None else index_on(self.query.collection, field.path)

    @property
    def is_sorted_here(self) -> bool:
        """True when the order has no index."""
        return self.query.order.field is not None and self.order_index is None

    def entries(self) -> EntryQuerySet | None:
        """Entries whose records are found, in order: of the order's index, or of a value, by age; None without one.

        Their columns are those of an index, so that it alone is read; the records of a page are fetched afterwards.
        """
        sign = "-" if self.query.order.descending else ""
        index = self.order_index
        if index is not None:
            number = number_of(self.query.collection, index.slot)
            here = [one for one in self._look_ups if one.index == number and not one.absent]
            return self._driven_by(number, here).order_by(f"{sign}key", f"{sign}record_id")
        values = [one for one in self._look_ups if one.is_value]
        if not values:
            return None
        rarest = values[0] if len(values) == 1 else min(values, key=self._weight)
        return self._driven_by(rarest.index, [rarest]).order_by(f"{sign}record_id")

    def _driven_by(self, number: int, done: Sequence[LookUp]) -> EntryQuerySet:
        """The entries of one index that fulfil the look-ups `done` in it, and whose records fulfil all others."""
        others = [one for one in self._look_ups if one not in done]
        fewest = self._fewest(others)
        if fewest is not None and self._weight(fewest) <= self._few:
            rows = Entry.objects.in_index_by_record(number).filter(among("record_id", self._ids(fewest)))
            others.remove(fewest)
        else:
            rows = Entry.objects.in_index(number)
        rows = self._visible(rows).filter(self._looked_at("record__data"), *(one.keys for one in done))
        rows = rows.filter(*(self._held(one, "record_id") for one in others))
        return rows if self.owner is None else self._of_owner(rows)

    def _of_owner(self, rows: EntryQuerySet) -> EntryQuerySet:
        owned = self._readable().values("id")
        if weight(owned, self._few + 1) <= self._few:
            return rows.filter(among("record_id", owned))
        return rows.filter(record__owner_id=self.owner)

    def records(self) -> RecordQuerySet:
        """The records in the order of their ids."""
        rows, others = self._readable(), list(self._look_ups)
        fewest = self._fewest(others)
        if fewest is not None and self._weight(fewest) <= MANY:
            # Entries are of live records of the collection, on this side of the wall.
            rows = Record.objects.filter(among("pk", self._ids(fewest)), self._owned())
            others.remove(fewest)
        rows = rows.filter(self._looked_at("data"), *(self._held(one, "pk") for one in others))
        return rows.order_by("-id" if self.query.order.descending else "id")

    def all(self) -> RecordQuerySet:
        """The records in no order, for what goes through all of them."""
        rows = self._readable().filter(self._looked_at("data"))
        return rows.filter(*(one.at_once("pk") for one in self._look_ups))

    def count(self) -> int:
        """How many there are."""
        once = [one for one in self._look_ups if one.is_once and not one.absent]
        if not once or self.owner is not None or self._looked_at("data"):
            return self.all().count()
        first = once[0] if len(self._look_ups) == 1 else min(once, key=self._weight)
        rows = self._visible(first.entries)
        for one in self._look_ups:
            if one != first:
                known = not one.absent and self._weight(one) <= MANY
                rows = rows.filter(self._held(one, "record_id") if known else one.at_once("record_id"))
        return rows.count()

    # What a query is made of.

    def _readable(self) -> RecordQuerySet:
        collection = self.query.collection
        return Record.objects.of(collection).alive().visible_to(self.actor, collection).filter(self._owned())

    def _owned(self) -> Q:
        return Q() if self.owner is None else Q(owner_id=self.owner)

    def _visible(self, entries: EntryQuerySet) -> EntryQuerySet:
        return entries.visible_to(self.actor, self.query.collection)

    @cached_property
    def _look_ups(self) -> list[LookUp]:
        """What indexes decide: conditions, and words that are searched for."""
        collection = self.query.collection
        found = merged(
            [conditions.look_up(one, number_of(collection, index.slot)) for one, index in self.query.by_index]
        )
        if self._search is None:
            return found
        return [*found, *fulltext.look_ups(self._words, number_of(collection, self._search.slot))]

    def _looked_at(self, column: str) -> Q:
        """What the records themselves have to be looked at for: fields without an index, and phrases."""
        found = Q()
        for condition in self.query.by_looking:
            found &= conditions.on_json(condition, column)
        if self._search is not None:
            found &= fulltext.on_text(self._words, self._search, column)
        return found

    @cached_property
    def _search(self) -> Search | None:
        if not self.query.search:
            return None
        search = search_of(self.query.collection)
        if search is None or search.state != "ready":
            raise IndexBuilding(f"{self.query.collection.name} is being made searchable.")
        return search

    @cached_property
    def _words(self) -> Asked:
        assert self._search is not None  # noqa: S101 - whoever asks has seen that there is one
        return fulltext.read_search(self._search, self.query.search)

    # What drives it.

    @property
    def _few(self) -> int:
        return FEW_OF_TENANT if self.actor.organization is None else FEW

    def _ids(self, one: LookUp) -> Ids:
        return self._visible(one.entries).values("record_id")

    def _weight(self, one: LookUp) -> int:
        """How many records fulfil a look-up, counted as far as MANY and one more."""
        if one not in self._weights:
            self._weights[one] = weight(self._ids(one), MANY + 1)
        return self._weights[one]

    @cached_property
    def _weights(self) -> dict[LookUp, int]:
        return {}

    def _fewest(self, look_ups: Sequence[LookUp]) -> LookUp | None:
        """The look-up that the fewest records fulfil."""
        return min((one for one in look_ups if not one.absent), key=self._weight, default=None)

    def _held(self, one: LookUp, outer: str) -> Q:
        """That the record whose id is `outer` fulfils a look-up: by the ids that do, if they are not too many."""
        if one.absent or self._weight(one) > MANY:
            return one.one_by_one(outer)
        return one_of(outer, self._ids(one))

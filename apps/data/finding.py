"""Which way a query goes: what it is driven by, and what is looked up record by record on the way.

A page is found in one of three ways. If one condition holds for few records, these are taken first and the rest is
decided about them. Else an index gives the order: that of the field to order by, that of a value which is asked for,
or that of the records' age; it is followed until the page is full. How many records fulfil a condition is counted
beforehand, up to what is still few: PostgreSQL could only guess, because the keys of all indexes are one column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from apps.core.actor import Actor
from apps.data import conditions, fulltext
from apps.data.errors import IndexBuilding
from apps.data.fulltext import Asked
from apps.data.indexes import Index, Search, index_on, number_of, search_of
from apps.data.lookups import LookUp, among, among_all, in_index, in_index_by_record, merged
from apps.data.querysets import side_of
from apps.data.rows import COLUMNS
from apps.data.statements import NOTHING, Look, Part, Rows, has, sql, value

if TYPE_CHECKING:
    from apps.data.querying import Query

#: So many records are looked up in another index one by one. Within an organization that takes ten microseconds each,
#: because its wall is not in that index; without, a third, and there is more to go through on any other way.
FEW, FEW_OF_TENANT = 500, 4_000
#: So many ids are read and kept, to be put in order or to hold others against, which takes a fraction of one.
MANY = 10_000
#: So many rows are walked along an order until a page is full. Where that is in vain all of them are taken together:
#: conditions that many records fulfil may have none in common, and a walk to the end takes ten times as long.
WALK = 5_000


_KEY, _RECORD, _ID = "e.key", "e.record_id", "r.id"
_RECORD_OF_ENTRY = " join data_record r on r.id = e.record_id"


@dataclass(frozen=True)
class Finder:
    """Makes the statements of a query. `owner` is whose records alone the actor may read, None for all.

    In them `e` is an entry, and `r` a record.
    """

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

    def entries(self) -> Rows | None:
        """What is found, in order: of the order's index, or of a value, by age; None without one.

        Their columns are those of an index, so that it alone is read; the records of a page are fetched afterwards.
        """
        index = self.order_index
        if index is not None:
            number = number_of(self.query.collection, index.slot)
            here = [one for one in self._look_ups if one.index == number and not one.absent]
            return self._driven_by(number, here, (_KEY, _RECORD))
        values = [one for one in self._look_ups if one.is_value]
        if not values:
            return None
        rarest = values[0] if len(values) == 1 else min(values, key=self._weight)
        return self._driven_by(rarest.index, [rarest], (_RECORD,))

    def _driven_by(self, number: int, done: Sequence[LookUp], order: tuple[str, ...]) -> Rows:
        """The entries of one index that fulfil the look-ups `done` in it, and whose records fulfil all others."""
        others = [one for one in self._look_ups if one not in done]
        fewest = self._fewest(others)
        if fewest is not None and self._weight(fewest) <= self._few:
            first = [in_index_by_record("e", number), among(_RECORD, self._ids(fewest))]
            others.remove(fewest)
        else:
            first = [in_index("e", number)]
        columns = tuple(Part(one) for one in order)
        rows = Rows("data_entry e", tuple(first), columns, order, self.query.order.descending)
        rows = rows.where(*self._visible("e"), *(one.keys for one in done))
        rows = rows.looked_at(*(self._look(one, _RECORD) for one in others))
        return self._of_owner(self._with_records(rows, self._looked_at))

    def _of_owner(self, entries: Rows) -> Rows:
        if self.owner is None:
            return entries
        owned = self._readable.select(Part(_ID))
        if owned.count(self._few + 1) <= self._few:
            return entries.where(among(_RECORD, owned.statement))
        return self._with_records(entries, self._owned)

    def _with_records(self, entries: Rows, tests: Sequence[Part]) -> Rows:
        if not tests:
            return entries
        return entries.looked_at(*(Look(one, one) for one in tests), join=_RECORD_OF_ENTRY)

    def records(self) -> Rows:
        """The records, in the order of their ids."""
        rows, others = self._readable, list(self._look_ups)
        fewest = self._fewest(others)
        if fewest is not None and self._weight(fewest) <= MANY:
            # Entries are of live records of the collection, on this side of the wall.
            rows = replace(rows, tests=(among(_ID, self._ids(fewest)), *self._owned))
            others.remove(fewest)
        rows = rows.looked_at(*(Look(one, one) for one in self._looked_at))
        return rows.looked_at(*(self._look(one, _ID) for one in others))

    def candidates(self) -> Rows:
        """What indexes decide alone: the records that would have to be looked at for the rest, in no order."""
        return self._readable.where(*(one.at_once(_ID) for one in self._look_ups))

    def all(self) -> Rows:
        """The records in no order, for what goes through all of them."""
        return self.candidates().where(*self._looked_at)

    def count(self) -> int:
        """How many there are."""
        once = [one for one in self._look_ups if one.is_once and not one.absent]
        if not once or self.owner is not None or self._looked_at:
            return self.all().count()
        first = once[0] if len(self._look_ups) == 1 else min(once, key=self._weight)
        rows = self._entries_of(first, "e")
        for one in self._look_ups:
            if one != first:
                known = not one.absent and self._weight(one) <= MANY
                rows = rows.where(among_all(_RECORD, self._ids(one)) if known else one.at_once(_RECORD))
        return rows.count()

    # What a query is made of.

    @property
    def _readable(self) -> Rows:
        collection = sql("r.collection_id = {}", value(self.query.collection.id))
        tests = (collection, Part("r.deleted_at is null"), *self._visible("r"), *self._owned)
        columns = tuple(Part(f"r.{name}") for name in COLUMNS)
        return Rows("data_record r", tests, columns, (_ID,), self.query.order.descending)

    @property
    def _owned(self) -> list[Part]:
        return [] if self.owner is None else [sql("r.owner_id = {}", value(self.owner))]

    def _visible(self, name: str) -> list[Part]:
        """That a record or an entry called `name` is on the actor's side of the wall."""
        side = side_of(self.actor, self.query.collection)
        if side is None:
            return [NOTHING]
        return [has(f"{name}.{column}", wanted) for column, wanted in side.items()]

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

    @property
    def has_phrases(self) -> bool:
        """True when words have to follow each other, for which the texts of records are looked at."""
        return self._search is not None and bool(self._words.phrases)

    @cached_property
    def _looked_at(self) -> list[Part]:
        """What the records themselves have to be looked at for: fields without an index, and phrases."""
        found = [conditions.on_json(one) for one in self.query.by_looking]
        return found if self._search is None else [*found, *fulltext.on_text(self._words, self._search)]

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

    def _entries_of(self, one: LookUp, name: str) -> Rows:
        tests = (in_index(name, one.index), *self._visible(name), one.keys)
        return Rows(f"data_entry {name}", tests, (Part(f"{name}.record_id"),))

    def _ids(self, one: LookUp) -> Part:
        return self._entries_of(one, "x").statement

    def _weight(self, one: LookUp) -> int:
        """How many records fulfil a look-up, counted as far as MANY and one more."""
        if one not in self._weights:
            self._weights[one] = self._entries_of(one, "x").count(MANY + 1)
        return self._weights[one]

    @cached_property
    def _weights(self) -> dict[LookUp, int]:
        return {}

    def _fewest(self, look_ups: Sequence[LookUp]) -> LookUp | None:
        """The look-up that the fewest records fulfil."""
        return min((one for one in look_ups if not one.absent), key=self._weight, default=None)

    def _look(self, one: LookUp, record: str) -> Look:
        """That the record whose id is the column `record` fulfils a look-up: by the ids that do, if not too many."""
        if one.absent or self._weight(one) > MANY:
            return Look(one.one_by_one(record), one.at_once(record))
        held = among_all(record, self._ids(one))
        return Look(held, held)

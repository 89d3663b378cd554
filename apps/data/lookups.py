"""What an index decides about a record: that it has an entry there whose key is as asked, or that it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from apps.data.statements import Part, sql, value


@dataclass(frozen=True, slots=True)
class LookUp:
    """Entries of one index, of which the column `key` passes the test `keys`.

    `absent`: the record must have none of them. `is_value`: they have one key, so that the index has them in the order
    of their records. `is_once`: no record has two of them; `is_only`: nor any other one in this index.
    """

    index: int
    keys: Part
    absent: bool = False
    is_value: bool = False
    is_once: bool = True
    is_only: bool = False

    def narrowed(self, other: LookUp) -> LookUp:
        """Entries that fulfil both."""
        return replace(self, keys=self.keys & other.keys, is_value=self.is_value or other.is_value)

    def one_by_one(self, record: str) -> Part:
        """That the record whose id is the column `record` fulfils it: looked up when its turn comes.

        PostgreSQL would rather join, by what it knows about how often keys occur. That is little, because all indexes
        stand in one column; and a join goes through all records where a page needs fifty.
        """
        entry = sql("{} and {} and x.record_id = " + record, in_index_by_record("x", self.index), self.keys)
        return self._demanded(sql("coalesce((select true from data_entry x where {} limit 1), false)", entry))

    def at_once(self, record: str) -> Part:
        """The same for a query that goes through all records anyhow, such as a count."""
        entry = sql("{} and {} and x.record_id = " + record, in_index("x", self.index), self.keys)
        return self._demanded(sql("exists (select from data_entry x where {})", entry))

    def _demanded(self, found: Part) -> Part:
        return ~found if self.absent else found


def in_index(entry: str, number: int) -> Part:
    """That `entry` is one of the index `number`."""
    return sql(f"{entry}.index = {{}}", value(number))


def in_index_by_record(entry: str, number: int) -> Part:
    """The same for a query that names the records.

    Of an index that is new PostgreSQL believes that it has one entry, and would rather go through all of it than look
    the records up. What is added to the number keeps it from using any key but the primary one.
    """
    return sql(f"{entry}.index + 0 = {{}}", value(number))


def merged(look_ups: Sequence[LookUp]) -> list[LookUp]:
    """The same with one look-up for all demands on a key of an index that has one for each record: a range, say."""
    made: dict[Any, LookUp] = {}
    for place, one in enumerate(look_ups):
        name = one.index if one.is_only and not one.absent else (place,)
        other = made.get(name)
        made[name] = one if other is None else other.narrowed(one)
    return list(made.values())


def among(record: str, ids: Part) -> Part:
    """That the id in the column `record` is one of `ids`: a query of few, which is done first, and by which the others
    are found. An array, so that the planner counts on few whatever it believes about the query.
    """
    return sql(f"{record} = any(array({{}}))", ids)


def among_all(record: str, ids: Part) -> Part:
    """The same for a query that something else drives: `ids` are read once, and what comes is held against them.

    Without the coalesce PostgreSQL would make a join of it.
    """
    return sql(f"coalesce({record} in ({{}}), false)", ids)

"""Declared indexes: which fields of a collection are quick to find by, and how far each one is built.

A collection keeps them as documents. An index names a field; the entries of all indexes stand in one table (see
apps.data.models.Entry), so that declaring one creates no table and locks nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from apps.data.errors import TooManyIndexes
from apps.data.keys import MISSING, OTHER, keys_of
from apps.data.schemas.fields import Field, find_field, values_at

if TYPE_CHECKING:
    from apps.data.models import Collection

#: How many indexes a collection can have; a slot is a number below this.
MOST = 31
_SLOTS = 64
#: The slot that full-text search uses.
SEARCH_SLOT = 0

State = Literal["building", "ready", "dropping", "failed"]
#: Languages whose word endings are understood; `simple` takes words as they are.
LANGUAGES = (
    "simple", "arabic", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hungarian",
    "indonesian", "italian", "norwegian", "portuguese", "romanian", "russian", "spanish", "swedish", "turkish",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Index:
    """An index on one field. `cursor` is the last record that was entered while it is being built.

    One that is unique fails when records share a value already: `offending` names them.
    """

    field: str
    unique: bool
    slot: int
    state: State = "ready"
    cursor: str | None = None
    offending: tuple[str, ...] = ()

    @property
    def is_written(self) -> bool:
        """True when records that are written now are entered."""
        return self.state in ("building", "ready")


@dataclass(frozen=True, slots=True)
class Search:
    """Full-text search over some fields, in one language."""

    fields: tuple[str, ...]
    language: str = "simple"
    state: State = "ready"
    cursor: str | None = None
    slot: int = SEARCH_SLOT

    def is_like(self, other: Search) -> bool:
        """True when both find the same."""
        return (self.fields, self.language) == (other.fields, other.language)

    def text_of(self, data: dict[str, Any]) -> str:
        """What is searched in a record: the texts of its fields, one after the other."""
        found = (value for path in self.fields for value in values_at(data, path))
        return "\n".join(value for value in found if isinstance(value, str))


def number_of(collection: Collection, slot: int) -> int:
    """How entries name the index in `slot` of `collection`."""
    return collection.number * _SLOTS + slot


def collection_of(number: int) -> int:
    """The number of the collection to which the index `number` belongs."""
    return number // _SLOTS


def numbers_of(collection: Collection) -> range:
    """The numbers of all indexes that `collection` can have."""
    return range(collection.number * _SLOTS, (collection.number + 1) * _SLOTS)


def indexes_of(collection: Collection) -> list[Index]:
    """The indexes that `collection` declares, with those that are on their way out."""
    return [Index(**{**kept, "offending": tuple(kept["offending"])}) for kept in collection.indexes]


def search_of(collection: Collection) -> Search | None:
    """The full-text search of `collection`, if it declares one."""
    return search_from(collection.search)


def search_from(kept: dict[str, Any] | None) -> Search | None:
    """The search of a document."""
    return None if kept is None else Search(**{**kept, "fields": tuple(kept["fields"])})


def documents(indexes: list[Index]) -> list[dict[str, Any]]:
    """The indexes as a collection keeps them."""
    return [asdict(index) for index in indexes]


def document(search: Search | None) -> dict[str, Any] | None:
    """The search as a collection keeps it."""
    return None if search is None else {**asdict(search), "fields": list(search.fields)}


def have_work(indexes: list[Index], search: Search | None) -> bool:
    """True when one of them is being built or dropped."""
    states = [index.state for index in indexes] + ([] if search is None else [search.state])
    return "building" in states or "dropping" in states


def index_on(collection: Collection, path: str) -> Index | None:
    """The index by which queries on the field `path` can go now."""
    found = (index for index in indexes_of(collection) if index.field == path and index.state == "ready")
    return next(found, None)


@dataclass(frozen=True, slots=True)
class Column:
    """An index as records are entered into it."""

    number: int
    index: Index
    field: Field

    def keys_in(self, data: dict[str, Any]) -> list[str]:
        """The keys of a record."""
        return keys_of(data, self.field)

    def is_taken(self, key: str) -> bool:
        """True for a key that no two records may have."""
        return self.index.unique and key not in (MISSING, OTHER)


def columns_of(collection: Collection) -> list[Column]:
    """The indexes into which records are entered."""
    return [column_of(collection, index) for index in indexes_of(collection) if index.is_written]


def column_of(collection: Collection, index: Index, schema: dict[str, Any] | None = None) -> Column:
    """An index of `collection` as records are entered into it, now or when it has another `schema`."""
    field = find_field(collection.schema if schema is None else schema, index.field)
    return Column(number_of(collection, index.slot), index, field)


def declare(
    present: list[Index], wanted: list[tuple[str, bool]], *, stale: frozenset[str] = frozenset()
) -> list[Index]:
    """The indexes after a declaration: those that stay, those to build, those to drop. Raises TooManyIndexes.

    An index whose uniqueness changes is another one: it is built beside the old one. So is one on a `stale` field,
    whose values mean something else from now on.
    """
    stay = [
        index
        for index in present
        if index.is_written and index.field not in stale and (index.field, index.unique) in wanted
    ]
    gone = [replace(index, state="dropping") for index in present if index not in stay]
    known = {(index.field, index.unique) for index in stay}
    fresh = [pair for pair in wanted if pair not in known]
    taken = {index.slot for index in (*stay, *gone)}
    free = [slot for slot in range(SEARCH_SLOT + 1, _SLOTS) if slot not in taken]
    if len(wanted) > MOST or len(fresh) > len(free):
        raise TooManyIndexes(f"A collection has at most {MOST} indexes; this would be {len(wanted)}.")
    made = [
        Index(name, unique, slot, state="building") for (name, unique), slot in zip(fresh, free, strict=False)
    ]
    return [*stay, *made, *gone]

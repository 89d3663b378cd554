"""Entering records into the indexes of their collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apps.data import fulltext
from apps.data.indexes import Column, columns_of, number_of, search_of
from apps.data.keys import words
from apps.data.models import Collection, Entry, Record


def enter(collection: Collection, records: Sequence[Record]) -> None:
    """Write the entries by which live `records` are found; they must have none. At most two statements."""
    columns = columns_of(collection)
    made = [entry for record in records for entry in _entries(record, columns)]
    Entry.objects.bulk_create([*made, *_words(collection, records)])


def enter_into(column: Column, records: Sequence[Record]) -> None:
    """Write the entries of `records` in one index, which is being built; those that are there already stay."""
    made = [entry for record in records for entry in _entries(record, [column])]
    # A conflict on the value itself is no entry of the record's own: it has to show.
    Entry.objects.bulk_create(made)


def enter_words(collection: Collection, records: Sequence[Record]) -> None:
    """Write the entries of `records` for full-text search, which is being built."""
    Entry.objects.bulk_create(_words(collection, records))


def _entries(record: Record, columns: Sequence[Column]) -> Iterator[Entry]:
    for column in columns:
        for key in column.keys_in(record.data):
            yield _entry(record, column.number, key, unique=column.is_taken(key))


def _words(collection: Collection, records: Sequence[Record]) -> list[Entry]:
    search = search_of(collection)
    if search is None or search.state == "dropping":
        return []
    number = number_of(collection, search.slot)
    found = fulltext.lexemes_of(search.language, [search.text_of(record.data) for record in records])
    return [
        _entry(record, number, word)
        for record, lexemes in zip(records, found, strict=True)
        for word in words(lexemes)
    ]


def _entry(record: Record, number: int, key: str, *, unique: bool = False) -> Entry:
    return Entry(
        index=number,
        organization_id=record.organization_id,
        shared=record.shared,
        key=key,
        record_id=record.id,
        unique=unique,
    )

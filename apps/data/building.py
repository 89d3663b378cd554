"""Building indexes while others write, and dropping them: a batch at a time, each of which can be done again.

Nothing is locked but the records of a batch, for as long as it takes to enter them. Whoever writes a record enters it
into an index that is being built themselves, so that only older records are left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from apps.core.ids import encode
from apps.data.entering import enter_into, enter_words
from apps.data.indexes import (
    SEARCH_SLOT,
    Column,
    Index,
    Search,
    column_of,
    document,
    documents,
    indexes_of,
    number_of,
    search_of,
)
from apps.data.keys import MISSING
from apps.data.models import Collection, Entry, Record

BATCH = 500
_DROPPED_AT_ONCE = 5_000
#: How many records that stand against a unique index are named.
MOST_NAMED = 20


def kept_from_others(collection: Collection) -> Collection | None:
    """The collection's row as it is now, kept from whoever defines or carries on until the transaction ends.

    Writers of records go on meanwhile. None when it was deleted.
    """
    return Collection.objects.select_for_update(no_key=True).filter(pk=collection.pk).first()


def build_on(collection: Collection) -> bool:
    """Do the next batch of one index, or of the search; returns whether there was one to do. Stand in the tenant.

    The row counts as it is then, whatever `collection` says.
    """
    with transaction.atomic():
        fresh = kept_from_others(collection)
        return fresh is not None and (_index_on(fresh) or _searched_on(fresh))


def _index_on(collection: Collection) -> bool:
    for index in indexes_of(collection):
        if index.state == "building":
            _keep_index(collection, index, _built_on(collection, index))
            return True
        if index.state == "dropping":
            emptied = _dropped_on(number_of(collection, index.slot))
            _keep_index(collection, index, None if emptied else index)
            return True
    return False


def _searched_on(collection: Collection) -> bool:
    search = search_of(collection)
    if search is None or search.state not in ("building", "dropping"):
        return False
    collection.search = document(_search_on(collection, search))
    collection.save(update_fields=["search"])
    return True


def _built_on(collection: Collection, index: Index) -> Index:
    """The index after its next batch."""
    try:
        with transaction.atomic():
            records = _next(collection, index.cursor)
            column = column_of(collection, index)
            enter_into(column, _missing_in(column.number, records))
    except IntegrityError:
        return replace(index, state="failed", offending=tuple(_sharing(collection, index, records)))
    return replace(index, state="ready") if not records else replace(index, cursor=_last(records))


def _search_on(collection: Collection, search: Search) -> Search | None:
    """The search after its next batch; None when it is gone."""
    number = number_of(collection, SEARCH_SLOT)
    if search.state == "dropping":
        return None if _dropped_on(number) else search
    with transaction.atomic():
        records = _next(collection, search.cursor)
        enter_words(collection, _missing_in(number, records))
    return replace(search, state="ready") if not records else replace(search, cursor=_last(records))


def _last(records: Sequence[Record]) -> str:
    return str(records[-1].id)


def _next(collection: Collection, cursor: str | None) -> list[Record]:
    """The next live records by id, locked."""
    rows = Record.objects.of(collection).alive()
    rows = rows if cursor is None else rows.filter(id__gt=UUID(cursor))
    return list(rows.order_by("id").select_for_update(of=("self",), no_key=True)[:BATCH])


def _missing_in(number: int, records: Sequence[Record]) -> list[Record]:
    """Those of the locked records that have not been entered by whoever wrote them last."""
    there = set(
        Entry.objects.of_records(records)
        .in_index_by_record(number)
        .values_list("record_id", flat=True)
        .distinct()
    )
    return [record for record in records if record.id not in there]


def _sharing(collection: Collection, index: Index, records: Sequence[Record]) -> list[str]:
    """Records of the batch whose value another record has."""
    column = column_of(collection, index)
    found = sharing(column, [(record, record.data) for record in records], as_entered)
    return [encode(Record.id_prefix, one) for one in found][:MOST_NAMED]


def as_entered(_holders: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Nobody's keys will be others than those that were entered (see `sharing`)."""
    return {}


def sharing(
    column: Column,
    changed: Sequence[tuple[Record, dict[str, Any]]],
    keys_to_be: Callable[[Sequence[UUID]], dict[UUID, list[str]]],
) -> list[UUID]:
    """The ids of records that would share a value, if the records had the data that stands beside them.

    What other records have is what is entered, unless `keys_to_be` knows better of some of them.
    """
    held = _held(column, changed, keys_to_be)
    named: list[UUID] = []
    for record, data in changed:
        for key in filter(column.is_taken, column.keys_in(data)):
            first = held.setdefault((record.organization_id, key), record.id)
            named += [] if first == record.id else [first, record.id]
    return list(dict.fromkeys(named))


def _held(
    column: Column,
    changed: Sequence[tuple[Record, dict[str, Any]]],
    keys_to_be: Callable[[Sequence[UUID]], dict[UUID, list[str]]],
) -> dict[tuple[UUID | None, str], UUID]:
    """Which of the other records have a value that one of these would have."""
    rows = (
        Entry.objects.in_index(column.number)
        .filter(key__in={key for _, data in changed for key in column.keys_in(data)} - {MISSING})
        .exclude(record_id__in=[record.id for record, _ in changed])
        .values_list("organization_id", "key", "record_id")
    )
    found = list(rows)
    known = keys_to_be([holder for _, _, holder in found]) if found else {}
    return {(place, key): holder for place, key, holder in found if key in known.get(holder, [key])}


def _dropped_on(number: int) -> bool:
    """Delete some of an index's entries; returns whether none is left."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from data_entry where ctid = any(array("
            "select ctid from data_entry where index = %s limit %s))",
            [number, _DROPPED_AT_ONCE],
        )
        return bool(cursor.rowcount < _DROPPED_AT_ONCE)


def _keep_index(collection: Collection, before: Index, after: Index | None) -> None:
    """Write down how far an index is; None: that it is gone."""
    kept = [after if one.slot == before.slot else one for one in indexes_of(collection)]
    collection.indexes = documents([one for one in kept if one is not None])
    collection.save(update_fields=["indexes"])


def search_anew(collection: Collection, wanted: Search | None) -> None:
    """Declare another search, of a locked collection. What the old one entered goes: both stand in the same slot."""
    present = search_of(collection)
    if present is not None and wanted is not None and present.is_like(wanted):
        return
    Entry.objects.in_index(number_of(collection, SEARCH_SLOT)).purge()
    collection.search = document(wanted)

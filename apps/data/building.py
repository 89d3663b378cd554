"""Building indexes while others write, and dropping them: a batch at a time, each of which can be done again.

Nothing is locked but the records of a batch, for as long as it takes to enter them. Whoever writes a record enters it
into an index that is being built themselves, so that only older records are left to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from apps.core.ids import encode
from apps.data.entering import enter_into, enter_words
from apps.data.indexes import (
    SEARCH_SLOT,
    Index,
    Search,
    column_of,
    document,
    documents,
    indexes_of,
    number_of,
    search_of,
)
from apps.data.models import Collection, Entry, Record

BATCH = 500
_DROPPED_AT_ONCE = 5_000
#: How many records that stand against a unique index are named.
MOST_NAMED = 20


def build_on(collection: Collection) -> bool:
    """Do the next batch of one index, or of the search; returns whether there was one to do. Stand in the tenant."""
    for index in indexes_of(collection):
        if index.state == "building":
            _keep_index(collection, _built_on(collection, index))
            return True
        if index.state == "dropping":
            emptied = _dropped_on(number_of(collection, index.slot))
            _keep_index(collection, None if emptied else index, slot=index.slot)
            return True
    search = search_of(collection)
    if search is None or search.state not in ("building", "dropping"):
        return False
    _keep_search(collection, _search_on(collection, search))
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
    holders: dict[tuple[object, str], UUID] = {
        (place, key): holder
        for place, key, holder in Entry.objects.in_index(column.number)
        .filter(key__in=[key for record in records for key in column.keys_in(record.data)])
        .values_list("organization_id", "key", "record_id")
    }
    named: list[UUID] = []
    for record in records:
        for key in filter(column.is_taken, column.keys_in(record.data)):
            first = holders.setdefault((record.organization_id, key), record.id)
            named += [] if first == record.id else [first, record.id]
    return [encode(Record.id_prefix, one) for one in dict.fromkeys(named)][:MOST_NAMED]


def _dropped_on(number: int) -> bool:
    """Delete some of an index's entries; returns whether none is left."""
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from data_entry where ctid = any(array("
            "select ctid from data_entry where index = %s limit %s))",
            [number, _DROPPED_AT_ONCE],
        )
        return bool(cursor.rowcount < _DROPPED_AT_ONCE)


def _keep_index(collection: Collection, index: Index | None, *, slot: int | None = None) -> None:
    """Write down how far an index is; None: that it is gone. Writers, to whom that makes no difference, go on."""
    slot = index.slot if index is not None else slot
    with transaction.atomic():
        fresh = Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        kept = [index if one.slot == slot else one for one in indexes_of(fresh)]
        fresh.indexes = documents([one for one in kept if one is not None])
        fresh.save(update_fields=["indexes"])
    collection.indexes = fresh.indexes


def _keep_search(collection: Collection, search: Search | None) -> None:
    with transaction.atomic():
        fresh = Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        fresh.search = document(search)
        fresh.save(update_fields=["search"])
    collection.search = fresh.search

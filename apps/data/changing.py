"""Changing the schema of a collection whose records are there already.

A change that only widens the schema counts at once. Any other is first held against every record, after the steps that
it declares were done to a copy; records that stand against it are named, and nothing has changed. When none does, the
schema counts, and the steps are carried out record by record. While a change is being checked, what is written has to
satisfy both schemas. Everything is done in batches that can be done again, so that a change goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core import clock
from apps.core.ids import encode
from apps.core.problems import FieldError
from apps.data.building import BATCH, MOST_NAMED
from apps.data.entering import enter
from apps.data.errors import ChangeNotCancellable, ChangeUnderWay, NoChangeUnderWay, RecordInvalid
from apps.data.indexes import Index, declare, documents, indexes_of
from apps.data.models import UNDER_WAY, ChangeState, Collection, Entry, Record, SchemaVersion
from apps.data.schemas.comparing import widens
from apps.data.schemas.fields import find_field
from apps.data.schemas.validating import is_valid, violations
from apps.data.steps import Step, carried_out


def begin(collection: Collection, schema: dict[str, Any], steps: Sequence[Step]) -> None:
    """Begin to change the schema of a locked collection, or change it at once where that is safe.

    Raises ChangeUnderWay.
    """
    if schema == collection.schema and not steps:
        return
    if collection.change is not None:
        raise ChangeUnderWay(f"{collection.name} is on its way to version {collection.change['number']}.")
    number = _next_number(collection)
    safe = not steps and widens(collection.schema, schema)
    version = SchemaVersion(
        collection=collection,
        number=number,
        schema=schema,
        steps=list(steps),
        state=ChangeState.DONE if safe else ChangeState.CHECKING,
    )
    version.save(force_insert=True)
    if safe:
        _count_from_now_on(collection, version)
    else:
        collection.change = {"number": number, "state": "checking", "schema": schema, "steps": list(steps)}


def _next_number(collection: Collection) -> int:
    newest = SchemaVersion.objects.filter(collection=collection).order_by("-number").first()
    return 1 if newest is None else newest.number + 1


def _count_from_now_on(collection: Collection, version: SchemaVersion) -> None:
    """Make the version's schema that of the collection; indexes on fields that mean something else are built again."""
    stale = _stale(collection, version.schema)
    if stale:
        kept = indexes_of(collection)
        wanted = [(index.field, index.unique) for index in kept if index.is_written]
        collection.indexes = documents(declare(kept, wanted, stale=stale))
    collection.schema, collection.schema_version = version.schema, version.number


def _stale(collection: Collection, schema: dict[str, Any]) -> frozenset[str]:
    """The indexed fields whose kind is another one in `schema`."""

    def moved(index: Index) -> bool:
        return find_field(collection.schema, index.field) != find_field(schema, index.field)

    return frozenset(index.field for index in indexes_of(collection) if index.is_written and moved(index))


def fits_next(collection: Collection, data: dict[str, Any]) -> None:
    """Raise RecordInvalid when `data` would stand in the way of a change that is being checked."""
    change = collection.change
    if change is None or change["state"] != "checking":
        return
    found = violations(change["schema"], carried_out(change["steps"], data))
    if found:
        raise RecordInvalid(
            f"The record satisfies version {collection.schema_version} of its schema, and not version "
            f"{change['number']}, to which the collection is being changed: {found[0].detail}",
            errors=[FieldError(one.pointer, one.code, one.detail) for one in found],
        )


def up_to_date(collection: Collection, record: Record) -> dict[str, Any]:
    """The record's data with the steps done that a change under way has yet to do to it."""
    change = collection.change
    if change is None or change["state"] == "checking" or record.schema_version >= change["number"]:
        return dict(record.data)
    return carried_out(change["steps"], record.data)


def change_on(collection: Collection) -> bool:
    """Do the next batch of the change under way; returns whether there was one to do. Stand in the tenant."""
    if collection.change is None:
        return False
    with transaction.atomic():
        version = (
            SchemaVersion.objects.select_for_update()
            .filter(collection=collection, number=collection.change["number"])
            .get()
        )
        if version.state == ChangeState.CHECKING:
            _check_on(collection, version)
        elif version.state == ChangeState.MOVING:
            _move_on(collection, version)
        else:
            return False
    return True


def _batch(collection: Collection, version: SchemaVersion) -> list[Record]:
    rows = Record.objects.of(collection).alive()
    rows = rows if version.cursor is None else rows.filter(id__gt=version.cursor)
    if version.state == ChangeState.MOVING:
        rows = rows.filter(schema_version__lt=version.number).select_for_update(of=("self",), no_key=True)
    return list(rows.order_by("id")[:BATCH])


def _check_on(collection: Collection, version: SchemaVersion) -> None:
    records = _batch(collection, version)
    wrong = [
        record.id
        for record in records
        if not is_valid(version.schema, carried_out(version.steps, record.data))
    ]
    version.done += len(records)
    if wrong:
        _end(collection, version, ChangeState.REFUSED, wrong)
    elif records:
        version.cursor = records[-1].id
        version.save(update_fields=["cursor", "done"])
    else:
        _begin_moving(collection, version)


def _begin_moving(collection: Collection, version: SchemaVersion) -> None:
    """Every record was found to fit: from now on the new schema counts."""
    fresh = Collection.objects.select_for_update().get(pk=collection.pk)
    _count_from_now_on(fresh, version)
    moving = bool(version.steps)
    fresh.change = {**(fresh.change or {}), "state": "moving"} if moving else None
    fresh.version += 1
    fresh.save(update_fields=["schema", "schema_version", "indexes", "change", "version"])
    version.state = ChangeState.MOVING if moving else ChangeState.DONE
    version.cursor, version.done = None, 0 if moving else version.done
    version.save(update_fields=["state", "cursor", "done"])
    _tell(collection, fresh)


def _move_on(collection: Collection, version: SchemaVersion) -> None:
    records = _batch(collection, version)
    if not records:
        blocked = bool(version.offending)
        _end(collection, version, ChangeState.BLOCKED if blocked else ChangeState.DONE)
        return
    made = [(record, carried_out(version.steps, record.data)) for record in records]
    good = [(record, data) for record, data in made if is_valid(version.schema, data)]
    wrong = [record.id for record, data in made if not is_valid(version.schema, data)]
    _rewrite(collection, version, good)
    version.cursor = records[-1].id
    version.done += len(good)
    version.offending = [*version.offending, *map(_shown, wrong)][:MOST_NAMED]
    version.save(update_fields=["cursor", "done", "offending"])


def _rewrite(
    collection: Collection, version: SchemaVersion, changed: Sequence[tuple[Record, dict[str, Any]]]
) -> None:
    """Write the records as they are after the steps."""
    now = clock.now()
    for record, data in changed:
        if record.data != data:
            record.version += 1
            record.updated_at = now
        record.data, record.schema_version = data, version.number
    records = [record for record, _ in changed]
    if records:
        Record.objects.overwrite(records)
        Entry.objects.of_records(records).delete()
        enter(collection, records)


def _end(
    collection: Collection, version: SchemaVersion, state: ChangeState, offending: Sequence[UUID] = ()
) -> None:
    """Write down how the change ended, or that it waits for somebody."""
    fresh = Collection.objects.select_for_update().get(pk=collection.pk)
    fresh.change = {**(fresh.change or {}), "state": "blocked"} if state == ChangeState.BLOCKED else None
    fresh.save(update_fields=["change"])
    version.state = state
    version.offending = version.offending or [_shown(one) for one in offending][:MOST_NAMED]
    version.save(update_fields=["state", "offending", "done"])
    _tell(collection, fresh)


def _tell(collection: Collection, fresh: Collection) -> None:
    """Let the instance in the caller's hands know what is in the row now."""
    for name in ("schema", "schema_version", "indexes", "change", "version"):
        setattr(collection, name, getattr(fresh, name))


def _shown(record_id: UUID) -> str:
    return encode(Record.id_prefix, record_id)


def resume(collection: Collection) -> None:
    """Let a change that waits for somebody go over the records again that it has not done. The collection is locked."""
    if collection.change is None or collection.change["state"] != "blocked":
        return
    waiting = SchemaVersion.objects.filter(collection=collection, number=collection.change["number"])
    waiting.update(state=ChangeState.MOVING, cursor=None, offending=[])
    collection.change = {**collection.change, "state": "moving"}
    collection.save(update_fields=["change"])


def cancel(collection: Collection) -> SchemaVersion:
    """End a change that has changed nothing yet. The collection has to be locked.

    Raises NoChangeUnderWay, and ChangeNotCancellable when records were changed already.
    """
    rows = SchemaVersion.objects.select_for_update().filter(collection=collection, state__in=UNDER_WAY)
    version = rows.first()
    if version is None:
        raise NoChangeUnderWay
    if version.state != ChangeState.CHECKING:
        raise ChangeNotCancellable
    version.state = ChangeState.CANCELLED
    version.save(update_fields=["state"])
    collection.change = None
    return version

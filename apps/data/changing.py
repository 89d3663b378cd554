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

from django.db import IntegrityError, transaction

from apps.core import clock
from apps.core.ids import encode
from apps.core.problems import FieldError
from apps.data.building import BATCH, MOST_NAMED, as_entered, kept_from_others, search_anew, sharing
from apps.data.entering import enter
from apps.data.errors import ChangeNotCancellable, ChangeUnderWay, NoChangeUnderWay, RecordInvalid
from apps.data.indexes import Column, Index, column_of, declare, documents, indexes_of, search_from
from apps.data.models import UNDER_WAY, ChangeState, Collection, Entry, Record, SchemaVersion
from apps.data.schemas.comparing import widens
from apps.data.schemas.fields import find_field
from apps.data.schemas.validating import is_valid, violations
from apps.data.steps import Step, carried_out

#: A record, and its data after the steps.
Changed = tuple[Record, dict[str, Any]]


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
    """Make the version's schema that of the collection, and declare what waited for it.

    Indexes on fields that mean something else from now on are built again.
    """
    coming = collection.change or {}
    later = [(name, unique) for name, unique in coming.get("indexes", ())]
    stale = _stale(collection, version.schema)
    if stale or later:
        kept = indexes_of(collection)
        wanted = [(index.field, index.unique) for index in kept if index.is_written]
        collection.indexes = documents(declare(kept, [*wanted, *later], stale=stale))
    if "search" in coming:
        search_anew(collection, search_from(coming["search"]))
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
    steps = _steps_to_come(collection, record)
    return carried_out(steps, record.data) if steps else dict(record.data)


def _steps_to_come(collection: Collection, record: Record) -> list[Step]:
    change = collection.change
    if change is None or change["state"] == "checking" or record.schema_version >= change["number"]:
        return []
    return list(change["steps"])


def as_of_today(collection: Collection, record: Record) -> dict[str, Any]:
    """The data of a record, perhaps a deleted one, with all steps done that it missed. At most one query.

    A change passes deleted records by: up_to_date knows no more than the one under way.
    """
    if record.schema_version == collection.schema_version:
        return dict(record.data)
    missed = SchemaVersion.objects.filter(
        collection=collection, state=ChangeState.DONE, number__gt=record.schema_version
    )
    steps = [step for done in missed.order_by("number").values_list("steps", flat=True) for step in done]
    return carried_out([*steps, *_steps_to_come(collection, record)], record.data)


def change_on(collection: Collection) -> bool:
    """Do the next batch of the change under way; returns whether there was one to do. Stand in the tenant.

    The row counts as it is then, whatever `collection` says.
    """
    with transaction.atomic():
        fresh = kept_from_others(collection)
        version = None if fresh is None else _going_on(fresh)
        if fresh is None or version is None:
            return False
        over = (
            _check_on(fresh, version) if version.state == ChangeState.CHECKING else _move_on(fresh, version)
        )
    if over:
        _conclude(collection)
    return True


def _going_on(collection: Collection) -> SchemaVersion | None:
    """How far the change of the collection is, if it can be carried on."""
    if collection.change is None:
        return None
    version = SchemaVersion.objects.get(collection=collection, number=collection.change["number"])
    return version if version.state in (ChangeState.CHECKING, ChangeState.MOVING) else None


def _conclude(collection: Collection) -> None:
    """Go over from checking to moving, or end. Nobody writes records meanwhile.

    In a transaction of its own, which begins with the lock: whoever holds a weaker one and asks for this one can wait
    for somebody who waits for them.
    """
    with transaction.atomic():
        fresh = Collection.objects.select_for_update().filter(pk=collection.pk).first()
        version = None if fresh is None else _going_on(fresh)
        if fresh is None or version is None or _batch(fresh, version):
            return
        if version.state == ChangeState.CHECKING:
            _begin_moving(fresh, version)
        else:
            _end(fresh, version, ChangeState.BLOCKED if version.offending else ChangeState.DONE)


def _batch(collection: Collection, version: SchemaVersion) -> list[Record]:
    rows = Record.objects.of(collection).alive()
    rows = rows if version.cursor is None else rows.filter(id__gt=version.cursor)
    if version.state == ChangeState.MOVING:
        rows = rows.filter(schema_version__lt=version.number).select_for_update(of=("self",), no_key=True)
    return list(rows.order_by("id")[:BATCH])


def _check_on(collection: Collection, version: SchemaVersion) -> bool:
    """Check the next records; returns whether none is left."""
    records = _batch(collection, version)
    made = [(record, carried_out(version.steps, record.data)) for record in records]
    wrong = [record.id for record, data in made if not is_valid(version.schema, data)]
    wrong = wrong or _sharing(collection, version, made)
    version.done += len(records)
    if wrong:
        _end(collection, version, ChangeState.REFUSED, wrong)
    elif records:
        version.cursor = records[-1].id
        version.save(update_fields=["cursor", "done"])
    return not records


def _sharing(collection: Collection, version: SchemaVersion, made: Sequence[Changed]) -> list[UUID]:
    """Those that would share a value after the steps: with each other, or with one that keeps what was entered."""
    found: list[UUID] = []
    for column in _unique_columns(collection, version):

        def keys_to_be(holders: Sequence[UUID], column: Column = column) -> dict[UUID, list[str]]:
            rows = Record.objects.filter(pk__in=holders, schema_version__lt=version.number)
            return {row.id: column.keys_in(carried_out(version.steps, row.data)) for row in rows}

        found += sharing(column, made, keys_to_be)
    return list(dict.fromkeys(found))


def _unique_columns(collection: Collection, version: SchemaVersion) -> list[Column]:
    """The unique indexes as they will be when the version's schema counts, if there are steps that change values."""
    written = [index for index in indexes_of(collection) if index.is_written and index.unique]
    return [column_of(collection, index, version.schema) for index in written] if version.steps else []


def _begin_moving(collection: Collection, version: SchemaVersion) -> None:
    """Every record was found to fit: from now on the new schema counts."""
    _count_from_now_on(collection, version)
    moving = bool(version.steps)
    collection.change = {**(collection.change or {}), "state": "moving"} if moving else None
    collection.version += 1
    collection.save(update_fields=["schema", "schema_version", "indexes", "search", "change", "version"])
    version.state = ChangeState.MOVING if moving else ChangeState.DONE
    version.cursor, version.done = None, 0 if moving else version.done
    version.save(update_fields=["state", "cursor", "done"])


def _move_on(collection: Collection, version: SchemaVersion) -> bool:
    """Carry out the steps on the next records; returns whether none is left."""
    records = _batch(collection, version)
    if not records:
        return True
    made = [(record, carried_out(version.steps, record.data)) for record in records]
    fit = [(record, data) for record, data in made if is_valid(version.schema, data)]
    taken = _rewrite_unique(collection, version, fit)
    good = {record.id for record, _ in fit} - taken
    wrong = [record.id for record in records if record.id not in good]
    named = [*version.offending, *map(_shown, wrong), *map(_shown, sorted(taken))]
    version.cursor = records[-1].id
    version.done += len(good)
    version.offending = list(dict.fromkeys(named))[:MOST_NAMED]
    version.save(update_fields=["cursor", "done", "offending"])
    return False


def _rewrite_unique(collection: Collection, version: SchemaVersion, fit: Sequence[Changed]) -> set[UUID]:
    """Write the records as they are after the steps, but for those that would share a value.

    Returns the ids of all that would share one, others among them that had it before.
    """
    try:
        with transaction.atomic():
            _rewrite(collection, version, fit)
    except IntegrityError:
        columns = _unique_columns(collection, version)
        taken = {one for column in columns for one in sharing(column, fit, as_entered)}
        _rewrite(collection, version, [(record, data) for record, data in fit if record.id not in taken])
        return taken
    return set()


def _rewrite(collection: Collection, version: SchemaVersion, changed: Sequence[Changed]) -> None:
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
        Entry.objects.of_records(records).purge()
        enter(collection, records)


def _end(
    collection: Collection, version: SchemaVersion, state: ChangeState, offending: Sequence[UUID] = ()
) -> None:
    """Write down how the change ended, or that it waits for somebody."""
    blocked = state == ChangeState.BLOCKED
    collection.change = {**(collection.change or {}), "state": "blocked"} if blocked else None
    collection.save(update_fields=["change"])
    version.state = state
    version.offending = version.offending or [_shown(one) for one in offending][:MOST_NAMED]
    version.save(update_fields=["state", "offending", "done"])


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
    version = SchemaVersion.objects.filter(collection=collection, state__in=UNDER_WAY).first()
    if version is None:
        raise NoChangeUnderWay
    if version.state != ChangeState.CHECKING:
        raise ChangeNotCancellable
    version.state = ChangeState.CANCELLED
    version.save(update_fields=["state"])
    collection.change = None
    return version

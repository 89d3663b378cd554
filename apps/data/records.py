"""Operations on records: reading, finding, and writing one or many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core.actor import Actor
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import Problem
from apps.data import access
from apps.data import serializers as forms
from apps.data.collections import named
from apps.data.errors import Undone
from apps.data.fields import narrowed
from apps.data.intents import Intent, Outcome
from apps.data.models import Collection, Entry, Record
from apps.data.querying import Found, find, read_query
from apps.data.writing import write, write_one


@operation(
    "records.list",
    scope="records:read",
    risk=Risk.READ,
    input=forms.RecordParameters,
    output=forms.RecordOutput,
    lists=True,
    publishable=True,
)
def list_records(
    actor: Actor,
    *,
    collection: str,
    filter: Mapping[str, str] | None = None,  # noqa: A002 - the parameter's name
    order: str = "-id",
    search: str = "",
    fields: Sequence[str] = (),
    scan: bool = False,
) -> Any:
    """Find records: by filters, by words, in an order.

    Filters look like `filter[price][gte]=5`; the operators are eq (or none), ne, gt, gte, lt, lte, in, contains, prefix
    and exists. A query that no index serves looks at every record; above 10,000 of them it has to ask for that with
    `scan=true`, and the answer says so in `notice`.
    """
    row = named(collection)
    query = read_query(row, filters=filter or {}, order=order, search=search, scan=scan)
    return narrowed(find(actor, query), row, fields)


@operation(
    "records.count",
    scope="records:read",
    risk=Risk.READ,
    input=forms.CountParameters,
    output=forms.CountOutput,
    publishable=True,
)
def count_records(
    actor: Actor,
    *,
    collection: str,
    filter: Mapping[str, str] | None = None,  # noqa: A002 - the parameter's name
    search: str = "",
    scan: bool = False,
) -> dict[str, Any]:
    """Count the records that filters and words find; see `records.list`."""
    query = read_query(named(collection), filters=filter or {}, order="-id", search=search, scan=scan)
    found: Found = find(actor, query)
    counted = found.count()
    return {"count": counted.number, **counted.extra}


@operation(
    "records.get",
    scope="records:read",
    risk=Risk.READ,
    input=forms.FieldsParameters,
    output=forms.RecordOutput,
    publishable=True,
)
def get_record(actor: Actor, *, collection: str, record_id: UUID, fields: Sequence[str] = ()) -> Record:
    """Read one record; one that was deleted, too, for who may change it."""
    row = named(collection)
    reached = access.require(actor, row, "read")
    record = next(iter(Record.objects.of(row).visible_to(actor, row).filter(pk=record_id)), None)
    if record is None or not access.covers(actor, record, reached) or not _shows(actor, row, record):
        raise not_found(Record, record_id)
    found: Record = narrowed(record, row, fields)
    return found


def _shows(actor: Actor, collection: Collection, record: Record) -> bool:
    """A deleted record shows to those who could restore it."""
    if record.deleted_at is None:
        return True
    return access.covers(actor, record, access.reach(actor, collection, "change"))


def held(name: str) -> Collection:
    """The collection called `name`, kept as it is until the transaction ends. Raises CollectionUnknown."""
    found = Collection.objects.held(name)
    if found is None:
        raise access.unknown(name)
    return found


@operation(
    "records.create",
    scope="records:write",
    risk=Risk.WRITE,
    input=forms.RecordInput,
    output=forms.RecordOutput,
)
def create_record(
    actor: Actor, *, collection: str, data: dict[str, Any], owner: UUID | None = None
) -> Record:
    """Make a record. A person owns what they make; it belongs to the organization that they act in."""
    return _one(actor, collection, Intent("create", data, owner_id=owner))


@operation(
    "records.update",
    scope="records:write",
    risk=Risk.WRITE,
    input=forms.RecordPatch,
    output=forms.RecordOutput,
    versioned=True,
)
def update_record(
    actor: Actor,
    *,
    collection: str,
    record_id: UUID,
    data: dict[str, Any] | None = None,
    expected_version: int | None = None,
) -> Record:
    """Change a record by a JSON merge patch: null removes a member, objects are merged."""
    return _one(actor, collection, Intent("patch", data or {}, record_id, expected_version))


@operation(
    "records.replace",
    scope="records:write",
    risk=Risk.WRITE,
    input=forms.RecordReplacement,
    output=forms.RecordOutput,
    versioned=True,
    event="record.updated",
)
def replace_record(
    actor: Actor,
    *,
    collection: str,
    record_id: UUID,
    data: dict[str, Any],
    expected_version: int | None = None,
) -> Record:
    """Give a record other data altogether."""
    return _one(actor, collection, Intent("replace", data, record_id, expected_version))


@operation("records.delete", scope="records:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_record(
    actor: Actor, *, collection: str, record_id: UUID, expected_version: int | None = None
) -> Record:
    """Delete a record. It can be restored until it is purged."""
    return _one(actor, collection, Intent("delete", record_id=record_id, version=expected_version))


@operation("records.restore", scope="records:write", risk=Risk.WRITE, output=forms.RecordOutput)
def restore_record(actor: Actor, *, collection: str, record_id: UUID) -> Record:
    """Restore a deleted record; it has to satisfy today's schema, and its unique values have to be free."""
    return _one(actor, collection, Intent("restore", record_id=record_id))


@operation("records.purge", scope="records:write", risk=Risk.DESTRUCTIVE)
def purge_record(actor: Actor, *, collection: str, record_id: UUID) -> Record:
    """Delete a record for good, whether it was deleted before or not."""
    row = held(collection)
    reached = access.require(actor, row, "change")
    rows = Record.objects.of(row).visible_to(actor, row)
    record = rows.filter(pk=record_id).select_for_update(of=("self",)).first()
    if record is None or not access.covers(actor, record, reached):
        raise not_found(Record, record_id)
    Entry.objects.of_records([record]).purge()
    Record.objects.filter(pk=record.pk).purge()
    return record


@operation(
    "records.upsert",
    scope="records:write",
    risk=Risk.WRITE,
    input=forms.UpsertInput,
    output=forms.UpsertOutput,
    subject=lambda outcome: outcome.record,
    event="record.{action}",
)
def upsert_record(actor: Actor, *, collection: str, by: str, data: dict[str, Any]) -> Outcome:
    """Change the record that has this value in a unique field, or make one."""
    return write_one(actor, held(collection), Intent("upsert", data, by=by))


def _one(actor: Actor, collection: str, intent: Intent) -> Record:
    outcome = write_one(actor, held(collection), intent)
    assert outcome.record is not None  # noqa: S101 - an outcome without a problem has a record
    return outcome.record


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of a bulk write."""

    collection: Collection
    results: Sequence[Mapping[str, Any]]

    @property
    def refused(self) -> int:
        """How many items were refused."""
        return sum(1 for one in self.results if one["result"] == "refused")

    @property
    def done(self) -> int:
        """How many were not."""
        return len(self.results) - self.refused


@operation(
    "records.bulk",
    scope="records:write",
    risk=Risk.WRITE,
    input=forms.BulkInput,
    output=forms.BulkOutput,
    subject=lambda batch: batch.collection,
    event="record.bulk_written",
)
def write_records(
    actor: Actor, *, collection: str, items: Sequence[Mapping[str, Any]], atomic: bool = False
) -> Batch:
    """Create, replace, patch, upsert, delete and restore up to 500 records in one call.

    Each item has a result of its own. With `atomic`, one refused item undoes the others, which then say so.
    """
    row = held(collection)
    intents = [_intent(item) for item in items]
    undo = transaction.savepoint()
    outcomes = write(actor, row, intents)
    if atomic and any(outcome.problem is not None for outcome in outcomes):
        transaction.savepoint_rollback(undo)
        return Batch(row, [_result(outcome.problem or Undone()) for outcome in outcomes])
    transaction.savepoint_commit(undo)
    return Batch(row, [_result(outcome.problem or outcome) for outcome in outcomes])


def _intent(item: Mapping[str, Any]) -> Intent:
    return Intent(item["do"], item["data"], item["id"], item["version"], item["by"])


def _result(found: Outcome | Problem) -> Mapping[str, Any]:
    if isinstance(found, Problem):
        document = found.document()
        told = {name: document[name] for name in ("status", "code", "title", "detail")}
        return {
            "result": "refused",
            "record": None,
            "problem": {**told, "errors": document.get("errors", [])},
        }
    return {"result": found.result, "record": found.record, "problem": None}

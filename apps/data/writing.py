"""Writing records: one at a time or many, in the same fixed number of statements.

A call says what it wants as intents. All records that they name are read and locked at once, each intent is decided in
its turn against the state that the ones before it left, and what came of it is written at once: records, and the
entries by which they are found. An intent that is refused leaves the others alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.core import clock, strictjson
from apps.core.actor import Actor
from apps.core.etags import check_version
from apps.core.ids import uuid7
from apps.core.models import not_found
from apps.core.problems import FieldError, Problem
from apps.data import access, trail
from apps.data.changing import as_of_today, fits_next, up_to_date
from apps.data.claims import Claim, Claims
from apps.data.entering import enter
from apps.data.errors import (
    OrganizationNeeded,
    RecordDeleted,
    RecordIdTaken,
    RecordInvalid,
    WriteConflict,
)
from apps.data.indexes import columns_of
from apps.data.intents import Intent, Outcome, Result, Verb
from apps.data.merging import merged
from apps.data.models import Collection, Entry, Record
from apps.data.schemas.validating import violations
from apps.orgs.models import Organization
from apps.tenancy.walls import whole_tenant

#: What a line of an import holds beside the record's data, in bytes, generously.
_ROOM_AROUND = 2_048
#: How often a write begins again because somebody else took a unique value in the same moment.
_TRIES = 3


def write(actor: Actor, collection: Collection, intents: Sequence[Intent]) -> list[Outcome]:
    """Carry out the intents in their order, inside the caller's transaction; one outcome each.

    Raises RecordAccessDenied where the rules let the actor do none of it; everything else is in the outcomes.
    """
    for remaining in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                return _Batch(actor, collection, intents).carried_out()
        except (IntegrityError, _OvertakenError):
            if not remaining:
                raise WriteConflict from None
    raise AssertionError("the last try returns or raises")


def write_one(actor: Actor, collection: Collection, intent: Intent) -> Outcome:
    """Carry out one intent. Raises the problem where there is one."""
    (outcome,) = write(actor, collection, [intent])
    if outcome.problem is not None:
        raise outcome.problem
    return outcome


class _OvertakenError(Exception):
    """Somebody else made the record that an upsert would find, between two looks."""


@dataclass(eq=False)
class _Batch:
    """Some intents on their way. `known` are the records in play, `before` their data as it was found."""

    actor: Actor
    collection: Collection
    intents: Sequence[Intent]
    now: datetime = field(default_factory=clock.now)
    known: dict[UUID, Record] = field(default_factory=dict)
    before: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    changed: dict[UUID, Record] = field(default_factory=dict)
    made: set[UUID] = field(default_factory=set)
    #: Of the people and organizations that intents name, those that there are.
    named: set[UUID] = field(default_factory=set)
    #: Ids that intents would give to new records, and that other records have.
    taken: set[UUID] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.claims = Claims(self.actor, self.collection, columns_of(self.collection))

    def carried_out(self) -> list[Outcome]:
        self._require()
        self._read_named()
        self._read_known()
        self._read_taken()
        self._read_claims()
        outcomes = [self._attempt(intent) for intent in self.intents]
        self._store()
        return outcomes

    def _require(self) -> None:
        """Refuse the whole call where its rules let the actor do nothing of the kind."""
        for verb in {_RULES[intent.verb] for intent in self.intents if intent.verb in _RULES}:
            access.require(self.actor, self.collection, verb)

    # What is there.

    def _read_named(self) -> None:
        """Look up whom the intents name; for most calls there is nobody, and nothing to ask."""
        owners = {intent.owner_id for intent in self.intents if intent.owner_id}
        places = {intent.organization_id for intent in self.intents if intent.organization_id}
        if owners:
            self.named |= set(
                User.objects.visible_to(self.actor).filter(pk__in=owners).values_list("pk", flat=True)
            )
        if places:
            found = Organization.objects.visible_to(self.actor).filter(pk__in=places)
            self.named |= set(found.values_list("pk", flat=True))

    def _read_known(self) -> None:
        wanted = {intent.record_id for intent in self.intents if intent.record_id is not None}
        wanted |= self._upserted()
        if wanted:
            rows = Record.objects.of(self.collection).visible_to(self.actor, self.collection)
            # In the order of their ids, so that two calls on the same records do not wait for each other.
            locked = rows.filter(pk__in=wanted).order_by("id").select_for_update(of=("self",), no_key=True)
            self.known = {record.id: record for record in locked}
            self.before = {record.id: record.data for record in locked}

    def _read_taken(self) -> None:
        """Which ids are taken by records that the actor does not see in this collection."""
        wanted = {i.record_id for i in self.intents if i.verb == "put" and i.record_id} - self.known.keys()
        if wanted:
            with whole_tenant():
                self.taken = set(Record.objects.filter(pk__in=wanted).values_list("pk", flat=True))

    def _upserted(self) -> set[UUID]:
        """The records that upserts will find."""
        claims = [claim for intent in self.intents if (claim := self._claim_by(intent))]
        return set(self.claims.holders(claims).values())

    def _claim_by(self, intent: Intent) -> Claim | None:
        if intent.verb != "upsert" or not isinstance(intent.data, dict):
            return None
        return self.claims.by(intent.by, intent.data, self._place_of(intent))

    def _read_claims(self) -> None:
        """Who has the unique values that the intents might take; more are read than needed, none too few."""
        wanted: list[Claim] = []
        for intent in self.intents:
            found = self.known.get(intent.record_id) if intent.record_id else None
            place = self._place_of(intent) if found is None else found.organization_id
            before = {} if found is None else self._as_it_counts(found)
            if isinstance(intent.data, dict):
                wanted += self.claims.of(intent.data, place)
                wanted += self.claims.of(merged(before, intent.data), place)
            wanted += self.claims.of(before, place)
        self.claims.held = self.claims.holders(wanted)

    def _as_it_counts(self, record: Record) -> dict[str, Any]:
        """A record's data with the steps done that changes of the schema have yet to do to it."""
        return (up_to_date if record.deleted_at is None else as_of_today)(self.collection, record)

    def _place_of(self, intent: Intent) -> UUID | None:
        """The organization that a new record belongs to."""
        if self.collection.shared:
            return None
        here = self.actor.organization
        return intent.organization_id if here is None else here.id

    # Deciding one intent.

    def _attempt(self, intent: Intent) -> Outcome:
        try:
            return _DEEDS[intent.verb](self, intent)
        except Problem as problem:
            return Outcome(problem=problem)

    def create(self, intent: Intent) -> Outcome:
        """Make a record."""
        self._require_place(intent)
        if intent.record_id in self.taken:
            raise RecordIdTaken
        record = Record(
            id=intent.record_id or uuid7(),
            collection=self.collection,
            organization_id=self._place_of(intent),
            shared=self.collection.shared,
            owner_id=intent.owner_id or access.person_of(self.actor),
            created_at=self.now,
            version=0,
        )
        made = self._put(record, intent.data, "created")
        self.made.add(record.id)
        self.known[record.id] = record
        return made

    def replace(self, intent: Intent) -> Outcome:
        """Give a record other data altogether."""
        return self._put(self._changeable(intent), intent.data, "updated")

    def patch(self, intent: Intent) -> Outcome:
        """Change members of a record's data."""
        record = self._changeable(intent)
        return self._put(record, merged(up_to_date(self.collection, record), intent.data), "updated")

    def upsert(self, intent: Intent) -> Outcome:
        """Change the record that has the value of the unique field, or make it."""
        claim = self._claim_by(intent)
        if claim is None:
            raise self.claims.not_upsertable(intent.by)
        holder = self.claims.held.get(claim)
        if holder is None:
            access.require(self.actor, self.collection, "create")
            return self.create(intent)
        access.require(self.actor, self.collection, "change")
        if holder not in self.known:
            raise _OvertakenError
        found = Intent("patch", intent.data, holder, intent.version)
        return self.patch(found)

    def put(self, intent: Intent) -> Outcome:
        """Give the record this data, or make it under its id; one that was deleted is there again."""
        found = self.known.get(intent.record_id) if intent.record_id else None
        if found is None:
            access.require(self.actor, self.collection, "create")
            return self.create(intent)
        access.require(self.actor, self.collection, "change")
        result: Result = "updated" if found.deleted_at is None else "restored"
        with _undeleted(found):
            return self._put(self._named(intent), intent.data, result)

    def delete(self, intent: Intent) -> Outcome:
        """Delete a record so that it can be restored."""
        record = self._changeable(intent)
        record.deleted_at = self.now
        self.claims.release(record)
        return self._changed(record, "deleted")

    def restore(self, intent: Intent) -> Outcome:
        """Undo a deletion; the record has to satisfy the schema of today."""
        record = self._named(intent)
        if record.deleted_at is None:
            return Outcome(record, "unchanged")
        with _undeleted(record):
            return self._put(record, as_of_today(self.collection, record), "restored")

    def _require_place(self, intent: Intent) -> None:
        """Refuse a record that would belong nowhere, or to somebody whom there is not."""
        if not self.collection.shared and self.actor.organization is None and not self.actor.is_tenant_wide:
            raise OrganizationNeeded
        # What is not one's own to say is refused alike, whether there is such a thing or not.
        if intent.organization_id not in (None, self._place_of(intent)):
            raise _not_yours("organization", "The record would belong to another organization than yours.")
        if not self.actor.is_of_tenant and intent.owner_id not in (None, access.person_of(self.actor)):
            raise _not_yours("owner", "Only actors of the tenant say that a record is somebody else's.")
        if intent.owner_id is not None and intent.owner_id not in self.named:
            raise not_found(User, intent.owner_id)
        if intent.organization_id is not None and intent.organization_id not in self.named:
            raise not_found(Organization, intent.organization_id)

    def _named(self, intent: Intent) -> Record:
        """The record that an intent names, if the actor may change it."""
        if intent.record_id is None:
            raise RecordInvalid(
                "An item that is no create or upsert names a record by its `id`.",
                errors=[FieldError("id", "required", "This field is required.")],
            )
        record = self.known.get(intent.record_id)
        reached = access.reach(self.actor, self.collection, "change")
        if record is None or (not access.covers(self.actor, record, reached) and not self._reads(record)):
            raise not_found(Record, intent.record_id)
        if not access.covers(self.actor, record, reached):
            raise access.denied(self.collection, "change")
        check_version(intent.version, record.version)
        return record

    def _reads(self, record: Record) -> bool:
        return access.covers(self.actor, record, access.reach(self.actor, self.collection, "read"))

    def _changeable(self, intent: Intent) -> Record:
        record = self._named(intent)
        if record.deleted_at is not None:
            raise RecordDeleted(f"{record.public_id} was deleted. {RecordDeleted.advice}")
        return record

    def _put(self, record: Record, data: Any, result: Result) -> Outcome:
        if result == "updated" and data == record.data and record.schema_version == self._schema_version:
            return Outcome(record, "unchanged")
        _hold_to_size(data)
        self._hold_to_schema(data)
        self.claims.take(record, data)
        record.data = data
        return self._changed(record, result)

    @property
    def _schema_version(self) -> int:
        return self.collection.schema_version

    def _hold_to_schema(self, data: Any) -> None:
        """Raise RecordInvalid with every violation."""
        found = violations(self.collection.schema, data)
        if not found:
            fits_next(self.collection, data)
            return
        errors = [FieldError(one.pointer, one.code, one.detail) for one in found]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise RecordInvalid(f"{errors[0].field or 'The record'}: {errors[0].detail}{more}", errors=errors)

    def _changed(self, record: Record, result: Result) -> Outcome:
        record.version += 1
        record.updated_at = self.now
        record.schema_version = self._schema_version
        self.changed[record.id] = record
        return Outcome(record, result)

    # Writing what came of it.

    def _store(self) -> None:
        rows = list(self.changed.values())
        fresh = [record for record in rows if record.id in self.made]
        older = [record for record in rows if record.id not in self.made]
        if fresh:
            Record.objects.bulk_create(fresh)
        if older:
            Record.objects.overwrite(older)
            Entry.objects.of_records(older).purge()
        if rows:
            enter(self.collection, [record for record in rows if record.deleted_at is None])
        told = access.is_told(self.collection)
        for record in rows:
            trail.note(record, None if record.id in self.made else self.before[record.id], told=told)


@contextmanager
def _undeleted(record: Record) -> Iterator[None]:
    """Take the deletion back, unless what is tried with the record is refused."""
    deleted, record.deleted_at = record.deleted_at, None
    try:
        yield
    except Problem:
        record.deleted_at = deleted
        raise


def _hold_to_size(data: dict[str, Any]) -> None:
    """Raise RecordInvalid for more than a line of an import can hold; patches would make a record grow on and on."""
    size, most = len(strictjson.dumps(data)), strictjson.body_limit() - _ROOM_AROUND
    if size > most:
        detail = f"The record would have {size:,} bytes, and {most:,} is the most."
        raise RecordInvalid(detail, errors=[FieldError("", "too_large", detail)])


def _not_yours(name: str, detail: str) -> RecordInvalid:
    return RecordInvalid(detail, errors=[FieldError(name, "not_yours", detail)])


_RULES: dict[Verb, access.Verb] = {
    "create": "create",
    "replace": "change",
    "patch": "change",
    "delete": "change",
    "restore": "change",
}
_DEEDS = {
    "create": _Batch.create,
    "replace": _Batch.replace,
    "patch": _Batch.patch,
    "put": _Batch.put,
    "upsert": _Batch.upsert,
    "delete": _Batch.delete,
    "restore": _Batch.restore,
}

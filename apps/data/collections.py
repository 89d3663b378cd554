"""Operations on collections: what the tenant's records look like.

They are definitions of the tenant as a whole: its own machines make them, and whoever acts for all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from apps.accounts.configuring import require_configurer
from apps.core.actor import Actor
from apps.core.etags import check_version
from apps.core.operations import Risk, operation
from apps.core.problems import FieldError, Remedy, show
from apps.data import access, changing
from apps.data import serializers as forms
from apps.data.advancing import DUTY, batches_at_once, carry_on, is_busy
from apps.data.declaring import Wanted
from apps.data.errors import (
    CollectionInUse,
    CollectionNameTaken,
    DefinitionInvalid,
    NoChangeUnderWay,
    NotUnique,
    SchemaIncompatible,
    WriteConflict,
)
from apps.data.indexes import collection_of, indexes_of, numbers_of
from apps.data.models import ChangeState, Collection, Entry, Record, SchemaVersion
from apps.data.offending import told, told_of
from apps.data.schemas.checking import check_schema
from apps.tenancy.patrol import ask_for
from apps.tenancy.walls import whole_tenant

Definition = dict[str, Any]


@contextmanager
def _defining(actor: Actor) -> Iterator[None]:
    """Stand in the whole tenant, for whom its definitions are. Raises ConfigurationOfTenant for others."""
    require_configurer(actor)
    with whole_tenant():
        yield


@operation(
    "collections.list",
    scope="collections:read",
    risk=Risk.READ,
    output=forms.CollectionOutput,
    lists=True,
)
def list_collections(actor: Actor) -> Any:
    """List the collections of the tenant."""
    return told(actor, Collection.objects.order_by("name"))


@operation("collections.get", scope="collections:read", risk=Risk.READ, output=forms.CollectionOutput)
def get_collection(actor: Actor, *, collection: str) -> Collection:
    """Read one collection: its schema, its rules, and how far its indexes are."""
    return told_of(actor, named(collection))


def named(name: str) -> Collection:
    """The collection called `name`. Raises CollectionUnknown."""
    found = Collection.objects.named(name)
    if found is None:
        raise access.unknown(name)
    return found


@operation(
    "collections.create",
    scope="collections:write",
    risk=Risk.WRITE,
    input=forms.CollectionInput,
    output=forms.CollectionOutput,
)
def create_collection(
    actor: Actor,
    *,
    name: str,
    schema: Definition,
    description: str = "",
    shared: bool = False,
    access: dict[str, list[str]] | None = None,
    indexes: Sequence[Definition] = (),
    search: Definition | None = None,
) -> Collection:
    """Make a collection.

    Its records are walled by organization unless it is `shared`; `access` says who may do what within the wall.
    """
    with _defining(actor):
        check_schema(schema)
        _check_rules(access or {}, shared=shared)
        wanted = Wanted(schema, indexes, search)
        wanted.check()
        made = Collection(name=name, schema=schema, description=description, shared=shared)
        made.number, made.access = _next_number(), access or {}
        wanted.declare_on(made)
        _nothing_to_build(made)
        return _saved(made)


def _nothing_to_build(made: Collection) -> None:
    """A collection without records has its indexes and its search at once."""
    for kept in (*made.indexes, *([] if made.search is None else [made.search])):
        kept["state"] = "ready"


def _saved(made: Collection) -> Collection:
    if Collection.objects.filter(name=made.name).exists():
        raise _name_taken(made.name)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
            SchemaVersion(collection=made, number=1, schema=made.schema).save(force_insert=True)
    except IntegrityError:
        if Collection.objects.filter(name=made.name).exists():
            raise _name_taken(made.name) from None
        raise WriteConflict from None
    return made


def _next_number() -> int:
    """A number that no collection has, and under which nothing is entered, whatever was left behind by another one."""
    given = Collection.objects.aggregate(highest=Max("number"))["highest"] or 0
    entered = Entry.objects.aggregate(highest=Max("index"))["highest"] or 0
    return 1 + max(given, collection_of(entered))


def _name_taken(name: str) -> CollectionNameTaken:
    return CollectionNameTaken(f"There is a collection {show(name)} already; choose another name.")


def _check_rules(rules: dict[str, list[str]], *, shared: bool) -> None:
    wrong = access.problems_of(rules, shared=shared)
    if wrong:
        errors = [FieldError(f"access.{where}", "rule_unfit", said) for where, said in wrong.items()]
        raise DefinitionInvalid(errors[0].detail, errors=errors)


@operation(
    "collections.update",
    scope="collections:write",
    risk=Risk.WRITE,
    input=forms.CollectionPatch,
    output=forms.CollectionOutput,
    versioned=True,
)
def update_collection(
    actor: Actor,
    /,
    *,
    collection: str,
    expected_version: int | None = None,
    steps: Sequence[Definition] = (),
    **changes: Any,
) -> Collection:
    """Change a collection: its description, rules, indexes, search or schema.

    Indexes are built while others write. A schema that records stand against is refused with their ids, unless `steps`
    say what is done to each record; large collections are checked and changed in the background.
    """
    with _defining(actor):
        row = _locked(collection, expected_version)
        return _updated(row, changes, steps)


def _updated(row: Collection, changes: Definition, steps: Sequence[Definition]) -> Collection:
    before = (row.schema, row.access, row.indexes, row.search, row.description, row.change)
    _redefine(row, changes, steps)
    if before == (row.schema, row.access, row.indexes, row.search, row.description, row.change):
        return row
    row.version += 1
    row.busy = is_busy(row)
    row.save()
    carry_on(row, batches=batches_at_once(row))
    _refuse_failed(row, changes)
    return row


def _locked(name: str, expected_version: int | None, *, beside_writers: bool = False) -> Collection:
    row = Collection.objects.select_for_update(no_key=beside_writers).filter(name=name).first()
    if row is None:
        raise access.unknown(name)
    check_version(expected_version, row.version)
    return row


def _redefine(row: Collection, changes: Definition, steps: Sequence[Definition]) -> None:
    """Take over what was given. Raises SchemaInvalid, DefinitionInvalid, TooManyIndexes and ChangeUnderWay."""
    if "schema" in changes:
        check_schema(changes["schema"])
    if "access" in changes:
        _check_rules(changes["access"], shared=row.shared)
        row.access = changes["access"]
    row.description = changes.get("description", row.description)
    wanted = Wanted.of(row, changes)
    wanted.check(steps)
    # What the schema of now has not is left for the one that comes, which may count at once.
    wanted.declare_on(row)
    if "schema" in changes or steps:
        changing.begin(row, changes.get("schema", row.schema), steps)
        wanted.declare_on(row)


def _refuse_failed(row: Collection, changes: Definition) -> None:
    """Raise what the first batches found: records that stand against the schema, or share a unique value."""
    newest = SchemaVersion.objects.filter(collection=row).order_by("-number").first()
    if "schema" in changes and newest is not None and newest.state == ChangeState.REFUSED:
        raise _incompatible(row, newest)
    failed = [index for index in indexes_of(row) if index.state == "failed"]
    if "indexes" in changes and failed:
        shown = list(failed[0].offending)
        raise NotUnique(
            f"{failed[0].field} cannot be unique: {', '.join(shown[:5])} share a value.",
            extra={"field": failed[0].field, "records": shown},
        )


def _incompatible(row: Collection, version: SchemaVersion) -> SchemaIncompatible:
    return SchemaIncompatible(
        f"{len(version.offending)} records or more stand against the new schema, {version.offending[0]} first; "
        "nothing was changed.",
        extra={"records": version.offending},
        remedy=Remedy(
            None,
            "PATCH",
            f"/v1/collections/{row.name}",
            {"schema": version.schema, "steps": [{"do": "default", "field": "…", "value": "…"}]},
        ),
    )


@operation(
    "collections.delete",
    scope="collections:write",
    risk=Risk.DESTRUCTIVE,
    input=forms.CollectionDeletion,
    versioned=True,
)
def delete_collection(
    actor: Actor, *, collection: str, with_records: int = 0, expected_version: int | None = None
) -> Collection:
    """Delete a collection. Records go with it only if the call says how many there are, deleted ones included."""
    with _defining(actor):
        row = _locked(collection, expected_version)
        there = Record.objects.of(row).count()
        if there != with_records:
            raise CollectionInUse(
                f"{row.name} has {there} records, deleted ones included, and the call says {with_records}.",
                extra={"records": there},
                remedy=Remedy(None, "DELETE", f"/v1/collections/{row.name}?with_records={there}", None),
            )
        numbers = numbers_of(row)
        Entry.objects.filter(index__gte=numbers.start, index__lt=numbers.stop).purge()
        Record.objects.of(row).purge()
        SchemaVersion.objects.filter(collection=row).delete()
        Collection.objects.filter(pk=row.pk).delete()
    return row


@operation(
    "collections.versions",
    scope="collections:read",
    risk=Risk.READ,
    output=forms.VersionOutput,
    lists=True,
)
def list_versions(actor: Actor, *, collection: str) -> Any:
    """List the schemas of a collection, the newest first, and how far a change to one is."""
    return told(actor, SchemaVersion.objects.filter(collection=named(collection)).order_by("-number"))


@operation(
    "collections.advance",
    scope="collections:write",
    risk=Risk.WRITE,
    output=forms.CollectionOutput,
    untold="it carries on what another operation began, and told of",
)
def advance_collection(actor: Actor, *, collection: str) -> Collection:
    """Carry on what is under way, for a few seconds: building indexes, checking and changing records.

    The worker does so by itself. A change that waits for somebody goes over its records again.
    """
    with _defining(actor):
        # Whoever builds an index stands in no writer's way; a change of the schema has its moments.
        row = _locked(collection, None, beside_writers=named(collection).change is None)
        if row.change is not None:
            row = _locked(collection, None)
        changing.resume(row)
        carry_on(row, seconds=5.0)
    return row


@operation(
    "collections.cancel-change", scope="collections:write", risk=Risk.WRITE, output=forms.CollectionOutput
)
def cancel_change(actor: Actor, *, collection: str) -> Collection:
    """Give up a change of the schema that is still being checked. Nothing has changed then."""
    with _defining(actor):
        row = _locked(collection, None)
        if row.change is None:
            raise NoChangeUnderWay
        changing.cancel(row)
        row.version += 1
        row.busy = is_busy(row)
        row.save(update_fields=["change", "version", "busy"])
        if row.busy:
            ask_for(DUTY)
    return row

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
from apps.data.advancing import batches_at_once, carry_on, is_busy
from apps.data.errors import (
    CollectionInUse,
    CollectionNameTaken,
    DefinitionInvalid,
    NoChangeUnderWay,
    NotUnique,
    SchemaIncompatible,
)
from apps.data.indexes import (
    Search,
    declare,
    document,
    documents,
    indexes_of,
    numbers_of,
    search_of,
)
from apps.data.models import ChangeState, Collection, Entry, Record, SchemaVersion
from apps.data.querysets import CollectionQuerySet
from apps.data.schemas.checking import check_schema
from apps.data.schemas.errors import FieldUnknown
from apps.data.schemas.fields import find_field
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
def list_collections(_actor: Actor) -> CollectionQuerySet:
    """List the collections of the tenant."""
    return Collection.objects.order_by("name")


@operation("collections.get", scope="collections:read", risk=Risk.READ, output=forms.CollectionOutput)
def get_collection(_actor: Actor, *, collection: str) -> Collection:
    """Read one collection: its schema, its rules, and how far its indexes are."""
    return named(collection)


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
        _check_fields(schema, indexes, search)
        made = Collection(name=name, schema=schema, description=description, shared=shared)
        made.access = access or {}
        made.indexes = _ready(declare([], _wanted(indexes)))
        made.search = document(_search(search))
        if made.search is not None:
            made.search["state"] = "ready"
        return _saved(made)


def _ready(indexes: list[Any]) -> list[Definition]:
    """Documents of indexes of which there is nothing to build yet."""
    return [{**kept, "state": "ready"} for kept in documents(indexes)]


def _saved(made: Collection) -> Collection:
    if Collection.objects.filter(name=made.name).exists():
        raise _name_taken(made.name)
    made.number = 1 + (Collection.objects.aggregate(highest=Max("number"))["highest"] or 0)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
            SchemaVersion(collection=made, number=1, schema=made.schema).save(force_insert=True)
    except IntegrityError:
        raise _name_taken(made.name) from None
    return made


def _name_taken(name: str) -> CollectionNameTaken:
    return CollectionNameTaken(f"There is a collection {show(name)} already; choose another name.")


def _check_rules(rules: dict[str, list[str]], *, shared: bool) -> None:
    wrong = access.problems_of(rules, shared=shared)
    if wrong:
        errors = [FieldError(f"access.{where}", "rule_unfit", said) for where, said in wrong.items()]
        raise DefinitionInvalid(errors[0].detail, errors=errors)


def _check_fields(schema: Definition, indexes: Sequence[Definition], search: Definition | None) -> None:
    """Raise DefinitionInvalid unless every index, and the search, names a field of the schema that it can use."""
    errors = [
        *(
            error
            for place, wanted in enumerate(indexes)
            if (error := _index_error(schema, f"indexes[{place}].field", wanted))
        ),
        *(
            error
            for place, path in enumerate(search["fields"] if search else ())
            if (error := _search_error(schema, f"search.fields[{place}]", path))
        ),
    ]
    names = [wanted["field"] for wanted in indexes]
    if len(set(names)) < len(names):
        errors.append(FieldError("indexes", "repeated", "A field has one index."))
    if errors:
        raise DefinitionInvalid(errors[0].detail, errors=errors)


def _index_error(schema: Definition, where: str, wanted: Definition) -> FieldError | None:
    try:
        field = find_field(schema, wanted["field"])
    except FieldUnknown as unknown_field:
        return FieldError(where, "unknown_field", unknown_field.detail)
    if field.many and wanted.get("unique"):
        return FieldError(where, "index_unfit", f"{field.path} is an array, which cannot be unique.")
    return None


def _search_error(schema: Definition, where: str, path: str) -> FieldError | None:
    try:
        field = find_field(schema, path)
    except FieldUnknown as unknown_field:
        return FieldError(where, "unknown_field", unknown_field.detail)
    if field.kind not in ("string", "any"):
        return FieldError(where, "search_unfit", f"{path} is a {field.kind}; what is searched is text.")
    return None


def _wanted(indexes: Sequence[Definition]) -> list[tuple[str, bool]]:
    # A PATCH leaves the defaults of what is inside out.
    return [(wanted["field"], wanted.get("unique", False)) for wanted in indexes]


def _search(wanted: Definition | None) -> Search | None:
    if wanted is None:
        return None
    return Search(tuple(wanted["fields"]), wanted.get("language", "simple"), state="building")


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
    _redefine(row, changes)
    if "schema" in changes or steps:
        changing.begin(row, changes.get("schema", row.schema), steps)
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


def _redefine(row: Collection, changes: Definition) -> None:
    """Take over what was given. Raises SchemaInvalid and DefinitionInvalid."""
    schema = changes.get("schema", row.schema)
    if "schema" in changes:
        check_schema(schema)
    if "access" in changes:
        _check_rules(changes["access"], shared=row.shared)
        row.access = changes["access"]
    row.description = changes.get("description", row.description)
    indexes = changes.get("indexes", _declared(row))
    search = changes.get("search", row.search)
    _check_fields(schema, indexes, search)
    if "indexes" in changes:
        row.indexes = documents(declare(indexes_of(row), _wanted(indexes)))
    if "search" in changes:
        _search_anew(row, search)


def _declared(row: Collection) -> list[Definition]:
    return [{"field": one.field, "unique": one.unique} for one in indexes_of(row) if one.is_written]


def _search_anew(row: Collection, wanted: Definition | None) -> None:
    """Declare another search. What the old one entered goes first: both stand in the same slot."""
    present, fresh = search_of(row), _search(wanted)
    if (
        present is not None
        and fresh is not None
        and (present.fields, present.language) == (fresh.fields, fresh.language)
    ):
        return
    Entry.objects.filter(index=numbers_of(row)[0]).delete()
    row.search = document(fresh)


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
        Entry.objects.filter(index__gte=numbers.start, index__lt=numbers.stop).delete()
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
def list_versions(_actor: Actor, *, collection: str) -> Any:
    """List the schemas of a collection, the newest first, and how far a change to one is."""
    return SchemaVersion.objects.filter(collection=named(collection)).order_by("-number")


@operation("collections.advance", scope="collections:write", risk=Risk.WRITE, output=forms.CollectionOutput)
def advance_collection(actor: Actor, *, collection: str) -> Collection:
    """Carry on what is under way, for a few seconds: building indexes, checking and changing records.

    The worker does so by itself. A change that waits for somebody goes over its records again.
    """
    with _defining(actor):
        # Whoever builds an index stands in no writer's way; a change of the schema has its moments.
        row = _locked(collection, None, beside_writers=named(collection).change is None)
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
    return row

"""Collections and their records, and what makes records quick to find.

A collection is a definition of the tenant: a JSON Schema, rules of access, declared indexes. A record belongs to an
organization, to the tenant as a whole, or, in a shared collection, to everybody in the tenant.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from apps.core.ids import Identified
from apps.core.models import Versioned
from apps.core.walls import unwalled, walled
from apps.data.access import rules_of
from apps.data.querysets import CollectionQuerySet, EntryQuerySet, RecordQuerySet


# Whoever writes records holds the collection's row, which takes the right to update some column of it: that is `busy`.
@unwalled(
    "definitions: whoever may read collections of the tenant may; what they hold is walled row by row",
    kept=(
        "id", "version", "number", "name", "description", "schema", "schema_version", "shared", "access", "indexes",
        "search", "change", "created_at",
    ),
)  # fmt: skip
class Collection(Identified, Versioned):
    """What records of one kind look like, who may do what with them, and by what they are found.

    `number` is how entries name it: short, because there are many of them. `schema_version` counts the schemas that it
    had, and `change` is the one that is under way (apps.data.changing). `indexes` and `search` are documents, too
    (apps.data.indexes): all of them are read with every call. `busy` says that something is left to be carried on.
    """

    id_prefix = "col"

    number = models.PositiveIntegerField(unique=True, editable=False)
    name = models.CharField(max_length=63, unique=True)
    description = models.CharField(max_length=500, blank=True)
    schema = models.JSONField()
    schema_version = models.PositiveIntegerField(default=1)
    shared = models.BooleanField(default=False, help_text="Its records are not walled between organizations")
    access = models.JSONField(default=dict)
    indexes = models.JSONField(default=list)
    search = models.JSONField(null=True)
    change = models.JSONField(null=True)
    busy = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[CollectionQuerySet] = CollectionQuerySet.as_manager()  # type: ignore[assignment]

    def __str__(self) -> str:
        return self.name

    @property
    def rules(self) -> dict[str, list[str]]:
        """The access rules that hold, also those that it does not spell out."""
        return rules_of(self)

    @property
    def changing_to(self) -> int | None:
        """The number of the schema that it is being changed to."""
        return None if self.change is None else self.change["number"]


class ChangeState(models.TextChoices):
    """Where a change of a schema is."""

    CHECKING = "checking", "Checking the records"
    MOVING = "moving", "Changing the records"
    BLOCKED = "blocked", "Waiting for somebody"
    REFUSED = "refused", "Refused"
    CANCELLED = "cancelled", "Cancelled"
    DONE = "done", "Done"


#: States in which a change is not over.
UNDER_WAY = (ChangeState.CHECKING, ChangeState.MOVING, ChangeState.BLOCKED)


@unwalled(
    "definitions, like the collections they belong to",
    kept=(
        "id",
        "collection",
        "number",
        "schema",
        "steps",
        "state",
        "cursor",
        "done",
        "offending",
        "created_at",
    ),
)
class SchemaVersion(Identified):
    """One schema that a collection had, has, or is to have, and how far the change to it got.

    `steps` are what is done to each record (apps.data.steps). `cursor` is the last record that was looked at; what is
    older is behind it. `offending` are ids of records that stand in the way, the first of them.
    """

    id_prefix = "schv"

    collection = models.ForeignKey(
        Collection, on_delete=models.CASCADE, related_name="versions", db_index=False
    )
    number = models.PositiveIntegerField()
    schema = models.JSONField()
    steps = models.JSONField(default=list)
    state = models.CharField(max_length=16, choices=ChangeState, default=ChangeState.DONE)
    cursor = models.UUIDField(null=True)
    done = models.PositiveBigIntegerField(default=0)
    offending = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["collection", "number"], name="data_schemaversion_once")
        ]

    def __str__(self) -> str:
        return f"{self.collection} {self.number}"


@walled("organization", shared="shared")
class Record(Identified, Versioned):
    """A JSON object that satisfies its collection's schema.

    `schema_version` is that of the schema it was last held to. A deleted record keeps its data until it is restored or
    purged, and is found by nothing but its id.
    """

    id_prefix = "rec"

    collection = models.ForeignKey(
        Collection, on_delete=models.PROTECT, related_name="records", db_index=False
    )
    organization = models.ForeignKey(
        "orgs.Organization", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    shared = models.BooleanField(default=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False
    )
    data: Any = models.JSONField()
    schema_version = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    objects: ClassVar[RecordQuerySet] = RecordQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [
            models.Index(
                fields=["collection", "organization", "id"],
                condition=models.Q(deleted_at=None),
                name="data_record_of_organization",
            ),
            models.Index(fields=["collection", "id"], name="data_record_of_collection"),
            models.Index(
                fields=["owner", "collection", "id"],
                condition=models.Q(owner__isnull=False),
                name="data_record_of_owner",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


@walled("organization", shared="shared")
class Entry(models.Model):
    """A value by which a live record is found: what an index is made of. Derived from the record, nothing else.

    PostgreSQL uses no expression index and no GIN index on JSON under the wall between organizations, because their
    operators are not leakproof; it uses this one. `index` is the collection's number and the slot of the index within
    it, `key` the value as text that sorts as the value does (apps.data.keys). There is no foreign key: the rows are
    written with their record and could be made again from it.
    """

    pk = models.CompositePrimaryKey("record_id", "index", "key")
    index = models.IntegerField()
    organization = models.ForeignKey(
        "orgs.Organization",
        on_delete=models.DO_NOTHING,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    shared = models.BooleanField(default=False)
    # Compared byte by byte, so that the order is the same on every server.
    key = models.TextField(db_collation="C")
    record = models.ForeignKey(
        Record, on_delete=models.DO_NOTHING, related_name="entries", db_index=False, db_constraint=False
    )
    unique = models.BooleanField(default=False)

    objects: ClassVar[EntryQuerySet] = EntryQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [
            # With all columns that the wall between organizations asks for, so that the index alone is read.
            models.Index(
                fields=["index", "organization", "key", "record"],
                include=["shared"],
                name="data_entry_within",
            ),
            models.Index(fields=["index", "key", "record"], name="data_entry_of_tenant"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["index", "organization", "key"],
                condition=models.Q(unique=True),
                nulls_distinct=False,
                name="data_entry_unique",
            )
        ]

    def __str__(self) -> str:
        return f"{self.index}: {self.key}"

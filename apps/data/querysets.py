"""Finding records, in the words of the domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.db import models
from django.db.models import F, Value

from apps.core.actor import Actor

if TYPE_CHECKING:
    from apps.data.models import Collection, Entry, Record  # noqa: F401 - named in the classes' bases

M = TypeVar("M", bound=models.Model)


class CollectionQuerySet(models.QuerySet["Collection"]):
    """Collections of a tenant."""

    def named(self, name: str) -> Collection | None:
        """The collection called `name`; None when there is none. Every call begins with it: written out, for speed."""
        return next(iter(self.raw("select * from data_collection where name = %s", [name])), None)

    def held(self, name: str) -> Collection | None:
        """The collection called `name` as it is now, kept so until the transaction ends; None when there is none.

        Whoever writes records holds their collection like this: a definition that changed in between would leave a
        record outside of a new index, or of a new schema. Several can hold it at once, and how far an index is built
        can be written down meanwhile.
        """
        rows = self.raw("select * from data_collection where name = %s for key share", [name])
        return next(iter(rows), None)


def side_of(actor: Actor, collection: Collection) -> Mapping[str, Any] | None:
    """What the columns of records, and of their entries, must be for `actor` to see them: nothing in particular for one
    of the tenant as a whole, its own organization for others. None where it may see none.
    """
    if collection.shared:
        return {"shared": True, "organization_id": None}
    if actor.organization is not None:
        return {"organization_id": actor.organization.id}
    return {} if actor.is_tenant_wide else None


class _Walled(models.QuerySet[M]):
    """Rows that belong to an organization, to the tenant, or to everybody in it."""

    def visible_to(self, actor: Actor, collection: Collection) -> Self:
        """Those on the actor's side of the wall."""
        side = side_of(actor, collection)
        return self.none() if side is None else self.filter(**side)


class RecordQuerySet(_Walled["Record"]):
    """Records of collections."""

    def of(self, collection: Collection) -> RecordQuerySet:
        """Those of `collection`, the deleted ones too."""
        return self.filter(collection_id=collection.id)

    def overwrite(self, records: Sequence[Record]) -> None:
        """Write locked records again, in one statement: an insert in which each row meets the one that is there."""
        self.bulk_create(
            records,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["data", "version", "updated_at", "deleted_at", "schema_version"],
        )

    def purge(self) -> int:
        """Delete them for good, in one statement; their entries have to be gone. Returns how many there were."""
        return self._raw_delete(self.db)

    def alive(self) -> RecordQuerySet:
        """Those that are not deleted."""
        return self.filter(deleted_at=None)


class EntryQuerySet(_Walled["Entry"]):
    """Entries of indexes."""

    def in_index(self, number: int) -> EntryQuerySet:
        """Those of one index."""
        return self.filter(index=number)

    def in_index_by_record(self, number: int) -> EntryQuerySet:
        """The same for a query that names the records.

        Of an index that is new PostgreSQL believes that it has one entry, and would rather go through all of it than
        look the records up. What is added to the number keeps it from using any key but the primary one.
        """
        return self.alias(number=F("index") + Value(0)).filter(number=number)

    def purge(self) -> int:
        """Delete them in one statement; Django would read each of them first. Returns how many there were."""
        return self._raw_delete(self.db)

    def of_records(self, records: Iterable[Record]) -> EntryQuerySet:
        """Those by which `records` are found."""
        return self.filter(record_id__in=[record.id for record in records])

"""Unique values: which record has which, and who may take one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.core.actor import Actor
from apps.core.ids import encode
from apps.core.problems import FieldError, Problem, show
from apps.data import access
from apps.data.errors import ChangeUnderWay, IndexBuilding, NotUnique, UpsertFieldNotUnique
from apps.data.indexes import Column
from apps.data.models import Collection, Entry, Record
from apps.data.schemas.fields import pointer_to

#: A unique value: the number of its index, the organization within which it is unique, and its key.
Claim = tuple[int, UUID | None, str]


@dataclass(eq=False)
class Claims:
    """The unique values that a write has to do with. `held` says which record has one, as the write goes on."""

    actor: Actor
    collection: Collection
    columns: list[Column]
    held: dict[Claim, UUID] = field(default_factory=dict)

    def holders(self, claims: Iterable[Claim]) -> dict[Claim, UUID]:
        """Which records have these values now, and perhaps some more of the same indexes."""
        wanted = set(claims)
        if not wanted:
            return {}
        rows = Entry.objects.visible_to(self.actor, self.collection).filter(
            unique=True,
            index__in={number for number, _, _ in wanted},
            key__in={key for _, _, key in wanted},
        )
        found = rows.values_list("index", "organization_id", "key", "record_id")
        return {(number, place, key): holder for number, place, key, holder in found}

    def of(self, data: dict[str, Any], place: UUID | None) -> list[Claim]:
        """The unique values of a record of the organization `place`."""
        return [
            (column.number, place, key)
            for column in self.columns
            if column.index.unique
            for key in column.keys_in(data)
            if column.is_taken(key)
        ]

    def by(self, field_name: str, data: dict[str, Any], place: UUID | None) -> Claim | None:
        """The value by which an upsert finds its record; None where the field is not unique, or has no value."""
        column = self._unique_on(field_name)
        # Of the older records, one that is being built does not know all; nor does one while records are being moved.
        if column is None or column.index.state != "ready" or self._is_moving:
            return None
        key = column.keys_in(data)[0]
        return (column.number, place, key) if column.is_taken(key) else None

    @property
    def _is_moving(self) -> bool:
        change = self.collection.change
        return change is not None and change["state"] != "checking"

    def _unique_on(self, field_name: str) -> Column | None:
        unique = (one for one in self.columns if one.index.field == field_name and one.index.unique)
        return next(unique, None)

    def take(self, record: Record, data: dict[str, Any]) -> None:
        """Give the values of `data` to the record, and take those that it had. Raises NotUnique."""
        wanted = self.of(data, record.organization_id)
        for claim in wanted:
            if self.held.get(claim, record.id) != record.id:
                raise self._not_unique(claim)
        self.release(record)
        self.held.update(dict.fromkeys(wanted, record.id))

    def release(self, record: Record) -> None:
        """Take all values from the record."""
        for claim in [claim for claim, holder in self.held.items() if holder == record.id]:
            del self.held[claim]

    def _not_unique(self, claim: Claim) -> NotUnique:
        name = next(column.index.field for column in self.columns if column.number == claim[0])
        # That there is one is said by the refusal; which one, to those who could read it.
        reads_all = access.reach(self.actor, self.collection, "read") is access.Reach.ALL
        holder = encode(Record.id_prefix, self.held[claim]) if reads_all else "another record"
        return NotUnique(
            f"{name} has a value that {holder} has already, and no two records may share it.",
            errors=[FieldError(pointer_to(name), "not_unique", f"{holder} has this value.")],
        )

    def not_upsertable(self, by: str) -> Problem:
        """The refusal of an upsert by a field that finds nothing, or does not yet find all."""
        column = self._unique_on(by)
        if column is not None and column.index.state != "ready":
            return IndexBuilding(f"The unique index on {by} is being built; an upsert needs all of it.")
        if column is not None and self._is_moving:
            return ChangeUnderWay(
                f"Records of {self.collection.name} are being changed; an upsert might miss one."
            )
        known = ", ".join(column.index.field for column in self.columns if column.index.unique) or "none"
        return UpsertFieldNotUnique(
            f"{show(by)} is no unique field of {self.collection.name} that the record has a value for. "
            f"Unique are: {known}."
        )

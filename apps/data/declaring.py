"""What a collection is to be found by, held against its schema, and declared as soon as the schema has the fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.core.problems import FieldError
from apps.data.building import search_anew
from apps.data.errors import DefinitionInvalid, TooManyIndexes
from apps.data.indexes import MOST, Search, declare, document, documents, indexes_of
from apps.data.models import Collection
from apps.data.schemas.errors import FieldUnknown
from apps.data.schemas.fields import find_field

Definition = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The indexes and the search that a collection is to have with `schema`.

    `given` are those of them that the call said; the others are as they were.
    """

    schema: Definition
    indexes: Sequence[Definition]
    search: Definition | None
    given: frozenset[str] = frozenset({"indexes", "search"})

    @classmethod
    def of(cls, row: Collection, changes: Definition) -> Wanted:
        """What `row` is to have after the changes, and after the change of its schema that is under way."""
        coming = row.change or {}
        return cls(
            changes.get("schema", coming.get("schema", row.schema)),
            changes.get("indexes", _declared(row)),
            changes.get("search", coming.get("search", row.search)),
            frozenset({"indexes", "search"} & changes.keys()),
        )

    def check(self, steps: Sequence[Definition] = ()) -> None:
        """Raise DefinitionInvalid unless all of it names fields of the schema that it can use, and TooManyIndexes."""
        names = [wanted["field"] for wanted in self.indexes]
        errors = [*self._index_errors(), *self._search_errors(self.schema), *self._step_errors(steps)]
        if len(set(names)) < len(names):
            errors.append(FieldError("indexes", "repeated", "A field has one index."))
        if errors:
            raise DefinitionInvalid(errors[0].detail, errors=errors)
        if len(names) > MOST:
            raise TooManyIndexes(f"A collection has at most {MOST} indexes; this would be {len(names)}.")

    def _index_errors(self) -> list[FieldError]:
        found = (
            _index_error(self.schema, f"indexes[{place}].field", wanted)
            for place, wanted in enumerate(self.indexes)
        )
        return [error for error in found if error]

    def _search_errors(self, schema: Definition) -> list[FieldError]:
        paths = self.search["fields"] if self.search else ()
        found = (_search_error(schema, f"search.fields[{place}]", path) for place, path in enumerate(paths))
        return [error for error in found if error]

    def _step_errors(self, steps: Sequence[Definition]) -> list[FieldError]:
        """A default gives records one and the same value."""
        unique = [wanted["field"] for wanted in self.indexes if wanted.get("unique")]
        return [
            FieldError(
                f"steps[{place}].field",
                "default_not_unique",
                f"{name} is unique: not more than one record can have the default.",
            )
            for place, step in enumerate(steps)
            for name in unique
            if step["do"] == "default" and f"{name}.".startswith(f"{step['field']}.")
        ]

    def declare_on(self, row: Collection) -> None:
        """Declare what was given of a locked collection: now what its schema has, with the coming one all else."""
        if "indexes" in self.given:
            now = [wanted for wanted in self.indexes if _index_error(row.schema, "", wanted) is None]
            later = [wanted for wanted in self.indexes if wanted not in now]
            row.indexes = documents(declare(indexes_of(row), _pairs(now)))
            _leave_for_later(row, "indexes", _pairs(later))
        if "search" in self.given and not self._search_errors(row.schema):
            search_anew(row, self._search())
            if row.change is not None:
                row.change = {name: kept for name, kept in row.change.items() if name != "search"}
        elif "search" in self.given:
            _leave_for_later(row, "search", document(self._search()))

    def _search(self) -> Search | None:
        if self.search is None:
            return None
        return Search(tuple(self.search["fields"]), self.search.get("language", "simple"), state="building")


def _leave_for_later(row: Collection, name: str, wanted: Any) -> None:
    """Keep what is to be declared with the schema that is coming, if one is (see apps.data.changing)."""
    if row.change is not None:
        row.change = {**row.change, name: wanted}


def _declared(row: Collection) -> list[Definition]:
    now = [(one.field, one.unique) for one in indexes_of(row) if one.is_written]
    later = (row.change or {}).get("indexes", ())
    return [{"field": name, "unique": unique} for name, unique in (*now, *later)]


def _pairs(indexes: Sequence[Definition]) -> list[tuple[str, bool]]:
    # A PATCH leaves the defaults of what is inside out.
    return [(wanted["field"], wanted.get("unique", False)) for wanted in indexes]


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

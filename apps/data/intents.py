"""What a write wants, item by item, and what came of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from apps.core.problems import Problem
from apps.data.models import Record

Verb = Literal["create", "replace", "patch", "put", "upsert", "delete", "restore"]
Result = Literal["created", "updated", "unchanged", "deleted", "restored"]
#: How many intents one call may hold.
MOST_INTENTS = 500


@dataclass(frozen=True, slots=True)
class Intent:
    """What one item of a call wants. `by` is the unique field that an upsert finds its record by.

    Whose a new record is, and in which organization, actors of the tenant may say; others' records are their own.
    """

    verb: Verb
    data: Any = None
    record_id: UUID | None = None
    version: int | None = None
    by: str = ""
    owner_id: UUID | None = None
    organization_id: UUID | None = None


@dataclass(slots=True)
class Outcome:
    """What came of an intent: the record, or why not."""

    record: Record | None = None
    result: Result | None = None
    problem: Problem | None = None

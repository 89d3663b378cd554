"""Saying what happened, in the transaction in which it does. The event log registers itself here, and so may others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from apps.core.actor import Actor


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened: `type` as `job.succeeded`, `subject` the shown id of what it happened to.

    `organization_id` is whose it is; None for the tenant itself. `data` is what a reader wants to know, never a secret.
    """

    type: str
    subject: str | None
    organization_id: UUID | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


#: What rooms tell beside their operations, and when.
_types: dict[str, str] = {}


def told_as(kind: str, when: str) -> str:
    """Declare the type of what a room tells beside its operations, with `when` it does, for the list of all types.

    Returns the type.
    """
    _types[kind] = when
    return kind


def types_told() -> Mapping[str, str]:
    """When each type is told that rooms declared so far, by type in alphabetical order."""
    return dict(sorted(_types.items()))


#: Takes what happened in the tenant that stands, and who did it; None where the platform itself did.
Listener = Callable[[Actor | None, Sequence[Happening]], None]
_listeners: list[Listener] = []


def register_listener(listener: Listener) -> None:
    """Have `listener` told of everything; it runs inside the transaction of whoever tells."""
    if listener not in _listeners:
        _listeners.append(listener)


def tell(actor: Actor | None, *happenings: Happening) -> None:
    """Tell all listeners; needs a transaction, so that what did not happen in the end is not told either."""
    for listener in _listeners:
        listener(actor, happenings)

"""Where changes are seen: rooms above register how to look for those of a topic."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from apps.core.actor import TenantRef


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that is watched, and the wall within which it is looked at; no organization: the whole tenant."""

    tenant: TenantRef
    organization: UUID | None
    id: str

    @property
    def data(self) -> dict[str, Any]:
        """What events about it say."""
        return {"id": self.id} if self.id else {}


class Source(Protocol):
    """Looks at what is watched, in a thread and with a connection of its own, outside of all walls."""

    #: Seconds between two looks.
    pause: float

    def look(self, subjects: Collection[Subject]) -> Mapping[Subject, Hashable]:
        """A mark for each of `subjects`, another one whenever it changed; none for what is over."""


_sources: dict[str, Source] = {}


def register_source(topic: str, source: Source) -> None:
    """Let tickets name `topic`."""
    _sources[topic] = source


def source_of(topic: str) -> Source:
    """The source of `topic`. Raises KeyError."""
    return _sources[topic]

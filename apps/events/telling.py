"""What the log says of an operation: ids, names of fields and how many there were.

**Nothing else**: no value, no name of a thing, no text that somebody typed. Whoever may read the events of an
organization may not read everything in it (private files, records of their owner alone), and an event goes out to
webhooks. An id opens nothing; whoever wants to know more reads the thing, by their own rights.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.audit.changes import Change
from apps.audit.snapshots import chief_of, is_nameable, organization_of
from apps.audit.values import MASK
from apps.core.actor import Actor

#: An event names so many things, and says how many more there were.
MOST_NAMED = 1000
_ACTIONS = ("created", "updated", "deleted")


@dataclass(frozen=True, slots=True)
class Telling:
    """What one event says. `action` is what was done to its subject, where that is known."""

    subject: str
    organization_id: UUID | None
    action: str
    data: dict[str, Any]

    def named(self, kind: str) -> str:
        """The type, with what was done in the place of `{action}`."""
        return kind.replace("{action}", self.action)


def tellings(actor: Actor, resource: Any, changes: Sequence[Change]) -> list[Telling]:
    """What to say of an operation that acted on `resource`: one event, or none where nothing has an id to be named by.

    One that acted on no thing in particular, but on things of several organizations, is told to each of them apart.
    An organization is not told of what another one has.
    """
    if is_nameable(resource):
        place = organization_of(actor, resource, list(changes))
        own = [one for one in changes if place is None or one.organization_id in (None, place)]
        return [_telling(resource.public_id, place, own)]
    found = [(place, group, chief_of(group)) for place, group in _by_organization(actor, changes)]
    return [_telling(chief.public_id, place, group) for place, group, chief in found if chief is not None]


def _by_organization(actor: Actor, changes: Sequence[Change]) -> Iterable[tuple[UUID | None, list[Change]]]:
    """The changes by whose they are; those of nobody go with the actor's, or with the only ones there are."""
    groups: defaultdict[UUID | None, list[Change]] = defaultdict(list)
    for change in changes:
        groups[change.organization_id].append(change)
    shared = groups.pop(None, [])
    if shared:
        acting = actor.organization.id if actor.organization else None
        only = next(iter(groups)) if len(groups) == 1 else acting
        groups[only] = [*groups.get(only, []), *shared]
    return groups.items()


def _telling(subject: str, organization_id: UUID | None, changes: Sequence[Change]) -> Telling:
    own = next((change for change in changes if change.public_id == subject), None)
    action = own.action if own else "updated"
    return Telling(subject, organization_id, action, _data(changes, own))


def _data(changes: Sequence[Change], own: Change | None) -> dict[str, Any]:
    named = list(dict.fromkeys((change.action, change.public_id) for change in changes))
    shown = named[:MOST_NAMED]
    data: dict[str, Any] = {
        action: ids
        for action in _ACTIONS
        if (ids := [shown_id for done, shown_id in shown if done == action])
    }
    if own is not None and own.action == "updated":
        data["fields"] = _fields(own)
    if near := _references(changes, {shown_id for _, shown_id in named}):
        data["references"] = near
    if len(named) > len(shown):
        data["omitted"] = len(named) - len(shown)
    return data


def _fields(change: Change) -> list[str]:
    """The names of the fields that changed. A member of a record is named where its value is no secret either."""
    return list(
        dict.fromkeys(
            "data" if name.startswith("data.") and all(value in (MASK, None) for value in pair) else name
            for name, pair in change.fields.items()
        )
    )


def _references(changes: Iterable[Change], known: set[str]) -> list[str]:
    pointed = dict.fromkeys(thing for change in changes for thing in change.references)
    return [thing for thing in pointed if thing not in known][:MOST_NAMED]

"""What events are called: `noun.verb` in the past, `file.created`, `team.member_added`.

Those of the platform come from the names of its operations, those of a product are declared by it. No product uses a
noun of the platform's.
"""

from __future__ import annotations

import re
from functools import lru_cache

from apps.core.ids import prefixes
from apps.core.operations import Operation, all_operations

#: The past of a verb; one that is not here is put there, or its operation says `event=`.
PAST = {
    "export": "exported",
    "import": "imported",
    "accept": "accepted",
    "activate": "activated",
    "add": "added",
    "approve": "approved",
    "cancel": "cancelled",
    "change": "changed",
    "connect": "connected",
    "create": "created",
    "decline": "declined",
    "delete": "deleted",
    "deny": "denied",
    "disable": "disabled",
    "disconnect": "disconnected",
    "empty": "emptied",
    "enable": "enabled",
    "end": "ended",
    "found": "founded",
    "give": "given",
    "issue": "issued",
    "leave": "left",
    "pause": "paused",
    "purge": "purged",
    "put": "put",
    "redrive": "redriven",
    "remove": "removed",
    "replay": "replayed",
    "request": "requested",
    "resend": "resent",
    "restore": "restored",
    "resume": "resumed",
    "retry": "retried",
    "revoke": "revoked",
    "rotate": "rotated",
    "run": "run",
    "set": "set",
    "start": "started",
    "suspend": "suspended",
    "transfer": "transferred",
    "update": "updated",
}
#: Rooms whose noun is no plural.
_NOUNS = {"sign_in_settings": "sign_in_settings", "event_settings": "event_settings", "storage": "storage"}
#: Nouns that are the platform's without being a room or a kind of id.
_RESERVED = frozenset(
    {"packmule", "oauth_token", "platform", "system", "installation", "webhook", "queue", "billing"}
)

_WORD = "[a-z][a-z0-9_]*"
#: A type, which is at most 80 characters long.
TYPE_PATTERN = rf"{_WORD}(\.{_WORD}){{1,3}}"
#: A type, or all that begin alike: `job.*`, or all: `*`.
FILTER_PATTERN = rf"\*|{_WORD}(\.{_WORD}){{0,3}}(\.\*)?"
MAX_TYPE = 80


def type_of(operation: Operation[..., object]) -> str:
    """The type of the event that tells of `operation`; '' when none does.

    One with `{action}` in it is made whole by what the operation did: `record.{action}` is `record.created`.
    """
    if operation.untold:
        return ""
    return operation.event or _derived(operation.name)


@lru_cache(maxsize=1024)
def _derived(name: str) -> str:
    room, _, words = name.partition(".")
    verb, _, thing = words.replace("-", "_").replace(".", "_").partition("_")
    past = PAST.get(verb, f"{verb}d" if verb.endswith("e") else f"{verb}ed")
    return f"{noun_of(room)}.{thing}_{past}" if thing else f"{noun_of(room)}.{past}"


def noun_of(room: str) -> str:
    """What one of the things of `room` is called: `delivery` for `deliveries`."""
    if room in _NOUNS:
        return _NOUNS[room]
    return f"{room.removesuffix('ies')}y" if room.endswith("ies") else room.removesuffix("s")


def is_type(text: str) -> bool:
    """True for a well-formed type."""
    return len(text) <= MAX_TYPE and re.fullmatch(TYPE_PATTERN, text) is not None


def is_reserved(name: str) -> bool:
    """True when the noun of a type is one of the platform's."""
    return name.partition(".")[0] in _platforms_nouns(sum(1 for _ in all_operations()))


@lru_cache(maxsize=4)
def _platforms_nouns(_known: int) -> frozenset[str]:
    """The nouns, as long as no more operations are known: some modules are imported late."""
    kinds = {noun.lower().replace(" ", "_").replace("-", "_") for noun in prefixes().values()}
    rooms = {noun_of(operation.room) for operation in all_operations()}
    told = {type_of(operation).partition(".")[0] for operation in all_operations()} - {""}
    return frozenset(kinds | rooms | told | _RESERVED)

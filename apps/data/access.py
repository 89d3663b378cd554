"""Who may read, create and change the records of a collection.

A rule names those whom it lets: `public` (anybody with a publishable key; shared collections, reading only), `everyone`
in the tenant, `organization` (who acts in the record's organization), `owner` (the person whose record it is) and
`role:NAME` (holders of that role, or of a built-in role above it). Actors of the tenant as a whole pass every rule: a
scope is what bounds them. Rules work inside the walls and never through them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from apps.accounts.authority import role_of
from apps.accounts.roles import ROLES
from apps.core.actor import Actor, PrincipalKind
from apps.core.problems import show
from apps.data.errors import CollectionUnknown, RecordAccessDenied

if TYPE_CHECKING:
    from apps.data.models import Collection, Record

Verb = Literal["read", "create", "change"]
VERBS: tuple[Verb, ...] = ("read", "create", "change")
PUBLIC, EVERYONE, ORGANIZATION, OWNER, ROLE = "public", "everyone", "organization", "owner", "role:"

#: What holds where a collection says nothing: walled records are their organization's, shared ones are to be read.
WALLED_RULES: Mapping[str, Sequence[str]] = dict.fromkeys(VERBS, (ORGANIZATION,))
SHARED_RULES: Mapping[str, Sequence[str]] = {"read": (EVERYONE,), "create": (), "change": ()}


class Reach(Enum):
    """How far a rule lets somebody: to none of the records, to their own, or to all within the walls."""

    NONE = 0
    OWN = 1
    ALL = 2


def rules_of(collection: Collection) -> dict[str, list[str]]:
    """The rules that hold, with those that the collection does not spell out."""
    usual = SHARED_RULES if collection.shared else WALLED_RULES
    return {verb: list(collection.access.get(verb, usual[verb])) for verb in VERBS}


def person_of(actor: Actor) -> UUID | None:
    """The person of this tenant who acts, or on whose behalf somebody does; None where there is none."""
    whom = actor.stands_for
    return whom.id if whom is not None and whom.kind is PrincipalKind.USER else None


def reach(actor: Actor, collection: Collection, verb: Verb) -> Reach:
    """How far the rule for `verb` lets `actor`."""
    if actor.is_of_tenant:
        return Reach.ALL
    named = rules_of(collection)[verb]
    if any(_lets(actor, who) for who in named):
        return Reach.ALL
    return Reach.OWN if OWNER in named and person_of(actor) is not None else Reach.NONE


def require(actor: Actor, collection: Collection, verb: Verb) -> Reach:
    """How far `actor` may. Raises RecordAccessDenied when that is nowhere, and tells a visitor of no collection."""
    found = reach(actor, collection, verb)
    if found is not Reach.NONE:
        return found
    if actor.kind is PrincipalKind.VISITOR:
        raise unknown(collection.name)
    raise denied(collection, verb)


def unknown(name: str) -> CollectionUnknown:
    """The refusal for a name that no collection has."""
    return CollectionUnknown(f"There is no collection {show(name)} in this tenant.")


def covers(actor: Actor, record: Record, found: Reach) -> bool:
    """True when somebody with this reach may do it to `record`."""
    return found is Reach.ALL or (found is Reach.OWN and record.owner_id == person_of(actor))


def is_told(collection: Collection) -> bool:
    """True where everybody who can read the trail of a record's organization may read the record too."""
    return bool({PUBLIC, EVERYONE, ORGANIZATION} & set(rules_of(collection)["read"]))


def denied(collection: Collection, verb: Verb) -> RecordAccessDenied:
    """The refusal that says whom the rule lets."""
    named = rules_of(collection)[verb]
    whom = ", ".join(named) or "nobody but actors of the tenant as a whole"
    return RecordAccessDenied(
        f"Records of {collection.name} may be {_DONE[verb]} by: {whom}.",
        extra={"rule": f"{collection.name}.access.{verb}", "allowed": named},
    )


_DONE: Mapping[str, str] = {"read": "read", "create": "created", "change": "changed"}


def _lets(actor: Actor, who: str) -> bool:
    if who == PUBLIC:
        return True
    if actor.kind is PrincipalKind.VISITOR:
        return False
    if who.startswith(ROLE):
        return _holds(actor, who.removeprefix(ROLE))
    return who == EVERYONE or (who == ORGANIZATION and actor.organization is not None)


def _holds(actor: Actor, name: str) -> bool:
    if actor.role == name:
        return True
    wanted, own = ROLES.get(name), role_of(actor)
    return wanted is not None and own.permissions is None and own.rank >= wanted.rank > 0


def problems_of(rules: Mapping[str, Any], *, shared: bool) -> dict[str, str]:
    """What is wrong with declared rules: a sentence by path, such as `read[0]`; nothing when all is well."""
    wrong = {}
    for verb, named in rules.items():
        for position, who in enumerate(named):
            if said := _wrong(verb, who, shared=shared):
                wrong[f"{verb}[{position}]"] = said
    return wrong


def _wrong(verb: str, who: str, *, shared: bool) -> str:
    if who == PUBLIC and (verb != "read" or not shared):
        return "`public` can only read, and only in a shared collection."
    if who == ORGANIZATION and shared:
        return "Records of a shared collection belong to no organization; say `everyone`."
    if who.startswith(ROLE) and len(who) > len(ROLE):
        return ""
    known = (PUBLIC, EVERYONE, ORGANIZATION, OWNER)
    return "" if who in known else f"'{who[:60]}' is none of: {', '.join(known)}, role:NAME."

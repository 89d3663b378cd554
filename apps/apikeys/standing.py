"""Acting again later in somebody's name, without what they showed: for what fires by the clock.

What is kept of an actor opens nothing. It says where to look: each time, who it was is read anew, with the role, key
and delegation of that moment, so that what they lost since is lost here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from apps.apikeys import errors, halts
from apps.apikeys.delegations.errors import DelegatorUnable
from apps.apikeys.lookup import Found, TenantRow, find_home, find_key
from apps.apikeys.makers import require_maker
from apps.apikeys.minting import KEY_WORDS, end_of, key_of
from apps.apikeys.models import KeyIndex
from apps.apikeys.principals import SEATS_OF_PERSON, UNUSED_ROLES, PrincipalRow, add_reader
from apps.apikeys.resolver import Presented, admit, identify
from apps.apikeys.snapshots import read_chain, write_chain
from apps.core import clock
from apps.core.actor import Actor, Call, Credential, PrincipalKind, TenantRef, system_actor
from apps.core.ids import encode
from apps.core.problems import Forbidden, NotFound, Unauthenticated
from apps.core.scopes import Scopes
from apps.tenancy.walls import outside

KIND = "standing"
#: What may be otherwise the next time.
_PASSING = (
    errors.PrincipalSuspended,
    errors.MinterSuspended,
    errors.AgentUnanswered,
    errors.AddressNotAllowed,
    DelegatorUnable,
)
_PERSON = (
    "select coalesce(nullif(principal.name, ''), principal.email), principal.status, "  # noqa: S608 - constants only
    f"({SEATS_OF_PERSON})::text, principal.is_operator, {UNUSED_ROLES} "
    "from accounts_user principal where principal.id = %s"
)
_MACHINE = """
select principal.name, principal.status, principal.role, principal.organization_id, place.slug,
       own.permissions::text, {owner}
from {table} principal
left join orgs_organization place on place.id = principal.organization_id
left join orgs_role own on own.organization_id = principal.organization_id and own.slug = principal.role
where principal.id = %s
"""
_MACHINES = {
    PrincipalKind.SERVICE_ACCOUNT: _MACHINE.format(
        table="accounts_serviceaccount", owner="null, null::uuid, null"
    ),
    PrincipalKind.AGENT: _MACHINE.format(table="accounts_agent", owner="owner_kind, owner_id, owner_name"),
}


class NoLonger(Exception):  # noqa: N818 - it is an answer
    """Nobody acts in that name any more, and that will not change by itself. `str()` says why."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is kept of an actor: where to look for it (JSON), the marks of all behind it, and when it ends at latest.

    Whoever keeps it also ends it when `made.on_ended` tells of one of the marks.
    """

    document: dict[str, Any]
    marks: list[str]
    ends_at: datetime | None


def standing_of(actor: Actor) -> Standing:
    """What to keep of `actor`. Raises what `require_maker` does, and locks what that locks: call it first.

    It ends with the key or the delegation by which the actor acts. A session or a token is renewed all the time, so
    that its end is none: what ends those for good tells of their marks.
    """
    require_maker(actor)
    shown = key_of(actor)
    with outside():
        index = KeyIndex.objects.filter(pk=shown).first() if shown is not None else None
    marks = halts.joined(index.lineage if index else [], halts.marks_of(actor, chain=index is None))
    return Standing(_written(actor), [str(mark) for mark in marks], _end(actor))


def acting_again(kept: Mapping[str, Any], marks: list[str], tenant: TenantRef, call: Call) -> Actor:
    """The actor of whom `kept` and `marks` were, as it stands in `tenant` now.

    Raises NoLonger, and the Problem that stops it for now: a suspension, an address, a tenant that is behind.
    """
    try:
        return _again(kept, [UUID(mark) for mark in marks], tenant, call)
    except _PASSING:
        raise
    except (Unauthenticated, Forbidden, NotFound) as refusal:
        raise NoLonger(str(refusal)) from refusal


def _written(actor: Actor) -> dict[str, Any]:
    shown, by = actor.credential, actor.delegation
    return {
        "kind": actor.kind.value,
        "id": _text(actor.principal.id),
        "home": str(actor.home.id),
        "organization": encode("org", actor.organization.id) if actor.organization else "",
        "delegation": encode("dlg", by.id) if by else "",
        "ip": actor.call.ip,
        "credential": {
            "kind": shown.kind,
            "id": _text(shown.id),
            "scopes": shown.scopes.texts(),
            "chain": write_chain(shown.chain),
            "bound_to": _text(shown.bound_to),
            "minted_by": _text(shown.minted_by),
        },
    }


def _end(actor: Actor) -> datetime | None:
    if actor.credential.kind in KEY_WORDS:
        return end_of(actor)
    return actor.delegation.expires_at if actor.delegation is not None else None


def _text(value: UUID | None) -> str | None:
    return str(value) if value is not None else None


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def _again(kept: Mapping[str, Any], marks: list[UUID], tenant: TenantRef, call: Call) -> Actor:
    if kept["kind"] == PrincipalKind.SYSTEM.value:
        return system_actor(tenant, call)
    by_key = kept["credential"]["kind"] in KEY_WORDS
    environment = tenant.name if kept["home"] != str(tenant.id) else ""
    found = _key(kept, environment) if by_key else _principal(kept, marks, environment)
    presented = Presented(
        "",
        replace(call, ip=kept["ip"]),
        environment=environment,
        organization=kept["organization"],
        on_behalf_of=kept["delegation"],
    )
    actor = replace(identify(found, _place(found, presented, tenant), presented), call=call)
    return actor if by_key else replace(actor, credential=_credential(kept, marks))


def _place(found: Found, presented: Presented, tenant: TenantRef) -> TenantRow:
    """Where it acts. Raises NoLonger where its home is another tenant by now, as after a move."""
    place = admit(found, presented)
    if place.ref.id != tenant.id:
        raise NoLonger(f"It was made in {place.ref.name}.")
    return place


def _key(kept: Mapping[str, Any], environment: str) -> Found:
    key_id = UUID(kept["credential"]["id"])
    found = find_key(key_id, host="", environment=environment)
    shown = encode("key", key_id)
    if found is None or found.revoked_at is not None:
        raise NoLonger(f"{shown}, by which it was made, was revoked.")
    if found.expires_at <= clock.now():
        raise NoLonger(f"{shown}, by which it was made, expired at {found.expires_at:%Y-%m-%d %H:%M} UTC.")
    if not found.home.is_active:
        raise NoLonger(f"{found.home.ref.name}, to which {shown} belongs, is deleted.")
    return found


def _principal(kept: Mapping[str, Any], marks: list[UUID], environment: str) -> Found:
    """A principal by its id, for who acted by a session or token: those come and go."""
    home = find_home(UUID(kept["home"]), host="", environment=environment)
    if home is None:
        raise NoLonger("The tenant of whoever made it is deleted.")
    _require_key_behind(_uuid(kept["credential"]["minted_by"]))
    return replace(
        home,
        id=UUID(kept["id"]),
        kind=KIND,
        secret=kept["kind"],
        organization_id=_uuid(kept["credential"]["bound_to"]),
        halted=halts.first_halted(marks),
    )


def _require_key_behind(key_id: UUID | None) -> None:
    """Raise NoLonger when the key is not alive by which the token's client was registered."""
    if key_id is None:
        return
    with outside():
        index = KeyIndex.objects.filter(pk=key_id).first()
    if index is None or not index.is_alive:
        raise NoLonger(f"{encode('key', key_id)}, by which it was made, is not alive any more.")


def _credential(kept: Mapping[str, Any], marks: list[UUID]) -> Credential:
    shown = kept["credential"]
    return Credential(
        _uuid(shown["id"]),
        shown["kind"],
        Scopes.parse(shown["scopes"]),
        None,
        read_chain(shown["chain"]),
        bound_to=_uuid(shown["bound_to"]),
        lineage=tuple(marks),
        minted_by=_uuid(shown["minted_by"]),
    )


def _read(found: Found) -> PrincipalRow:
    kind = PrincipalKind(found.secret)
    statement = _PERSON if kind is PrincipalKind.USER else _MACHINES[kind]
    with connection.cursor() as cursor:
        cursor.execute(statement, [found.id])
        row = cursor.fetchone()
    if row is None:
        raise NoLonger("Whoever made it was deleted.")
    return _person(found, row) if kind is PrincipalKind.USER else _machine(found, kind, row)


def _person(found: Found, row: tuple[Any, ...]) -> PrincipalRow:
    name, status, seats, is_operator, unused = row
    whose = (None, found.id, name, status, seats, None, None, None, is_operator)
    return PrincipalRow("", '["*"]', "[]", "[]", *whose, kind=PrincipalKind.USER, unused_roles=unused)


def _machine(found: Found, kind: PrincipalKind, row: tuple[Any, ...]) -> PrincipalRow:
    name, status, role, organization_id, slug, permissions, *owner = row
    owner_kind, owner_id, owner_name = owner
    whose = (slug, found.id, name, status, role, owner_kind, owner_id, owner_name, False)
    return PrincipalRow(
        "",
        '["*"]',
        "[]",
        "[]",
        *whose,
        kind=kind,
        permissions=permissions,
        organization_id=organization_id,
    )


def register() -> None:
    """Read such principals where credentials are read."""
    add_reader(KIND, _read)

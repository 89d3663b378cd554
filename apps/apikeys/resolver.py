"""The one place where a key becomes an actor. Edges call the three steps in their order:

`find` asks the registry whether the key opens anything; `admit` decides where it may act in this call; `identify`
reads, behind the wall of the key's own organization, who it belongs to and what it may do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from apps.apikeys import errors, keyformat
from apps.apikeys.lookup import Found, TenantRow, find_key, standing_outside
from apps.apikeys.network import allows_origin, is_allowed
from apps.apikeys.people import Seat, choose_seat, read_seats
from apps.apikeys.snapshots import read_chain
from apps.core import clock
from apps.core.actor import Actor, Call, Credential, OrganizationRef, PrincipalKind, PrincipalRef
from apps.core.ids import decode, encode
from apps.core.problems import MalformedRequest, Remedy, missing, show
from apps.core.scopes import Scopes
from apps.orgs.models import Organization
from apps.tenancy.blueprint import is_behind
from apps.tenancy.walls import NO_ORGANIZATION, Within, enter

_TENANT_NAME = re.compile(r"[a-z0-9-]{1,60}(/[a-z0-9-]{1,60})?")
#: What a kind of key is called outside.
KIND_WORDS = {"sk": "secret", "pk": "publishable", "ag": "agent", "us": "user"}
_KINDS = {"sk": PrincipalKind.SERVICE_ACCOUNT, "ag": PrincipalKind.AGENT, "us": PrincipalKind.USER}

#: Where principals with a kind of key are managed: the prefix of their ids, and their room.
_ROOMS = {"sk": ("svc", "service-accounts"), "ag": ("agt", "agents"), "us": ("usr", "users")}


@dataclass(frozen=True, slots=True)
class Presented:
    """What a call shows: the key, and the headers that say where it wants to act. '' where there is none.

    `host` is '' on a host of the installation, which belongs to no tenant. `in_public` is True for what came as
    Packmule-Key.
    """

    text: str
    call: Call
    host: str = ""
    environment: str = ""
    organization: str = ""
    expect_tenant: str = ""
    origin: str = ""
    in_public: bool = False


class _Row(NamedTuple):
    """The key's row, with its principal and organization."""

    name: str
    scopes: str
    allowed_ips: str
    chain: str
    slug: str | None
    principal_id: UUID
    principal_name: str
    status: str
    role: str
    owner_kind: str | None
    owner_id: UUID | None
    owner_name: str | None
    is_operator: bool


_NO_OWNER = "null, null::uuid, null, false"
#: A person's role is said by their memberships, as JSON, the oldest first; a machine's by its own row.
_SEATS = (
    "select coalesce(json_agg(json_build_object('id', place.id, 'slug', place.slug, 'role', seat.role) "
    "order by seat.created_at, seat.id), '[]') from orgs_membership seat "
    "join orgs_organization place on place.id = seat.organization_id where seat.user_id = key.user_id"
)
_PRINCIPALS = {
    "sk": (
        f"principal.id, principal.name, principal.status, principal.role, {_NO_OWNER}",
        "join accounts_serviceaccount principal on principal.id = key.service_account_id",
    ),
    "ag": (
        "principal.id, principal.name, principal.status, principal.role, owner_kind, owner_id, owner_name, false",
        "join accounts_agent principal on principal.id = key.agent_id",
    ),
    "us": (
        (
            "principal.id, coalesce(nullif(principal.name, ''), principal.email), principal.status, "
            f"({_SEATS})::text, null, null::uuid, null, principal.is_operator"
        ),
        "join accounts_user principal on principal.id = key.user_id",
    ),
    "pk": (
        f"key.id, key.name, coalesce(person.status, program.status, agent.status), 'none', {_NO_OWNER}",
        (
            "left join accounts_user person on person.id = key.user_id "
            "left join accounts_serviceaccount program on program.id = key.service_account_id "
            "left join accounts_agent agent on agent.id = key.agent_id"
        ),
    ),
}
_READ_KEY = {
    kind: "select key.name, key.scopes, key.allowed_ips, key.chain, organization.slug, "  # noqa: S608 - constants only
    f"{columns} from apikeys_key key {joins} "
    "left join orgs_organization organization on organization.id = key.organization_id where key.id = %s"
    for kind, (columns, joins) in _PRINCIPALS.items()
}


def find(presented: Presented) -> Found:
    """The presented key, alive, of a tenant that is. One query. Raises an Unauthenticated that says what is wrong."""
    parsed = _parse(presented.text)
    if presented.in_public and parsed.kind != "pk":
        raise errors.PublishableKeyNeeded
    named = presented.environment if _TENANT_NAME.fullmatch(presented.environment) else ""
    found = find_key(parsed.id, host=presented.host, environment=named)
    if found is None or not _opens(found, parsed.digest):
        raise errors.KeyUnknown(remedy=errors.NEW_KEY)
    if not keyformat.matches(parsed.digest, found.digest):
        found = replace(found, outgoing=True)
    shown = encode("key", found.id)
    if found.revoked_at is not None:
        raise errors.KeyRevoked(
            f"{shown} was revoked at {found.revoked_at:%Y-%m-%d %H:%M} UTC.", remedy=errors.NEW_KEY
        )
    if found.expires_at <= clock.now():
        raise errors.KeyExpired(
            f"{shown} expired at {found.expires_at:%Y-%m-%d %H:%M} UTC.", remedy=errors.NEW_KEY
        )
    if not found.home.is_active:
        raise errors.TenantDeleted
    return found


def admit(found: Found, presented: Presented) -> TenantRow:
    """The tenant in which the key acts in this call: its home, or an environment that a key of the console named.

    Raises WrongTenant on another tenant's host, NotFound for an environment that is none of the caller's to know,
    OriginNotAllowed; at home TenantMismatch and TenantBehind too. Away those wait until the caller is known to belong
    there (`identify_here`), or they would tell strangers which environments there are. Asks nothing.
    """
    away = presented.environment not in ("", found.home.ref.name)
    target = _environment(found) if away else found.home
    if found.host_tenant_id is not None and found.host_tenant_id not in {
        found.home.ref.id,
        target and target.ref.id,
    }:
        raise errors.WrongTenant(
            f"{show(presented.host)} does not belong to {found.home.ref.name}, which this key is of."
        )
    if target is None:
        raise missing("environment", presented.environment)
    if not away:
        _require_expected(target, presented)
    require_current(found.home)
    if found.kind == "pk" and presented.origin and not allows_origin(found.allowed_origins, presented.origin):
        raise errors.OriginNotAllowed(
            f"{encode('key', found.id)} is not allowed on {show(presented.origin)}."
        )
    return target


def _environment(found: Found) -> TenantRow | None:
    """The named environment, unless it is plain already that the key does not reach it."""
    named = found.environment
    # A publishable key is for everybody to see, and opens nothing but its own tenant.
    if named is None or found.home.kind != "console" or found.kind == "pk":
        return None
    return named if found.organization_id in (None, named.owner_organization_id) else None


def _require_expected(target: TenantRow, presented: Presented) -> None:
    if presented.expect_tenant not in ("", target.ref.name):
        raise errors.TenantMismatch(
            f"This would act on {target.ref.name}; Packmule-Expect-Tenant says {show(presented.expect_tenant)}."
        )


def require_current(tenant: TenantRow) -> None:
    """Raise TenantBehind when the tenant was built for other code than the code that runs."""
    if is_behind(tenant):  # type: ignore[arg-type] # it reads `kind` and `fingerprint`, which a row has too
        raise errors.TenantBehind(
            f"{tenant.ref.name} was built for other code than the code that runs. Run: manage.py prepare",
            remedy=Remedy("manage.py prepare"),
            retry_after=30,
        )


def identify(found: Found, target: TenantRow, presented: Presented) -> Actor:
    """Who the key belongs to and what it may do in `target`, asked behind the wall of the key's own organization."""
    with key_wall(found):
        return identify_here(found, target, presented)


def key_wall(found: Found) -> AbstractContextManager[Any]:
    """Stand where the key's own row is: in its home, behind its organization's wall where it has one."""
    wall: AbstractContextManager[Any] = enter(found.home.ref, found.organization_id)
    return wall


def identify_here(found: Found, target: TenantRow, presented: Presented) -> Actor:
    """Do what `identify` does for a caller that stands in the key's wall already, and may go on standing there.

    One query for a call at home with no organization named.
    Raises PrincipalSuspended, AddressNotAllowed, NotAMember, OrganizationRequired, NotFound for an organization or
    environment that is not the caller's, and away TenantMismatch and TenantBehind.
    """
    away = target.ref.id != found.home.ref.id
    wanted = _named_organization(presented.organization)
    row = _read_row(found)
    _refuse_principal(found, row, presented.call)
    seat = _seat(found, row, target.owner_organization_id if away else wanted, away=away)
    organization = seat.organization if seat else None
    if away:
        if organization is None or organization.id != target.owner_organization_id:
            raise missing("environment", presented.environment)
        _require_expected(target, presented)
        require_current(target)
        organization = _organization_of(target, wanted)
    return _actor(found, row, target, presented.call, organization, seat)


@contextmanager
def actor_for_key(text: str, call: Call, *, environment: str = "", organization: str = "") -> Iterator[Actor]:
    """Stand where the key `text` acts, as its actor: for edges inside the process, which have no host, origin or limit.

    Raises what the three steps raise.
    """
    presented = Presented(text, call, environment=environment, organization=organization)
    with standing_outside():
        found = find(presented)
        actor = identify(found, admit(found, presented), presented)
        with enter(actor.tenant, within(actor)):
            yield actor


def within(actor: Actor) -> Within:
    """Where in its tenant an actor stands: in its organization, or across them, or in none."""
    if actor.organization is not None:
        return actor.organization.id
    return None if actor.is_tenant_wide else NO_ORGANIZATION


def _parse(text: str) -> keyformat.ParsedKey:
    try:
        return keyformat.parse(text)
    except keyformat.KeyTextError as error:
        refusal = errors.KeyTruncated if error.truncated else errors.KeyMalformed
        raise refusal(
            f"What was sent is no whole key: {error}. {refusal.advice}", remedy=errors.NEW_KEY
        ) from None


def _opens(found: Found, digest: bytes) -> bool:
    if keyformat.matches(digest, found.digest):
        return True
    overlaps = found.previous_until is not None and found.previous_until > clock.now()
    return overlaps and keyformat.matches(digest, found.previous_digest)


def _read_row(found: Found) -> _Row:
    with connection.cursor() as cursor:
        cursor.execute(_READ_KEY[found.kind], [found.id])
        row: Any = cursor.fetchone()
    if row is None:
        raise errors.KeyRevoked(
            "The principal or organization of this key was deleted.", remedy=errors.NEW_KEY
        )
    return _Row(*row)


def _activation(found: Found, row: _Row) -> Remedy | None:
    """How an admin lifts the suspension; a publishable key does not say whose it is."""
    if found.kind not in _ROOMS:
        return None
    prefix, room = _ROOMS[found.kind]
    path = f"/v1/{room}/{encode(prefix, row.principal_id)}/activate"
    command = f"manage.py {room.replace('-', '_')} activate {encode(prefix, row.principal_id)}"
    return Remedy(f"{command} --reason REASON", "POST", path, {"reason": "…"})


def _refuse_principal(found: Found, row: _Row, call: Call) -> None:
    if row.status != "active":
        raise errors.PrincipalSuspended(
            f"{show(row.principal_name)} is suspended.", remedy=_activation(found, row)
        )
    if not is_allowed(call.ip, orjson.loads(row.allowed_ips)):
        raise errors.AddressNotAllowed(
            f"{encode('key', found.id)} is not allowed from {call.ip or 'a command, which has no address'}.",
            remedy=errors.NEW_KEY,
        )


def _seat(found: Found, row: _Row, wanted: UUID | None, *, away: bool) -> Seat | None:
    """The organization at home within which the key acts, with the role there; None across organizations or in none."""
    if found.kind == "us":
        return _seat_of_person(found, row, wanted, away=away)
    if found.organization_id is None:
        if wanted is None or away:
            return None
        if found.kind == "pk":
            raise missing("organization", encode("org", wanted))
        return Seat(_organization(wanted), row.role)
    if not away and wanted is not None and wanted != found.organization_id:
        raise missing("organization", encode("org", wanted))
    return Seat(OrganizationRef(found.organization_id, str(row.slug)), row.role)


def _seat_of_person(found: Found, row: _Row, wanted: UUID | None, *, away: bool) -> Seat | None:
    """A person's seat: in the organization that their key is bound to, or in one of theirs."""
    seats = read_seats(orjson.loads(row.role))
    if found.organization_id is not None and not seats:
        raise errors.NotAMember(f"{show(row.principal_name)} is no member of {row.slug} any more.")
    if away:
        return next((seat for seat in seats if seat.organization.id == wanted), None)
    return choose_seat(seats, wanted)


def _named_organization(text: str) -> UUID | None:
    try:
        return decode(text, "org") if text else None
    except ValueError as error:
        raise MalformedRequest(
            f"Packmule-Organization {show(text)} is no id of an organization: {error}."
        ) from None


def _organization_of(target: TenantRow, wanted: UUID | None) -> OrganizationRef | None:
    if wanted is None:
        return None
    with enter(target.ref):
        return _organization(wanted)


def _organization(wanted: UUID) -> OrganizationRef:
    slug = Organization.objects.filter(pk=wanted).values_list("slug", flat=True).first()
    if slug is None:
        raise missing("organization", encode("org", wanted))
    return OrganizationRef(wanted, slug)


def _actor(
    found: Found,
    row: _Row,
    target: TenantRow,
    call: Call,
    organization: OrganizationRef | None,
    seat: Seat | None,
) -> Actor:
    kind = _KINDS.get(found.kind, PrincipalKind.VISITOR)
    owner = (
        PrincipalRef(PrincipalKind(row.owner_kind), row.owner_id, str(row.owner_name))
        if row.owner_kind
        else None
    )
    return Actor(
        principal=PrincipalRef(kind, row.principal_id, row.principal_name),
        home=found.home.ref,
        tenant=target.ref,
        credential=Credential(
            found.id,
            KIND_WORDS[found.kind],
            Scopes.parse(orjson.loads(row.scopes)),
            found.expires_at,
            read_chain(orjson.loads(row.chain)),
            found.outgoing,
        ),
        call=call,
        role=seat.role if seat else "none" if found.kind == "us" else row.role,
        organization=organization,
        owner=owner,
        is_operator=row.is_operator and target.kind == "console",
    )

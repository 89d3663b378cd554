"""Access tokens of the tenants' own authorization servers: finding their home, and reading what they allow there.

The token's text says which tenant it is of, and no more. Whether it opens anything is its row's word in that tenant, so
that a forged one, or one that was ended, finds none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from apps.accounts.models import Machine, User
from apps.accounts.oauth import audiences, families, hooks, scopes, texts
from apps.accounts.oauth.clients import CLI
from apps.accounts.oauth.endings import names_of
from apps.accounts.oauth.errors import AddressBound
from apps.accounts.oauth.models import OAuthClient
from apps.accounts.roles import Role, find_roles
from apps.apikeys import errors, halts, services
from apps.apikeys.halts import Behind
from apps.apikeys.lookup import Found, find_home
from apps.apikeys.made import end_made
from apps.apikeys.makers import require_maker
from apps.apikeys.minting import end_of, key_of
from apps.apikeys.models import KeyIndex
from apps.apikeys.principals import SEATS_OF_PERSON, UNUSED_ROLES, PrincipalRow, add_reader
from apps.apikeys.snapshots import chain_after, write_chain
from apps.core import clock
from apps.core.actor import Actor, PrincipalKind
from apps.orgs.models import Membership
from apps.tenancy.walls import current_tenant, outside, whole_tenant

KIND = "oauth"
_STOPPED = """
select exists (select from public.apikeys_halt where mark = any(%s))
    or exists (select from public.apikeys_keyindex where id = any(%s) and revoked_at is not null)
"""
#: Everything about a token in one statement. A client of an organization opens that organization's seats alone.
_READ = f"""
select token.expires_at, token.scopes, token.data::text as data, token.client_id, facts.id as facts_id,
  facts.status as client_status, facts.organization_id, facts.chain::text as chain, facts.lineage::text as lineage,
  facts.minted_by, facts.rotated_by, facts.ends_at as client_ends_at, place.slug, principal.id as person_id,
  coalesce(nullif(principal.name, ''), principal.email) as person_name, principal.status as person_status,
  principal.is_operator, principal.password, principal.signed_out_at,
  ({SEATS_OF_PERSON} and (facts.organization_id is null or facts.organization_id = place.id))::text as seats,
  coalesce(program.id, agent.id) as machine_id, coalesce(program.name, agent.name) as machine_name,
  coalesce(program.status, agent.status) as machine_status, coalesce(program.role, agent.role) as machine_role,
  agent.id is not null as is_agent, agent.owner_kind, agent.owner_id, agent.owner_name,
  (select own.permissions::text from orgs_role own where own.organization_id = facts.organization_id
   and own.slug = coalesce(program.role, agent.role)) as permissions,
  {UNUSED_ROLES} as unused_roles
from allauth_idp_oidc_token token
left join accounts_oauthclient facts on facts.client_id = token.client_id
left join orgs_organization place on place.id = facts.organization_id
left join accounts_serviceaccount program on program.id = facts.service_account_id
left join accounts_agent agent on agent.id = facts.agent_id
left join accounts_user principal on principal.id = token.user_id
where token.hash = %s and token.type = %s
"""  # noqa: S608 - constants only


class _Row(NamedTuple):
    """What a token's home tells of it: the token, its client, whose it is, and the machine of the client."""

    expires_at: datetime
    scopes: str
    data: str
    client_id: str
    facts_id: UUID | None
    client_status: str | None
    organization_id: UUID | None
    chain: str | None
    lineage: str | None
    minted_by: UUID | None
    rotated_by: UUID | None
    client_ends_at: datetime | None
    slug: str | None
    person_id: UUID | None
    person_name: str | None
    person_status: str | None
    is_operator: bool | None
    password: str | None
    signed_out_at: datetime | None
    seats: str
    machine_id: UUID | None
    machine_name: str | None
    machine_status: str | None
    machine_role: str | None
    is_agent: bool
    owner_kind: str | None
    owner_id: UUID | None
    owner_name: str | None
    permissions: str | None
    unused_roles: str

    @property
    def machine(self) -> dict[str, Any]:
        """The machine of the client as a link of a chain."""
        return {"kind": self.machine_kind.value, "id": str(self.machine_id), "name": self.machine_name}

    @property
    def machine_kind(self) -> PrincipalKind:
        """The kind of the client's machine."""
        return PrincipalKind.AGENT if self.is_agent else PrincipalKind.SERVICE_ACCOUNT

    def marks(self, home: UUID) -> list[UUID]:
        """The marks of everybody behind the client, in the tenant `home`: who registered it, and its machine."""
        machine = (self.machine_kind, self.machine_id) if self.machine_id is not None else None
        return _marks(home, orjson.loads(self.lineage or "[]"), machine)

    def own_marks(self, home: UUID) -> list[UUID]:
        """The marks of the token itself, by which is found what was made with it."""
        family = orjson.loads(self.data or "{}").get("family", "")
        names = names_of(self.client_id, self.person_id or self.machine_id, family)
        return [halts.mark_of_tokens(home, name) for name in names]


def find(text: str, *, host: str, environment: str) -> Found:
    """The access token `text` in the tenant that it names. Whether there is one is read there. One query.

    Raises TokenBroken, TokenKindWrong, and TokenUnknown for one of a tenant that is none.
    """
    try:
        parsed = texts.parse(text)
    except texts.TokenTextError as error:
        raise errors.TokenBroken(f"What was sent is no whole token: {error}.") from None
    if parsed.kind != texts.ACCESS:
        raise errors.TokenKindWrong
    home = find_home(parsed.tenant_id, host=host, environment=environment)
    if home is None:
        raise errors.TokenUnknown
    return replace(home, id=UUID(hex=parsed.hash[:32]), kind=KIND, secret=parsed.hash, organization_id=None)


def read(found: Found) -> PrincipalRow:
    """Whose the token is and what it may do. One query, and one of the registry where somebody is behind the client.

    Raises an Unauthenticated that says what is wrong.
    """
    row = _fetched(found.secret)
    _require_alive(found, row)
    _require_client(found, row)
    allowed = orjson.dumps(scopes.ours(row.scopes.split("\n"))).decode()
    whose = _of_person(row, allowed) if row.person_id is not None else _of_machine(row, allowed)
    home = found.home.ref.id
    return whose._replace(lineage=(*row.marks(home), *row.own_marks(home)), minted_by=row.minted_by)


def _fetched(digest: str) -> _Row:
    with connection.cursor() as cursor:
        cursor.execute(_READ, [digest, texts.ACCESS])
        row = cursor.fetchone()
    if row is None:
        raise errors.TokenUnknown
    return _Row(*row)


def _require_alive(found: Found, row: _Row) -> None:
    if row.expires_at <= clock.now():
        raise errors.TokenExpired(
            f"It expired at {row.expires_at:%Y-%m-%d %H:%M} UTC. {errors.TokenExpired.advice}"
        )
    data = orjson.loads(row.data or "{}")
    if audiences.api_of(found.home.ref.id) not in data.get("resources", ()):
        raise errors.TokenAudienceWrong
    person = User(password=row.password or "", signed_out_at=row.signed_out_at)
    suspended = row.person_status not in (None, "active")
    if (
        row.person_id is not None
        and not suspended
        and not families.is_still_in(person, data.get("begun_with", ""))
    ):
        raise errors.TokenEnded


def _require_client(found: Found, row: _Row) -> None:
    """Raise ClientStopped unless the client may act: it and its machine active, nobody behind it stopped or over."""
    if row.client_id == CLI:
        return
    if row.facts_id is None or row.client_status != "active":
        raise errors.ClientStopped
    if row.client_ends_at is not None and row.client_ends_at <= clock.now():
        raise errors.ClientStopped(
            f"It ended at {row.client_ends_at:%Y-%m-%d %H:%M} UTC, with whom or what it was registered by."
        )
    if row.person_id is not None and row.machine_status not in (None, "active"):
        raise errors.ClientStopped
    # A machine's own suspension is said as that, by whoever reads its status.
    is_active = row.machine_status in (None, "active")
    if is_active and _is_any_stopped(row.marks(found.home.ref.id), [row.minted_by, row.rotated_by]):
        raise errors.ClientStopped


def _of_person(row: _Row, allowed: str) -> PrincipalRow:
    chain = orjson.loads(row.chain or "[]")
    return PrincipalRow(
        name="",
        scopes=allowed,
        allowed_ips="[]",
        chain=orjson.dumps([*chain, *([row.machine] if row.machine_id else [])]).decode(),
        slug=row.slug,
        principal_id=row.person_id,  # type: ignore[arg-type] # a person's token has one
        principal_name=str(row.person_name),
        status=str(row.person_status),
        role=row.seats,
        owner_kind=None,
        owner_id=None,
        owner_name=None,
        is_operator=bool(row.is_operator) and row.organization_id is None,
        expires_at=row.expires_at,
        kind=PrincipalKind.USER,
        organization_id=row.organization_id,
        unused_roles=row.unused_roles,
    )


def _of_machine(row: _Row, allowed: str) -> PrincipalRow:
    if row.machine_id is None:
        raise errors.ClientStopped
    return PrincipalRow(
        name="",
        scopes=allowed,
        allowed_ips="[]",
        chain=row.chain or "[]",
        slug=row.slug,
        principal_id=row.machine_id,
        principal_name=str(row.machine_name),
        status=str(row.machine_status),
        role=str(row.machine_role),
        owner_kind=row.owner_kind,
        owner_id=row.owner_id,
        owner_name=row.owner_name,
        is_operator=False,
        expires_at=row.expires_at,
        kind=row.machine_kind,
        permissions=row.permissions,
        organization_id=row.organization_id,
    )


def is_stopped(facts: OAuthClient) -> bool:
    """True when the client's machine or somebody behind it is halted, or a key of theirs was revoked."""
    machine = facts.service_account or facts.agent
    behind = (machine.kind, machine.pk) if machine is not None else None
    marks = _marks(current_tenant().id, facts.lineage, behind)
    return _is_any_stopped(marks, [facts.minted_by, facts.rotated_by])


def _marks(home: UUID, lineage: list[str], machine: tuple[PrincipalKind, UUID] | None) -> list[UUID]:
    own = [Behind(home, *machine).mark] if machine is not None else []
    return halts.joined((UUID(mark) for mark in lineage), own)


def _is_any_stopped(marks: list[UUID], keys: list[UUID | None]) -> bool:
    """True when one of the marks is halted, or one of the keys was revoked. One query where anybody is behind."""
    shown = [key for key in keys if key is not None]
    if not (marks or shown):
        return False
    with outside(), connection.cursor() as cursor:
        cursor.execute(_STOPPED, [marks, shown])
        return bool(cursor.fetchone()[0])


def stamp(actor: Actor) -> hooks.Stamp:
    """Who `actor` is as somebody who registers a client: what a key that it mints would say.

    Raises what `require_maker` does, and locks what that locks.
    """
    require_maker(actor)
    shown = key_of(actor)
    with outside():
        index = KeyIndex.objects.filter(pk=shown).first() if shown is not None else None
    marks = halts.joined(index.lineage if index else [], halts.marks_of(actor, chain=index is None))
    ends = [end for end in (index.expires_at if index else None, end_of(actor)) if end is not None]
    chain = write_chain(chain_after(actor))
    return hooks.Stamp(chain, [str(mark) for mark in marks], shown, min(ends, default=None))


def places(person_id: UUID) -> Mapping[UUID, Role]:
    """The person's role in each of their organizations."""
    with whole_tenant():
        seats = Membership.objects.filter(user_id=person_id).values_list("organization_id", "role")
        known = {place: find_roles([role], place).get(role) for place, role in seats}
    return {place: role for place, role in known.items() if role is not None}


def end_made_with(name: str, organizations: Collection[UUID] | None) -> None:
    """End what was made with tokens of the tenant that stands, here and in the environments of `organizations`."""
    end_made([halts.mark_of_tokens(current_tenant().id, name)], organizations)


def require_mintable(actor: Actor, machine: Machine) -> None:
    """Raise unless `actor` may hold a credential of `machine` that works from everywhere, as tokens do."""
    services.require_mintable(actor, machine)  # type: ignore[arg-type] # a Machine is one of the two that there are
    if services.own_networks(actor):
        raise AddressBound


def register() -> None:
    """Read access tokens where credentials are read, and decide about clients as about keys."""
    add_reader(KIND, read)
    hooks.use(hooks.Upstairs(require_mintable, stamp, is_stopped, places, end_made_with))

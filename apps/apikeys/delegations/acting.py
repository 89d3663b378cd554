"""The last step from a credential to an actor: for whom it acts, where the call says so (Packmule-On-Behalf-Of).

One statement reads what the delegate was given, with how those who gave it stand at this moment. It is asked in the
tenant's own role, because a delegator or delegate may belong to no organization; what it finds is the delegate's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from apps.accounts.authority import role_of
from apps.apikeys import halts
from apps.apikeys.delegations import errors
from apps.apikeys.delegations.rights import common_role, role_named
from apps.apikeys.errors import OrganizationRequired
from apps.core import clock
from apps.core.actor import Actor, Delegated, OrganizationRef, PrincipalKind, PrincipalRef, TenantRef
from apps.core.ids import decode, encode
from apps.core.problems import MalformedRequest, show
from apps.core.scopes import Scopes
from apps.tenancy.walls import enter

HEADER = "Packmule-On-Behalf-Of"
_DELEGATORS = {"usr": PrincipalKind.USER, "svc": PrincipalKind.SERVICE_ACCOUNT}

#: How a principal stands in the organization of the delegation; null for who is gone, or has no place there.
_STATE = """(
select json_build_object('name', coalesce(nullif(person.name, ''), person.email), 'status', person.status,
                         'role', seat.role, 'permissions', own.permissions)
  from accounts_user person
  join orgs_membership seat on seat.user_id = person.id and seat.organization_id = granted.organization_id
  left join orgs_role own on own.organization_id = seat.organization_id and own.slug = seat.role
 where {kind} = 'user' and person.id = {id}
union all
select json_build_object('name', machine.name, 'status', machine.status, 'role', machine.role,
                         'permissions', own.permissions)
  from (select 'service_account' as kind, id, name, status, role, organization_id from accounts_serviceaccount
        union all select 'agent', id, name, status, role, organization_id from accounts_agent) machine
  left join orgs_role own on own.organization_id = machine.organization_id and own.slug = machine.role
 where machine.kind = {kind} and machine.id = {id}
   and (machine.organization_id is null or machine.organization_id = granted.organization_id)
)::text"""
_COLUMNS = ("id", "scopes::text", "expires_at", "max_uses", "uses", "granted_at", "denied_at", "revoked_at")
_STEP = ", ".join(f"{{0}}.{column}" for column in _COLUMNS)
_WIDTH = len(_COLUMNS)
_LIVE = (
    "granted.granted_at is not null and granted.revoked_at is null and granted.expires_at > %s "
    "and (granted.max_uses is null or granted.uses < granted.max_uses)"
)
_DELEGATOR = _STATE.format(kind="granted.delegator_kind", id="granted.delegator_id")
_VIA = _STATE.format(kind="parent.delegate_kind", id="parent.delegate_id")
_FIND = f"""
select granted.organization_id, place.slug, granted.lineage, parent.lineage,
       granted.delegator_kind, granted.delegator_id, parent.delegate_kind, parent.delegate_id, {_DELEGATOR}, {_VIA},
       {_STEP.format("granted")}, {_STEP.format("parent")}
  from apikeys_delegation granted
  left join orgs_organization place on place.id = granted.organization_id
  left join apikeys_delegation parent on parent.id = granted.parent_id
 where granted.delegate_kind = %s and granted.delegate_id = %s and granted.delegate_home_id is not distinct from %s
   and (granted.id = %s or granted.delegator_kind = %s and granted.delegator_id = %s)
   and (%s::uuid is null or granted.organization_id = %s)
 order by {_LIVE} desc, granted.id desc limit 20
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Named:
    """For whom a call says that it acts: somebody, or by one certain delegation. `text` is what was sent."""

    text: str
    delegation: UUID | None = None
    kind: PrincipalKind | None = None
    id: UUID | None = None


class Step(NamedTuple):
    """A row of the table, as far as acting by it goes."""

    id: UUID
    scopes: str
    expires_at: datetime
    max_uses: int | None
    uses: int
    granted_at: datetime | None
    denied_at: datetime | None
    revoked_at: datetime | None

    @property
    def is_live(self) -> bool:
        """True when somebody may act by it now, as far as it goes itself."""
        given = self.granted_at is not None and self.revoked_at is None and self.expires_at > clock.now()
        return given and (self.max_uses is None or self.uses < self.max_uses)

    @property
    def uses_left(self) -> int | None:
        """How often it can be used; None without a limit."""
        return None if self.max_uses is None else self.max_uses - self.uses


@dataclass(frozen=True, slots=True)
class Grant:
    """What the table says about a delegation: its rows, and how those who gave it stand now (None: gone).

    `lineage` are the marks of everybody through whom it was given, and passed on.
    """

    organization: OrganizationRef | None
    lineage: list[UUID]
    steps: tuple[Step, ...]
    givers: tuple[tuple[PrincipalKind, UUID, dict[str, Any] | None], ...]

    @property
    def shown(self) -> str:
        """Its id as clients see it."""
        return encode("dlg", self.steps[0].id)


def named(text: str) -> Named:
    """What the header names. Raises MalformedRequest."""
    prefix = text.partition("_")[0]
    try:
        if prefix == "dlg":
            return Named(text, delegation=decode(text, "dlg"))
        if prefix in _DELEGATORS:
            return Named(text, kind=_DELEGATORS[prefix], id=decode(text, prefix))
    except ValueError:
        pass
    raise MalformedRequest(
        f"{HEADER} takes the id of a user or service account, or of the delegation, and {show(text)} is none."
    )


def find_grant(
    tenant: TenantRef,
    delegate: tuple[PrincipalKind, UUID],
    home: UUID | None,
    whom: Named,
    place: UUID | None,
) -> Grant:
    """The delegation by which `delegate` acts for `whom` in `tenant`, in the organization `place` if that is named.

    Of several that are alive the newest counts. `home` is the tenant of a delegate from elsewhere. Raises a
    DelegationRefused that says why there is none, and OrganizationRequired where there are in several organizations.
    One query, and one more about those behind a key with which it was passed on.
    """
    found = _read(tenant, delegate, home, whom, place)
    alive = [grant for grant in found if grant.steps[0].is_live]
    places = {grant.organization.id: grant.organization for grant in alive if grant.organization is not None}
    if len(places) > 1:
        raise _organization_required(whom, places)
    if not found:
        raise missing(whom)
    grant = (alive or found)[0]
    for step in grant.steps:
        _require_live(step, grant, whom)
    _require_able(grant, whom)
    return grant


def acting_for(actor: Actor, grant: Grant, whom: Named) -> Actor:
    """`actor`, as it acts by `grant`: with what it, the delegator and the delegation all allow, where they allow it."""
    here = actor.organization.id if actor.organization is not None else None
    there = grant.organization.id if grant.organization is not None else None
    if here != there or (there is None and not actor.is_tenant_wide):
        raise missing(whom)
    limits = tuple(_limit(*giver) for giver in grant.givers)
    role, permissions = common_role(
        [role_of(actor), *(role_named(name, allowed) for _, name, allowed in limits)]
    )
    left = [step.uses_left for step in grant.steps if step.uses_left is not None]
    scopes = Scopes.parse(orjson.loads(grant.steps[0].scopes))
    for step in grant.steps[1:]:
        scopes = scopes.shared_with(Scopes.parse(orjson.loads(step.scopes)))
    delegated = Delegated(
        id=grant.steps[0].id,
        tenant=actor.tenant,
        scopes=scopes,
        expires_at=min(step.expires_at for step in grant.steps),
        rows=tuple(step.id for step in grant.steps),
        limits=limits,
        uses_left=min(left, default=None),
        via=limits[1][0] if len(limits) > 1 else None,
    )
    return replace(
        actor,
        on_behalf_of=limits[0][0],
        delegation=delegated,
        role=role,
        permissions=permissions,
        is_operator=False,
    )


def missing(whom: Named) -> errors.DelegationMissing:
    """The refusal that strangers, people who do not exist, and those who gave nothing have in common."""
    of = "usr_…" if whom.id is None else whom.text
    return errors.DelegationMissing(
        f"Nobody called {show(whom.text)} lets you act for them here. {errors.DelegationMissing.advice}",
        remedy=errors.asking(of),
    )


def _read(
    tenant: TenantRef,
    delegate: tuple[PrincipalKind, UUID],
    home: UUID | None,
    whom: Named,
    place: UUID | None,
) -> list[Grant]:
    kind, delegate_id = delegate
    wanted = [whom.delegation, whom.kind.value if whom.kind else None, whom.id]
    with enter(tenant), connection.cursor() as cursor:
        cursor.execute(_FIND, [kind.value, delegate_id, home, *wanted, place, place, clock.now()])
        return [_grant(row) for row in cursor.fetchall()]


def _grant(row: tuple[Any, ...]) -> Grant:
    place_id, slug, lineage, before, kind, delegator_id, via_kind, via_id, delegator, via = row[:10]
    steps = [Step(*row[10 : 10 + _WIDTH])]
    givers = [(PrincipalKind(kind), delegator_id, _state(delegator))]
    if via_id is not None:
        steps.append(Step(*row[10 + _WIDTH :]))
        givers.append((PrincipalKind(via_kind), via_id, _state(via)))
    organization = OrganizationRef(place_id, slug) if place_id is not None else None
    return Grant(organization, halts.joined(lineage, before or ()), tuple(steps), tuple(givers))


def _state(text: str | None) -> dict[str, Any] | None:
    found: dict[str, Any] | None = orjson.loads(text) if text else None
    return found


def _require_live(step: Step, grant: Grant, whom: Named) -> None:
    """Raise the DelegationRefused that says why nobody acts by `step` of `grant`."""
    if step.is_live:
        return
    of = "usr_…" if whom.id is None else whom.text
    problem, why = _ended(step)
    passed = "" if step is grant.steps[0] else f", which {grant.shown} was passed on from"
    raise problem(
        f"{encode('dlg', step.id)}{passed} {why}. {problem.advice}",
        remedy=errors.asking(of, orjson.loads(grant.steps[0].scopes)),
    )


def _ended(step: Step) -> tuple[type[errors.DelegationRefused], str]:
    if step.revoked_at is not None:
        return errors.DelegationRevoked, f"was revoked at {step.revoked_at:%Y-%m-%d %H:%M} UTC"
    if step.denied_at is not None:
        return errors.DelegationDenied, f"was denied at {step.denied_at:%Y-%m-%d %H:%M} UTC"
    if step.expires_at <= clock.now():
        return errors.DelegationExpired, f"expired at {step.expires_at:%Y-%m-%d %H:%M} UTC"
    if step.granted_at is None:
        return errors.DelegationPending, "was asked for and not answered yet"
    return errors.DelegationUsedUp, f"was good for {step.max_uses} uses, and all are taken"


def _require_able(grant: Grant, whom: Named) -> None:
    """Raise DelegatorUnable unless everybody who gave it could act there themselves."""
    behind = bool(grant.lineage) and halts.first_halted(grant.lineage) is not None
    if behind or any(state is None or state["status"] != "active" for _, _, state in grant.givers):
        raise errors.DelegatorUnable(
            f"Who gave or passed on {grant.shown} is suspended, or has no place there any more. "
            f"{errors.DelegatorUnable.advice}",
            remedy=errors.asking("usr_…" if whom.id is None else whom.text),
        )


def _limit(
    kind: PrincipalKind, identity: UUID, state: dict[str, Any] | None
) -> tuple[PrincipalRef, str, Scopes | None]:
    known = state or {"name": "", "role": "none", "permissions": None}
    permissions = None if known["permissions"] is None else Scopes.parse(known["permissions"])
    return PrincipalRef(kind, identity, known["name"]), str(known["role"]), permissions


def _organization_required(whom: Named, places: dict[UUID, OrganizationRef]) -> OrganizationRequired:
    choices = [{"id": encode("org", place.id), "slug": place.slug} for place in places.values()]
    told = ", ".join(f"{choice['slug']} ({choice['id']})" for choice in choices)
    return OrganizationRequired(
        f"You may act for {whom.text} in several organizations: {told}. Send one's id as Packmule-Organization.",
        extra={"organizations": choices},
    )

"""Who acts in a call: principal, on whose behalf, through which credential, with which scopes, and where.

An `Actor` is plain data, made once at the edge and passed to every operation. It is never ambient: code that
has no actor in its hands cannot call an operation.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from apps.core.ids import encode
from apps.core.scopes import Scopes


class PrincipalKind(StrEnum):
    """The three kinds of principal, the system itself, and a visitor known by a publishable key alone."""

    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    AGENT = "agent"
    SYSTEM = "system"
    VISITOR = "visitor"


class Edge(StrEnum):
    """Through which door a call came in."""

    API = "api"
    COMMAND = "command"
    ADMIN = "admin"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class TenantRef:
    """A tenant, as much of it as a call needs to know. `name` is `console` or `menugen/production`."""

    id: UUID
    name: str
    schema_name: str
    kind: str
    protected: bool


@dataclass(frozen=True, slots=True)
class OrganizationRef:
    """The organization of the acted-on tenant within which the actor acts."""

    id: UUID
    slug: str


@dataclass(frozen=True, slots=True)
class PrincipalRef:
    """A snapshot of a principal: enough to name it in the trail after its row is gone."""

    kind: PrincipalKind
    id: UUID | None
    name: str


@dataclass(frozen=True, slots=True)
class Credential:
    """What the actor showed. `chain` is the minters' principals, the first minter first.

    `outgoing` is said of a secret that a rotation has replaced and that still works for a while. `bound_to` is the one
    organization in which it opens anything, if it is bound to one. A token says of its client the marks of everybody
    behind it (`lineage`) and the key by which it was registered (`minted_by`), which a key's row in the registry says.
    """

    id: UUID | None
    kind: str
    scopes: Scopes
    expires_at: datetime | None = None
    chain: tuple[PrincipalRef, ...] = ()
    outgoing: bool = False
    bound_to: UUID | None = None
    lineage: tuple[UUID, ...] = ()
    minted_by: UUID | None = None

    @property
    def public_id(self) -> str | None:
        """The id as people and clients see it; it opens nothing. None for the system's."""
        return encode(_CREDENTIAL_PREFIXES.get(self.kind, "key"), self.id) if self.id else None


#: Ids of credentials that are no keys.
_CREDENTIAL_PREFIXES = {"session": "ses", "oauth": "tok", "hand-off": "hof"}


@dataclass(frozen=True, slots=True)
class Delegated:
    """The delegation by which an actor acts for somebody else. It lies in `tenant`.

    `scopes` is what it allows and `expires_at` until when, with those that it was passed on from; `rows` are their ids,
    its own first. `limits` are the delegator and who passed it on, each with the role, and what that allows where it is
    a custom one, within which they may do it themselves; `via` is who passed it on.
    """

    id: UUID
    tenant: TenantRef
    scopes: Scopes
    expires_at: datetime
    rows: tuple[UUID, ...]
    limits: tuple[tuple[PrincipalRef, str, Scopes | None], ...]
    uses_left: int | None = None
    via: PrincipalRef | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """The outer circumstances of one call, for the trail. `reason` is what a person typed in the admin."""

    request_id: str
    edge: Edge
    ip: str | None = None
    user_agent: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """The first argument of every operation.

    `home` is the tenant whose directory holds the principal, `tenant` the one acted on; they differ when a console
    key acts inside an environment. `role` is the role that bounds what the principal may do there, `permissions` what
    it allows where it is a custom one (None for a built-in role), `owner` the person who answers for an agent. Who acts
    `on_behalf_of` somebody does so by a `delegation`; `role` is then what they have in common. `lacks_second_factor` is
    said of a person whose home wants one for the role, and who has none.
    """

    principal: PrincipalRef
    home: TenantRef
    tenant: TenantRef
    credential: Credential
    call: Call
    role: str
    organization: OrganizationRef | None = None
    owner: PrincipalRef | None = None
    on_behalf_of: PrincipalRef | None = None
    is_operator: bool = False
    permissions: Scopes | None = None
    delegation: Delegated | None = None
    lacks_second_factor: bool = False

    @property
    def scopes(self) -> Scopes:
        """What the actor may ask for, and hand on: its credential's scopes, within those of the delegation it uses."""
        held = self.credential.scopes
        return held if self.delegation is None else held.shared_with(self.delegation.scopes)

    @property
    def kind(self) -> PrincipalKind:
        """The kind of the principal itself."""
        return self.principal.kind

    @property
    def is_system(self) -> bool:
        """True for installation commands and maintenance, which act with operator's power."""
        return self.principal.kind is PrincipalKind.SYSTEM

    @property
    def involves_agent(self) -> bool:
        """True when an agent acts, minted the credential somewhere up its chain, or passed the delegation on.

        Policy treats all of them alike.
        """
        via = self.delegation.via if self.delegation is not None else None
        behind = (self.principal, *self.credential.chain, *([via] if via is not None else ()))
        return any(p.kind is PrincipalKind.AGENT for p in behind)

    @property
    def is_tenant_wide(self) -> bool:
        """True for who acts for the whole tenant: its own machines, the system, a console key inside an environment.

        A person never does, nor does a visitor: without an organization they see no organization's rows.
        """
        return (
            self.organization is None and self.kind not in (PrincipalKind.USER, PrincipalKind.VISITOR)
        ) or (self.is_away and self.organization is None)

    @property
    def is_of_tenant(self) -> bool:
        """True for who belongs to the tenant as a whole, also while it acts within an organization that it named.

        It could do the same without naming one; who acts on behalf of somebody is bounded by them instead.
        """
        if self.on_behalf_of is not None or self.kind is PrincipalKind.VISITOR:
            return False
        own = self.kind is not PrincipalKind.USER and self.credential.bound_to is None
        return own or self.is_away or self.is_system

    @property
    def stands_for(self) -> PrincipalRef | None:
        """Whose own is what belongs to somebody here: the principal's, or that of whom it acts for.

        None for one from another tenant, to whom nothing here belongs.
        """
        if self.on_behalf_of is not None:
            return self.on_behalf_of
        return None if self.is_away else self.principal

    @property
    def is_away(self) -> bool:
        """True when the actor acts in another tenant than its own."""
        return self.home.id != self.tenant.id


def system_actor(tenant: TenantRef, call: Call) -> Actor:
    """The platform itself, acting in `tenant`: installation commands and maintenance. Operator's power."""
    principal = PrincipalRef(PrincipalKind.SYSTEM, None, "system")
    credential = Credential(None, "system", Scopes.everything())
    return Actor(principal, tenant, tenant, credential, call, role="owner", is_operator=True)


def anybody(tenant: TenantRef, call: Call) -> Actor:
    """Who came to `tenant` without a credential: a visitor of whom nothing is known, for operations that are open."""
    principal = PrincipalRef(PrincipalKind.VISITOR, None, "anybody")
    return Actor(principal, tenant, tenant, Credential(None, "none", Scopes()), call, role="none")

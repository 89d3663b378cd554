"""The world in which the tests' stories happen.

The console has two companies of builders, Acorn and Birch, each with one application. Their production environments
are two tenants whose rows have identical ids, e-mails and slugs; each has the customers north and south, and in each
customer a person, an agent and a service account. A stranger belongs to nobody. If a wall leaks, a test that uses one
tenant's id sees the other's row, because the id is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from allauth.account.models import EmailAddress

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyKind
from apps.applications.models import Application, Environment
from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.ids import encode
from apps.core.scopes import Scopes
from apps.orgs.models import Membership, Organization
from apps.tenancy.models import CONSOLE, ENVIRONMENT, Tenant
from apps.tenancy.provisioning import claim
from apps.tenancy.walls import enter, outside

PASSWORD = "correct horse battery staple (made up for tests)"


def same_id(label: str) -> UUID:
    """An id that depends on `label` alone: the same in every tenant."""
    return uuid5(NAMESPACE_URL, f"packmule-tests:{label}")


@dataclass
class Party:
    """One organization and who acts in it, by id and by key."""

    slug: str
    id: str
    uuid: UUID
    person: str = ""
    person_key: str = ""
    email: str = ""
    membership: str = ""
    viewer_key: str = ""
    agent: str = ""
    agent_key: str = ""
    agent_key_id: str = ""
    service: str = ""
    service_key: str = ""


@dataclass
class Space:
    """One tenant: its two organizations, a key for the tenant as a whole, and a person without any organization."""

    ref: TenantRef
    host: str
    parties: dict[str, Party] = field(default_factory=dict)
    root: str = ""
    root_key: str = ""
    publishable_key: str = ""
    stranger: str = ""
    stranger_key: str = ""

    @property
    def name(self) -> str:
        """The tenant's name, as Packmule-Environment takes it."""
        return self.ref.name


@dataclass
class World:
    """All of it."""

    console: Space
    acorn: Space
    birch: Space

    @property
    def builders(self) -> Party:
        """The company that owns acorn."""
        return self.console.parties["acorn"]

    @property
    def rivals(self) -> Party:
        """The company that owns birch."""
        return self.console.parties["birch"]


def build(console: Tenant) -> World:
    """Make the world, committed, in an installation that has nothing but its console."""
    space = Space(console.ref, "console.localhost")
    with enter(console):
        for slug in ("acorn", "birch"):
            space.parties[slug] = _party(space, slug, of="builders")
        _tenant_wide(space, "console")
    environments = {slug: _environment(space, slug) for slug in ("acorn", "birch")}
    return World(space, environments["acorn"], environments["birch"])


def _environment(console: Space, slug: str) -> Space:
    company = console.parties[slug]
    name, host = f"{slug}/production", f"production--{slug}.localhost"
    with outside():
        tenant = claim(ENVIRONMENT, name, protected=True, owner_organization_id=company.uuid, host=host)
    with enter(console.ref):
        application = Application.objects.create(slug=slug, name=slug.title(), organization_id=company.uuid)
        Environment.objects.create(
            application=application,
            organization_id=company.uuid,
            name="production",
            protected=True,
            tenant_id=tenant.id,
            tenant_name=name,
        )
    space = Space(tenant.ref, host)
    with enter(tenant):
        for customer in ("north", "south"):
            space.parties[customer] = _party(space, customer, of="customers")
        _tenant_wide(space, "environment")
    return space


def _party(space: Space, slug: str, *, of: str) -> Party:
    """An organization with an owner, a viewer, an agent and a service account, with the same ids in each tenant."""
    label = f"{of}:{slug}"
    organization = Organization.objects.create(id=same_id(label), slug=slug, name=slug.title())
    party = Party(slug, organization.public_id, organization.id)
    person = _user(f"{label}:owner", f"owner@{slug}.test")
    seat = Membership.objects.create(
        id=same_id(f"{label}:seat"), organization=organization, user=person, role="owner"
    )
    viewer = _user(f"{label}:viewer", f"viewer@{slug}.test")
    Membership.objects.create(organization=organization, user=viewer, role="viewer")
    agent = Agent.objects.create(
        id=same_id(f"{label}:agent"),
        name=f"{slug}'s agent",
        organization=organization,
        role="admin",
        owner_kind="user",
        owner_id=person.id,
        owner_name=person.email,
    )
    service = ServiceAccount.objects.create(
        id=same_id(f"{label}:service"), name=f"{slug}'s backend", organization=organization, role="admin"
    )
    party.person, party.email, party.membership = person.public_id, person.email, seat.public_id
    party.person_key, _ = _key(space, person, KeyKind.USER)
    party.viewer_key, _ = _key(space, viewer, KeyKind.USER)
    party.agent = agent.public_id
    party.agent_key, party.agent_key_id = _key(space, agent, KeyKind.AGENT)
    party.service = service.public_id
    party.service_key, _ = _key(space, service, KeyKind.SECRET)
    return party


def promote(space: Space, party: Party, role: str = "owner") -> None:
    """Give the party's viewer another role. As an owner they let the party's person be suspended, or leave."""
    with enter(space.ref):
        viewers = Membership.objects.filter(user__email=f"viewer@{party.slug}.test")
        viewers.filter(organization_id=party.uuid).update(role=role)


def _tenant_wide(space: Space, label: str) -> None:
    root = ServiceAccount.objects.create(id=same_id(f"{label}:root"), name="root", role="owner")
    stranger = _user(f"{label}:stranger", "stranger@nowhere.test")
    space.root, space.stranger = root.public_id, stranger.public_id
    space.root_key, _ = _key(space, root, KeyKind.SECRET)
    space.publishable_key, _ = _key(space, root, KeyKind.PUBLISHABLE)
    space.stranger_key, _ = _key(space, stranger, KeyKind.USER)


def _user(label: str, email: str) -> User:
    person = User.objects.create_user(email, PASSWORD, id=same_id(label), name=email.partition("@")[0])
    EmailAddress.objects.create(user=person, email=email, primary=True, verified=True)
    return person


def _key(space: Space, principal: User | ServiceAccount | Agent, kind: KeyKind) -> tuple[str, str]:
    minted = mint(
        tenant=space.ref,
        principal=principal,
        kind=kind,
        name="test",
        scopes=Scopes.everything(),
        expires_at=clock.now() + timedelta(days=400),
        minter=None,
    )
    return minted.secret, encode("key", minted.key.id)


__all__ = ["CONSOLE", "PASSWORD", "Party", "Space", "World", "build", "promote", "same_id"]

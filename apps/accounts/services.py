"""Operations on principals: the directory of people, service accounts and agents."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from apps.accounts import hooks, machines
from apps.accounts import serializers as forms
from apps.accounts.authority import decides_for_tenant, is_oneself
from apps.accounts.errors import DirectoryOfTenant, EmailTaken, OwnAccount
from apps.accounts.models import Agent, ServiceAccount, Status, User
from apps.accounts.querysets import MachineQuerySet, UserQuerySet
from apps.accounts.signouts import end_sign_ins
from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import encode
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import Remedy
from apps.tenancy.walls import whole_tenant

_NOT_ADDED = (
    "Only the tenant adds people to its directory. Invite them: they join your organization when they accept."
)


def person(email: str, *, name: str = "", password: str | None = None) -> User:
    """A new person of the tenant that stands. Raises EmailTaken."""
    try:
        # The directory is the tenant's: an organization's role adds nobody to it by itself.
        with whole_tenant(), transaction.atomic():
            made = User.objects.create_user(email, password, name=name)
            # Nobody has confirmed it: a code from a mail, or the link to a password, will.
            EmailAddress.objects.create(user=made, email=made.email, primary=True)
            return made
    except IntegrityError:
        raise EmailTaken(remedy=_add_by_email(email)) from None


def _add_by_email(email: str) -> Remedy:
    body = {"email": email, "role": "developer"}
    return Remedy(method="POST", path="/v1/organizations/{organization}/members", body=body)


@operation(
    "users.list",
    scope="users:read",
    risk=Risk.READ,
    input=forms.UserParameters,
    output=forms.UserOutput,
    lists=True,
)
def list_users(actor: Actor, *, email: str | None = None, status: str | None = None) -> UserQuerySet:
    """List the people of the directory.

    An organization's actor sees the people who share its organization, a credential of the whole tenant sees all.
    """
    people: UserQuerySet = User.objects.visible_to(actor)
    chosen = {"email": email and email.lower(), "status": status}
    return people.filter(**{name: value for name, value in chosen.items() if value})


@operation("users.get", scope="users:read", risk=Risk.READ, output=forms.UserOutput)
def get_user(actor: Actor, *, user_id: UUID) -> User:
    """Read one person of the directory."""
    user: User | None = User.objects.visible_to(actor).filter(pk=user_id).first()
    if user is None:
        raise not_found(User, user_id)
    return user


@operation(
    "users.create", scope="users:write", risk=Risk.WRITE, input=forms.UserInput, output=forms.UserOutput
)
def create_user(actor: Actor, *, email: str, name: str = "") -> User:
    """Add a person to the directory, for credentials of the whole tenant and operators of the console.

    No password is set: the person chooses one by "forgotten password". An e-mail that is known already is refused with
    409 `email_taken`; an organization invites people instead, which tells nobody whether they are known.
    """
    if not decides_for_tenant(actor):
        raise DirectoryOfTenant(_NOT_ADDED, remedy=_inviting(actor, email))
    return person(email, name=name)


def _inviting(actor: Actor, email: str) -> Remedy:
    place = encode("org", actor.organization.id) if actor.organization else "{organization}"
    return Remedy(
        method="POST",
        path=f"/v1/organizations/{place}/invitations",
        body={"email": email, "role": "viewer"},
    )


@operation(
    "users.update",
    scope="users:write",
    risk=Risk.WRITE,
    input=forms.UserPatch,
    output=forms.UserOutput,
    versioned=True,
)
def update_user(
    actor: Actor, /, *, user_id: UUID, expected_version: int | None = None, **changes: Any
) -> User:
    """Change a person's name.

    People change their own; the tenant's own credentials, and operators of the console, change anybody's.
    """
    return _decided(actor, user_id, expected_version, oneself=True).apply(changes)


@operation(
    "users.suspend",
    scope="users:write",
    risk=Risk.WRITE,
    input=forms.ReasonInput,
    output=forms.UserOutput,
    versioned=True,
)
def suspend_user(actor: Actor, *, user_id: UUID, reason: str, expected_version: int | None = None) -> User:
    """Suspend a person in the whole tenant, with a reason.

    Everything that they show, and every key that they minted for others, is refused from its next call on; so are
    the agents that they answer for, unless somebody else takes them over. Keys work again when the suspension ends;
    sessions are over for good.
    """
    user = _decided(actor, user_id, expected_version)
    if is_oneself(actor, user):
        raise OwnAccount
    if user.status == Status.SUSPENDED:
        return user
    suspended = user.apply(
        {"status": Status.SUSPENDED.value, "status_reason": reason, "signed_out_at": clock.now()}
    )
    end_sign_ins(suspended)
    hooks.suspended(suspended)
    return suspended


@operation(
    "users.activate",
    scope="users:write",
    risk=Risk.WRITE,
    input=forms.ReasonInput,
    output=forms.UserOutput,
    versioned=True,
)
def activate_user(actor: Actor, *, user_id: UUID, reason: str, expected_version: int | None = None) -> User:
    """End a person's suspension, with a reason. Their sessions stay over: they sign in again."""
    user = _decided(actor, user_id, expected_version)
    if user.status == Status.ACTIVE:
        return user
    activated = user.apply({"status": Status.ACTIVE.value, "status_reason": reason})
    hooks.activated(activated)
    return activated


def _decided(actor: Actor, user_id: UUID, expected_version: int | None, *, oneself: bool = False) -> User:
    """The person, locked, for an actor that may decide about them. Raises DirectoryOfTenant."""
    whole = decides_for_tenant(actor)
    rows = User.objects.all() if whole else User.objects.visible_to(actor)
    user = User.locked(rows, user_id, expected_version)
    if not (whole or (oneself and is_oneself(actor, user))):
        raise DirectoryOfTenant
    return user


@operation(
    "service_accounts.list",
    scope="service-accounts:read",
    risk=Risk.READ,
    input=forms.MachineParameters,
    output=forms.ServiceAccountOutput,
    lists=True,
)
def list_service_accounts(actor: Actor, /, **filters: Any) -> MachineQuerySet:
    """List the service accounts: all of the tenant, or those of the actor's organization."""
    return machines.listed(ServiceAccount, actor, filters)


@operation(
    "service_accounts.get",
    scope="service-accounts:read",
    risk=Risk.READ,
    output=forms.ServiceAccountOutput,
)
def get_service_account(actor: Actor, *, service_account_id: UUID) -> ServiceAccount:
    """Read one service account."""
    return machines.found(ServiceAccount, actor, service_account_id)


@operation(
    "service_accounts.create",
    scope="service-accounts:write",
    risk=Risk.WRITE,
    input=forms.ServiceAccountInput,
    output=forms.ServiceAccountOutput,
)
def create_service_account(
    actor: Actor, *, name: str, role: str = "developer", organization: UUID | None = None
) -> ServiceAccount:
    """Create a service account: a program of the product, such as its backend or its continuous integration.

    It belongs to the actor's organization, or to the one that a credential of the whole tenant names. Its role is at
    most the actor's own. It can do nothing until it has a key.
    """
    return machines.created(ServiceAccount, actor, organization, name=name, role=role)


@operation(
    "service_accounts.update",
    scope="service-accounts:write",
    risk=Risk.WRITE,
    input=forms.ServiceAccountPatch,
    output=forms.ServiceAccountOutput,
    versioned=True,
)
def update_service_account(
    actor: Actor, /, *, service_account_id: UUID, expected_version: int | None = None, **changes: Any
) -> ServiceAccount:
    """Change a service account's name or role; nobody gives a role above their own, or changes their own."""
    machine = machines.locked(ServiceAccount, actor, service_account_id, expected_version)
    return machines.updated(machine, actor, changes)


@operation(
    "service_accounts.suspend",
    scope="service-accounts:write",
    risk=Risk.WRITE,
    input=forms.ReasonInput,
    output=forms.ServiceAccountOutput,
    versioned=True,
)
def suspend_service_account(
    actor: Actor, *, service_account_id: UUID, reason: str, expected_version: int | None = None
) -> ServiceAccount:
    """Suspend a service account, with a reason: its keys, and all that it minted, are refused from the next call on."""
    machine = machines.locked(ServiceAccount, actor, service_account_id, expected_version)
    return machines.suspended(machine, reason)


@operation(
    "service_accounts.activate",
    scope="service-accounts:write",
    risk=Risk.WRITE,
    input=forms.ReasonInput,
    output=forms.ServiceAccountOutput,
    versioned=True,
)
def activate_service_account(
    actor: Actor, *, service_account_id: UUID, reason: str, expected_version: int | None = None
) -> ServiceAccount:
    """End a service account's suspension, with a reason. No agent does."""
    machine = machines.locked(ServiceAccount, actor, service_account_id, expected_version)
    return machines.activated(machine, actor, reason)


@operation("service_accounts.delete", scope="service-accounts:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_service_account(
    actor: Actor, *, service_account_id: UUID, expected_version: int | None = None
) -> ServiceAccount:
    """Delete a service account with its keys. It cannot be brought back; suspending can be undone."""
    return machines.removed(machines.locked(ServiceAccount, actor, service_account_id, expected_version))


@operation(
    "agents.list",
    scope="agents:read",
    risk=Risk.READ,
    input=forms.MachineParameters,
    output=forms.AgentOutput,
    lists=True,
)
def list_agents(actor: Actor, /, **filters: Any) -> MachineQuerySet:
    """List the agents: all of the tenant, or those of the actor's organization."""
    return machines.listed(Agent, actor, filters)


@operation("agents.get", scope="agents:read", risk=Risk.READ, output=forms.AgentOutput)
def get_agent(actor: Actor, *, agent_id: UUID) -> Agent:
    """Read one agent."""
    return machines.found(Agent, actor, agent_id)


@operation(
    "agents.create", scope="agents:write", risk=Risk.WRITE, input=forms.AgentInput, output=forms.AgentOutput
)
def create_agent(
    actor: Actor,
    *,
    name: str,
    purpose: str = "",
    role: str = "developer",
    organization: UUID | None = None,
) -> Agent:
    """Create an agent. Whoever acts answers for it; for an agent's agent, the first one's owner does.

    It belongs to the actor's organization, or to the one that a credential of the whole tenant names. Its role is at
    most the actor's own. It can do nothing until it has a key.
    """
    owned = machines.owned_by(actor, machines.answerable(actor))
    return machines.created(Agent, actor, organization, name=name, purpose=purpose, role=role, **owned)


@operation(
    "agents.update",
    scope="agents:write",
    risk=Risk.WRITE,
    input=forms.AgentPatch,
    output=forms.AgentOutput,
    versioned=True,
)
def update_agent(
    actor: Actor, /, *, agent_id: UUID, expected_version: int | None = None, **changes: Any
) -> Agent:
    """Change an agent's name, purpose or role; an agent never changes its own role, nor what any agent is for."""
    return machines.updated(machines.locked(Agent, actor, agent_id, expected_version), actor, changes)


@operation(
    "agents.suspend",
    scope="agents:write",
    risk=Risk.WRITE,
    input=forms.ReasonInput,
    output=forms.AgentOutput,
    versioned=True,
)
def suspend_agent(actor: Actor, *, agent_id: UUID, reason: str, expected_version: int | None = None) -> Agent:
    """Suspend an agent, with a reason: its keys, and all that it minted, are refused from the next call on."""
    return machines.suspended(machines.locked(Agent, actor, agent_id, expected_version), reason)


@operation(
    "agents.activate",
    scope="agents:write",
    risk=Risk.WRITE,
    input=forms.ReasonInput,
    output=forms.AgentOutput,
    versioned=True,
)
def activate_agent(
    actor: Actor, *, agent_id: UUID, reason: str, expected_version: int | None = None
) -> Agent:
    """End an agent's suspension, with a reason. No agent does, its own or another's."""
    return machines.activated(machines.locked(Agent, actor, agent_id, expected_version), actor, reason)


@operation("agents.delete", scope="agents:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_agent(actor: Actor, *, agent_id: UUID, expected_version: int | None = None) -> Agent:
    """Delete an agent with its keys. It cannot be brought back; suspending can be undone."""
    return machines.removed(machines.locked(Agent, actor, agent_id, expected_version))

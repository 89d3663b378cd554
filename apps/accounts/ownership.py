"""Who answers for an agent, and how somebody else comes to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.accounts import hooks, machines
from apps.accounts import serializers as forms
from apps.accounts.errors import AnsweringRefused, OwnerUnfit
from apps.accounts.models import Agent, ServiceAccount, User
from apps.accounts.roles import find_roles
from apps.core.actor import Actor, PrincipalKind
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import ValidationFailed


@operation(
    "agents.change-owner",
    scope="agents:write",
    risk=Risk.WRITE,
    input=forms.OwnerInput,
    output=forms.AgentOutput,
    versioned=True,
)
def change_owner(
    actor: Actor,
    *,
    agent_id: UUID,
    reason: str,  # noqa: ARG001 - the trail keeps it
    user: UUID | None = None,
    service_account: UUID | None = None,
    expected_version: int | None = None,
) -> Agent:
    """Let somebody else answer for an agent: the person or service account that is named, or else you.

    For people, and credentials of the whole tenant; never for an agent, or for a key that one minted. Who answers for
    an agent must be able to give it its role. If it was refused because nobody answered for it, it acts again.
    """
    _require_no_agent(actor)
    if user is not None and service_account is not None:
        raise ValidationFailed("Name a user or a service account, not both.", code="principal_ambiguous")
    agent = machines.locked(Agent, actor, agent_id, expected_version)
    changed = agent.apply(_columns(actor, agent, user, service_account))
    hooks.owner_changed(changed)
    return changed


def _require_no_agent(actor: Actor) -> None:
    """Raise AnsweringRefused unless a person, or the tenant as a whole, decides, and no agent through them."""
    decides = actor.kind is PrincipalKind.USER or actor.is_tenant_wide
    if actor.involves_agent or actor.on_behalf_of is not None or not decides:
        raise AnsweringRefused


def _columns(actor: Actor, agent: Agent, user: UUID | None, service_account: UUID | None) -> dict[str, Any]:
    """The agent's columns for the new owner. Raises NotFound and OwnerUnfit."""
    if user is not None:
        return machines.owner_columns(_person(actor, agent, user).ref, None)
    if service_account is not None:
        program = machines.found(ServiceAccount, actor, service_account)
        _require_fit(
            program, agent, [program.role] if program.organization_id in (None, agent.organization_id) else []
        )
        return machines.owner_columns(program.ref, None)
    # That `actor` could give the role was asked when the agent was locked.
    return machines.owner_columns(actor.principal, actor.home.id if actor.is_away else None)


def _person(actor: Actor, agent: Agent, user_id: UUID) -> User:
    person: User | None = User.objects.visible_to(actor).filter(pk=user_id).first()
    if person is None:
        raise not_found(User, user_id)
    seats: Any = person.memberships  # the room above owns the model
    held = list(seats.filter(organization_id=agent.organization_id).values_list("role", flat=True))
    _require_fit(person, agent, held)
    return person


def _require_fit(owner: User | ServiceAccount, agent: Agent, held: list[str]) -> None:
    """Raise OwnerUnfit unless `owner` is active and one of the roles `held` can give the agent's."""
    if not owner.is_active:
        raise OwnerUnfit(f"{owner} is suspended. {OwnerUnfit.advice}")
    known = find_roles([*held, agent.role], agent.organization_id)
    if not any(
        known[name].may_grant(known[agent.role]) for name in held if known.keys() >= {name, agent.role}
    ):
        raise OwnerUnfit(f"{owner} could not give an agent the role {agent.role} here. {OwnerUnfit.advice}")

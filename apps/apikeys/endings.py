"""What happens to keys and clients when what they belong to is suspended, deleted or left.

A suspension halts: everything stops at once and goes on when it is lifted. What is deleted or left for good is revoked,
with everything that was made by it, in every tenant: deleting the rows alone would leave keys alive that a deleted
agent had minted for others.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid5

from django.db.models import QuerySet

from apps.accounts import hooks as accounts
from apps.accounts.models import Agent, Machine, User
from apps.apikeys import halts
from apps.apikeys.halts import Behind
from apps.apikeys.made import end_made, environments_of
from apps.apikeys.minting import revoke
from apps.apikeys.models import Key
from apps.core.actor import PrincipalKind
from apps.orgs import hooks as orgs
from apps.orgs.models import Membership, Organization
from apps.tenancy.walls import current_tenant, enter, whole_tenant

_AGENT = PrincipalKind.AGENT


def stop_principal(principal: Machine | User) -> None:
    """Halt a principal that was suspended, and the agents that it answers for."""
    own = _behind(principal)
    halts.halt(own.mark, [own, *_answered_by(own, _organizations_of(principal))])


def release_principal(principal: Machine | User) -> None:
    """Let a principal whose suspension ended go on, and the agents that it still answers for."""
    halts.lift(_behind(principal).mark)


def release_agent(agent: Agent) -> None:
    """Let an agent go on for which somebody answers again."""
    halts.answered_again(_behind(agent))


def end_what_machine_made(machine: Machine) -> None:
    """End the keys of a service account or agent that is about to be deleted, and all that it made.

    The agents that it answers for are halted.
    """
    own, organizations = _behind(machine), _organizations_of(machine)
    halts.halt(own.mark, _answered_by(own, organizations))
    end_made([own.mark], organizations)


def end_keys_of_organization(organization: Organization) -> None:
    """Revoke the keys of everybody who acts in an organization that is about to be deleted."""
    revoke(Key.objects.filter(organization=organization).values_list("pk", flat=True))


def end_what_member_made(membership: Membership) -> None:
    """End what a person made in an organization that they leave, there and in the environments that it owns.

    Revoked are the keys with which they act there, those that they minted or rotated for its machines, and what those
    minted; clients that they registered, or whose secret they know, end. Its agents that they answered for are halted
    until somebody takes them over.
    """
    place, organization_id = current_tenant(), membership.organization_id
    leaver = Behind(place.id, PrincipalKind.USER, membership.user_id)
    end_made([leaver.mark], [organization_id], only=organization_id)
    left = uuid5(place.id, f"organization:{organization_id}")
    halts.halt(left, _answered_by(leaver, [organization_id], only=organization_id))


def register() -> None:
    """Register with the rooms that suspend and delete."""
    accounts.on_suspended(stop_principal)
    accounts.on_activated(release_principal)
    accounts.on_owner_changed(release_agent)
    accounts.before_removal(end_what_machine_made)
    orgs.before_leaving(end_what_member_made)
    orgs.before_deletion(end_keys_of_organization)


def _behind(principal: Machine | User) -> Behind:
    return Behind(current_tenant().id, principal.kind, principal.pk)


def _organizations_of(principal: Machine | User) -> list[UUID]:
    """The organizations through which it reaches environments."""
    if not isinstance(principal, User):
        return [principal.organization_id] if principal.organization_id else []
    with whole_tenant():
        seats = Membership.objects.filter(user_id=principal.pk)
        return list(seats.values_list("organization_id", flat=True))


def _answered_by(owner: Behind, organizations: list[UUID], *, only: UUID | None = None) -> Iterator[Behind]:
    """The agents that `owner` answers for, at home and in the environments of `organizations`.

    `only` keeps those at home to the ones of that organization.
    """
    place = current_tenant()
    with whole_tenant():
        at_home = _agents_of(owner, None)
        ids = list(at_home.filter(organization_id=only) if only else at_home)
    yield from (Behind(place.id, _AGENT, pk) for pk in ids)
    for environment in environments_of(organizations):
        with enter(environment):
            away = list(_agents_of(owner, place.id))
        yield from (Behind(environment.id, _AGENT, pk) for pk in away)


def _agents_of(owner: Behind, home: UUID | None) -> QuerySet[Agent, UUID]:
    owned = {"owner_kind": owner.kind.value, "owner_id": owner.id, "owner_home_id": home}
    return Agent.objects.filter(**owned).values_list("pk", flat=True)

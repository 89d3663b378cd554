"""Who may make what outlives their call: keys, clients and delegations."""

from __future__ import annotations

from uuid import UUID

from apps.apikeys.errors import NotAMember, SecretOutgoing
from apps.core.actor import Actor, PrincipalKind
from apps.core.problems import show
from apps.orgs.models import Membership
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside


def require_maker(actor: Actor) -> None:
    """Raise unless `actor` may make something that stays: SecretOutgoing for a secret that was replaced.

    A person's membership is locked until the transaction ends, so that whoever removes them meanwhile waits, and then
    finds and ends what was made; NotAMember when they are gone already. Needs a transaction, and comes before other
    locks are taken: a removal locks the membership first, too.
    """
    if actor.credential.outgoing:
        raise SecretOutgoing
    # What is made by a delegation is found by that, which is locked already: see delegations/uses.py.
    if actor.kind is PrincipalKind.USER and actor.delegation is None:
        _keep_seat(actor)


def _keep_seat(actor: Actor) -> None:
    person, place = actor.principal.id, _place_at_home(actor)
    if person is None or place is None:
        return
    with enter(actor.home):
        seats = Membership.objects.filter(user_id=person, organization_id=place)
        held = seats.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True).first()
    if held is None:
        raise NotAMember(
            f"{show(actor.principal.name)} is no member of the organization any more. {NotAMember.advice}"
        )


def _place_at_home(actor: Actor) -> UUID | None:
    """The organization in whose name a person acts: from the console, the one that owns the environment."""
    if not actor.is_away:
        return actor.organization.id if actor.organization is not None else None
    with outside():
        acted_on = Tenant.objects.filter(pk=actor.tenant.id)
        return acted_on.values_list("owner_organization_id", flat=True).first()

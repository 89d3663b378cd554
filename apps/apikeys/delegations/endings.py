"""How delegations end: what was passed on, and every key and client made through them, ends with them, at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.accounts import hooks as accounts
from apps.accounts.models import Machine
from apps.apikeys import halts
from apps.apikeys.delegations.models import Delegation
from apps.apikeys.made import end_made
from apps.apikeys.minting import on_revoked
from apps.apikeys.models import KeyIndex
from apps.apikeys.snapshots import write_chain
from apps.core import clock
from apps.core.actor import PrincipalRef, TenantRef
from apps.orgs import hooks as orgs
from apps.orgs.models import Membership, Organization
from apps.tenancy.models import CONSOLE, Tenant
from apps.tenancy.walls import current_tenant, enter, outside, whole_tenant


def end(which: Q, by: PrincipalRef | None) -> list[UUID]:
    """Revoke those of the tenant that stands which `which` finds, and what was passed on of them; returns their ids.

    `by` is None where nobody decided it, but what they rested on is gone. The locks wait for calls that use them now.
    """
    with whole_tenant():
        own = Delegation.objects.filter(which | Q(parent__in=Delegation.objects.filter(which).values("pk")))
        living = list(
            own.filter(revoked_at=None).select_for_update().order_by("id").values_list("pk", flat=True)
        )
        if not living:
            return []
        # One that was passed on while these were being locked shows up now that they are.
        late = Delegation.objects.filter(parent__in=living, revoked_at=None).values_list("pk", flat=True)
        living = list(dict.fromkeys([*living, *late]))
        who = write_chain([by])[0] if by is not None else None
        Delegation.objects.filter(pk__in=living).update(revoked_at=clock.now(), revoked_by=who)
    place = current_tenant().id
    end_made([halts.mark_of_delegation(place, one) for one in living])
    return living


def end_those_of_machine(machine: Machine) -> None:
    """End what a service account or agent that is about to be deleted gave, or could do for others."""
    end(_given(machine.kind.value, machine.pk) | _received(machine.kind.value, machine.pk), None)
    place = current_tenant()
    if place.kind == CONSOLE and machine.organization_id is not None:
        _end_in_environments(
            machine.organization_id, _received(machine.kind.value, machine.pk, home=place.id)
        )


def end_those_of_member(membership: Membership) -> None:
    """End what a person who leaves an organization gave, or could do for others, there."""
    who = _given("user", membership.user_id) | _received("user", membership.user_id)
    end(Q(organization_id=membership.organization_id) & who, None)


def end_those_of_organization(organization: Organization) -> None:
    """End what holds in an organization that is about to be deleted: the rows go with it, and the keys would not."""
    end(Q(organization_id=organization.pk), None)


def end_those_given_with(keys: list[UUID]) -> None:
    """End what was given with keys that are revoked, such as those that leaked, in every tenant where that can be."""
    with outside():
        homes = list(KeyIndex.objects.filter(pk__in=keys).values("tenant_id").distinct())
        tenants = {one.id: one for one in Tenant.objects.filter(pk__in=[home["tenant_id"] for home in homes])}
        places: list[TenantRef] = [tenant.ref for tenant in tenants.values() if tenant.is_active]
    for place in places:
        with enter(place):
            end(Q(credential_id__in=keys), None)


def register() -> None:
    """Register with the rooms in which principals and memberships end, and with what ends keys."""
    accounts.before_removal(end_those_of_machine)
    orgs.before_leaving(end_those_of_member)
    orgs.before_deletion(end_those_of_organization)
    on_revoked(end_those_given_with)


def _end_in_environments(organization_id: UUID, which: Q) -> None:
    with outside():
        owned: list[Any] = [
            tenant.ref for tenant in Tenant.objects.filter(owner_organization_id=organization_id)
        ]
    for environment in owned:
        with enter(environment):
            end(which, None)


def _given(kind: str, identity: UUID) -> Q:
    return Q(delegator_kind=kind, delegator_id=identity)


def _received(kind: str, identity: UUID, home: UUID | None = None) -> Q:
    # Who passed one on received it; what it passed on ends with that.
    return Q(delegate_kind=kind, delegate_id=identity, delegate_home_id=home)

"""What happens to keys when what they belong to goes: they are revoked first, and everything minted by them.

Deleting the rows alone would leave keys alive that a deleted agent had minted for others.
"""

from __future__ import annotations

from apps.accounts import hooks as accounts
from apps.accounts.models import Agent, Machine
from apps.apikeys.minting import revoke
from apps.apikeys.models import Key
from apps.orgs import hooks as orgs
from apps.orgs.models import Membership, Organization


def end_keys_of_machine(machine: Machine) -> None:
    """Revoke the keys of a service account or agent that is about to be deleted."""
    field = "agent_id" if isinstance(machine, Agent) else "service_account_id"
    revoke(Key.objects.filter(**{field: machine.pk}).values_list("pk", flat=True))


def end_keys_of_organization(organization: Organization) -> None:
    """Revoke the keys of everybody who acts in an organization that is about to be deleted."""
    revoke(Key.objects.filter(organization=organization).values_list("pk", flat=True))


def end_keys_of_member(membership: Membership) -> None:
    """Revoke the keys with which a person acts in an organization that they leave, and what those minted there."""
    keys = Key.objects.filter(organization_id=membership.organization_id, user_id=membership.user_id)
    revoke(keys.values_list("pk", flat=True))


def register() -> None:
    """Register with the rooms that delete."""
    accounts.before_removal(end_keys_of_machine)
    orgs.before_leaving(end_keys_of_member)
    orgs.before_deletion(end_keys_of_organization)

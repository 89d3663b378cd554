"""Who may configure how a tenant writes to its people and how they get in."""

from __future__ import annotations

from apps.accounts.authority import decides_for_tenant
from apps.core.actor import Actor
from apps.core.problems import Forbidden


class ConfigurationOfTenant(Forbidden):
    """It counts for everybody in the tenant, and an organization's actor may neither read nor change it."""

    code, title = "configuration_of_tenant", "That belongs to the tenant as a whole"
    advice = "Use a credential of the tenant as a whole, or a console key with Packmule-Environment."


class LeadingNeedsPerson(Forbidden):
    """An agent tried to say where the keys and codes lead that a protected environment mails to its people.

    Whoever says that reads them, and can then sign in as anybody.
    """

    code, title = "leading_needs_person", "No agent says where people's keys and codes lead"
    advice = "Let a person change it, or a program of the tenant with a key that no agent minted."


def require_configurer(actor: Actor) -> None:
    """Raise ConfigurationOfTenant unless `actor` acts for the whole tenant, or is an operator of the console."""
    if not decides_for_tenant(actor):
        raise ConfigurationOfTenant


def require_no_agent(actor: Actor, *what: str) -> None:
    """Raise LeadingNeedsPerson when an agent, or what one minted, would change `what` where that counts in earnest."""
    in_earnest = actor.tenant.protected or actor.tenant.kind == "console"
    if what and in_earnest and actor.involves_agent:
        raise LeadingNeedsPerson(
            f"In {actor.tenant.name} no agent changes {', '.join(what)}. {LeadingNeedsPerson.advice}"
        )

"""Who may configure how a tenant writes to its people and how they get in."""

from __future__ import annotations

from apps.accounts.authority import decides_for_tenant
from apps.core.actor import Actor
from apps.core.problems import Forbidden


class ConfigurationOfTenant(Forbidden):
    """It counts for everybody in the tenant, and an organization's actor may neither read nor change it."""

    code, title = "configuration_of_tenant", "That belongs to the tenant as a whole"
    advice = "Use a credential of the tenant as a whole, or a console key with Packmule-Environment."


def require_configurer(actor: Actor) -> None:
    """Raise ConfigurationOfTenant unless `actor` acts for the whole tenant, or is an operator of the console."""
    if not decides_for_tenant(actor):
        raise ConfigurationOfTenant

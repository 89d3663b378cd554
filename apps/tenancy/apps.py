"""Tenants, walls and provisioning."""

from django.apps import AppConfig


class TenancyConfig(AppConfig):
    """The registry, the walls, and what makes tenants."""

    name = "apps.tenancy"

    def ready(self) -> None:
        """Declare the walls of other people's models, check that nobody forgot one, and register the first gate."""
        from apps.core.outbound import allow_loopback_when
        from apps.core.serving import before_serving
        from apps.tenancy import checks, gates, master_key, third_party, walls

        third_party.declare_walls()
        checks.register_checks()
        gates.register()
        before_serving(master_key.objection)
        allow_loopback_when(walls.in_unprotected_environment)

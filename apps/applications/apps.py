"""Applications and environments."""

from django.apps import AppConfig


class ApplicationsConfig(AppConfig):
    """What builders build, and the tenants that it runs in."""

    name = "apps.applications"

    def ready(self) -> None:
        """Register this room's gate, and what keeps an organization from being deleted."""
        from apps.applications import gates
        from apps.applications.querysets import names_of_live_applications
        from apps.orgs.hooks import register_blocker

        gates.register()
        register_blocker(names_of_live_applications)

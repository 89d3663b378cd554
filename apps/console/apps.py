"""The admin sites."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The admin sites."""

    name = "apps.console"

    def ready(self) -> None:
        """Register this room's gate."""
        from apps.console import gates

        gates.register()

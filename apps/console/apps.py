"""The admin sites."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The admin sites."""

    name = "apps.console"

    def ready(self) -> None:
        """Register this room's gate, and make its operations known that only commands reach."""
        from apps.console import bootstrap, gates, moving  # noqa: F401 - two declare operations

        gates.register()

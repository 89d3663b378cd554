"""Keys and scopes."""

from django.apps import AppConfig


class ApikeysConfig(AppConfig):
    """Keys and scopes."""

    name = "apps.apikeys"

    def ready(self) -> None:
        """Register what credentials and roles allow, and what ends a key."""
        from apps.apikeys import endings, gates, leak_mails

        gates.register()
        endings.register()
        leak_mails.register()

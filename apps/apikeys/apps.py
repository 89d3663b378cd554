"""Keys and scopes."""

from django.apps import AppConfig


class ApikeysConfig(AppConfig):
    """Keys and scopes."""

    name = "apps.apikeys"

    def ready(self) -> None:
        """Register what credentials and roles allow, and what ends a key, and what moves with a tenant."""
        from apps.apikeys import endings, gates, inviting, leak_mails, moving, standing, tokens
        from apps.apikeys.delegations import endings as delegation_endings
        from apps.apikeys.delegations import gates as delegation_gates
        from apps.apikeys.delegations import uses

        gates.register()
        endings.register()
        delegation_gates.register()
        delegation_endings.register()
        uses.register()
        leak_mails.register()
        tokens.register()
        standing.register()
        inviting.register()
        moving.register()

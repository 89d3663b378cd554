"""Principals of a tenant: users, service accounts and agents."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Principals of a tenant: users, service accounts and agents."""

    name = "apps.accounts"

    def ready(self) -> None:
        """Verify passkeys and read calls by our own rules, and ask for the second factors that a tenant wants."""
        from apps.accounts.signin import factors, gates, headless, refusals, takeovers
        from apps.accounts.signin.providers import models  # noqa: F401 - no other start-up code needs its table

        factors.install()
        headless.install()
        gates.register()
        refusals.register()
        takeovers.register()

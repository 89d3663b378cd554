"""Collections and records."""

from django.apps import AppConfig


class DataConfig(AppConfig):
    """Structured data of a tenant, with a JSON Schema, walled by organization."""

    name = "apps.data"

    def ready(self) -> None:
        """Say what keeps an organization from being deleted, and let the worker carry on what takes long."""
        from apps.data import advancing
        from apps.data.standing import collections_with_records
        from apps.orgs.hooks import register_blocker
        from apps.tenancy.patrol import register_duty

        register_blocker(collections_with_records)
        register_duty(advancing.DUTY, work=advancing.carry_on_everywhere, due=advancing.waiting)

"""Collections and records."""

from django.apps import AppConfig


class DataConfig(AppConfig):
    """Structured data of a tenant, with a JSON Schema, walled by organization."""

    name = "apps.data"

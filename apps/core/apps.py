"""The core: conventions of the API, operations, and nothing that knows a domain."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Ids, problems, operations, pages, replays."""

    name = "apps.core"

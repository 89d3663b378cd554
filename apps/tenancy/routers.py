"""Which table goes where: registry models into public, all others into tenants of the types that list their app."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connections

from apps.core.walls import is_registry

#: Tables of installed apps that nothing here reads; each table costs memory in every backend that touches a tenant.
UNUSED_MODELS = frozenset({"auth.permission", "auth.group", "auth.group_permissions"})


class WallRouter:
    """Allows a migration on the owner's connection only, and only where the table belongs."""

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool:
        """True when the operation belongs into the schema that the owner's connection stands in.

        RunPython and RunSQL name no model: they belong to tenants unless they carry the hint `registry=True`.
        """
        if db != "owner" or f"{app_label}.{model_name}" in UNUSED_MODELS:
            return False
        connection: Any = connections[db]
        at_public = connection.schema_name == "public"
        kind = "public" if at_public else connection.tenant.get_tenant_type()
        if apps.get_app_config(app_label).name not in settings.TENANT_TYPES[kind]["APPS"]:
            return False
        return self._belongs_to_registry(app_label, model_name, hints) is bool(at_public)

    @staticmethod
    def _belongs_to_registry(app_label: str, model_name: str | None, hints: dict[str, Any]) -> bool:
        if model_name is None:
            return bool(hints.get("registry"))
        return is_registry(hints.get("model") or apps.get_model(app_label, model_name))

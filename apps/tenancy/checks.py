"""System checks that keep the walls complete."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from apps.core.walls import declaration_of
from apps.tenancy.schema import models_of


def every_tenant_model_declares_its_wall(**_: Any) -> list[CheckMessage]:
    """An Error for each tenant model about which nobody said who may see its rows."""
    return [
        Error(
            f"{model._meta.label} declares no wall.",
            hint="Decorate it with walled('<column>') or unwalled('<who may see>') of apps.core.walls.",
            obj=model,
            id="packmule.E001",
        )
        for model in models_of("console")
        if declaration_of(model) is None
    ]


def register_checks() -> None:
    """Register the checks of this room."""
    register(every_tenant_model_declares_its_wall)

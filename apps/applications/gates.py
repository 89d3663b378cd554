"""Applications live in the console: their operations are refused in every other tenant."""

from collections.abc import Mapping
from typing import Any

from apps.core.actor import Actor
from apps.core.operations import Operation, Verdict, register_gate

_ROOMS = frozenset({"applications", "environments"})


def is_in_the_console(
    actor: Actor, operation: Operation[..., Any], _arguments: Mapping[str, Any]
) -> Verdict | None:
    """Object to operations of this room when they would act on an environment."""
    if operation.room not in _ROOMS or actor.tenant.kind == "console":
        return None
    because = (
        f"{operation.name} acts in the console, and this call on {actor.tenant.name}. Use a console key."
    )
    return Verdict(because, code="console_only")


def register() -> None:
    """Register this room's gate."""
    register_gate("tenant", is_in_the_console)

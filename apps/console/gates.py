"""Who may look after the installation: the platform itself, and operators in their own session."""

from collections.abc import Mapping
from typing import Any

from apps.core.actor import Actor
from apps.core.operations import Operation, Verdict, register_gate

_ROOMS = frozenset({"tenants", "installation"})


def is_operator(
    actor: Actor, operation: Operation[..., Any], _arguments: Mapping[str, Any]
) -> Verdict | None:
    """Object to operators' work by anybody else, whatever scopes they hold."""
    if operation.room not in _ROOMS or actor.is_operator:
        return None
    return Verdict(
        f"{operation.name} is for operators, in a session of their own or on the machine.", "operators_only"
    )


def register() -> None:
    """Register this room's gate."""
    register_gate("permit", is_operator)

"""The first gate: a tenant that is deleted, or behind the code that runs, serves nothing."""

from collections.abc import Mapping
from typing import Any

from apps.core import idempotency
from apps.core.actor import Actor
from apps.core.operations import Operation, Verdict, register_gate
from apps.tenancy.walls import current_schema, enter


def stands_in_its_tenant(
    actor: Actor, _operation: Operation[..., Any], _arguments: Mapping[str, Any]
) -> Verdict | None:
    """Object when the connection stands elsewhere than the actor acts: a slip that must never reach a row."""
    if current_schema() == actor.tenant.schema_name:
        return None
    return Verdict(f"This call would have acted outside of {actor.tenant.name}.", code="wrong_tenant")


def register() -> None:
    """Register this room's gate, and where answers are kept for replay: in the actor's home, across organizations."""
    register_gate("tenant", stands_in_its_tenant)
    idempotency.use_home(lambda actor: enter(actor.home))

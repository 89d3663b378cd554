"""Every kind of credential."""

from __future__ import annotations

from tests.sweep import handoffs, keys, tokens
from tests.sweep.callers import Caller
from tests.world import World


def all_callers(world: World) -> list[Caller]:
    """Everybody. Mints what the world lacks: call it in a transaction that will be rolled back."""
    return [*keys.callers(world), *tokens.callers(world), *handoffs.callers(world)]

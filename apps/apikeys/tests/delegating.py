"""Delegations as the tests' stories give, use and pass them on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from apps.core import clock
from apps.core.strictjson import timestamp
from tests.client import Answer, Api
from tests.world import World


def later(**by: float) -> str:
    return timestamp(clock.now() + timedelta(**by or {"days": 1}))


def give(api: Api, world: World, *scopes: str, **more: Any) -> Answer:
    """North's person lets north's agent act for them."""
    north = world.acorn.parties["north"]
    body = {"actor": north.agent, "scopes": list(scopes) or ["users:read"], "expires_at": later(), **more}
    return api.using(north.person_key).post("/v1/delegations", body)


def acting(api: Api, world: World) -> Api:
    """North's agent, for north's person."""
    north = world.acorn.parties["north"]
    return api.using(north.agent_key).sending(packmule_on_behalf_of=north.person)


def passing_on(api: Api, world: World, *scopes: str, **more: Any) -> Answer:
    """North's agent passes on what it has of north's person to north's backend."""
    north = world.acorn.parties["north"]
    body = {
        "actor": north.service,
        "scopes": list(scopes) or ["users:read"],
        "expires_at": later(hours=1),
        **more,
    }
    return acting(api, world).post("/v1/delegations", body)

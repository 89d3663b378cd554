"""What explain says is what happens."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.urls.converters import IntConverter

from apps.accounts.models import ServiceAccount
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyKind
from apps.apikeys.resolver import actor_for_key, within
from apps.core import clock
from apps.core.actor import Actor, Call, Edge
from apps.core.ids import uuid7
from apps.core.operations import Operation, Refused, Risk, all_operations
from apps.core.routes import Route, routes
from apps.core.scopes import Scopes
from apps.policy.services import explain
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

ACTORS = [
    "person",
    "viewer",
    "agent",
    "service",
    "root",
    "stranger",
    "visitor",
    "narrow",
    "builder",
    "builder_away",
]


def key_of(world: World, who: str) -> str:
    space, north = world.acorn, world.acorn.parties["north"]
    known = {
        "person": north.person_key,
        "viewer": north.viewer_key,
        "agent": north.agent_key,
        "service": north.service_key,
        "root": space.root_key,
        "stranger": space.stranger_key,
        "visitor": space.publishable_key,
        "builder": world.builders.agent_key,
        "builder_away": world.builders.agent_key,
    }
    return known.get(who) or narrow_key(world)


def narrow_key(world: World) -> str:
    """A key of the tenant's own program that may read agents and ask about policy, and nothing else."""
    with enter(world.acorn.ref):
        minted = mint(
            tenant=world.acorn.ref,
            principal=ServiceAccount.objects.get(name="root"),
            kind=KeyKind.SECRET,
            name="narrow",
            scopes=Scopes.parse(["agents:read", "policy:read"]),
            expires_at=clock.now().replace(year=clock.now().year + 1),
            minter=None,
        )
    return minted.secret


def actor_of(world: World, who: str) -> Actor:
    environment = "acorn/production" if who == "builder_away" else ""
    call = Call("req_test", Edge.API)
    with actor_for_key(key_of(world, who), call, environment=environment) as actor:
        return actor


class UndoError(Exception):
    """Raised to take back what a call did."""


def is_refused(actor: Actor, operation: Operation[..., Any]) -> bool:
    """Call it for real, without arguments: True when a gate refuses, False when it gets past them to whatever end."""
    try:
        with transaction.atomic():
            operation(actor)
            raise UndoError  # noqa: TRY301
    except Refused:
        return True
    except Exception:  # noqa: BLE001 - missing arguments most often; the gates were passed
        return False


@pytest.mark.sweep
@pytest.mark.parametrize("who", ACTORS)
def test_explain_allows_exactly_what_no_gate_refuses(world: World, who: str) -> None:
    actor = actor_of(world, who)
    with enter(actor.tenant, within(actor)):
        for operation in all_operations():
            said = explain.function(actor, operation=operation.name)
            assert (said["decision"] != "allow") == is_refused(actor, operation), (operation.name, said)


def called(api: Api, route: Route) -> Any:
    """Call a route about things that do not exist."""
    arguments = {name: _made_up(converter) for name, converter in route.converters.items()}
    return api.call(route.method, route.fill(arguments), None if route.method in ("GET", "DELETE") else {})


def _made_up(converter: Any) -> Any:
    prefix = getattr(converter, "prefix", None)
    if prefix:
        return uuid7()
    if isinstance(converter, IntConverter):
        return 1
    special = {"AnyIdConverter": "job_01k0000000e00800000000000a", "EventTypeConverter": "nothing.done"}
    return special.get(type(converter).__name__, "nothing")


@pytest.mark.sweep
@pytest.mark.parametrize("who", [name for name in ACTORS if name != "visitor"])
def test_the_api_refuses_at_the_gate_that_explain_names(world: World, api: Api, who: str) -> None:
    caller = api.using(key_of(world, who))
    caller = caller.sending(packmule_environment="acorn/production") if who == "builder_away" else caller
    for route in routes():
        answer = called(caller, route)
        said = caller.post("/v1/policy/explain", {"operation": route.operation.name})
        if said.status == 403:
            assert who == "stranger"
            continue
        gate = answer.body.get("gate") if answer.status == 403 and answer.body else None
        if said["decision"] == "allow":
            assert gate is None, (route, answer)
        else:
            # A body that is refused for its fields is refused before anybody decides about it.
            assert gate == said["gate"] or answer.status in (400, 422), (route, answer, said.body)


def test_a_refusal_is_explained_with_the_gate_the_rule_and_what_gets_further(world: World, api: Api) -> None:
    caller = api.using(narrow_key(world))
    answer = caller.post("/v1/policy/explain", {"operation": "agents.create", "arguments": {"name": "Scout"}})
    assert answer.status == 200
    assert answer.body | {"because": ""} == {
        "decision": "deny",
        "gate": "scope",
        "because": "",
        "rule": "agents:write",
        "remedy": answer["remedy"],
    }
    assert "agents:write" in answer["because"]
    assert answer["remedy"]["api"]["path"] == "/v1/keys"


def test_what_is_allowed_is_said_so_and_does_not_happen(world: World, api: Api) -> None:
    caller = api.using(world.acorn.parties["north"].agent_key)
    question = {"operation": "agents.create", "resource": None, "arguments": {"name": "Scout"}}
    answer = caller.post("/v1/policy/explain", question)
    assert (answer["decision"], answer["gate"], answer["rule"], answer["remedy"]) == (
        "allow",
        None,
        None,
        None,
    )
    assert "Scout" not in str(caller.get("/v1/agents").body)
    assert caller.get("/v1/audit?operation=policy.explain")["data"] == []


def test_an_operation_that_is_not_there(world: World, api: Api) -> None:
    answer = api.using(world.acorn.root_key).post("/v1/policy/explain", {"operation": "agents.fly"})
    assert (answer.status, answer.code) == (404, "unknown_operation")
    assert "agents.create" in answer["detail"]


def test_every_operation_is_listed_with_what_it_needs(world: World, api: Api) -> None:
    answer = api.using(world.acorn.root_key).get("/v1/operations")
    assert answer["next_cursor"] is None
    assert [one["name"] for one in answer["data"]] == [one.name for one in all_operations()]
    by_name = {one["name"]: one for one in answer["data"]}
    assert by_name["agents.update"]["versioned"]
    assert by_name["audit.list"] == {
        "name": "audit.list",
        "scope": "audit:read",
        "risk": Risk.READ,
        "summary": "List what was done here, the newest first.",
        "lists": True,
        "versioned": False,
        "shows_secret": False,
        "publishable": False,
    }

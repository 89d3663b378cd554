"""Delegations that were passed on, and how those behind both steps stand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.accounts.models import Agent, User
from apps.apikeys.delegations.models import Delegation
from apps.apikeys.tests.delegating import acting, give, later, passing_on
from apps.core import clock
from apps.core.ids import decode
from apps.core.strictjson import timestamp
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import Program
from tests.world import World, promote


def test_it_is_passed_on_once(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    parent = give(api, world, "users:read", "agents:read", "delegations:write")
    child = passing_on(api, world, "users:read")
    assert child.status == 201, child
    assert (child["parent"], child["delegator"]["id"]) == (parent["id"], north.person)
    backend = api.using(north.service_key).sending(packmule_on_behalf_of=north.person)
    me = backend.get("/v1/whoami")
    assert (me["on_behalf_of"]["id"], me["delegation"]["via"]["id"]) == (north.person, north.agent)
    assert backend.get("/v1/users").status == 200
    assert backend.get("/v1/agents").code == "delegation_scope_missing"
    body = {"actor": north.agent, "scopes": ["users:read"], "expires_at": later(minutes=1)}
    assert backend.post("/v1/delegations", body).code == "delegation_scope_missing"


def test_passing_on_takes_the_scope_for_it(world: World, api: Api) -> None:
    give(api, world, "users:read")
    assert passing_on(api, world).code == "delegation_scope_missing"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"scopes": ["users:read", "agents:read"]}, "delegation_exceeds_own"),
        ({"scopes": ["delegations:write"]}, "not_delegable"),
        ({"expires_at": "after"}, "delegation_too_long"),
        ({"max_uses": 5}, "delegation_uses_exceeded"),
        ({"actor": "person"}, "delegation_loop"),
        ({"actor": "agent"}, "delegation_loop"),
    ],
)
def test_no_more_is_passed_on_than_there_is(world: World, api: Api, more: dict[str, Any], code: str) -> None:
    north = world.acorn.parties["north"]
    give(api, world, "users:read", "delegations:write", max_uses=5)
    filled = {
        "actor": getattr(north, str(more.get("actor")), None),
        "expires_at": later(days=2) if "expires_at" in more else None,
    }
    assert passing_on(api, world, **(more | {k: v for k, v in filled.items() if v})).code == code
    assert passing_on(api, world, max_uses=4).status == 201


def test_a_use_of_the_child_is_one_of_the_parent(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    parent = give(api, world, "agents:write", "delegations:write", max_uses=3)
    child = passing_on(api, world, "agents:write")
    assert child["max_uses"] == 2
    backend = api.using(north.service_key).sending(packmule_on_behalf_of=north.person)
    assert backend.post("/v1/agents", {"name": "one"}).status == 201
    assert acting(api, world).post("/v1/agents", {"name": "two"}).status == 201
    assert backend.post("/v1/agents", {"name": "three"}).code == "delegation_used_up"
    with enter(world.acorn.ref):
        uses = dict(Delegation.objects.values_list("id", "uses"))
    assert (uses[decode(parent["id"], "dlg")], uses[decode(child["id"], "dlg")]) == (3, 1)


def test_what_was_passed_on_ends_with_what_it_rests_on(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    parent = give(api, world, "users:read", "delegations:write")
    child = passing_on(api, world)
    backend = api.using(north.service_key).sending(packmule_on_behalf_of=north.person)
    with enter(world.acorn.ref):
        Agent.objects.filter(pk=decode(north.agent, "agt")).update(status="suspended")
    assert backend.get("/v1/users").code == "delegator_unable"
    with enter(world.acorn.ref):
        Agent.objects.filter(pk=decode(north.agent, "agt")).update(status="active")
    assert backend.get("/v1/users").status == 200
    api.using(north.person_key).delete(f"/v1/delegations/{parent['id']}")
    assert backend.get("/v1/users").code == "delegation_revoked"
    assert api.using(north.person_key).get(f"/v1/delegations/{child['id']}")["status"] == "revoked"


def test_an_agent_that_nobody_answers_for_has_passed_nothing_on(world: World, api: Api) -> None:
    """Its owner is suspended: it stays active itself and is halted, and so is what it passed on."""
    north, root = world.acorn.parties["north"], api.using(world.acorn.root_key)
    with enter(world.acorn.ref):
        viewer = User.objects.get(email="viewer@north.test")
        Agent.objects.filter(pk=decode(north.agent, "agt")).update(owner_id=viewer.pk)
    give(api, world, "users:read", "delegations:write")
    assert passing_on(api, world).status == 201
    backend = api.using(north.service_key).sending(packmule_on_behalf_of=north.person)
    assert backend.get("/v1/users").status == 200
    assert root.post(f"/v1/users/{viewer.public_id}/suspend", {"reason": "stolen"}).status == 200
    assert acting(api, world).get("/v1/users").code == "agent_unanswered"
    assert backend.get("/v1/users").code == "delegator_unable"
    assert root.post(f"/v1/users/{viewer.public_id}/activate", {"reason": "found"}).status == 200
    assert backend.get("/v1/users").status == 200


def test_what_ends_the_first_step_ends_the_second(world: World, api: Api) -> None:
    """Each has its own end and uses, and both count, also for who only reads."""
    north = world.acorn.parties["north"]
    parent = give(api, world, "users:read", "agents:write", "delegations:write", max_uses=3)
    assert passing_on(api, world, max_uses=1).status == 201
    backend = api.using(north.service_key).sending(packmule_on_behalf_of=north.person)
    for number in range(2):
        assert backend.get("/v1/users").status == 200
        assert acting(api, world).post("/v1/agents", {"name": f"number {number}"}).status == 201
    refused = backend.get("/v1/users")
    assert (refused.code, parent["id"] in refused["detail"]) == ("delegation_used_up", True)


def test_what_is_passed_on_with_a_token_ends_with_the_token(world: World, api: Api) -> None:
    north, person = world.acorn.parties["north"], api.using(world.acorn.parties["north"].person_key)
    give(api, world, "users:read", "delegations:write", expires_at=later(days=60))
    client = {"name": "n", "grants": ["client_credentials"], "scopes": ["*"], "agent": north.agent}
    made = person.post("/v1/oauth-clients", client)
    token = Program(world.acorn, made["id"], made["secret"]).token("client_credentials")["access_token"]
    agent = api.using(token).sending(packmule_on_behalf_of=north.person)
    body = {"actor": north.service, "scopes": ["users:read"], "expires_at": later(days=59)}
    end = agent.get("/v1/whoami")["credential"]["expires_at"]
    assert agent.post("/v1/delegations", body)["expires_at"] == end


def test_who_is_behind_the_first_step_is_behind_the_second(world: World, api: Api) -> None:
    """A person minted the service account's key. Suspended, they stop what was given with it, once passed on too."""
    root, north = api.using(world.acorn.root_key), world.acorn.parties["north"]
    promote(world.acorn, north)
    bob = api.using(north.person_key)
    giver = root.post("/v1/service-accounts", {"name": "giver", "role": "admin", "organization": north.id})
    key = bob.post("/v1/keys", {"name": "k", "scopes": ["*"], "service_account": giver["id"]})["secret"]
    end = timestamp(clock.now() + timedelta(days=1))
    given = {"actor": north.agent, "scopes": ["users:read", "delegations:write"], "expires_at": end}
    assert api.using(key).post("/v1/delegations", given).status == 201

    agent = api.using(_own_key(root, north.agent)).sending(packmule_on_behalf_of=giver["id"])
    passed = {"actor": north.service, "scopes": ["users:read"], "expires_at": end}
    assert agent.post("/v1/delegations", passed).status == 201
    backend = api.using(_own_key(root, north.service)).sending(packmule_on_behalf_of=giver["id"])
    assert backend.get("/v1/users").status == 200

    take_over = {"service_account": world.acorn.root, "reason": "so that only the delegation is in question"}
    assert root.post(f"/v1/agents/{north.agent}/owner", take_over).status == 200
    assert root.post(f"/v1/users/{north.person}/suspend", {"reason": "left"}).status == 200
    for delegate in (agent, backend):
        assert delegate.get("/v1/users").code == "delegator_unable"
    assert root.post(f"/v1/users/{north.person}/activate", {"reason": "back"}).status == 200
    assert backend.get("/v1/users").status == 200


def _own_key(root: Api, principal: str) -> str:
    """A key of the agent or service account behind which nobody but the whole tenant's backend is."""
    named = {"agent" if principal.startswith("agt_") else "service_account": principal}
    secret: str = root.post("/v1/keys", {"name": "own", "scopes": ["*"], **named})["secret"]
    return secret

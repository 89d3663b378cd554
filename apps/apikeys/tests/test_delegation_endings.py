"""How delegations are counted and end, and what ends with them."""

from __future__ import annotations

from datetime import timedelta

from apps.accounts.models import User
from apps.apikeys.tests.delegating import acting, give, later
from apps.core import clock
from apps.core.ids import decode
from apps.orgs.models import Membership
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World


def test_it_ends_exactly_when_it_says(world: World, api: Api) -> None:
    with clock.frozen(clock.now()) as time:
        given = give(api, world, expires_at=later(minutes=5))
        agent = acting(api, world)
        time.move(timedelta(minutes=5) - timedelta(microseconds=1))
        assert agent.get("/v1/users").status == 200
        time.move(timedelta(microseconds=1))
        assert agent.get("/v1/users").code == "delegation_expired"
        shown = api.using(world.acorn.parties["north"].person_key).get(f"/v1/delegations/{given['id']}")
        assert shown["status"] == "expired"


def test_everybody_concerned_ends_it(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    for key in (north.person_key, north.agent_key, north.service_key, world.acorn.root_key):
        path = f"/v1/delegations/{give(api, world)['id']}"
        assert acting(api, world).get("/v1/users").status == 200
        assert api.using(key).delete(path).status == 204
        assert acting(api, world).get("/v1/users").code == "delegation_revoked"
    assert api.using(north.person_key).get(path)["revoked_by"]["id"] == world.acorn.root


def test_strangers_do_not_see_it(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    path = f"/v1/delegations/{give(api, world)['id']}"
    for key in (
        south.person_key,
        south.agent_key,
        north.viewer_key,
        world.birch.root_key,
    ):
        assert api.using(key).get(path).status == 404
    assert api.using(world.acorn.stranger_key).get(path).code == "role_missing"
    assert api.using(north.viewer_key).get("/v1/delegations")["data"] == []


def test_a_suspended_person_lets_nobody_act(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    give(api, world)
    with enter(world.acorn.ref):
        User.objects.filter(pk=decode(north.person, "usr")).update(status="suspended")
    refused = acting(api, world).get("/v1/users")
    assert (refused.status, refused.code, refused["gate"]) == (403, "delegator_unable", "delegation")
    with enter(world.acorn.ref):
        User.objects.filter(pk=decode(north.person, "usr")).update(status="active")
    assert acting(api, world).get("/v1/users").status == 200


def test_who_leaves_lets_nobody_act(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    with enter(world.acorn.ref):
        Membership.objects.filter(organization_id=north.uuid, user__email="viewer@north.test").update(
            role="owner"
        )
    give(api, world, actor=north.service)
    path = f"/v1/organizations/{north.id}/members/{north.membership}"
    assert api.using(world.acorn.root_key).delete(path).status == 204
    backend = api.using(north.service_key).sending(packmule_on_behalf_of=north.person)
    assert backend.get("/v1/users").code == "delegation_revoked"


def test_a_deleted_agent_acts_for_nobody(world: World, api: Api) -> None:
    north, root = world.acorn.parties["north"], api.using(world.acorn.root_key)
    given = give(api, world, actor=north.service)
    assert root.delete(f"/v1/service-accounts/{north.service}").status == 204
    assert root.get(f"/v1/delegations/{given['id']}")["status"] == "revoked"


def test_what_is_minted_through_it_ends_with_it(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    given = give(api, world, "keys:write", "users:read", expires_at=later(days=1))
    body = {"name": "made", "scopes": ["users:read", "keys:write"], "service_account": north.service}
    agent = acting(api, world)
    assert agent.post("/v1/keys", {**body, "scopes": ["agents:read"]}).code == "scope_exceeded"
    made = agent.post("/v1/keys", body)
    assert made.status == 201, made
    assert made["expires_at"] <= given["expires_at"]
    assert [one["id"] for one in made["minted_by"]] == [north.agent, north.person]
    child = api.using(made["secret"]).post("/v1/keys", {"name": "child", "scopes": ["users:read"]})
    assert api.using(child["secret"]).get("/v1/users").status == 200
    assert api.using(north.person_key).delete(f"/v1/delegations/{given['id']}").status == 204
    for secret in (made["secret"], child["secret"]):
        assert api.using(secret).get("/v1/whoami").code == "key_revoked"
    assert api.using(north.agent_key).get("/v1/whoami").status == 200


# Uses.


def test_changes_are_counted_and_reading_is_not(world: World, api: Api) -> None:
    given = give(api, world, "agents:write", max_uses=2)
    agent, person = acting(api, world), api.using(world.acorn.parties["north"].person_key)
    path = f"/v1/delegations/{given['id']}"
    agent.get("/v1/agents")
    assert agent.post("/v1/agents", {"name": ""}).status == 422
    assert agent.post("/v1/keys", {"name": "no", "scopes": ["*"]}).status == 403
    assert agent.post("/v1/agents", {"name": "too strong", "role": "owner"}).status == 403
    assert person.get(path)["uses"] == 0
    assert agent.post("/v1/agents", {"name": "one"}).status == 201
    assert agent.get("/v1/whoami")["delegation"]["uses_left"] == 1
    assert agent.post("/v1/agents", {"name": "two"}).status == 201
    for answer in (agent.post("/v1/agents", {"name": "three"}), agent.get("/v1/agents")):
        assert (answer.code, answer["gate"]) == ("delegation_used_up", "delegation")
    shown = person.get(path)
    assert (shown["status"], shown["uses"], shown["uses_left"]) == ("used_up", 2, 0)


def test_a_replay_takes_no_use(world: World, api: Api) -> None:
    given = give(api, world, "agents:write", max_uses=2)
    agent = acting(api, world)
    first = agent.post("/v1/agents", {"name": "one"}, idempotency_key="k")
    again = agent.post("/v1/agents", {"name": "one"}, idempotency_key="k")
    assert (again["id"], again.headers["Idempotency-Replayed"]) == (first["id"], "true")
    assert agent.get("/v1/whoami")["delegation"]["uses_left"] == 1
    north = world.acorn.parties["north"]
    for other in ({}, {"packmule_on_behalf_of": given["id"]}):
        same_key = api.using(north.agent_key).post(
            "/v1/agents", {"name": "one"}, idempotency_key="k", **other
        )
        assert same_key.code == "idempotency_key_reused"

"""Acting for somebody: given, used, counted, passed on and ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys.delegations.models import Delegation
from apps.core import clock
from apps.core.ids import decode
from apps.core.strictjson import timestamp
from apps.orgs.models import Membership
from apps.tenancy.walls import enter
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


def test_a_person_lets_an_agent_act_for_them(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    given = give(api, world, "users:read", purpose="To answer your mails", max_uses=3)
    assert given.status == 201, given
    assert given["status"] == "active"
    assert given["delegator"]["id"] == north.person
    assert given["actor"]["id"] == north.agent
    assert given["organization"] == north.id

    me = acting(api, world).get("/v1/whoami")
    assert me["actor"]["id"] == north.agent
    assert me["on_behalf_of"]["id"] == north.person
    assert me["delegation"]["id"] == given["id"]
    assert me["delegation"]["uses_left"] == 3
    assert me["role"] == "admin"
    assert acting(api, world).get("/v1/users").status == 200


def test_what_the_delegation_does_not_cover_is_refused_by_its_gate(world: World, api: Api) -> None:
    give(api, world, "users:read")
    refused = acting(api, world).get("/v1/keys")
    assert (refused.status, refused.code, refused["gate"]) == (403, "delegation_scope_missing", "delegation")
    assert refused["remedy"]["api"]["path"] == "/v1/delegations/requests"
    assert refused["remedy"]["api"]["body"]["scopes"] == ["keys:read"]


def test_an_agent_for_a_viewer_only_reads(world: World, api: Api) -> None:
    """The agent is an admin, and the person for whom it acts is not any more."""
    north = world.acorn.parties["north"]
    give(api, world, "agents:write")
    with enter(world.acorn.ref):
        Membership.objects.filter(user_id=decode(north.person, "usr")).update(role="viewer")
    agent = acting(api, world)
    assert agent.get("/v1/agents").status == 200
    refused = agent.post("/v1/agents", {"name": "helper"})
    assert (refused.code, refused["gate"]) == ("delegator_unable", "delegation")
    assert agent.get("/v1/whoami")["role"] == "viewer"


def test_an_agent_stays_within_its_own_role(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    give(api, world, "agents:write")
    with enter(world.acorn.ref):
        Agent.objects.filter(pk=decode(north.agent, "agt")).update(role="viewer")
    refused = acting(api, world).post("/v1/agents", {"name": "helper"})
    assert (refused.code, refused["gate"]) == ("role_missing", "permit")


def test_a_credential_stays_within_its_own_scopes(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    give(api, world, "users:read", "agents:read")
    made = api.using(north.agent_key).post("/v1/keys", {"name": "narrow", "scopes": ["users:read"]})
    narrow = api.using(made["secret"]).sending(packmule_on_behalf_of=north.person)
    assert narrow.get("/v1/users").status == 200
    assert narrow.get("/v1/agents").code == "scope_missing"


@pytest.mark.parametrize("whom", ["usr", "svc"])
def test_nobody_learns_who_exists(world: World, api: Api, whom: str) -> None:
    """A stranger's header, one of a foreign organization and one of nobody are refused alike."""
    from apps.core.ids import encode
    from tests.world import same_id

    acorn = world.acorn
    named = {
        "usr": [acorn.parties["south"].person, acorn.parties["north"].person, acorn.stranger],
        "svc": [acorn.parties["south"].service, acorn.parties["north"].service, acorn.root],
    }[whom]
    nobody = encode(whom, same_id("nobody"))
    agent = api.using(acorn.parties["north"].agent_key)
    said = set()
    for one in [*named, nobody]:
        answer = agent.get("/v1/users", packmule_on_behalf_of=one)
        assert (answer.status, answer.code, answer["gate"]) == (403, "delegation_missing", "delegation")
        told = answer.body | {"request_id": ""}
        said.add(str(told).replace(one, "<whom>"))
    assert len(said) == 1


@pytest.mark.parametrize("text", ["agt_01", "usr_", "usr_0", "me", "usr_" + "0" * 27, "USR_01", "' or 1=1"])
def test_a_malformed_header_is_refused(world: World, api: Api, text: str) -> None:
    agent = api.using(world.acorn.parties["north"].agent_key)
    assert agent.get("/v1/whoami", packmule_on_behalf_of=text).code == "malformed_request"


def test_the_twin_has_no_part_in_it(world: World, api: Api) -> None:
    """In the twin tenant the same ids name other people."""
    give(api, world, "users:read")
    twin, north = world.birch.parties["north"], world.acorn.parties["north"]
    assert (twin.agent, twin.person) == (north.agent, north.person)
    refused = api.using(twin.agent_key).get("/v1/users", packmule_on_behalf_of=twin.person)
    assert refused.code == "delegation_missing"


# Who may give what.


def test_an_agent_never_gives_for_its_person(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    body = {"actor": north.service, "scopes": ["users:read"], "expires_at": later()}
    refused = api.using(north.agent_key).post("/v1/delegations", body)
    assert (refused.status, refused.code) == (403, "delegation_not_in_person")
    assert refused["remedy"]["api"]["path"] == "/v1/delegations/requests"


def test_a_key_that_an_agent_minted_gives_nothing(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    body = {"name": "for the backend", "scopes": ["*"], "service_account": north.service}
    minted = api.using(north.agent_key).post("/v1/keys", body)["secret"]
    wanted = {"actor": north.agent, "scopes": ["users:read"], "expires_at": later()}
    assert api.using(minted).post("/v1/delegations", wanted).code == "delegation_not_in_person"
    assert api.using(north.service_key).post("/v1/delegations", wanted).status == 201


@pytest.mark.parametrize(
    "scope",
    ["*", "users:*", "organizations:own", "self:read", "sessions:read", "approvals:write", "policy:write",
     "delegations:request", "sign-in-providers:write"],
)  # fmt: skip
def test_some_things_are_never_handed_on(world: World, api: Api, scope: str) -> None:
    refused = give(api, world, "users:read", scope)
    assert (refused.status, refused.code) == (422, "not_delegable")
    assert refused["errors"][0]["field"] == "scopes[1]"


def test_nobody_gives_more_than_they_may_do(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    made = api.using(north.person_key).post(
        "/v1/keys", {"name": "narrow", "scopes": ["delegations:write", "users:read"]}
    )
    body = {"actor": north.agent, "scopes": ["users:read", "keys:write"], "expires_at": later()}
    refused = api.using(made["secret"]).post("/v1/delegations", body)
    assert (refused.code, refused["missing"]) == ("delegation_exceeds_own", ["keys:write"])


def test_a_developer_gives_what_developers_may_do(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    with enter(world.acorn.ref):
        Membership.objects.filter(user_id=decode(north.person, "usr")).update(role="developer")
    assert give(api, world, "members:write").code == "delegation_exceeds_own"
    assert give(api, world, "keys:write").status == 201


@pytest.mark.parametrize("by", [{"seconds": 0}, {"days": -1}, {"days": 90, "seconds": 60}, {"days": 4000}])
def test_it_has_an_end_within_ninety_days(world: World, api: Api, by: dict[str, float]) -> None:
    with clock.frozen(clock.now()):
        refused = give(api, world, expires_at=later(**by) if by != {"seconds": 0} else timestamp(clock.now()))
    assert (refused.status, refused.code) == (422, "delegation_too_long")
    assert refused["errors"][0]["field"] == "expires_at"


def test_what_is_given_with_a_key_ends_with_it(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    key = api.using(north.person_key).post(
        "/v1/keys", {"name": "short", "scopes": ["*"], "expires_in_days": 1}
    )
    body = {"actor": north.agent, "scopes": ["users:read"], "expires_at": later(days=60)}
    given = api.using(key["secret"]).post("/v1/delegations", body)
    assert given["expires_at"] == key["expires_at"]
    assert api.using(north.person_key).delete(f"/v1/keys/{key['id']}").status == 204
    assert acting(api, world).get("/v1/users").code == "delegation_revoked"


def test_nobody_acts_for_themselves(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    assert give(api, world, actor=north.person).code == "delegation_loop"
    own = api.using(north.person_key).get("/v1/whoami", packmule_on_behalf_of=north.person)
    assert own.code == "delegation_missing"


def test_delegates_are_of_the_organization(world: World, api: Api) -> None:
    south, acorn = world.acorn.parties["south"], world.acorn
    for stranger in (south.agent, south.person, south.service, acorn.stranger, acorn.root):
        assert give(api, world, actor=stranger).status == 404


# How it ends.


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


def test_the_newest_that_is_alive_counts_and_each_can_be_named(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    first, second = give(api, world, "users:read"), give(api, world, "agents:read")
    agent = api.using(north.agent_key)
    assert acting(api, world).get("/v1/whoami")["delegation"]["id"] == second["id"]
    assert agent.get("/v1/users", packmule_on_behalf_of=first["id"]).status == 200
    api.using(north.person_key).delete(f"/v1/delegations/{second['id']}")
    assert acting(api, world).get("/v1/whoami")["delegation"]["id"] == first["id"]
    assert agent.get("/v1/users", packmule_on_behalf_of=second["id"]).code == "delegation_revoked"


def test_a_person_in_several_organizations_says_where(world: World, api: Api) -> None:
    """The agent of the whole tenant acts for a person in the organization of the delegation, and no other."""
    north, acorn = world.acorn.parties["north"], world.acorn
    root = api.using(acorn.root_key)
    asked = root.post(
        "/v1/delegations/requests",
        {"of": north.person, "scopes": ["agents:read"], "expires_at": later(), "purpose": "To look"},
        packmule_organization=north.id,
    )
    assert asked.status == 201, asked
    assert root.get("/v1/agents", packmule_on_behalf_of=north.person).code == "delegation_pending"
    assert api.using(north.person_key).post(f"/v1/delegations/{asked['id']}/approve").status == 200
    seen = root.get("/v1/agents", packmule_on_behalf_of=north.person)
    assert [agent["id"] for agent in seen["data"]] == [north.agent]
    elsewhere = root.get(
        "/v1/agents", packmule_on_behalf_of=north.person, packmule_organization=acorn.parties["south"].id
    )
    assert elsewhere.code == "delegation_missing"


# What is done and made.


def test_the_trail_names_both_and_the_delegation(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    given = give(api, world, "agents:write")
    made = acting(api, world).post("/v1/agents", {"name": "made for somebody"})
    person = api.using(north.person_key)
    (entry,) = person.get(f"/v1/audit?resource={made['id']}")["data"]
    assert entry["actor"]["id"] == north.agent
    assert entry["on_behalf_of"]["id"] == north.person
    assert entry["on_behalf_of"]["delegation"] == given["id"]
    story = [one["operation"] for one in person.get(f"/v1/timeline/{given['id']}")["data"]]
    assert story == ["delegations.create", "agents.create"]


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


# Passing it on.


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


def test_a_delegate_sees_what_is_about_it(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    own = give(api, world, "delegations:read")
    give(api, world, actor=north.service)
    seen = acting(api, world).get("/v1/delegations")
    assert [row["id"] for row in seen["data"]] == [own["id"]]
    everything = api.using(north.person_key).get("/v1/delegations?direction=given")
    assert len(everything["data"]) == 2
    received = api.using(north.service_key).get("/v1/delegations?direction=received&status=active")
    assert [row["actor"]["id"] for row in received["data"]] == [north.service]
    of = api.using(world.acorn.root_key).get(f"/v1/delegations?of={north.person}&actor={north.agent}")
    assert [row["id"] for row in of["data"]] == [own["id"]]


def test_a_service_account_delegates_too(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    body = {"actor": north.agent, "scopes": ["users:read"], "expires_at": later()}
    assert api.using(north.service_key).post("/v1/delegations", body).status == 201
    agent = api.using(north.agent_key).sending(packmule_on_behalf_of=north.service)
    assert agent.get("/v1/whoami")["on_behalf_of"]["id"] == north.service
    with enter(world.acorn.ref):
        ServiceAccount.objects.filter(pk=decode(north.service, "svc")).update(
            role="viewer", status="suspended"
        )
    assert agent.get("/v1/whoami").code == "delegator_unable"


def test_machines_of_the_whole_tenant_delegate_for_all_of_it(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    other = root.post("/v1/service-accounts", {"name": "worker", "role": "developer"})
    key = root.post(f"/v1/service-accounts/{other['id']}/keys", {"name": "k", "scopes": ["*"]})["secret"]
    body = {"actor": other["id"], "scopes": ["agents:read"], "expires_at": later()}
    given = root.post("/v1/delegations", body)
    assert (given.status, given["organization"]) == (201, None)
    worker = api.using(key).sending(packmule_on_behalf_of=world.acorn.root)
    assert len(worker.get("/v1/agents")["data"]) == 2
    north = world.acorn.parties["north"]
    bound = root.post("/v1/delegations", {**body, "actor": north.agent})
    assert bound.status == 201
    agent = api.using(north.agent_key).sending(packmule_on_behalf_of=world.acorn.root)
    assert agent.get("/v1/agents").code == "delegation_missing"

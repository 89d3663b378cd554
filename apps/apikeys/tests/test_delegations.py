"""Acting for somebody: who may give what to whom, and what may be done with it."""

from __future__ import annotations

import pytest

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys.resolver import Presented, admit, find, identify
from apps.apikeys.tests.delegating import acting, give, later
from apps.console.tenants import list_tenants
from apps.core import clock
from apps.core.actor import Actor, Call, Edge
from apps.core.ids import decode
from apps.core.operations import Refused
from apps.core.strictjson import timestamp
from apps.orgs.models import Membership
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World, promote


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


def test_nobody_runs_the_installation_for_somebody_else(world: World, api: Api) -> None:
    """An operator who acts for another person is none while they do."""
    builders = world.builders
    promote(world.console, builders)
    with enter(world.console.ref):
        User.objects.filter(pk=decode(builders.person, "usr")).update(is_operator=True)
    wanted = {"actor": builders.person, "scopes": ["users:read"], "expires_at": later()}
    given = api.using(builders.viewer_key).post("/v1/delegations", wanted)
    assert given.status == 201, given
    assert _who(builders.person_key).is_operator
    represented = _who(builders.person_key, given["id"])
    assert not represented.is_operator
    with enter(world.console.ref), pytest.raises(Refused):
        list_tenants(represented)


def _who(key: str, whom: str = "") -> Actor:
    """Who acts with this key, on somebody's behalf."""
    presented = Presented(key, Call("", Edge.COMMAND), on_behalf_of=whom)
    found = find(presented)
    return identify(found, admit(found, presented), presented)


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

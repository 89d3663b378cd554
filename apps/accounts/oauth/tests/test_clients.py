"""Registering clients: their shape, and that nobody gets further by one than they reach themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.accounts.models import Agent
from apps.apikeys.models import KeyKind
from apps.apikeys.tests.making import key_for, machine_key, service_of
from apps.core import clock
from apps.core.ids import decode, encode, uuid7
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import BACK, Browser, Program
from tests.refusals import check_refusal
from tests.world import World

MACHINE = {"name": "Export", "grants": ["client_credentials"], "scopes": ["users:read"]}
WEBSITE = {"name": "Website", "redirect_uris": [BACK], "scopes": ["users:read", "openid"]}
PATH = "/v1/oauth-clients"


def agent_of(world: World) -> Agent:
    """North's agent."""
    with enter(world.acorn.ref):
        return Agent.objects.get(pk=decode(world.acorn.parties["north"].agent, "agt"))


def as_service(world: World, **fields: Any) -> dict[str, Any]:
    """What registers a client of north's service account."""
    return {**MACHINE, "service_account": world.acorn.parties["north"].service, **fields}


def program_of(world: World, made: Any) -> Program:
    return Program(world.acorn, made["id"], made["secret"])


def test_the_secret_is_shown_once_and_a_public_client_has_none(world: World, api: Api) -> None:
    person = api.using(world.acorn.parties["north"].person_key)
    made = person.post(PATH, WEBSITE)
    assert (made.status, made["kind"], made["organization"]) == (
        201,
        "confidential",
        world.acorn.parties["north"].id,
    )
    assert made["secret"].startswith("pmo_cs_")
    for answer in (person.get(f"{PATH}/{made['id']}"), person.get(PATH)):
        assert made["secret"] not in answer.response.content.decode()
    public = person.post(PATH, {**WEBSITE, "kind": "public"})
    assert public["secret"] is None
    check_refusal(person.post(f"{PATH}/{public['id']}/rotate-secret"), 409, "client_has_no_secret")


@pytest.mark.parametrize(
    "fields",
    [
        {"grants": []},
        {"grants": ["password"]},
        {"grants": ["client_credentials"], "kind": "public"},
        {"grants": ["client_credentials"]},
        {"grants": ["refresh_token"]},
        {"redirect_uris": []},
        {"grants": ["device_code"]},
        {"scopes": []},
        {"scopes": ["nonsense"]},
        {"scopes": ["users:read\nkeys:write"]},
        {"redirect_uris": [BACK] * 21},
        {"unknown": True},
    ],
)
def test_what_does_not_go_together_is_refused(world: World, api: Api, fields: dict[str, Any]) -> None:
    person = api.using(world.acorn.parties["north"].person_key)
    check_refusal(person.post(PATH, {**WEBSITE, **fields}), 422)


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "http://app.example.com/callback",
            "https://*.example.com/callback",
            "https://app.example.com/#here",
        ),
        *("https://user@app.example.com/", "javascript:alert(1)", "com.example.app:/callback", "//host/", ""),
        *(
            "https://app.example.com/\r\nLocation: https://evil.test",
            "http://127.0.0.1.evil.test/",
            "http://10.0.0.1/",
        ),
        *(
            "https://app.example.com/\u202ecallback",
            "https://APP.example.com/callback",
            "https://exämple.com/",
        ),
    ],
)
def test_what_is_no_redirect_uri_is_refused(world: World, api: Api, uri: str) -> None:
    person = api.using(world.acorn.parties["north"].person_key)
    check_refusal(person.post(PATH, {**WEBSITE, "redirect_uris": [uri]}), 422, sent=uri)


def test_programs_on_the_persons_machine_may_have_theirs(world: World, api: Api) -> None:
    uris = ["http://127.0.0.1/callback", "http://[::1]:7000/callback", "http://localhost/callback"]
    person = api.using(world.acorn.parties["north"].person_key)
    assert person.post(PATH, {**WEBSITE, "redirect_uris": uris})["redirect_uris"] == uris


# Nobody reaches further.


def test_nobody_registers_more_scopes_than_their_credential_holds(world: World, api: Api) -> None:
    narrow = key_for(
        world.acorn, agent_of(world), KeyKind.AGENT, scopes=["oauth-clients:write", "users:read"]
    )
    agent = api.using(narrow.secret)
    made = agent.post(PATH, {**MACHINE, "agent": world.acorn.parties["north"].agent})
    assert made.status == 201
    wide = {**MACHINE, "agent": world.acorn.parties["north"].agent, "scopes": ["users:write"]}
    assert check_refusal(agent.post(PATH, wide), 403, "scope_exceeded")["missing"] == ["users:write"]
    path = f"{PATH}/{made['id']}"
    check_refusal(agent.patch(path, {"scopes": ["*"]}), 403, "scope_exceeded")
    wider = api.using(world.acorn.parties["north"].person_key)
    assert wider.patch(path, {"scopes": ["agents:write"]}).status == 200
    check_refusal(agent.post(f"{path}/rotate-secret"), 403, "scope_exceeded")
    check_refusal(agent.patch(f"{PATH}/{made['id']}", {"redirect_uris": []}), 403, "scope_exceeded")


def test_an_agent_registers_no_client_of_another_ones_agent(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    with enter(world.acorn.ref):
        other = Agent.objects.create(
            name="a stranger's", organization_id=north.uuid, role="admin", owner_kind="user", owner_name="x"
        )
    asked = {**MACHINE, "agent": other.public_id}
    check_refusal(api.using(north.agent_key).post(PATH, asked), 403, "minting_refused")
    south = world.acorn.parties["south"]
    check_refusal(
        api.using(north.agent_key).post(PATH, {**MACHINE, "service_account": south.service}), 404, "not_found"
    )


def test_an_agent_registers_no_client_of_a_higher_role(world: World, api: Api) -> None:
    from apps.accounts.models import ServiceAccount

    north = world.acorn.parties["north"]
    with enter(world.acorn.ref):
        ServiceAccount.objects.filter(pk=decode(north.service, "svc")).update(role="owner")
    check_refusal(api.using(north.agent_key).post(PATH, as_service(world)), 403, "role_exceeds_own")


def test_an_organizations_client_is_its_own(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    made = api.using(north.agent_key).post(PATH, WEBSITE)
    assert made["organization"] == north.id
    stranger = api.using(south.person_key)
    for answer in (
        stranger.get(f"{PATH}/{made['id']}"),
        stranger.patch(f"{PATH}/{made['id']}", {"name": "mine"}),
        stranger.post(f"{PATH}/{made['id']}/rotate-secret"),
        stranger.delete(f"{PATH}/{made['id']}"),
    ):
        check_refusal(answer, 404, "not_found")
    assert stranger.get(PATH)["data"] == []
    check_refusal(
        api.using(north.agent_key).post(PATH, {**WEBSITE, "organization": south.id}), 404, "not_found"
    )


def test_a_machines_client_belongs_where_the_machine_does(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    north, south = (world.acorn.parties[slug].id for slug in ("north", "south"))
    assert root.post(PATH, as_service(world, organization=north))["organization"] == north
    check_refusal(root.post(PATH, as_service(world, organization=south)), 422, "client_shape_refused")
    nowhere = encode("org", uuid7())
    check_refusal(root.post(PATH, as_service(world, organization=nowhere)), 404, "not_found")


def test_a_key_that_is_bound_to_addresses_gets_no_client_that_is_not(world: World, api: Api) -> None:
    bound = machine_key(world.acorn, world.acorn.parties["north"], allowed_ips=["127.0.0.0/8"])
    check_refusal(api.using(bound.secret).post(PATH, as_service(world)), 403, "address_bound")
    made = api.using(world.acorn.parties["north"].person_key).post(PATH, as_service(world))
    rotation = api.using(bound.secret).post(f"{PATH}/{made['id']}/rotate-secret")
    check_refusal(rotation, 403, "address_bound")
    assert api.using(bound.secret).post(PATH, WEBSITE).status == 201


# The chain.


def test_what_an_agent_registered_is_its_doing(world: World, api: Api, browser: Browser) -> None:
    north = world.acorn.parties["north"]
    made = api.using(north.agent_key).post(PATH, {**WEBSITE, "scopes": ["*"]})
    program = program_of(world, made)
    token = program.exchange(program.code(browser, "*", scopes=["*"]))["access_token"]
    path, asked = f"/v1/agents/{north.agent}/owner", {"reason": "I take it over"}
    check_refusal(api.using(token).post(path, asked), 403, "answering_refused")
    assert api.using(north.person_key).post(path, asked).status == 200


def test_revoking_the_key_that_registered_a_client_ends_its_tokens(world: World, api: Api) -> None:
    key = machine_key(world.acorn, world.acorn.parties["north"])
    made = api.using(key.secret).post(PATH, as_service(world))
    program = program_of(world, made)
    token = program.token("client_credentials")["access_token"]
    assert api.using(token).get("/v1/users").status == 200
    root = api.using(world.acorn.root_key)
    assert root.delete(f"/v1/keys/{encode('key', key.key.id)}").status == 204
    assert api.using(token).get("/v1/users").code == "client_stopped"
    assert program.token("client_credentials")["error"] == "invalid_client"


def test_so_does_revoking_the_key_that_rotated_its_secret(world: World, api: Api) -> None:
    key = machine_key(world.acorn, world.acorn.parties["north"])
    made = api.using(world.acorn.parties["north"].person_key).post(PATH, as_service(world))
    rotated = api.using(key.secret).post(f"{PATH}/{made['id']}/rotate-secret")
    program = program_of(world, rotated)
    assert program.token("client_credentials")["status"] == 200
    api.using(world.acorn.root_key).delete(f"/v1/keys/{encode('key', key.key.id)}")
    assert program.token("client_credentials")["error"] == "invalid_client"


def test_what_a_clients_token_makes_ends_with_that_key_too(world: World, api: Api) -> None:
    """A leak is not outlived by clients and keys that were made by a client's tokens."""
    key = machine_key(world.acorn, world.acorn.parties["north"])
    first = program_of(world, api.using(key.secret).post(PATH, as_service(world, scopes=["*"])))
    using = api.using(first.token("client_credentials")["access_token"])
    second = program_of(world, using.post(PATH, as_service(world, scopes=["*"])))
    child = using.post("/v1/keys", {"name": "child", "scopes": ["users:read"]})
    assert (second.token("client_credentials")["status"], child.status) == (200, 201)
    assert api.using(child["secret"]).get("/v1/users").status == 200
    api.using(world.acorn.root_key).delete(f"/v1/keys/{encode('key', key.key.id)}")
    assert second.token("client_credentials")["error"] == "invalid_client"
    assert api.using(child["secret"]).get("/v1/users").code == "key_revoked"


def test_whoever_stands_behind_it_stops_it_when_suspended(world: World, api: Api) -> None:
    north, root = world.acorn.parties["north"], api.using(world.acorn.root_key)
    program = program_of(world, api.using(north.agent_key).post(PATH, as_service(world)))
    token = program.token("client_credentials")["access_token"]
    child = api.using(token)
    assert root.post(f"/v1/agents/{north.agent}/suspend", {"reason": "It misbehaves"}).status == 200
    assert child.get("/v1/users").code == "client_stopped"
    assert program.token("client_credentials")["error"] == "invalid_client"


def test_a_machines_client_ends_when_the_key_that_registered_it_would(world: World, api: Api) -> None:
    with clock.frozen(clock.now()) as hands:
        key = machine_key(
            world.acorn, world.acorn.parties["north"], expires_at=clock.now() + timedelta(minutes=30)
        )
        made = api.using(key.secret).post(PATH, as_service(world))
        website = api.using(key.secret).post(PATH, WEBSITE)
        assert made["ends_at"] is not None
        assert website["ends_at"] is None
        program = program_of(world, made)
        token = program.token("client_credentials")["access_token"]
        hands.move(timedelta(minutes=30))
        assert api.using(token).get("/v1/users").code == "client_stopped"
        assert program.token("client_credentials")["error"] == "invalid_client"
        assert program_of(world, website).token("client_credentials")["error"] == "unauthorized_client"


def test_a_person_registers_one_that_does_not_end(world: World, api: Api) -> None:
    from tests.sessions import session_token

    session = {"x-session-token": session_token(world.acorn, world.acorn.parties["north"])}
    made = api.on(world.acorn.host).call("POST", PATH, as_service(world), headers=session)
    assert (made.status, made["ends_at"]) == (201, None)


def test_the_service_accounts_own_key_registers_its_client(world: World, api: Api) -> None:
    own = key_for(world.acorn, service_of(world.acorn, world.acorn.parties["north"]))
    made = api.using(own.secret).post(PATH, as_service(world))
    assert made.status == 201

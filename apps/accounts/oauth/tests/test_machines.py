"""Client credentials: a program that acts as the service account or agent to which its client belongs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.accounts.models import Agent, ServiceAccount, User
from apps.core import clock
from apps.core.ids import decode
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import Program, register
from tests.world import Party, World


def registered(world: World, api: Api, **fields: Any) -> dict[str, Any]:
    """A client that acts as north's service account, as its person registers it by the API."""
    north = world.acorn.parties["north"]
    body = {
        "name": "Nightly export",
        "grants": ["client_credentials"],
        "scopes": ["users:read", "agents:read"],
        "service_account": north.service,
    } | fields
    made = api.using(north.person_key).post("/v1/oauth-clients", body)
    assert made.status == 201, made
    return dict(made.body)


def program_of(world: World, made: dict[str, Any]) -> Program:
    return Program(world.acorn, made["id"], made["secret"])


def north_of(world: World) -> Party:
    return world.acorn.parties["north"]


def test_it_acts_as_its_service_account(world: World, api: Api) -> None:
    made = registered(world, api)
    assert made["secret"].startswith("pmo_cs_")
    given = program_of(world, made).token("client_credentials")
    assert (given["status"], given["scope"], "refresh_token" in given) == (
        200,
        "users:read agents:read",
        False,
    )
    who = api.using(given["access_token"]).get("/v1/whoami")
    assert (who["actor"]["kind"], who["actor"]["id"]) == ("service_account", north_of(world).service)
    assert (who["tenant"], who["organization"]["id"]) == (world.acorn.name, north_of(world).id)
    assert who["credential"]["kind"] == "oauth"
    assert api.using(given["access_token"]).get("/v1/users").status == 200
    assert api.using(given["access_token"]).post("/v1/agents", {"name": "x"}).code == "scope_missing"


def test_it_acts_as_its_agent_and_counts_as_one(world: World, api: Api) -> None:
    north = north_of(world)
    made = api.using(north.person_key).post(
        "/v1/oauth-clients",
        {"name": "Reader", "grants": ["client_credentials"], "scopes": ["*"], "agent": north.agent},
    )
    token = Program(world.acorn, made["id"], made["secret"]).token("client_credentials")["access_token"]
    who = api.using(token).get("/v1/whoami")
    assert (who["actor"]["kind"], who["actor"]["id"]) == ("agent", north.agent)
    assert who["owner"]["id"] == north.person
    taken = api.using(token).post(f"/v1/agents/{north.agent}/owner", {"reason": "I take it over"})
    assert taken.code == "answering_refused"


def test_it_may_ask_for_less_and_never_for_more(world: World, api: Api) -> None:
    program = program_of(world, registered(world, api, scopes=["users:write"]))
    assert program.token("client_credentials", scope="users:read")["scope"] == "users:read"
    for scope in ("agents:read", "*", "users:write agents:read", "nonsense", "openid"):
        assert program.token("client_credentials", scope=scope)["error"] == "invalid_scope"


def test_only_its_secret_opens_it(world: World, api: Api) -> None:
    made = registered(world, api)
    for secret in (None, "", "wrong", made["secret"] + "x", made["secret"][:-1], "!"):
        refused = Program(world.acorn, made["id"], secret).call("token", grant_type="client_credentials")
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="packmule"')
        assert refused.headers["Cache-Control"] == "no-store"


def test_the_secret_comes_in_the_header_or_in_the_body_and_not_in_both(world: World, api: Api) -> None:
    made = registered(world, api)
    secret = {"client_id": made["id"], "client_secret": made["secret"]}
    nameless = Program(world.acorn, made["id"])
    assert nameless.token("client_credentials", **secret)["status"] == 200
    known = program_of(world, made)
    assert known.token("client_credentials", **secret)["error"] == "invalid_client"
    assert known.token("client_credentials", client_id="oac_other")["error"] == "invalid_client"


def test_a_client_of_people_gets_none(world: World, program: Program) -> None:
    assert program.token("client_credentials")["error"] == "unauthorized_client"
    assert Program(world.acorn, "packmule-cli").token("client_credentials")["error"] == "invalid_client"


def test_a_suspended_machine_gets_nothing_and_its_tokens_open_nothing(world: World, api: Api) -> None:
    north, program = north_of(world), program_of(world, registered(world, api))
    token = program.token("client_credentials")["access_token"]
    person, path = api.using(north.person_key), f"/v1/service-accounts/{north.service}"
    assert person.post(f"{path}/suspend", {"reason": "It went wild"}).status == 200
    assert api.using(token).get("/v1/users").code == "principal_suspended"
    assert program.token("client_credentials")["error"] == "invalid_client"
    assert person.post(f"{path}/activate", {"reason": "It is tame"}).status == 200
    assert api.using(token).get("/v1/users").status == 200
    assert program.token("client_credentials")["status"] == 200


def test_an_agent_for_whom_nobody_answers_gets_nothing(world: World, api: Api) -> None:
    north = north_of(world)
    with enter(world.acorn.ref):
        person = User.objects.get(email="viewer@north.test")
        Agent.objects.filter(pk=decode(north.agent, "agt")).update(owner_id=person.pk)
        made = register(north, secret="s", grants=["client_credentials"], agent_id=decode(north.agent, "agt"))
    program = Program(world.acorn, made.public_id, "s")
    token = program.token("client_credentials", scope="users:read")["access_token"]
    root = api.using(world.acorn.root_key)
    assert root.post(f"/v1/users/{person.public_id}/suspend", {"reason": "Gone"}).status == 200
    assert api.using(token).get("/v1/users").code == "client_stopped"
    assert program.token("client_credentials", scope="users:read")["error"] == "invalid_client"


def test_a_disabled_client_gets_nothing(world: World, api: Api) -> None:
    made = registered(world, api)
    program, person = program_of(world, made), api.using(north_of(world).person_key)
    token = program.token("client_credentials")["access_token"]
    assert person.patch(f"/v1/oauth-clients/{made['id']}", {"status": "disabled"}).status == 200
    assert program.token("client_credentials")["error"] == "invalid_client"
    assert api.using(token).get("/v1/users").code == "client_stopped"


def test_a_rotation_lets_the_old_secret_work_for_a_while(world: World, api: Api) -> None:
    made = registered(world, api)
    path = f"/v1/oauth-clients/{made['id']}/rotate-secret"
    person = api.using(north_of(world).person_key)
    with clock.frozen(clock.now()) as hands:
        rotated = person.post(path, {"overlap_seconds": 60})
        assert rotated["previous_secret_until"] is not None
        old, new = program_of(world, made), program_of(world, rotated.body)
        assert [one.token("client_credentials")["status"] for one in (old, new)] == [200, 200]
        hands.move(timedelta(seconds=60))
        assert [one.token("client_credentials")["status"] for one in (old, new)] == [401, 200]
        newest = program_of(world, person.post(path).body)
        assert [one.token("client_credentials")["status"] for one in (new, newest)] == [401, 200]


def test_narrowing_a_client_ends_its_tokens_and_a_new_name_does_not(world: World, api: Api) -> None:
    made = registered(world, api)
    path, person = f"/v1/oauth-clients/{made['id']}", api.using(north_of(world).person_key)
    token = program_of(world, made).token("client_credentials")["access_token"]
    assert person.patch(path, {"name": "Weekly export"}).status == 200
    assert api.using(token).get("/v1/users").status == 200
    assert person.patch(path, {"scopes": ["users:read"]}).status == 200
    assert api.using(token).get("/v1/users").code == "token_unknown"


def test_it_reaches_its_own_organization_alone(world: World, api: Api) -> None:
    program, south = program_of(world, registered(world, api)), world.acorn.parties["south"]
    using = api.using(program.token("client_credentials")["access_token"])
    found = [agent["id"] for agent in using.get("/v1/agents")["data"]]
    assert north_of(world).agent in found
    assert south.agent not in found
    assert using.sending(packmule_organization=south.id).get("/v1/agents").status == 404
    assert using.get(f"/v1/agents/{south.agent}").status == 404


def test_a_role_that_was_taken_away_counts_at_once(world: World, api: Api) -> None:
    north = north_of(world)
    program = program_of(world, registered(world, api, scopes=["agents:write"]))
    using = api.using(program.token("client_credentials")["access_token"])
    assert using.post("/v1/agents", {"name": "made"}).status == 201
    with enter(world.acorn.ref):
        ServiceAccount.objects.filter(pk=decode(north.service, "svc")).update(role="viewer")
    assert using.post("/v1/agents", {"name": "again"}).status == 403


@pytest.mark.parametrize("kind", ["svc", "agt"])
def test_a_deleted_machine_takes_its_client_along(world: World, api: Api, kind: str) -> None:
    north = north_of(world)
    field = {"svc": "service_account_id", "agt": "agent_id"}[kind]
    shown = {"svc": north.service, "agt": north.agent}[kind]
    with enter(world.acorn.ref):
        own: dict[str, Any] = {field: decode(shown, kind)}
        made = register(north, secret="s", grants=["client_credentials"], scopes=["users:read"], **own)
    program = Program(world.acorn, made.public_id, "s")
    token = program.token("client_credentials")["access_token"]
    with enter(world.acorn.ref):
        model: Any = {"svc": ServiceAccount, "agt": Agent}[kind]
        model.objects.filter(pk=decode(shown, kind)).delete()
    assert api.using(token).get("/v1/users").code == "client_stopped"
    assert program.token("client_credentials")["error"] == "invalid_client"

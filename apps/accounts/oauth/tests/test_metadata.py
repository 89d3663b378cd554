"""What a tenant says about itself below /.well-known/, and where a refused call finds it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.core import clock
from tests.client import Api
from tests.oauth import Browser, Program
from tests.world import Space, World

SERVER = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"


def read(host: str, path: str) -> Any:
    answer = Client().get(path, headers={"host": host})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer["Access-Control-Allow-Origin"] == "*"
    return answer.json()


@pytest.fixture(params=["acorn", "birch", "console"])
def space(request: pytest.FixtureRequest, world: World) -> Space:
    """Each tenant; the console's host belongs to the installation."""
    found: Space = getattr(world, request.param)
    # A copy: the world is the same for all tests of a run.
    return replace(found, host="127.0.0.1") if request.param == "console" else found


def test_each_tenant_names_itself_and_its_own_endpoints(space: Space) -> None:
    said = read(space.host, SERVER)
    own = f"http://{space.host}"
    assert said["issuer"] == own
    assert {said[name].startswith(f"{own}/") for name in said if name.endswith(("_endpoint", "_uri"))} == {
        True
    }
    assert said == read(space.host, "/.well-known/openid-configuration")
    assert said["protected_resources"] == [f"{own}/v1"]


def test_what_it_says_is_true(world: World, program: Program, browser: Browser) -> None:
    said = read(world.acorn.host, SERVER)
    assert "registration_endpoint" not in said
    assert said["client_id_metadata_document_supported"] is False
    assert said["response_types_supported"] == ["code"]
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["authorization_response_iss_parameter_supported"] is True
    assert set(said["grant_types_supported"]) == {
        *("authorization_code", "refresh_token", "client_credentials"),
        "urn:ietf:params:oauth:grant-type:device_code",
    }
    assert {"openid", "*", "users:read", "self:read"} <= set(said["scopes_supported"])
    headers = {"host": world.acorn.host}
    statuses = {
        name: Client().get(said[name], headers=headers).status_code
        for name in said
        if name.endswith(("_endpoint", "_uri"))
    }
    assert statuses == {
        "authorization_endpoint": 302,
        "token_endpoint": 405,
        "device_authorization_endpoint": 405,
        "revocation_endpoint": 405,
        "introspection_endpoint": 405,
        "userinfo_endpoint": 401,
        "jwks_uri": 200,
    }


def test_clients_register_neither_themselves_nor_by_a_document(world: World, browser: Browser) -> None:
    headers = {"host": world.acorn.host}
    for path in ("clients", "register", "api/clients", "api/register"):
        assert Client().post(f"/identity/o/{path}", {}, headers=headers).status_code == 404
    document = Program(world.acorn, "https://client.example.com/metadata.json")
    assert browser.get(document.address("users:read")).status_code == 400
    assert document.begin("users:read")["error"] == "invalid_client"


def test_the_protected_resource_names_who_gives_tokens_for_it(space: Space) -> None:
    own = f"http://{space.host}"
    said = read(space.host, f"{RESOURCE}/v1")
    assert (said["resource"], said["authorization_servers"]) == (f"{own}/v1", [own])
    assert said["bearer_methods_supported"] == ["header"]
    assert "openid" not in said["scopes_supported"]
    whole = read(space.host, RESOURCE)
    assert (whole["resource"], whole["authorization_servers"]) == (own, [own])


def test_a_refused_call_says_where_to_read_it(world: World, api: Api, space: Space) -> None:
    wanted = f'resource_metadata="http://{space.host}{RESOURCE}/v1"'
    for key in (None, "pmo_at_nonsense", "pmk_live_sk_nonsense", "nonsense"):
        answer = api.on(space.host).using(key).get("/v1/whoami")
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
        assert wanted in answer.headers["WWW-Authenticate"]
    allowed = api.on(space.host).using(space.root_key).get("/v1/whoami")
    assert "WWW-Authenticate" not in allowed.headers


def test_behind_a_proxy_it_names_what_people_see(world: World, settings: Any) -> None:
    settings.PACKMULE_PUBLIC_URL = "https://packmule.example"
    said = read(world.acorn.host, SERVER)
    assert said["issuer"] == f"https://{world.acorn.host}"
    assert read(world.acorn.host, f"{RESOURCE}/v1")["resource"] == f"https://{world.acorn.host}/v1"


def test_a_host_of_nobody_says_nothing(world: World) -> None:
    answer = Client().get(SERVER, headers={"host": "nobody--acorn.localhost"})
    assert answer.status_code in (400, 404, 421)


def test_a_rotated_signing_key_stays_published_for_a_while(
    world: World, api: Api, program: Program, browser: Browser
) -> None:
    root = api.using(world.acorn.root_key)

    def published() -> set[str]:
        return {key["kid"] for key in read(world.acorn.host, "/.well-known/jwks.json")["keys"]}

    with clock.frozen(clock.now()) as hands:
        (first,) = published()
        second = root.post("/v1/oauth-signing-keys/rotate", {"overlap_seconds": 600})
        assert (second.status, published()) == (200, {first, second["key_id"]})
        given = program.exchange(program.code(browser, "openid"))
        import jwt

        assert jwt.get_unverified_header(given["id_token"])["kid"] == second["key_id"]
        hands.move(timedelta(seconds=600))
        assert published() == {second["key_id"]}
    listed = root.get("/v1/oauth-signing-keys")
    assert {key["key_id"] for key in listed["data"]} == {first, second["key_id"]}
    assert "PRIVATE" not in listed.response.content.decode()
    person = api.using(world.acorn.parties["north"].person_key)
    assert person.post("/v1/oauth-signing-keys/rotate").status == 403

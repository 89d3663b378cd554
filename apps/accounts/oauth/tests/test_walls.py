"""Between tenants: nothing that one tenant's authorization server gave is anything in another, however it is shown."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from django.test import Client

from apps.accounts.oauth import audiences, texts
from apps.accounts.oauth.signing import private_keys
from apps.core import clock
from apps.core.ids import decode
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import Browser, Program, came_back, give, register
from tests.refusals import check_refusal
from tests.world import World


@pytest.fixture
def twin(world: World, program: Program) -> Program:
    """The same client, by id and secret, in birch."""
    with enter(world.birch.ref):
        register(None, id=decode(program.client_id, "oac"), secret=program.secret)
    return replace(program, space=world.birch)


@pytest.fixture
def neighbour(world: World) -> Browser:
    """North's owner of birch: the same id, address and password as in acorn, and somebody else."""
    return Browser.of(world.birch, world.birch.parties["north"])


@pytest.fixture
def id_token(program: Program, browser: Browser) -> str:
    """What acorn says about north's person, who has the same id in birch."""
    return str(program.exchange(program.code(browser, "openid"))["id_token"])


# Device codes: FACTS, "A's code was approved in B".


def test_a_device_code_of_one_tenant_is_approved_in_no_other(
    world: World, browser: Browser, neighbour: Browser
) -> None:
    here, there = Program(world.acorn, "packmule-cli"), Program(world.birch, "packmule-cli")
    begun = here.begin("users:read")
    assert neighbour.device(begun["user_code"]).status_code == 400
    assert neighbour.allow(begun["user_code"], ["users:read"]).status_code == 400
    assert here.poll(begun["device_code"])["error"] == "authorization_pending"
    assert there.poll(begun["device_code"])["error"] == "invalid_grant"

    browser.allow(begun["user_code"], ["users:read"])
    assert there.poll(begun["device_code"])["error"] == "invalid_grant"
    with clock.frozen(clock.now() + timedelta(seconds=5)):
        assert here.poll(begun["device_code"])["status"] == 200


def test_wrong_codes_in_one_tenant_lock_nobody_out_of_another(
    world: World, browser: Browser, neighbour: Browser
) -> None:
    for _ in range(11):
        browser.device("BBBB-BBBB")
    begun = Program(world.birch, "packmule-cli").begin("users:read")
    assert neighbour.device(begun["user_code"]).status_code == 200


# Clients and what they were given.


def test_a_client_of_one_tenant_is_unknown_in_another(
    world: World, program: Program, neighbour: Browser
) -> None:
    stranger = replace(program, space=world.birch)
    assert neighbour.get(stranger.address("users:read")).status_code == 400
    for answer in (
        stranger.begin("users:read"),
        stranger.token("client_credentials"),
        stranger.token("refresh_token", refresh_token="x"),
        stranger.exchange("x"),
    ):
        assert answer["error"] == "invalid_client"
    for endpoint in ("revoke", "introspect"):
        assert stranger.call(endpoint, token="x").status_code == 401


def test_a_refresh_token_of_one_tenant_is_none_in_another(
    program: Program, twin: Program, browser: Browser
) -> None:
    given = program.exchange(program.code(browser, "users:read"))
    assert twin.token("refresh_token", refresh_token=given["refresh_token"])["error"] == "invalid_grant"
    assert twin.call("revoke", token=given["refresh_token"]).status_code == 200
    told = twin.call("introspect", token=given["access_token"])
    assert (told.status_code, told.content) == (200, b'{"active": false}')
    assert program.token("refresh_token", refresh_token=given["refresh_token"])["status"] == 200


def test_a_secret_of_one_tenants_client_opens_no_others(
    world: World, program: Program, browser: Browser
) -> None:
    with enter(world.birch.ref):
        register(None, id=decode(program.client_id, "oac"), secret="another")
    code = program.code(browser, "users:read")
    assert replace(program, space=world.birch).exchange(code)["error"] == "invalid_client"


def test_a_token_of_one_tenant_is_refused_on_anothers_host(world: World, api: Api) -> None:
    token = give(world.acorn, ["*"], user=world.acorn.parties["north"].person)
    assert api.using(token).get("/v1/whoami")["tenant"] == world.acorn.name
    check_refusal(api.using(token).on(world.birch.host).get("/v1/whoami"), 401, "wrong_tenant")
    named = api.using(token).sending(packmule_environment=world.birch.name)
    check_refusal(named.get("/v1/whoami"), 404, "not_found")
    check_refusal(api.using(token).sending(packmule_expect_tenant=world.birch.name).get("/v1/whoami"), 409)
    userinfo = {"host": world.birch.host, "authorization": f"Bearer {token}"}
    assert Client().get("/identity/o/api/userinfo", headers=userinfo).status_code == 401


def test_a_row_that_was_copied_into_another_tenant_opens_nothing_there(world: World, api: Api) -> None:
    """The audience of a token is a tenant, and not whichever has the row."""
    elsewhere = audiences.api_of(world.birch.ref.id)
    token = give(world.acorn, ["*"], user=world.acorn.parties["north"].person, audience=elsewhere)
    check_refusal(api.using(token).get("/v1/whoami"), 401, "token_audience_wrong")


def test_a_text_that_names_another_tenant_finds_none_there(world: World, api: Api) -> None:
    forged = texts.access_token(world.birch.ref.id)
    check_refusal(api.using(forged).get("/v1/whoami"), 401, "token_unknown")
    check_refusal(
        api.using(texts.access_token(decode(world.acorn.parties["north"].id, "org"))).get("/v1/whoami"), 401
    )


# JWT: FACTS, "tenant A's token logged in as pk 1 of tenant B".


@pytest.mark.parametrize("tenant", ["acorn", "birch"])
def test_an_id_token_opens_nothing_anywhere(world: World, api: Api, id_token: str, tenant: str) -> None:
    space = {"acorn": world.acorn, "birch": world.birch}[tenant]
    here = api.on(space.host)
    check_refusal(here.using(id_token).get("/v1/whoami"), 401, "key_malformed")
    check_refusal(here.sending(x_session_token=id_token).get("/v1/whoami"), 401, "session_ended")
    check_refusal(here.sending(packmule_key=id_token).get("/v1/whoami"), 401)
    session = {"host": space.host, "x-session-token": id_token}
    assert Client().get("/_allauth/app/v1/auth/session", headers=session).status_code in (401, 410)
    bearer = {"host": space.host, "authorization": f"Bearer {id_token}"}
    assert Client().get("/identity/o/api/userinfo", headers=bearer).status_code == 401
    assert Client().get("/identity/o/device", headers=bearer).status_code == 302


def test_an_id_token_is_no_hint_in_another_tenant(
    program: Program, twin: Program, browser: Browser, neighbour: Browser, id_token: str
) -> None:
    program.code(browser, "openid")
    twin.code(neighbour, "openid")
    silent: dict[str, Any] = {"prompt": "none", "id_token_hint": id_token}
    assert "code" in came_back(browser.get(program.address("openid", **silent)))
    refused = came_back(neighbour.get(twin.address("openid", **silent)))
    assert (refused["error"], "code" in refused) == ("login_required", False)
    for hint in ("nonsense", id_token[:-4] + "AAAA", "a.b.c"):
        answer = came_back(browser.get(program.address("openid", prompt="none", id_token_hint=hint)))
        assert answer["error"] == "login_required"


def test_a_hint_about_somebody_else_is_refused(world: World, program: Program, id_token: str) -> None:
    south = Browser.of(world.acorn, world.acorn.parties["south"])
    answer = came_back(south.get(program.address("openid", id_token_hint=id_token)))
    assert answer["error"] == "login_required"


def test_each_tenant_signs_with_its_own_key_under_its_own_name(
    world: World, program: Program, twin: Program, browser: Browser, neighbour: Browser, id_token: str
) -> None:
    (here,) = browser.get("/.well-known/jwks.json").json()["keys"]
    (there,) = neighbour.get("/.well-known/jwks.json").json()["keys"]
    assert here["kid"] != there["kid"]
    assert here.keys() <= {"kty", "kid", "use", "alg", "n", "e", "key_ops"}
    assert jwt.get_unverified_header(id_token)["kid"] == here["kid"]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(id_token, jwt.PyJWK(there).key, ["RS256"], audience=program.client_id)
    key = jwt.PyJWK(here).key
    with pytest.raises(jwt.InvalidIssuerError):
        jwt.decode(id_token, key, ["RS256"], audience=program.client_id, issuer=f"http://{world.birch.host}")


def test_what_a_tenant_signs_for_another_is_no_hint_there(
    world: World, twin: Program, neighbour: Browser
) -> None:
    """Not even with the other's name in it: the signature decides."""
    twin.code(neighbour, "openid")
    with enter(world.acorn.ref):
        (own,) = private_keys()
    with enter(world.birch.ref):
        (theirs,) = private_keys()
    forged = {
        "iss": f"http://{world.birch.host}",
        "aud": twin.client_id,
        "sub": world.birch.parties["north"].person,
        "exp": int(time.time()) + 300,
    }
    kid = neighbour.get("/.well-known/jwks.json").json()["keys"][0]["kid"]
    for pem, code in ((own.pem, False), (theirs.pem, True)):
        key: Any = serialization.load_pem_private_key(pem.encode(), None)
        hint = jwt.encode(forged, key, "RS256", headers={"kid": kid})
        answer = came_back(neighbour.get(twin.address("openid", prompt="none", id_token_hint=hint)))
        assert ("code" in answer) is code

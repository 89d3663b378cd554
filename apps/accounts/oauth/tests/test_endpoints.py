"""The protocol's own endpoints: revoking, introspection, userinfo, and what they answer to bad calls."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import VERIFIER, Browser, Program, challenge_of, give, register
from tests.world import World

TOKEN = "/identity/o/api/token"


def post(world: World, path: str, body: str = "", **headers: str) -> Any:
    """A call of acorn's endpoint with a body as it stands."""
    kind = headers.pop("content_type", "application/x-www-form-urlencoded")
    return Client().post(path, body, content_type=kind, headers={"host": world.acorn.host, **headers})


# Revoking (RFC 7009).


def test_a_client_ends_an_access_token_alone_and_with_a_refresh_token_all(
    api: Api, program: Program, browser: Browser
) -> None:
    given = program.exchange(program.code(browser, "users:read"))
    fresh = program.token("refresh_token", refresh_token=given["refresh_token"])
    assert program.call("revoke", token=given["access_token"]).status_code == 200
    assert api.using(given["access_token"]).get("/v1/users").code == "token_unknown"
    assert api.using(fresh["access_token"]).get("/v1/users").status == 200
    ended = program.call("revoke", token=fresh["refresh_token"], token_type_hint="access_token")
    assert (ended.status_code, ended.headers["Cache-Control"]) == (200, "no-store")
    assert api.using(fresh["access_token"]).get("/v1/users").code == "token_unknown"
    assert program.token("refresh_token", refresh_token=fresh["refresh_token"])["error"] == "invalid_grant"


def test_what_is_no_token_is_as_good_as_revoked(program: Program) -> None:
    for text in ("nonsense", "pmo_at_", "pmk_live_sk_x", "\0"):
        assert program.call("revoke", token=text).status_code == 200
    assert program.call("revoke").status_code == 400


def test_a_client_ends_nothing_of_another_one(
    world: World, api: Api, program: Program, browser: Browser
) -> None:
    with enter(world.acorn.ref):
        made = register(None, secret="s", name="Other")
    given = program.exchange(program.code(browser, "users:read"))
    other = Program(world.acorn, made.public_id, "s")
    for text in (given["access_token"], given["refresh_token"]):
        assert other.call("revoke", token=text).status_code == 200
    assert api.using(given["access_token"]).get("/v1/users").status == 200
    for nobody in (Program(world.acorn, program.client_id), Program(world.acorn, program.client_id, "wrong")):
        assert nobody.call("revoke", token=given["refresh_token"]).status_code == 401
    assert program.token("refresh_token", refresh_token=given["refresh_token"])["status"] == 200


# Introspection (RFC 7662).


def test_a_client_asks_about_its_own_tokens(world: World, program: Program, browser: Browser) -> None:
    given = program.exchange(program.code(browser, "users:read"))
    told = program.call("introspect", token=given["access_token"]).json()  # type: ignore[attr-defined]
    assert told["active"] is True
    assert (told["client_id"], told["scope"], told["token_type"]) == (
        program.client_id,
        "users:read",
        "Bearer",
    )
    assert (told["sub"], told["iss"]) == (world.acorn.parties["north"].person, f"http://{world.acorn.host}")
    assert told["exp"] - told["iat"] == 3600
    assert told["aud"] == [f"urn:packmule:api:ten_{told['aud'][0].rpartition('_')[2]}"]
    refresh = program.call("introspect", token=given["refresh_token"]).json()  # type: ignore[attr-defined]
    assert (refresh["active"], refresh["token_type"]) == (True, "refresh_token")
    program.call("revoke", token=given["refresh_token"])
    for text in (given["access_token"], given["refresh_token"], "nonsense"):
        ended = program.call("introspect", token=text)
        assert (ended.status_code, ended.content) == (200, b'{"active": false}')


def test_nobody_asks_about_tokens_without_a_secret(world: World, program: Program, browser: Browser) -> None:
    with enter(world.acorn.ref):
        public = register(None, kind="public", grants=["device_code"], name="Television").public_id
    token = give(world.acorn, ["users:read"], user=world.acorn.parties["north"].person, client=public)
    nobody: list[tuple[Program, dict[str, str]]] = [
        (Program(world.acorn, public), {}),
        (Program(world.acorn, public, "a secret"), {}),
        (Program(world.acorn, public), {"client_secret": "!"}),
        (Program(world.acorn, "packmule-cli"), {"client_secret": "x"}),
        (Program(world.acorn, program.client_id, "wrong"), {}),
    ]
    for one, fields in nobody:
        assert one.call("introspect", token=token, **fields).status_code == 401
    path, body = "/identity/o/api/introspect", f"token={token}&client_id={public}"
    assert post(world, path, body, authorization="Bearer anything").status_code == 401
    assert post(world, path, body, authorization=f"Bearer {token}").status_code == 401


# Userinfo.


def test_userinfo_tells_what_was_granted(world: World, program: Program, browser: Browser) -> None:
    def told(scope: str) -> dict[str, Any]:
        token = program.exchange(program.code(browser, scope))["access_token"]
        headers = {"host": world.acorn.host, "authorization": f"Bearer {token}"}
        answer: dict[str, Any] = Client().get("/identity/o/api/userinfo", headers=headers).json()
        return answer

    north = world.acorn.parties["north"]
    assert told("openid") == {"sub": north.person}
    assert told("openid email") == {"sub": north.person, "email": north.email, "email_verified": True}
    assert told("openid profile") == {"sub": north.person, "name": "owner"}
    assert told("users:read")["error"] == "insufficient_scope"


def test_userinfo_takes_a_token_in_the_header_alone(world: World, program: Program, browser: Browser) -> None:
    token = program.exchange(program.code(browser, "openid"))["access_token"]
    host = {"host": world.acorn.host}
    assert Client().get(f"/identity/o/api/userinfo?access_token={token}", headers=host).status_code == 401
    refused = Client().get("/identity/o/api/userinfo", headers=host)
    assert (refused.status_code, "Bearer" in refused["WWW-Authenticate"]) == (401, True)


# Bad calls.


@pytest.mark.parametrize("endpoint", ["token", "device/code", "revoke", "introspect"])
def test_a_call_that_says_nothing_is_refused_in_the_protocols_form(world: World, endpoint: str) -> None:
    path = f"/identity/o/api/{endpoint}"
    for body, kind in (
        ("", "application/x-www-form-urlencoded"),
        ("{}", "application/json"),
        ("%zz=%00&grant_type=%ff&client_id=%00", "application/x-www-form-urlencoded"),
        ("client_id=a%00b&client_secret=%00&token=%00", "application/x-www-form-urlencoded"),
        (
            "grant_type=password&username=a&password=b&client_id=packmule-cli",
            "application/x-www-form-urlencoded",
        ),
    ):
        answer = post(world, path, body, content_type=kind)
        assert answer.status_code in (400, 401), (body, answer.content)
        assert "error" in answer.json()
        assert answer.headers["Cache-Control"] == "no-store"
    assert Client().get(path, headers={"host": world.acorn.host}).status_code == 405


@pytest.mark.parametrize(
    "basic", ["", "x", "Og==", "YTo=", "OmE=", "/////w==", "AAAA", "YTpi", "a" * 5000, "YQBiOmM="]
)
def test_a_header_that_is_none_is_nobodys(world: World, basic: str) -> None:
    answer = post(world, TOKEN, "grant_type=client_credentials", authorization=f"Basic {basic}")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_parameter_that_comes_twice_is_refused(world: World, program: Program) -> None:
    for fields in ({"scope": ["a:b", "c:d"]}, {"code": ["a", "b"]}, {"client_id": [program.client_id] * 2}):
        assert program.token("authorization_code", **fields)["error"] == "invalid_request"


def test_grants_that_oauth_21_has_left_behind_are_gone(program: Program, browser: Browser) -> None:
    assert program.token("password", username="a", password="b")["error"] == "unsupported_grant_type"
    for kind in ("token", "id_token", "code token", "code id_token", "none", "", "CODE"):
        answer = browser.get(program.address("openid", response_type=kind, nonce="n"))
        assert "code=" not in answer.get("Location", "")
        assert "access_token" not in answer.get("Location", "")


@pytest.mark.parametrize(
    "query",
    [
        *(
            "",
            "?",
            "?client_id=%zz",
            "?client_id=%00",
            "?client_id=a&client_id=b",
            "?%ff=%fe",
            "?redirect_uri=%E2%28",
        ),
        *("?client_id=packmule-cli", "?client_id=packmule-cli&redirect_uri=%00", "?client_id[]=x", "?&&&=&"),
    ],
)
def test_what_asks_for_no_client_is_shown_to_the_person(browser: Browser, query: str) -> None:
    page = browser.get(f"/identity/o/authorize{query}")
    assert (page.status_code, "Location" in page) == (400, False)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("claims", "[1]", None),
        ("claims", '{"sub": "usr_somebody"}', None),
        ("claims", "{", "invalid_request"),
        ("prompt", "login", "invalid_request"),
        ("prompt", "none consent", "invalid_request"),
        ("max_age", "0", "invalid_request"),
        ("request", "eyJ", "invalid_request"),
        ("request_uri", "https://evil.test/", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("scope", "\0", "invalid_scope"),
        ("scope", "nonsense", "invalid_scope"),
        ("resource", "https://elsewhere.test/v1", "invalid_target"),
        ("ui_locales", "de", None),
        ("login_hint", "x" * 3000, None),
        ("acr_values", "\u202e", None),
    ],
)
def test_what_is_not_done_here_is_refused_and_what_is_not_known_ignored(
    program: Program, browser: Browser, name: str, value: str, error: str | None
) -> None:
    from tests.oauth import came_back

    page = browser.get(program.address(**{"scope": "openid users:read", name: value}))
    if error is None:
        assert page.status_code == 200
        return
    sent = came_back(page)
    assert (sent["error"], sent["state"], "code" in sent) == (error, "the-state", False)


def test_the_verifier_has_to_be_the_one_of_the_challenge(program: Program, browser: Browser) -> None:
    code = program.code(browser, "users:read", code_challenge=challenge_of("z" * 43))
    assert program.exchange(code, code_verifier=VERIFIER)["error"] == "invalid_grant"


def test_whoever_tries_out_secrets_is_slowed_down(world: World, program: Program, settings: Any) -> None:
    settings.PACKMULE_FAILURE_LIMIT = "5/60"
    wrong = Program(world.acorn, program.client_id, "wrong")
    statuses = [wrong.call("token", grant_type="client_credentials").status_code for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    refused = wrong.call("introspect", token="x")
    assert (refused.status_code, refused.headers["Cache-Control"]) == (429, "no-store")
    assert int(refused.headers["Retry-After"]) > 0


def test_a_device_that_waits_is_no_failure(world: World, settings: Any) -> None:
    settings.PACKMULE_FAILURE_LIMIT = "2/60"
    cli = Program(world.acorn, "packmule-cli")
    code = cli.begin("users:read")["device_code"]
    assert {cli.poll(code)["status"] for _ in range(9)} == {400}
    assert [cli.poll("guessed")["status"] for _ in range(3)] == [400, 400, 429]

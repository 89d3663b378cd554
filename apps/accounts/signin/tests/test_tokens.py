"""Session tokens, and what is tried with them: forged ones, another tenant's, and those from before a sign-in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from allauth.headless import app_settings
from allauth.headless.tokens.strategies.sessions import SessionTokenStrategy
from django.conf import settings

from apps.accounts.signin.tests.headless import ADA, PASSWORD, FrontEnd, code_for, is_in, somebody
from tests.client import Api
from tests.sessions import session_cookie, session_token
from tests.standins.authenticator import totp
from tests.world import Space, World


def jwt(claims: dict[str, Any], key: str, algorithm: str = "HS256") -> str:
    """A token such as allauth's other strategy gives out, signed with `key`, or not at all (`none`)."""
    parts = [
        {"alg": algorithm, "typ": "JWT"},
        {"iat": int(time.time()), "exp": int(time.time()) + 300, **claims},
    ]
    text = ".".join(_b64(json.dumps(part).encode()) for part in parts)
    signed = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest() if algorithm != "none" else b""
    return f"{text}.{_b64(signed)}"


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def forged(space: Space) -> list[str]:
    """Tokens for the person whose id every tenant has: by the right key, by another, and unsigned."""
    person = space.parties["north"].person
    claims = {
        "sub": person,
        "user_id": person,
        "sid": "x",
        "jti": "x",
        "token_use": "access",
        "aud": space.name,
    }
    keys = (settings.SECRET_KEY, "another key that somebody made up")
    return [jwt(claims, key) for key in keys] + [jwt(claims, "", "none")]


# JWT.


def test_tokens_are_names_of_sessions_and_no_jwt(world: World) -> None:
    assert isinstance(app_settings.TOKEN_STRATEGY, SessionTokenStrategy)
    front = somebody(world.acorn)
    assert "." not in front.token
    answer = front.get("auth/session").body["meta"]
    assert "access_token" not in answer
    assert "refresh_token" not in answer


def test_a_forged_jwt_opens_nothing(world: World) -> None:
    for token in forged(world.acorn):
        front = FrontEnd(world.acorn, token=token)
        assert not is_in(front)
        assert front.get("auth/session").status == 410
        assert front.post("account/password/change", new_password=PASSWORD).status == 410
        bearer = FrontEnd(world.acorn, Authorization=f"Bearer {token}")
        assert bearer.get("auth/session").status == 401
        assert Api(token, host=world.acorn.host).get("/v1/whoami").status == 401


def test_nothing_is_refreshed_into_a_session(world: World) -> None:
    for token in [*forged(world.acorn), somebody(world.acorn).token]:
        refused = FrontEnd(world.acorn).post("tokens/refresh", refresh_token=token)
        assert refused.status == 400
        assert "access_token" not in refused.response.content.decode()


# Another tenant.


def test_a_session_of_one_tenant_is_none_in_its_twin(world: World) -> None:
    """The person has the same id, address and password in both, so a token that reached the twin would open it."""
    north = world.acorn.parties["north"]
    token = session_token(world.acorn, north)
    assert is_in(FrontEnd(world.acorn, token=token))
    for front in (FrontEnd(world.birch, token=token), FrontEnd(world.birch, token=token, by_key=True)):
        assert not is_in(front)
        assert front.get("auth/session").status == 410
        assert front.get("account/email").status == 410


def test_a_token_does_not_come_in_by_the_wrong_door(world: World) -> None:
    """acorn's token with birch's key on acorn's host, and the other way round."""
    token = session_token(world.acorn, world.acorn.parties["north"])
    for host, key in ((world.acorn, world.birch), (world.birch, world.acorn)):
        front = FrontEnd(host, token=token, Packmule_Key=key.publishable_key)
        refused = front.get("auth/session")
        assert (refused.status, refused.problem) == (401, "wrong_tenant")
        assert front.api.get("/v1/whoami").code == "wrong_tenant"


def test_a_cookie_of_one_tenant_is_none_in_its_twin(world: World) -> None:
    cookie = session_cookie(world.acorn, world.acorn.parties["north"])
    for space, status in ((world.acorn, 200), (world.birch, 302)):
        shown = Api(host=space.host).sending(cookie=cookie).get("/accounts/")
        assert shown.status == status


def test_a_step_begun_in_one_tenant_is_not_ended_in_another(world: World) -> None:
    for space in (world.acorn, world.birch):
        somebody(space)
    front = FrontEnd(world.acorn)
    front.post("auth/code/request", email=ADA)
    moved = FrontEnd(world.birch, token=front.token)
    assert moved.post("auth/code/confirm", code=code_for(ADA)).status == 410
    assert front.post("auth/code/confirm", code=code_for(ADA)).status == 200


def test_what_is_no_publishable_key_names_no_tenant(world: World) -> None:
    front = FrontEnd(world.acorn, by_key=True)
    for key in (world.acorn.root_key, world.acorn.parties["north"].agent_key):
        assert front.call("GET", "auth/session", packmule_key=key).problem == "publishable_key_needed"
    assert front.call("GET", "auth/session", packmule_key="pmk_live_pk_x").status == 401
    nameless = FrontEnd(world.acorn, Host="127.0.0.1").get("auth/session")
    assert (nameless.status, nameless.problem) == (400, "tenant_unnamed")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://app.example.com", 401),
        ("https://app.example.com:443", 401),
        ("https://evil.example", 403),
        ("http://app.example.com", 403),
        ("https://app.example.com.evil.example", 403),
        ("https://app.example.com:444", 403),
        ("null", 403),
    ],
)
def test_a_key_is_used_on_the_websites_that_it_names(world: World, origin: str, status: int) -> None:
    fields = {
        "name": "web",
        "kind": "publishable",
        "scopes": ["*"],
        "allowed_origins": ["https://app.example.com"],
    }
    key = Api(world.acorn.root_key).post("/v1/keys", fields)["secret"]
    for by_key in (True, False):
        front = FrontEnd(world.acorn, by_key=by_key, Origin=origin, Packmule_Key=key)
        answer = front.post("auth/signup", email=f"{by_key}@example.test", password=PASSWORD)
        assert answer.status == status, answer
        may_read = answer.headers.get("Access-Control-Allow-Origin")
        assert may_read == ("https://app.example.com" if status == 401 else None)
        assert "Access-Control-Allow-Credentials" not in answer.headers


# Fixation.


@pytest.mark.parametrize("token", ["x" * 32, "a-token-that-somebody-chose", "é" * 32, "../../etc"])
def test_nobody_chooses_a_token(world: World, token: str) -> None:
    somebody(world.acorn)
    assert FrontEnd(world.acorn, token=token).sign_in().status in (400, 410)
    assert not is_in(FrontEnd(world.acorn, token=token))


def test_a_token_from_before_signing_in_is_worth_nothing_after(world: World) -> None:
    """Somebody begins a step and leaves the token with another, who goes on with it and signs in."""
    somebody(world.acorn)
    bait = FrontEnd(world.acorn)
    bait.post("auth/code/request", email="eve@example.test")
    victim = FrontEnd(world.acorn, token=bait.token)
    assert victim.sign_in().status == 200
    assert victim.token != bait.token
    assert is_in(victim)
    assert not is_in(bait)
    assert bait.get("auth/session").status == 410


def test_every_step_up_changes_the_token(world: World) -> None:
    secret = somebody(world.acorn).add_app()
    front = FrontEnd(world.acorn)
    front.sign_in()
    halfway = front.token
    front.post("auth/2fa/authenticate", code=totp(secret))
    assert front.token != halfway
    assert not is_in(FrontEnd(world.acorn, token=halfway))
    assert FrontEnd(world.acorn, token=halfway).get("auth/session").status == 410


def test_halfway_in_is_not_in(world: World) -> None:
    """A password without its second factor opens neither the platform's API, nor one's own account."""
    somebody(world.acorn).add_app()
    front = FrontEnd(world.acorn)
    front.sign_in()
    assert not is_in(front)
    for path in ("account/email", "account/authenticators", "auth/sessions"):
        assert front.get(path).status == 401
    assert front.post("account/password/change", new_password=PASSWORD).status == 401


def test_a_token_is_no_cookie_and_a_cookie_no_token_elsewhere(world: World) -> None:
    """A page of another website makes the browser send the cookie, and that opens no API."""
    cookie = session_cookie(world.acorn, world.acorn.parties["north"])
    assert FrontEnd(world.acorn, Cookie=cookie).get("account/email").status == 401
    assert Api(host=world.acorn.host).sending(cookie=cookie).get("/v1/whoami").code == "credential_missing"


def test_signing_out_ends_the_token_for_good(world: World) -> None:
    front = somebody(world.acorn)
    token = front.token
    front.sign_out()
    again = FrontEnd(world.acorn, token=token)
    assert again.get("auth/session").status == 410
    assert not is_in(again)
    assert again.sign_in().status == 410

"""Front ends of products: allauth's API with tokens of a provider, and the redirect from a page of the same host."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.conf import settings

from apps.accounts.models import User
from apps.accounts.signin.providers.tests.conftest import Newcomer
from apps.accounts.signin.providers.tests.elsewhere import SLUG, Surfer, Wire
from apps.accounts.signin.tests.conftest import Configure
from apps.accounts.signin.tests.headless import FrontEnd, is_in, somebody, trail_of
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.oauth import Browser, Program
from tests.world import World

REDIRECT = "/_allauth/browser/v1/auth/provider/redirect"
PAGE = "/front/end/"


def id_token(world: World, registered: Answer, provider: Answer, surfer: Surfer) -> str:
    """What birch says to the client about who is signed in in that browser."""
    cookie = f"{settings.SESSION_COOKIE_NAME}={surfer.token(world.birch)}"
    program = Program(world.birch, registered["id"], registered["secret"])
    back = {"redirect_uri": provider["callback_url"]}
    code = program.code(Browser(world.birch, cookie), "openid profile email", **back)
    return str(program.exchange(code, **back)["id_token"])


def shown(registered: Answer, token: str) -> dict[str, Any]:
    """The body with which a front end shows an id token."""
    return {
        "provider": SLUG,
        "process": "login",
        "token": {"client_id": registered["id"], "id_token": token},
    }


@pytest.fixture
def token(world: World, wire: Wire, registered: Answer, provider: Answer, carla: Surfer) -> str:
    """An id token about Carla, made for acorn's client."""
    return id_token(world, registered, provider, carla)


def test_the_configuration_lists_what_is_offered(
    world: World, wire: Wire, provider: Answer, configure: Configure
) -> None:
    listed = FrontEnd(world.acorn).get("config")["socialaccount"]["providers"]
    assert [(one["id"], one["name"], one["client_id"]) for one in listed] == [
        (SLUG, "Birch", provider["client_id"])
    ]
    assert listed[0]["flows"] == ["provider_redirect", "provider_token"]
    assert wire.calls == []
    assert FrontEnd(world.birch).get("config")["socialaccount"]["providers"] == []
    configure(methods=["password"])
    assert FrontEnd(world.acorn).get("config")["socialaccount"]["providers"] == []


@pytest.mark.parametrize("by_key", [True, False], ids=["by key", "by host"])
def test_a_front_end_signs_somebody_up_with_a_token_of_the_provider(
    world: World, registered: Answer, token: str, by_key: bool
) -> None:
    front = FrontEnd(world.acorn, by_key=by_key)
    done = front.post("auth/provider/token", **shown(registered, token))
    assert (done.status, done["user"]["display"]) == (200, "Carla")
    assert is_in(front)
    assert trail_of(world.acorn, done["user"]["id"]) == [
        ("users.sign_up", "with an account of Birch"),
        ("sessions.start", "by social"),
    ]
    assert [one["provider"]["id"] for one in front.get("account/providers").body["data"]] == [SLUG]
    again = FrontEnd(world.acorn).post("auth/provider/token", **shown(registered, token))
    assert (again.status, again.codes) == (400, ["invalid_token"])


def test_a_token_for_another_client_lets_nobody_in(
    world: World, registered: Answer, provider: Answer, token: str, carla: Surfer
) -> None:
    other = Api(world.birch.root_key).post(
        "/v1/oauth-clients",
        {
            "name": "Another product",
            "redirect_uris": [provider["callback_url"]],
            "scopes": ["openid", "profile", "email"],
            "grants": ["authorization_code"],
        },
    )
    theirs = id_token(world, other, provider, carla)
    for body in (
        shown(registered, theirs),
        shown(other, theirs),
        shown(registered, token + "x"),
        shown(registered, ""),
    ):
        answer = FrontEnd(world.acorn).post("auth/provider/token", **body)
        assert answer.status == 400, answer
    with enter(world.acorn.ref):
        assert not SocialAccount.objects.exists()


def test_a_provider_of_one_tenant_is_unknown_in_the_other(
    world: World, registered: Answer, token: str
) -> None:
    answer = FrontEnd(world.birch).post("auth/provider/token", **shown(registered, token))
    assert (answer.status, answer.codes) == (400, ["invalid_token"])
    page = Surfer().post(world.birch, REDIRECT, provider=SLUG, callback_url=PAGE, process="login")
    assert page.status_code in (302, 401)
    assert "identity" not in page.headers.get("Location", "")


def test_a_token_does_not_open_an_account_with_the_same_address(
    world: World, wire: Wire, registered: Answer, provider: Answer, newcomer: Newcomer
) -> None:
    email = world.acorn.parties["north"].email
    thief = Surfer().as_person(world.birch, newcomer(email))
    front = FrontEnd(world.acorn)
    body = shown(registered, id_token(world, registered, provider, thief))
    answer = front.post("auth/provider/token", **body)
    assert (answer.status, answer.pending) == (401, "verify_email")
    assert not is_in(front)
    with enter(world.acorn.ref):
        assert not SocialAccount.objects.exists()


def test_a_front_end_asks_for_the_address_that_is_missing(
    world: World, wire: Wire, registered: Answer, token: str, configure: Configure
) -> None:
    configure(email_domains=["corp.example"])
    front = FrontEnd(world.acorn)
    asked = front.post("auth/provider/token", **shown(registered, token))
    assert (asked.status, asked.pending) == (401, "provider_signup")
    refused = front.post("auth/provider/signup", email="carla@example.test")
    assert (refused.status, refused.codes) == (400, ["domain_not_allowed"])
    done = front.post("auth/provider/signup", email="carla@corp.example")
    assert (done.status, done.pending) == (401, "verify_email")


def test_a_front_end_connects_and_disconnects_an_account(
    world: World, registered: Answer, provider: Answer, token: str, carla: Surfer
) -> None:
    front = somebody(world.acorn)
    body = shown(registered, token) | {"process": "connect"}
    front.confirm_it_is_me()
    assert front.post("auth/provider/token", **body).status == 200
    connected = front.get("account/providers").body["data"]
    assert connected[0]["provider"]["id"] == SLUG

    root = Api(world.acorn.root_key)
    root.patch(f"/v1/sign-in-providers/{provider['id']}", {"enabled": False})
    assert front.get("account/providers").body["data"][0]["uid"] == connected[0]["uid"]
    fresh = id_token(world, registered, provider, carla)
    off = FrontEnd(world.acorn).post("auth/provider/token", **shown(registered, fresh))
    assert (off.status, off.codes) == (400, ["method_off"])
    gone = {"provider": SLUG, "account": connected[0]["uid"]}
    assert front.call("DELETE", "account/providers", gone).body["data"] == []


def test_a_page_of_the_same_host_sends_somebody_there_and_gets_them_back(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    sent = carla.post(world.acorn, REDIRECT, provider=SLUG, callback_url=PAGE, process="login")
    assert sent.status_code == 302, sent.content
    callback = carla.consent(world.birch, sent["Location"])
    assert carla.come_back(world.acorn, callback)["Location"] == PAGE
    assert carla.whoami(world.acorn)["actor"]["name"] == "Carla"
    assert parse_qs(urlsplit(carla.come_back(world.acorn, callback).get("Location", "")).query) == {}


def test_what_fails_is_told_to_the_page(world: World, wire: Wire, provider: Answer, carla: Surfer) -> None:
    sent = carla.post(world.acorn, REDIRECT, provider=SLUG, callback_url=PAGE, process="login")
    split = urlsplit(sent["Location"])
    denied = carla.post(world.birch, f"{split.path}?{split.query}", action="cancel")
    assert carla.come_back(world.acorn, denied["Location"])["Location"] == (
        f"{PAGE}?{urlencode({'error': 'cancelled', 'error_process': 'login'})}"
    )


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_a_page_of_another_website_is_none(world: World, wire: Wire, provider: Answer, target: str) -> None:
    answer = Surfer().post(world.acorn, REDIRECT, provider=SLUG, callback_url=target, process="login")
    assert wire.calls == []
    assert "evil" not in answer.headers.get("Location", "")


def test_where_there_is_no_account_elsewhere_nobody_is_one(
    world: World, wire: Wire, provider: Answer
) -> None:
    with enter(world.acorn.ref):
        before = User.objects.count()
    for body in ({}, {"provider": SLUG}, {"provider": SLUG, "process": "login", "token": "text"}):
        assert FrontEnd(world.acorn).post("auth/provider/token", **body).status == 400
    with enter(world.acorn.ref):
        assert User.objects.count() == before

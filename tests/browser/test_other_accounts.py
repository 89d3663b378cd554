"""Signing in to one product with an account at another: a real provider, over HTTP, as people see it."""

from __future__ import annotations

from typing import Any
from urllib.error import HTTPError

import pytest

from tests.browser.conftest import call
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

EMAIL = "carla@customers.example.com"
BACK = "/accounts/3rdparty/idp/callback/"
ALLOW = ".pm-form button[value=grant]"


def environment_key(installation: dict[str, Any], slug: str) -> str:
    """A key for everything in the product's development environment."""
    path = f"/v1/applications/{slug}/environments/development/keys"
    body = {"name": "tests", "kind": "secret", "scopes": ["*"], "expires_in_days": 1}
    return str(call(installation, path, installation["console_key"], body)["secret"])


@pytest.fixture
def elsewhere(visitor: Visitor, installation: dict[str, Any], product: str) -> Visitor:
    """The same browser at a second product, whose accounts the first one takes."""
    console = installation["console_key"]
    call(installation, "/v1/applications", console, {"slug": "idp", "name": "Idp"})
    address = product.replace("--pages", "--idp")
    client = call(
        installation,
        "/v1/oauth-clients",
        environment_key(installation, "idp"),
        {
            "name": "Pages",
            "redirect_uris": [product + BACK],
            "scopes": ["openid", "profile", "email"],
            "grants": ["authorization_code"],
        },
    )
    key = environment_key(installation, "pages")
    provider = {"slug": "idp", "kind": "openid_connect", "name": "Idp", "server_url": address}
    made = call(
        installation,
        "/v1/sign-in-providers",
        key,
        provider | {"client_id": client["id"], "client_secret": client["secret"]},
    )
    assert made["callback_url"] == product + BACK
    away = {"slug": "away", "name": "Someone away", "client_id": "x", "server_url": "http://localhost:1"}
    call(installation, "/v1/sign-in-providers", key, provider | away)
    with pytest.raises(HTTPError, match="422"):
        call(installation, "/v1/sign-in-providers", key, provider | {"server_url": "http://10.0.0.1"})
    return Visitor(visitor.driver, address, visitor.shots, visitor.mails)


def test_a_person_signs_in_with_an_account_of_another_product(visitor: Visitor, elsewhere: Visitor) -> None:
    wrong: list[str] = []
    elsewhere.sign_up(EMAIL)

    visitor.open("/accounts/login/")
    wrong += visitor.looks_here("sign-in-with-providers")
    visitor.click_to_page("form[action*='/idp/login/'] button")
    assert "Let “Pages” into your account?" in visitor.read("h1")
    assert elsewhere.path == "/identity/o/authorize"
    visitor.click_to_page(ALLOW)
    assert visitor.path == "/accounts/"
    assert EMAIL in visitor.read()

    visitor.follow_row("Other accounts")
    assert EMAIL in visitor.read()
    wrong += visitor.looks_here("other-accounts")

    visitor.sign_out()
    visitor.open("/accounts/3rdparty/idp/login/")
    wrong += visitor.looks_here("go-to-a-provider")
    visitor.send()
    assert elsewhere.path == "/identity/o/authorize"
    visitor.click_to_page(ALLOW)
    assert visitor.path == "/accounts/"

    visitor.sign_out()
    visitor.open("/accounts/signup/")
    wrong += visitor.looks_here("sign-up-with-providers")
    visitor.click_to_page("form[action*='/away/login/'] button")
    assert "Signing in with Someone away did not work" in visitor.read("h1")
    assert "It cannot be reached at the moment" in visitor.read()
    wrong += visitor.looks_here("a-provider-that-is-away", mistakes=1)
    assert wrong == []

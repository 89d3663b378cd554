"""Letting programs in, as a product's customer does: by a code that a device shows, and by consent after a redirect."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest

from apps.core import remote
from tests.browser.visitor import PASSWORD, Visitor
from tests.oauth import DEVICE_GRANT, VERIFIER, challenge_of
from tests.standins.outside import Outside, answer, outside

pytestmark = pytest.mark.browser
CLI = "packmule-cli"


@pytest.fixture
def website() -> Iterator[Outside]:
    """Where the product's website takes people back."""
    with outside(
        {"/callback": answer(b"<!doctype html><title>Back</title><h1>You are back</h1>")}
    ) as running:
        yield running


def begin(product: str, scope: str) -> dict[str, Any]:
    """A device begins to ask."""
    fields = {"client_id": CLI, "scope": scope}
    return remote.post_form(f"{product}/identity/o/api/device/code", fields).document()


def poll(product: str, begun: dict[str, Any]) -> dict[str, Any]:
    """What the device is told."""
    fields = {"grant_type": DEVICE_GRANT, "client_id": CLI, "device_code": str(begun["device_code"])}
    return remote.post_form(f"{product}/identity/o/api/token", fields).document()


def path_of(address: str) -> str:
    """What comes after the host."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def customer(visitor: Visitor, email: str) -> str:
    """Somebody who has an account and is not signed in."""
    visitor.sign_up(email)
    visitor.sign_out()
    return email


def register(installation: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A client of the product's environment, which its builder registers."""
    headers = {
        "Authorization": f"Bearer {installation['console_key']}",
        "Content-Type": "application/json",
        "Packmule-Environment": "pages/development",
    }
    body = json.dumps({"name": "Menu board", "scopes": ["users:read", "openid", "email"], **fields}).encode()
    with urlopen(Request(f"{installation['api_url']}/v1/oauth-clients", body, headers), timeout=20) as made:
        found: dict[str, Any] = json.load(made)
    return found


def address_of(client: dict[str, Any], back: str, scope: str, **changes: str) -> str:
    """Where the website sends people's browsers."""
    query = {
        "response_type": "code",
        "client_id": client["id"],
        "redirect_uri": back,
        "scope": scope,
        "state": "x7",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    } | changes
    return f"/identity/o/authorize?{urlencode(query)}"


def test_a_device_is_let_in_by_who_signs_in_first(visitor: Visitor, product: str) -> None:
    email = customer(visitor, "device@customers.example.com")
    begun = begin(product, "users:read agents:write keys:write")
    visitor.open(path_of(begun["verification_uri_complete"]))
    assert visitor.path == "/accounts/login/"
    visitor.send(login=email, password=PASSWORD)
    assert visitor.path == "/identity/o/device"
    assert begun["user_code"] in visitor.read()
    wrong = visitor.looks_here("oauth-device-approve")
    visitor.click("[value='keys:write']")
    visitor.send_by("[value=confirm]")
    assert "is connected" in visitor.read("h1")
    wrong += visitor.looks_here("oauth-device-connected")
    given = poll(product, begun)
    assert "keys:write" not in given["scope"].split()
    assert "users:read" in given["scope"].split()
    assert wrong == []


def test_a_code_is_typed_and_denied(visitor: Visitor, product: str) -> None:
    visitor.sign_up("typist@customers.example.com")
    visitor.open("/identity/o/device")
    wrong = visitor.looks_here("oauth-device-code")
    visitor.send(user_code="BBBB-BBBB")
    assert visitor.find("[name=user_code]").get_attribute("aria-invalid") == "true"
    wrong += visitor.looks_here("oauth-device-code-wrong", mistakes=1)
    begun = begin(product, "*")
    visitor.send(user_code=begun["user_code"].lower().replace("-", " "))
    assert "everything you may do" in visitor.read()
    assert not visitor.find("[name=scopes]").is_selected()
    wrong += visitor.looks_here("oauth-device-everything")
    visitor.send_by("[value=confirm]")
    assert "Tick what you allow" in visitor.read()
    wrong += visitor.looks_here("oauth-device-nothing-ticked")
    visitor.send_by("[value=deny]")
    assert "You denied it" in visitor.read("h1")
    wrong += visitor.looks_here("oauth-device-denied")
    assert poll(product, begun)["error"] == "access_denied"
    for _ in range(10):
        visitor.open("/identity/o/device?user_code=BBBB-BBBB")
    assert "Too many wrong codes" in visitor.read()
    wrong += visitor.looks_here("oauth-device-too-many", mistakes=10)
    assert wrong == []


def test_a_website_is_let_in_and_remembered(
    visitor: Visitor, installation: dict[str, Any], product: str, website: Outside
) -> None:
    email, back = customer(visitor, "board@customers.example.com"), website.url("/callback")
    client = register(installation, redirect_uris=[back])
    address = address_of(client, back, "users:read openid email")
    visitor.open(address)
    assert visitor.path == "/accounts/login/"
    visitor.send(login=email, password=PASSWORD)
    assert visitor.path == "/identity/o/authorize"
    assert f"127.0.0.1:{website.port}" in visitor.read()
    wrong = visitor.looks_here("oauth-consent")
    visitor.click("[value='email']")
    visitor.send_by("[value=grant]")
    assert "You are back" in visitor.read()
    sent = parse_qs(urlsplit(visitor.driver.current_url).query)
    assert (sent["state"], sent["iss"]) == (["x7"], [product])
    fields = {"grant_type": "authorization_code", "code": sent["code"][0], "redirect_uri": back}
    secret = {"client_id": client["id"], "client_secret": client["secret"], "code_verifier": VERIFIER}
    given = remote.post_form(f"{product}/identity/o/api/token", fields | secret).document()
    assert set(given["scope"].split()) == {"users:read", "openid"}

    visitor.open(address)
    visitor.send_by("[value=cancel]")
    sent = parse_qs(urlsplit(visitor.driver.current_url).query)
    assert (sent["error"], sent["state"]) == (["access_denied"], ["x7"])
    assert wrong == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_program_on_the_persons_machine_gets_its_code(
    visitor: Visitor, installation: dict[str, Any], website: Outside, host: str
) -> None:
    visitor.sign_up(f"{re.sub('[^a-z0-9]', '', host)}-here@customers.example.com")
    client = register(
        installation, kind="public", redirect_uris=[f"http://{host}/callback"], grants=["authorization_code"]
    )
    visitor.open(address_of(client, website.url("/callback", host), "users:read"))
    visitor.click("[value=grant]")
    visitor.wait_for(lambda: "code=" in visitor.driver.current_url)
    assert urlsplit(visitor.driver.current_url).netloc == f"{host}:{website.port}"


def test_what_cannot_be_allowed_is_said(
    visitor: Visitor, installation: dict[str, Any], website: Outside
) -> None:
    visitor.sign_up("refused@customers.example.com")
    client = register(installation, redirect_uris=[website.url("/callback")])
    visitor.open(address_of(client, "https://evil.example/callback", "users:read"))
    assert "cannot be allowed" in visitor.read("h1")
    assert "has not registered “https://evil.example/callback”" in visitor.read()
    assert visitor.looks_here("oauth-refused", mistakes=1) == []
    assert website.asked == []

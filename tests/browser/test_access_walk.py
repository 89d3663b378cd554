"""Who acts for a product's customer: an agent that asks, a program that is let in, and ending both on one page."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.request import Request, urlopen

import pytest

from apps.core import clock
from apps.core.strictjson import timestamp
from tests.browser.test_oauth_walk import begin, path_of
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser
EMAIL = "access@customers.example.com"


def send(installation: dict[str, Any], path: str, body: Any = None, *, key: str = "", **headers: str) -> Any:
    """Call the API as the builder in the product's environment, or with another key of that environment."""
    place = {} if key else {"Packmule-Environment": "pages/development"}
    shown = {"Authorization": f"Bearer {key or installation['console_key']}", **place, **headers}
    content = None if body is None else json.dumps(body).encode()
    request = Request(installation["api_url"] + path, content, shown | {"Content-Type": "application/json"})
    with urlopen(request, timeout=20) as answer:
        return json.load(answer)


def asking(installation: dict[str, Any]) -> str:
    """An agent of the customer's own organization asks the customer; the page on which they answer."""
    person = send(installation, f"/v1/users?email={EMAIL}")["data"][0]["id"]
    place = next(
        row["id"] for row in send(installation, "/v1/organizations")["data"] if row["name"] == "access"
    )
    agent = send(
        installation, "/v1/agents", {"name": "Menu writer", "role": "developer", "organization": place}
    )
    minted = send(
        installation, f"/v1/agents/{agent['id']}/keys", {"name": "key", "scopes": ["*"], "expires_in_days": 1}
    )
    body = {
        "of": person,
        "scopes": ["agents:read", "keys:read"],
        "expires_at": timestamp(clock.now() + timedelta(days=7)),
        "purpose": "To keep the menus in order while you are away",
        "max_uses": 5,
    }
    asked: str = send(installation, "/v1/delegations/requests", body, key=minted["secret"])["consent"]
    return asked


def test_who_acts_for_somebody_is_seen_and_ended(
    visitor: Visitor, installation: dict[str, Any], product: str
) -> None:
    visitor.sign_up(EMAIL)
    visitor.open("/accounts/")
    visitor.follow_row("Agents and programs")
    assert "Nobody." in visitor.read()
    wrong = visitor.looks_here("access-nobody")

    consent = asking(installation)
    visitor.open(path_of(begin(product, "users:read agents:write")["verification_uri_complete"]))
    visitor.send_by("[value=confirm]")
    visitor.open("/accounts/access/")
    assert "Menu writer" in visitor.read()
    wrong += visitor.looks_here("access-asked")
    visitor.click_to_page(f"a[href='{consent}']")
    visitor.send_by("[value=allow]")
    visitor.follow("who acts for you")

    visitor.click("details summary")
    assert "See agents" in visitor.read()
    wrong += visitor.looks_here("access-two")
    visitor.click_to_page("[value^=dlg_]")
    assert "It is ended." in visitor.read()
    assert "Menu writer" not in visitor.read()
    wrong += visitor.looks_here("access-ended")
    visitor.click_to_page("[value^=oag_]")
    assert "Nobody." in visitor.read()
    assert wrong == []

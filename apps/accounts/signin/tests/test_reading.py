"""What the API of signing in does not offer, and bodies that it does not read."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.accounts.signin.tests.headless import FrontEnd, somebody
from tests.world import World

BODIES = [
    '{"provider": "\\ud800", "account": "\\ud800"}',
    '{"\\udfff": "x"}',
    '{"email": "nul\\u0000@example.test"}',
    '{"email": ' + "[" * 100_000,
    '{"email": "a@example.test", "email": "b@example.test"}',
    "[]",
    "no JSON",
]
PATHS = ["account/providers", "account/email", "auth/login", "auth/signup", "auth/password/request"]


def send(front: FrontEnd, method: str, path: str, body: str, client: str = "app") -> Any:
    """Send a body as it is, in the session of `front`."""
    where = f"/_allauth/{client}/v1/{path}"
    return Client().generic(
        method, where, body, content_type="application/json", headers=front.headers() | {"Accept": "*/*"}
    )


@pytest.mark.parametrize("body", BODIES)
def test_what_nothing_can_keep_is_not_read(world: World, body: str) -> None:
    """The test client raises what a view does not catch, so that a 500 would fail here."""
    front = somebody(world.acorn)
    answers = [send(front, "POST", path, body) for path in PATHS]
    answers.append(send(front, "DELETE", "account/providers", body))
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(400, "malformed_request")}
    assert front.api.get("/v1/whoami").status == 200


def test_there_are_no_telephone_numbers(world: World) -> None:
    front = somebody(world.acorn)
    for client in ("app", "browser"):
        for method, path in (
            ("GET", "account/phone"),
            ("POST", "account/phone"),
            ("POST", "auth/phone/verify"),
            ("POST", "auth/phone/verify/resend"),
        ):
            refused = send(front, method, path, '{"phone": "+491701234567"}', client)
            assert (refused.status_code, refused.json()["code"]) == (404, "route_not_found"), path

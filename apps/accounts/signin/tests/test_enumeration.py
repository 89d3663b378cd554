"""Nobody learns who has an account: an address with one and an address without are answered alike, to the letter."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, TestCase

from apps.accounts.signin.tests.headless import ADA, PASSWORD, Answer, Configure, FrontEnd, Travel, somebody
from tests.client import Api
from tests.world import World

NOBODY = "bob@example.test"
WRONG = "AAAA-AAAA"
#: Headers that differ with every call.
_OWN = {"Request-Id", "Content-Length", "Expires"}


def told(answer: Answer, email: str) -> tuple[int, str, dict[str, str]]:
    """What an answer tells, with the address and the session's own name taken out."""
    text = answer.response.content.decode().replace(email, "…")
    text = re.sub(r'"session_token": "\w+"', '"session_token": "…"', text)
    return answer.status, text, {k: v for k, v in answer.headers.items() if k not in _OWN}


def both(world: World, *steps: tuple[str, dict[str, Any]]) -> list[list[tuple[int, str, dict[str, str]]]]:
    """Take the same steps with an address that has an account and with one that has none."""
    heard = []
    for email, address in ((ADA, "198.51.100.4"), (NOBODY, "198.51.100.5")):
        front = FrontEnd(world.acorn, address=address)
        sent = [(path, {k: v.format(email=email) for k, v in body.items()}) for path, body in steps]
        heard.append([told(front.post(path, **body), email) for path, body in sent])
    return heard


ADDRESS = {"email": "{email}"}


@pytest.mark.parametrize(
    "steps",
    [
        [("auth/signup", {**ADDRESS, "password": PASSWORD})],
        [("auth/signup", {**ADDRESS, "password": "short"})],
        [
            ("auth/signup", {**ADDRESS, "password": PASSWORD}),
            ("auth/email/verify", {"key": WRONG}),
            ("auth/email/verify/resend", {}),
            ("auth/email/verify", {"key": WRONG}),
            ("auth/email/verify", {"key": WRONG}),
            ("auth/email/verify", {"key": WRONG}),
        ],
        [("auth/login", {**ADDRESS, "password": "a wrong guess"})],
        [("auth/login", {**ADDRESS, "password": "a wrong guess"})] * 6,
        [("auth/password/request", ADDRESS)],
        [("auth/password/request", ADDRESS)] * 6,
        [("auth/code/request", ADDRESS)],
        [
            ("auth/code/request", ADDRESS),
            ("auth/code/confirm", {"code": WRONG}),
            ("auth/code/resend", {}),
            ("auth/code/confirm", {"code": WRONG}),
            ("auth/code/confirm", {"code": WRONG}),
            ("auth/code/confirm", {"code": WRONG}),
        ],
    ],
    ids=["sign-up", "poor", "verify", "sign-in", "sign-ins", "reset", "resets", "code", "codes"],
)
def test_the_api_tells_nothing(world: World, travel: Travel, steps: list[tuple[str, dict[str, Any]]]) -> None:
    somebody(world.acorn)
    travel(timedelta(minutes=2))
    known, unknown = both(world, *steps)
    assert known == unknown


@pytest.mark.parametrize("sign_up", ["invited", "closed"])
def test_nor_where_sign_up_is_not_open(world: World, configure: Configure, sign_up: str) -> None:
    somebody(world.acorn)
    configure(sign_up=sign_up)
    known, unknown = both(world, ("auth/signup", {**ADDRESS, "password": PASSWORD}))
    assert known == unknown


def test_nor_where_no_password_is_taken(world: World, configure: Configure) -> None:
    somebody(world.acorn)
    configure(methods=["code"])
    known, unknown = both(world, ("auth/login", {**ADDRESS, "password": PASSWORD}))
    assert known == unknown


def test_a_suspended_account_is_known_to_its_owner_alone(world: World) -> None:
    person = somebody(world.acorn).get("auth/session")["user"]["id"]
    assert Api(world.acorn.root_key).post(f"/v1/users/{person}/suspend", {"reason": "x"}).status == 200
    for path, more in (
        ("auth/login", {"password": "a wrong guess"}),
        ("auth/code/request", {}),
        ("auth/password/request", {}),
        ("auth/signup", {"password": PASSWORD}),
    ):
        known, unknown = both(world, (path, {**ADDRESS, **more}))
        assert known == unknown


def test_somebody_with_a_second_factor_is_asked_for_it_after_the_password_alone(world: World) -> None:
    somebody(world.acorn).add_app()
    known, unknown = both(
        world,
        ("auth/login", {**ADDRESS, "password": "a wrong guess"}),
        ("auth/2fa/authenticate", {"code": "000000"}),
    )
    assert known == unknown


def test_who_is_signed_in_learns_nothing_of_an_address_they_would_take(world: World) -> None:
    somebody(world.acorn)
    heard = []
    for asker, email in (("eve@example.test", ADA), ("mallory@example.test", NOBODY)):
        front = somebody(world.acorn, asker)
        front.confirm_it_is_me()
        answer = front.post("account/email", email=email)
        heard.append(
            [part.replace(asker, "?") if isinstance(part, str) else part for part in told(answer, email)]
        )
    assert heard[0] == heard[1]


# Pages.


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("signup", {"email": "{email}", "password1": PASSWORD}),
        ("login", {"login": "{email}", "password": "a wrong guess"}),
        ("password/reset", {"email": "{email}"}),
        ("login/code", {"email": "{email}"}),
    ],
)
def test_the_pages_tell_nothing(world: World, path: str, fields: dict[str, str]) -> None:
    somebody(world.acorn)
    seen = []
    for email in (ADA, NOBODY):
        client: Any = Client(headers={"host": world.acorn.host})
        filled = {name: value.format(email=email) for name, value in fields.items()}
        with TestCase.captureOnCommitCallbacks(execute=True):
            answer = client.post(f"/accounts/{path}/", filled)
            after = client.get(answer["Location"]) if answer.status_code == 302 else answer
        text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", after.content.decode())
        cookies = sorted(name for name in client.cookies if name != settings.CSRF_COOKIE_NAME)
        seen.append((answer.status_code, answer.get("Location"), text.replace(email, "…"), cookies))
    assert seen[0] == seen[1]

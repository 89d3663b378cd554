"""One session takes one step at a time, or tries made at the same moment would be counted as one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from allauth.core.internal import ratelimit
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from apps.accounts.signin.tests.headless import ADA, FrontEnd, somebody
from apps.tenancy.walls import enter
from tests.world import World

Busy = Callable[[str], None]


@pytest.fixture
def busy(world: World, monkeypatch: pytest.MonkeyPatch) -> Busy:
    """Let another worker be at a step of the session with that key."""
    monkeypatch.setattr(ratelimit, "CACHE_LOCK_WAIT_TIMEOUT", 0)

    def begin(session: str) -> None:
        with enter(world.acorn.ref):
            cache.add(f"sign-in:{hashlib.sha256(session.encode()).hexdigest()}:lock", value=True, timeout=10)

    return begin


def asking(world: World) -> FrontEnd:
    somebody(world.acorn)
    front = FrontEnd(world.acorn)
    front.post("auth/code/request", email=ADA)
    return front


def test_who_takes_two_steps_at_once_is_told_to_wait(world: World, busy: Busy) -> None:
    front = asking(world)
    busy(front.token)
    refused = front.post("auth/code/confirm", code="AAAA-AAAA")
    assert (refused.status, refused.problem) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "1"


def test_looking_takes_no_step_but_trying_a_code_does(world: World, busy: Busy) -> None:
    front = asking(world)
    busy(front.token)
    assert front.get("auth/session").status == 401
    for header in ("x_email_verification_key", "x_password_reset_key"):
        assert front.get("auth/email/verify", **{header: "AAAA-AAAA"}).status == 429


def test_another_session_is_not_held_up(world: World, busy: Busy) -> None:
    front = asking(world)
    busy(front.token)
    assert FrontEnd(world.acorn).sign_in().status == 200


def test_a_page_is_not_talked_out_of_it_by_a_header(world: World, busy: Busy) -> None:
    """Pages know people by the cookie; a token that is sent along makes no other session of it."""
    browser: Any = Client(headers={"host": world.acorn.host})
    browser.post("/accounts/login/code/", {"email": ADA})
    busy(browser.cookies[settings.SESSION_COOKIE_NAME].value)
    for number in range(2):
        sent = {"x-session-token": f"another {number}"}
        refused = browser.post("/accounts/login/code/confirm/", {"code": "AAAA-AAAA"}, headers=sent)
        assert refused.status_code == 429

"""Signing up and in through allauth's API, from the first call to the last."""

from __future__ import annotations

import pytest

from apps.accounts.signin.tests.headless import ADA, PASSWORD, FrontEnd, link_for, reset_key, trail_of
from tests.world import World


@pytest.mark.parametrize("by_key", [True, False], ids=["by key", "by host"])
def test_somebody_signs_up_looks_around_and_signs_out(world: World, by_key: bool) -> None:
    front = FrontEnd(world.acorn, by_key=by_key)
    done = front.sign_up(ADA)
    assert (done.status, done["user"]["email"]) == (200, ADA)

    me = front.api.get("/v1/whoami")
    assert (me.status, me["actor"]["name"], me["tenant"]) == (200, ADA, "acorn/production")
    assert me["actor"]["id"] == done["user"]["id"]
    assert me["organization"]["slug"].startswith("ada-")
    assert front.api.get("/v1/agents").body["data"] == []

    assert front.sign_out().status == 401
    after = front.api.get("/v1/whoami")
    assert (after.status, after.code) == (401, "session_ended")
    assert trail_of(world.acorn, done["user"]["id"]) == [
        ("users.sign_up", ""),
        ("sessions.start", "by sign-up"),
        ("sessions.end", "signed out"),
    ]


def test_password_then_code_then_reset(world: World) -> None:
    FrontEnd(world.acorn).sign_up(ADA)
    assert FrontEnd(world.acorn).sign_in(ADA).status == 200
    assert FrontEnd(world.acorn).by_code(ADA).status == 200
    front = FrontEnd(world.acorn)
    assert front.post("auth/password/request", email=ADA).status == 200
    assert link_for(ADA).startswith(f"http://{world.acorn.host}")
    key, new = reset_key(ADA), f"{PASSWORD}, only newer"
    assert front.post("auth/password/reset", key=key, password=new).status == 401
    assert FrontEnd(world.acorn).sign_in(ADA).status == 400
    assert FrontEnd(world.acorn).sign_in(ADA, new).status == 200
    assert FrontEnd(world.acorn).post("auth/password/reset", key=key, password=PASSWORD).status == 400

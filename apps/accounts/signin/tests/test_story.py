"""Signing up and in through allauth's API, from the first call to the last."""

from __future__ import annotations

import pytest

from apps.accounts.models import User
from apps.accounts.signin.tests.headless import PASSWORD, FrontEnd, link_for
from apps.audit.models import Event
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import Space, World

ADA = "ada@example.test"


def events(space: Space, email: str) -> list[tuple[str, str]]:
    """What the tenant's trail says about the person, the oldest first: operation and reason."""
    with enter(space.ref):
        person = User.objects.get(email=email)
        rows = Event.objects.filter(resource_id=person.public_id).order_by("id")
        return list(rows.values_list("operation", "reason"))


def api_of(front: FrontEnd) -> Api:
    """The API as the person's session sees it."""
    return Api(
        host=front.headers()["Host"], headers={k: v for k, v in front.headers().items() if k != "Host"}
    )


@pytest.mark.parametrize("by_key", [True, False], ids=["by key", "by host"])
def test_somebody_signs_up_looks_around_and_signs_out(world: World, by_key: bool) -> None:
    front = FrontEnd(world.acorn, by_key=by_key)
    done = front.sign_up(ADA)
    assert (done.status, done.body["data"]["user"]["email"]) == (200, ADA)

    me = api_of(front).get("/v1/whoami")
    assert (me.status, me["actor"]["name"], me["tenant"]) == (200, ADA, "acorn/production")
    assert me["actor"]["id"] == done.body["data"]["user"]["id"]
    assert me["organization"]["slug"].startswith("ada-")
    assert api_of(front).get("/v1/agents").body["data"] == []

    assert front.call("DELETE", "auth/session").status == 401
    after = api_of(front).get("/v1/whoami")
    assert (after.status, after.code) == (401, "session_ended")
    assert events(world.acorn, ADA) == [
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
    link = link_for(ADA)
    assert link.startswith(f"http://{world.acorn.host}")
    key = link.rstrip("/").rpartition("/")[2]
    new = f"{PASSWORD}, only newer"
    assert front.post("auth/password/reset", key=key, password=new).status == 401
    assert FrontEnd(world.acorn).sign_in(ADA).status == 400
    assert FrontEnd(world.acorn).sign_in(ADA, new).status == 200
    assert FrontEnd(world.acorn).post("auth/password/reset", key=key, password=PASSWORD).status == 400

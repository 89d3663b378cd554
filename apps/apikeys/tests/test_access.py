"""The page of who acts for a person: what it lists, how they end it there, and that nobody else does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps.accounts.models import User
from apps.accounts.oauth.models import OAuthGrant
from apps.apikeys.tests.making import seat_in_another
from apps.core import clock
from apps.core.ids import decode
from apps.core.strictjson import timestamp
from apps.orgs.models import Membership
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import Browser, give, register
from tests.sessions import begin_session, session_cookie
from tests.world import Party, World

PAGE = "/accounts/access/"


@pytest.fixture
def north(world: World) -> Party:
    return world.acorn.parties["north"]


@pytest.fixture
def browser(world: World, north: Party) -> Browser:
    return Browser.of(world.acorn, north)


def giving(north: Party, key: str = "", **more: Any) -> str:
    """North's person lets north's agent act for them; the delegation's id."""
    body = {"actor": north.agent, "scopes": ["agents:read"], "expires_at": tomorrow(), **more}
    given = Api(key or north.person_key).post("/v1/delegations", body)
    assert given.status == 201, given
    return str(given["id"])


def asking(north: Party) -> str:
    """North's agent asks north's person; the request's id."""
    body = {"of": north.person, "scopes": ["users:read"], "expires_at": tomorrow(), "purpose": "To look"}
    return str(Api(north.agent_key).post("/v1/delegations/requests", body)["id"])


def tomorrow() -> str:
    return timestamp(clock.now() + timedelta(days=1))


def letting_in(world: World, north: Party) -> tuple[str, str]:
    """North's person lets a program in: the consent's id, and the program's token."""
    with enter(world.acorn.ref):
        program = register(None, name="Menu board")
        person = User.objects.get(pk=decode(north.person, "usr"))
        named = {"name": program.name, "scopes": ["agents:read"], "given_at": clock.now()}
        OAuthGrant.objects.create(user=person, client=program.client, **named)
    token = give(world.acorn, ["agents:read"], user=north.person, client=program.public_id)
    (grant,) = Api(north.person_key).get("/v1/oauth-grants")["data"]
    return str(grant["id"]), token


def text_of(browser: Browser) -> str:
    shown = browser.get(PAGE)
    assert shown.status_code == 200
    return str(shown.content.decode())


def test_nobody_acts_for_who_let_nobody(browser: Browser) -> None:
    assert "No agent acts for you, and you let no program in" in text_of(browser)
    assert f'href="{PAGE}"' in browser.get("/accounts/").content.decode()


def test_an_agent_that_acts_for_somebody_is_ended_there(north: Party, browser: Browser) -> None:
    given = giving(north, purpose="To tidy up", max_uses=5)
    acting = Api(north.agent_key).sending(packmule_on_behalf_of=north.person)
    assert acting.get("/v1/agents").status == 200
    text = text_of(browser)
    for said in ("north&#x27;s agent", "To tidy up", "In North", "See agents", "used 0 of 5 times"):
        assert said in text
    ended = browser.post(PAGE, access=given)
    assert (ended.status_code, ended.headers["Location"]) == (302, PAGE)
    assert acting.get("/v1/agents").code == "delegation_revoked"
    assert given not in text_of(browser)
    told = Api(north.person_key).get("/v1/audit?operation=delegations.revoke")["data"]
    assert [entry["actor"]["id"] for entry in told] == [north.person]


def test_and_a_program_that_was_let_in(world: World, north: Party, browser: Browser) -> None:
    grant, token = letting_in(world, north)
    assert Api(token).get("/v1/agents").status == 200
    assert "Menu board" in text_of(browser)
    assert browser.post(PAGE, access=grant).status_code == 302
    assert Api(token).get("/v1/agents").status == 401
    assert grant not in text_of(browser)


def test_what_they_gave_in_another_organization_is_there_too(
    world: World, north: Party, browser: Browser
) -> None:
    """Their session acts in the first one; the record stands in the organization in which it held."""
    other = seat_in_another(world.acorn, north)
    with enter(world.acorn.ref):
        Membership.objects.filter(organization=other).update(role="admin")
    there = Api(north.person_key).sending(packmule_organization=other.public_id)
    agent = there.post("/v1/agents", {"name": "the other's agent"})["id"]
    body = {"actor": agent, "scopes": ["agents:read"], "expires_at": tomorrow()}
    given = there.post("/v1/delegations", body)["id"]
    assert "In Another" in text_of(browser)
    assert browser.post(PAGE, access=given).status_code == 302
    assert there.get(f"/v1/delegations/{given}")["status"] == "revoked"
    assert there.get("/v1/audit?operation=delegations.revoke")["data"][0]["actor"]["id"] == north.person


def test_a_request_waits_there_for_its_answer(north: Party, browser: Browser) -> None:
    asked = asking(north)
    assert f'href="/accounts/delegations/{asked}/"' in text_of(browser)
    assert Api(north.person_key).post(f"/v1/delegations/{asked}/deny").status == 200
    assert asked not in text_of(browser)


def test_others_are_neither_shown_nor_ended(world: World, north: Party, browser: Browser) -> None:
    """An owner looks after what the members gave elsewhere; this page is about themselves."""
    with enter(world.acorn.ref):
        Membership.objects.filter(user__email="viewer@north.test").update(role="developer")
        person = User.objects.get(email="viewer@north.test")
    cookie = f"{settings.SESSION_COOKIE_NAME}={begin_session(world.acorn, person)}"
    viewer = Browser(world.acorn, cookie)
    given = giving(north, north.viewer_key)
    grant, token = letting_in(world, north)
    assert given not in text_of(browser)
    assert grant not in text_of(viewer)
    for who, shown in ((browser, given), (viewer, grant), (browser, "dlg_x"), (browser, "")):
        assert who.post(PAGE, access=shown).status_code == 302
    assert Api(north.viewer_key).get(f"/v1/delegations/{given}")["status"] == "active"
    assert Api(token).get("/v1/agents").status == 200


def test_who_is_not_signed_in_goes_to_sign_in_and_another_site_ends_nothing(
    world: World, north: Party
) -> None:
    given = giving(north)
    stranger = Browser(world.acorn).get(PAGE)
    assert (stranger.status_code, stranger.headers["Location"].startswith("/accounts/login/")) == (302, True)
    headers = {"host": world.acorn.host, "cookie": session_cookie(world.acorn, north)}
    forged = Client(enforce_csrf_checks=True).post(PAGE, {"access": given}, headers=headers)
    assert forged.status_code == 403
    assert Api(north.person_key).get(f"/v1/delegations/{given}")["status"] == "active"


def test_a_refusal_is_said_on_the_page(world: World, north: Party, browser: Browser) -> None:
    """A second factor that is missing hinders nobody to see who acts for them, nor to put out a program."""
    given, (grant, _) = giving(north), letting_in(world, north)
    wanted = {"second_factor_for": ["owner"]}
    assert Api(world.acorn.root_key).patch("/v1/sign-in-settings", wanted).status == 200
    refused = browser.post(PAGE, access=given)
    assert (refused.status_code, b"wants a second factor" in refused.content) == (403, True)
    assert given in text_of(browser)
    assert browser.post(PAGE, access=grant).status_code == 302
    assert grant not in text_of(browser)

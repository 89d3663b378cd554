"""The page on which a device is approved: what it shows, whom it serves, and how often somebody may guess."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.oauth import grants
from apps.core import clock
from apps.core.actor import Actor, Call, Credential, Edge, PrincipalKind, PrincipalRef
from apps.core.ids import decode, uuid7
from apps.core.scopes import Scopes
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import Browser, Program, device_page, give, register, ticked
from tests.sessions import begin_session, session_token
from tests.world import World


@pytest.fixture
def cli(world: World) -> Program:
    """The command line, which every tenant knows, at acorn."""
    return Program(world.acorn, "packmule-cli")


def test_it_shows_what_is_asked_from_where_and_when(cli: Program, browser: Browser) -> None:
    with clock.frozen(clock.now() - timedelta(minutes=3)):
        begun = cli.begin("* users:read openid")
    page = browser.device(begun["user_code"])
    shown = page.content.decode()
    assert ticked(page) == {"*": False, "users:read": True, "openid": True}
    for text in (
        begun["user_code"],
        "Packmule command line",
        "127.0.0.1",
        "3 minutes ago",
        "owner@north.test",
    ):
        assert text in shown
    assert "everything you may do" in shown
    assert "Only if you began this yourself" in shown


def test_what_a_person_could_not_do_is_not_offered(world: World, cli: Program) -> None:
    from apps.orgs.models import Membership

    south = world.acorn.parties["south"]
    with enter(world.acorn.ref):
        Membership.objects.filter(user_id=decode(south.person, "usr")).update(role="viewer")
    viewer = Browser.of(world.acorn, south)
    assert ticked(viewer.device(cli.begin("users:read users:write")["user_code"])).keys() == {"users:read"}
    assert viewer.device(cli.begin("users:write")["user_code"]).status_code == 403


def test_the_page_waits_for_a_code(browser: Browser) -> None:
    page = browser.get("/identity/o/device")
    assert (page.status_code, "Enter the code" in page.content.decode()) == (200, True)
    assert page.headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("code", ["", "BBBB-BBBB", "'; drop table", "\0", "B" * 500, "ÄÖÜ"])
def test_what_is_no_code_says_so(browser: Browser, code: str) -> None:
    assert browser.device(code).status_code == 400


def test_only_who_is_signed_in_is_asked(world: World, cli: Program) -> None:
    begun = cli.begin("users:read")
    for answer in (
        Browser(world.acorn).device(begun["user_code"]),
        Browser(world.acorn).allow(begun["user_code"], ["users:read"]),
        replace(Browser.of(world.birch, world.birch.parties["north"]), space=world.acorn).device(
            begun["user_code"]
        ),
    ):
        assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/accounts/login/")
    assert cli.poll(begun["device_code"])["error"] == "authorization_pending"


def test_no_key_token_or_agent_signs_in_here(world: World, cli: Program) -> None:
    north, begun = world.acorn.parties["north"], cli.begin("users:read")
    credentials = [
        {"authorization": f"Bearer {north.person_key}"},
        {"authorization": f"Bearer {north.agent_key}"},
        {"authorization": f"Bearer {give(world.acorn, ['*'], user=north.person)}"},
        {"x-session-token": session_token(world.acorn, north)},
    ]
    for headers in credentials:
        sent = {"action": "confirm", "scopes": ["users:read"]}
        answer = Client().post(
            device_page(begun["user_code"]), sent, headers={"host": world.acorn.host, **headers}
        )
        assert answer.status_code == 302, headers
    assert cli.poll(begun["device_code"])["error"] == "authorization_pending"


def test_another_website_cannot_send_the_form(cli: Program, browser: Browser) -> None:
    begun = cli.begin("users:read")
    strict = Client(enforce_csrf_checks=True)
    headers = {"host": browser.space.host, "cookie": browser.cookie}
    for action in ("confirm", "deny"):
        form = {"action": action, "scopes": ["users:read"]}
        assert strict.post(device_page(begun["user_code"]), form, headers=headers).status_code == 403
    assert cli.poll(begun["device_code"])["error"] == "authorization_pending"


def test_opening_the_page_decides_nothing(cli: Program, browser: Browser) -> None:
    begun = cli.begin("users:read")
    browser.get(device_page(begun["user_code"]) + "&action=confirm&scopes=users:read")
    assert cli.poll(begun["device_code"])["error"] == "authorization_pending"


def test_a_client_that_was_stopped_meanwhile_is_not_offered(world: World, api: Api, browser: Browser) -> None:
    with enter(world.acorn.ref):
        made = register(None, kind="public", grants=["device_code"], name="Television")
    begun = Program(world.acorn, made.public_id).begin("users:read")
    disabled = api.using(world.acorn.root_key).patch(
        f"/v1/oauth-clients/{made.public_id}", {"status": "disabled"}
    )
    assert disabled.status == 200
    page = browser.device(begun["user_code"])
    assert (page.status_code, "may not ask" in page.content.decode()) == (400, True)


# Guessing.


def test_ten_wrong_codes_from_one_address_are_enough_whoever_types_them(
    world: World, cli: Program, browser: Browser
) -> None:
    begun = cli.begin("users:read")
    other = Browser.of(world.acorn, world.acorn.parties["south"])
    for number in range(10):
        assert (browser, other)[number % 2].device("BBBB-BBBB").status_code == 400
    for person in (browser, other):
        refused = person.device(begun["user_code"])
        assert (refused.status_code, "Too many wrong codes" in refused.content.decode()) == (400, True)
        assert "Too many wrong codes" in person.allow(begun["user_code"], ["users:read"]).content.decode()
    elsewhere = replace(other, address="203.0.113.9")
    assert elsewhere.device(begun["user_code"]).status_code == 200


def test_one_person_types_thirty_wrong_codes_a_day_from_wherever(cli: Program, browser: Browser) -> None:
    begun = cli.begin("users:read")
    for number in range(30):
        assert replace(browser, address=f"203.0.113.{number // 8}").device("BBBB-BBBB").status_code == 400
    elsewhere = replace(browser, address="198.51.100.7")
    assert "Too many wrong codes" in elsewhere.device(begun["user_code"]).content.decode()


def test_right_codes_count_for_nothing(cli: Program, browser: Browser) -> None:
    begun = cli.begin("users:read")
    assert {browser.device(begun["user_code"]).status_code for _ in range(12)} == {200}


# Who is themselves.


def person_at(world: World, **changes: object) -> Actor:
    """North's person as a session makes them, but for `changes`."""
    home = world.acorn.ref
    person = PrincipalRef(PrincipalKind.USER, decode(world.acorn.parties["north"].person, "usr"), "north")
    shown = Credential(uuid7(), "session", Scopes.everything())
    actor = Actor(person, home, home, shown, Call("req_1", Edge.ADMIN), role="owner")
    return replace(actor, **changes)  # type: ignore[arg-type] # fields of an Actor


def test_only_the_person_in_a_session_of_their_own_consents(world: World) -> None:
    agent = PrincipalRef(PrincipalKind.AGENT, uuid7(), "an agent")
    key = Credential(uuid7(), "user", Scopes.everything())
    assert grants.may_consent(person_at(world))
    assert not grants.may_consent(None)
    assert not grants.may_consent(person_at(world, credential=key))
    assert not grants.may_consent(person_at(world, credential=replace(key, kind="hand-off")))
    assert not grants.may_consent(person_at(world, credential=replace(key, kind="oauth")))
    assert not grants.may_consent(
        person_at(world, credential=Credential(uuid7(), "session", Scopes(), None, (agent,)))
    )
    assert not grants.may_consent(person_at(world, tenant=world.birch.ref))
    assert not grants.may_consent(person_at(world, on_behalf_of=agent))
    assert not grants.may_consent(person_at(world, principal=agent))


def test_a_session_that_is_over_asks_to_sign_in(world: World, cli: Program) -> None:
    north = world.acorn.parties["north"]
    with enter(world.acorn.ref):
        person = User.objects.get(pk=decode(north.person, "usr"))
    token = begin_session(world.acorn, person)
    from django.conf import settings

    browser = Browser(world.acorn, f"{settings.SESSION_COOKIE_NAME}={token}")
    begun = cli.begin("users:read")
    assert browser.device(begun["user_code"]).status_code == 200
    with enter(world.acorn.ref):
        User.objects.filter(pk=person.pk).update(signed_out_at=clock.now())
    assert browser.allow(begun["user_code"], ["users:read"]).status_code == 302

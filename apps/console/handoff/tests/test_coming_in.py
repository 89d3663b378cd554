"""Coming in: from the console's page to the environment's admin, and every way in which that is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from apps.accounts.models import User
from apps.apikeys.handoffs import HandOff, digest
from apps.apikeys.sessions import HAND_OFF_COOKIE
from apps.applications.models import Environment
from apps.audit.models import Event
from apps.console.handoff.tests.support import CONSOLE, WHY, Browser, environment_of, text_of
from apps.core import clock
from apps.core.ids import decode
from apps.orgs.models import Membership
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, registry
from tests.world import World


def unguarded(world: World) -> None:
    """Take the guard off acorn's production."""
    with registry():
        Tenant.objects.filter(pk=world.acorn.ref.id).update(protected=False)
    with enter(world.console.ref):
        Environment.objects.filter(tenant_id=world.acorn.ref.id).update(protected=False)


def code_of(browser: Browser) -> str:
    """The address with the code, which the browser has not visited yet."""
    answer = browser.post(browser.visits[-1], reason=WHY)
    assert answer.status_code == 302, text_of(answer)
    return str(answer["Location"])


@pytest.fixture
def on_the_way(world: Any, builder: Browser, acorn: str) -> Browser:
    """The builder, who is asked why."""
    assert "is protected" in text_of(builder.follow(f"http://{CONSOLE}/admin/open/{acorn}/"))
    return builder


def test_a_protected_environment_asks_for_a_reason_and_opens(
    world: World, builder: Browser, acorn: str
) -> None:
    asked = builder.follow(f"http://{CONSOLE}/admin/open/{acorn}/")
    assert [urlsplit(one).hostname for one in builder.visits] == [CONSOLE, world.acorn.host, CONSOLE]
    assert "acorn/production is protected" in text_of(asked)
    assert "is required" in text_of(builder.post(builder.visits[-1], reason=" "))

    page = builder.go_on(builder.post(builder.visits[-1], reason=WHY), builder.visits[-1])

    assert builder.visits[-1] == f"http://{world.acorn.host}/admin/"
    assert page.status_code == 200
    for told in ("acorn/production", "Opened from the console by owner", "is protected", WHY):
        assert told in text_of(page), told


def test_an_open_environment_opens_at_once(world: World, builder: Browser, acorn: str) -> None:
    unguarded(world)
    page = builder.follow(f"http://{CONSOLE}/admin/open/{acorn}/")
    assert page.status_code == 200
    assert builder.visits[-1] == f"http://{world.acorn.host}/admin/"
    assert "is protected" not in text_of(page)


def test_who_is_not_signed_in_signs_in_and_goes_on(world: World) -> None:
    unguarded(world)
    browser = Browser()
    page = browser.follow(f"http://{world.acorn.host}/admin/enter/?next=/admin/audit/event/")
    assert "Sign in" in text_of(page)
    wanted = parse_qs(urlsplit(browser.visits[-1]).query)["next"][0]
    browser.sign_in(world.builders.email)
    assert browser.follow(f"http://{CONSOLE}{wanted}").status_code == 200
    assert browser.visits[-1] == f"http://{world.acorn.host}/admin/audit/event/"


def test_nobody_there_gets_a_row_in_the_environment(world: World, inside: Browser) -> None:
    with enter(world.acorn.ref):
        assert not User.objects.filter(email=world.builders.email).exists()
    (cookie,) = [inside.on(world.acorn.host).cookies[HAND_OFF_COOKIE]]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/admin/", True, "Lax")
    assert inside.on(world.acorn.host).cookies.keys() & {"sessionid"} == set()


def test_codes_nonces_and_sessions_are_kept_as_hashes(world: World, inside: Browser) -> None:
    made = HandOff.objects.order_by("-id").first()
    assert made is not None
    code = parse_qs(urlsplit(inside.last_leading("code")).query)["code"][0]
    key = inside.on(world.acorn.host).cookies[HAND_OFF_COOKIE].value
    assert (bytes(made.code_digest), bytes(made.session_digest or b"")) == (digest(code), digest(key))


def test_the_way_in_is_told_to_nobody(world: World, builder: Browser, acorn: str) -> None:
    builder.open(world.acorn, acorn)
    for address in builder.visits[1:2]:
        answer = builder.get(address)
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "no-store"


def test_both_trails_name_the_person_with_both_sides(world: World, inside: Browser) -> None:
    with enter(world.acorn.ref):
        there = Event.objects.get(operation="environments.open")
    with enter(world.console.ref):
        here = Event.objects.get(operation="environments.open")
    for event in (there, here):
        assert (event.actor_id, event.actor_kind) == (world.builders.person, "user")
        assert (event.tenant, event.home, event.reason) == ("acorn/production", "console", WHY)
        assert event.credential_kind == "session"
    assert here.organization_id == world.builders.uuid
    assert there.organization_id is None
    assert here.mirror_of == there.public_id


# Refused.


def test_a_code_works_once(world: World, on_the_way: Browser) -> None:
    address = code_of(on_the_way)
    before = on_the_way.on(world.acorn.host).cookies.output()
    assert on_the_way.get(address).status_code == 302
    again = on_the_way.get(address)
    assert (again.status_code, "did not ask" in text_of(again)) == (403, True)

    # Not even with the cookie that it was made for.
    thief = Browser()
    thief.on(world.acorn.host).cookies.load(before.replace("Set-Cookie: ", ""))
    refused = thief.get(address)
    assert "was used before" in text_of(refused)
    assert HAND_OFF_COOKIE not in thief.on(world.acorn.host).cookies


def test_another_browser_gets_nothing_for_it(world: World, on_the_way: Browser) -> None:
    address = code_of(on_the_way)
    for other in (Browser(), Browser(world.rivals.email)):
        assert "did not ask" in text_of(other.get(address))
    asking = Browser()
    asking.get(f"http://{world.acorn.host}/admin/enter/")
    assert "another browser" in text_of(asking.get(address))
    assert on_the_way.get(address).status_code == 302, "and whose it is still comes in"


def test_nobody_is_pushed_into_somebody_elses_session(world: World, on_the_way: Browser) -> None:
    """An attacker sends a victim, who is on their own way in, the address with the attacker's code."""
    victim = Browser(world.builders.email)
    victim.follow(f"http://{world.acorn.host}/admin/enter/")
    assert "another browser" in text_of(victim.get(code_of(on_the_way)))
    assert HAND_OFF_COOKIE not in victim.on(world.acorn.host).cookies


def test_another_environments_host_refuses_it(world: World, on_the_way: Browser) -> None:
    address = code_of(on_the_way)
    on_the_way.get(f"http://{world.birch.host}/admin/enter/")
    refused = on_the_way.get(address.replace(world.acorn.host, world.birch.host))
    assert "was not made for birch/production" in text_of(refused)
    assert on_the_way.get(address).status_code == 302


def test_it_expires_in_a_minute(world: World, on_the_way: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    address, later = code_of(on_the_way), clock.now() + timedelta(seconds=61)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert "has expired" in text_of(on_the_way.get(address))


def test_it_can_be_revoked_on_the_way(world: World, on_the_way: Browser) -> None:
    address = code_of(on_the_way)
    made = HandOff.objects.order_by("-id").first()
    assert made is not None
    assert made.status == "waiting"
    path = f"http://{CONSOLE}/admin/apikeys/handoff/{made.public_id}/do/hand_offs.end/"
    assert on_the_way.post(path, reason="Not now").status_code == 302
    assert "was revoked" in text_of(on_the_way.get(address))


@pytest.mark.parametrize("code", ["", "x", "%00", "x" * 5000])
def test_a_made_up_code_opens_nothing(world: World, on_the_way: Browser, code: str) -> None:
    refused = on_the_way.get(f"http://{world.acorn.host}/admin/enter/?code={code}")
    assert (refused.status_code, "was not made for" in text_of(refused)) == (403, True)


def test_a_known_nonce_leads_only_who_holds_its_secret(world: World, builder: Browser) -> None:
    """The console's page can be reached from anywhere; what it gives then opens nothing."""
    unguarded(world)
    planted = f"http://{CONSOLE}/admin/hand-off/?environment=acorn/production&nonce={digest('mine').hex()}"
    assert "did not ask" in text_of(builder.follow(planted))


@pytest.mark.parametrize(
    "query", ["", "?environment=acorn/production", "?environment=acorn/production&nonce=x"]
)
def test_an_address_that_is_not_whole_is_refused(world: World, builder: Browser, query: str) -> None:
    assert builder.get(f"http://{CONSOLE}/admin/hand-off/{query}").status_code == 400


@pytest.mark.parametrize("name", ["birch/production", "nobody/production", "console", "x\x00", "' or 1"])
def test_somebody_elses_environment_is_none(world: World, builder: Browser, name: str) -> None:
    address = f"http://{CONSOLE}/admin/hand-off/"
    query = {"environment": name, "nonce": digest("x").hex()}
    answer = builder.on(CONSOLE).get("/admin/hand-off/", query)
    assert answer.status_code == (400 if "\x00" in name else 404), address
    assert not HandOff.objects.filter(user_id=decode(world.builders.person, "usr")).exists()


def test_nor_is_it_opened_by_its_id(world: World, builder: Browser) -> None:
    assert (
        builder.get(f"http://{CONSOLE}/admin/open/{environment_of(world, world.birch)}/").status_code == 404
    )


def test_a_viewer_is_told_why_not(world: World, acorn: str) -> None:
    viewer = Browser("viewer@acorn.test")
    page = viewer.follow(f"http://{CONSOLE}/admin/open/{acorn}/")
    assert (page.status_code, "environments.open is not among" in text_of(page)) == (403, True)
    assert viewer.post(viewer.visits[-1], reason=WHY).status_code == 403
    assert "Open admin" not in text_of(
        viewer.get(f"http://{CONSOLE}/admin/applications/environment/{acorn}/change/")
    )


def test_an_environment_of_another_of_ones_organizations_opens_in_that_role(
    world: World, builder: Browser
) -> None:
    """The session stands in acorn, and the environment is birch's, where the person is a developer."""
    with enter(world.console.ref):
        person = User.objects.get(email=world.builders.email)
        seat = Membership.objects.create(organization_id=world.rivals.uuid, user=person, role="developer")
    birch = environment_of(world, world.birch)
    assert builder.open(world.birch, birch).status_code == 200
    page = text_of(
        builder.get(
            f"http://{world.birch.host}/admin/orgs/organization/{world.acorn.parties['north'].id}/change/"
        )
    )
    assert "pm-button-off" in page
    with enter(world.console.ref):
        seat.delete()
    assert builder.get(f"http://{world.birch.host}/admin/").status_code == 403


# Nowhere else.

AWAY = [
    "http://evil.test/",
    "//evil.test/",
    "/\\evil.test",
    "/admin/../accounts/login/",
    "/admin/%2e%2e/accounts/",
    "/admin//evil.test",
    "/accounts/logout/",
    "javascript:alert(1)",
    "/admin/enter/?code=x",
    "/admin/\n/x",
    "admin/",
]


@pytest.mark.parametrize("wanted", AWAY)
def test_it_leads_nowhere_but_into_the_admin(world: World, builder: Browser, wanted: str) -> None:
    unguarded(world)
    builder.visits = [f"http://{world.acorn.host}/"]
    begun = builder.on(world.acorn.host).get("/admin/enter/", {"next": wanted})
    builder.go_on(begun, f"http://{world.acorn.host}/admin/enter/")
    assert builder.visits[-1] == f"http://{world.acorn.host}/admin/"
    builder.on(world.acorn.host).get("/admin/enter/")
    closed = Browser().on(world.acorn.host).get("/admin/enter/", {"next": wanted, "code": "x"})
    assert "evil" not in text_of(closed)


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "127.0.0.1@evil.test",
        "evil.test/127.0.0.1",
        "127.0.0.1.evil.test",
        "\n",
        "production--acorn.localhost",
    ],
)
def test_it_asks_no_host_but_the_consoles(world: World, host: str) -> None:
    answer = Browser().on(world.acorn.host).get("/admin/enter/", {"console": host})
    assert urlsplit(answer["Location"]).hostname == CONSOLE


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "console.localhost"])
def test_it_asks_by_the_host_by_which_the_person_came(world: World, host: str) -> None:
    answer = Browser().on(world.acorn.host).get("/admin/enter/", {"console": host})
    assert urlsplit(answer["Location"]).hostname == host
    browser = Browser()
    browser.sign_in(world.builders.email, host)
    browser.follow(f"http://{host}/admin/open/{environment_of(world, world.acorn)}/")
    assert urlsplit(browser.visits[-1]).hostname == host


def test_the_public_address_decides_scheme_and_port(world: World, settings: Any) -> None:
    settings.PACKMULE_PUBLIC_URL = "https://packmule.example:8443"
    answer = Browser().on(world.acorn.host).get("/admin/enter/", {"console": "127.0.0.1"})
    assert answer["Location"].startswith("https://127.0.0.1:8443/admin/hand-off/?")
    (cookie,) = answer.cookies.values()
    assert (cookie.key[:7], cookie["secure"], cookie["path"]) == ("__Host-", True, "/")

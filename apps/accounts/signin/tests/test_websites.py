"""Pages and cookies, and what other websites try with them: forged forms, frames, and redirects that lead away."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import Client, TestCase

from apps.accounts.signin.tests.headless import ADA, PASSWORD, Configure, code_for, last_mail, somebody
from apps.tenancy.walls import enter
from tests.world import Space, World

API = "/_allauth/browser/v1"
AWAY = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "/\\evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "http://production--birch.localhost/",
    "\thttps://evil.example",
]


def browser(space: Space, **headers: str) -> Any:
    """A browser at the tenant's own host, which holds forms against forgery as a running server does."""
    return Client(enforce_csrf_checks=True, headers={"host": space.host, **headers})


def csrf(seen: Any) -> str:
    """The word of the form, as the page and the cookie know it."""
    return str(seen.cookies[settings.CSRF_COOKIE_NAME].value)


def send(seen: Any, path: str, **fields: str) -> Any:
    """Open the page of a form, fill it and send it."""
    seen.get(path)
    with TestCase.captureOnCommitCallbacks(execute=True):
        return seen.post(path, {"csrfmiddlewaretoken": csrf(seen), **fields})


def signed_in(space: Space) -> Any:
    """A browser in which somebody who has signed up is signed in."""
    somebody(space)
    seen = browser(space)
    assert send(seen, "/accounts/login/", login=ADA, password=PASSWORD).status_code == 302
    return seen


def session_of(seen: Any) -> str:
    return str(seen.cookies[settings.SESSION_COOKIE_NAME].value)


# Forged forms.


@pytest.mark.parametrize(
    "path",
    [
        "login/",
        "signup/",
        "logout/",
        "password/reset/",
        "password/change/",
        "email/",
        "2fa/totp/activate/",
        "sessions/",
    ],
)
def test_a_form_that_is_not_ours_is_refused(world: World, path: str) -> None:
    seen = signed_in(world.acorn)
    refused = seen.post(
        f"/accounts/{path}", {"login": ADA, "password": PASSWORD, "email": "eve@evil.example"}
    )
    assert refused.status_code == 403
    assert seen.get("/accounts/").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/auth/login"),
        ("POST", "/auth/signup"),
        ("DELETE", "/auth/session"),
        ("POST", "/account/email"),
        ("POST", "/account/password/change"),
        ("DELETE", "/auth/sessions"),
    ],
)
def test_the_api_of_cookies_takes_the_word_of_the_form_too(world: World, method: str, path: str) -> None:
    seen = signed_in(world.acorn)
    refused = seen.generic(method, f"{API}{path}", b"{}", content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    taken = seen.generic(
        method, f"{API}{path}", b"{}", content_type="application/json", headers={"X-CSRFToken": csrf(seen)}
    )
    assert taken.status_code != 403


def test_another_websites_form_is_refused_though_it_knows_the_word(world: World) -> None:
    seen = signed_in(world.acorn)
    fields = {"csrfmiddlewaretoken": csrf(seen)}
    for origin in ("https://evil.example", f"http://{world.birch.host}", "null"):
        assert seen.post("/accounts/logout/", fields, headers={"origin": origin}).status_code == 403
    assert seen.post("/accounts/logout/", fields).status_code == 302


def test_cookies_are_taken_on_the_tenants_own_host_alone(world: World) -> None:
    shared = Client(headers={"host": "127.0.0.1", "packmule-key": world.acorn.publishable_key})
    refused = shared.get(f"{API}/auth/session")
    assert (refused.status_code, refused.json()["code"]) == (400, "cookies_need_own_host")


def test_signing_in_by_the_api_of_cookies(world: World) -> None:
    somebody(world.acorn)
    seen = browser(world.acorn)
    assert seen.get(f"{API}/auth/session").status_code == 401
    done = seen.post(
        f"{API}/auth/login",
        {"email": ADA, "password": PASSWORD},
        content_type="application/json",
        headers={"X-CSRFToken": csrf(seen)},
    )
    assert done.status_code == 200
    assert session_of(seen) not in done.content.decode()
    assert seen.get("/accounts/").status_code == 200


# Cookies.


def test_the_cookie_is_for_this_host_and_no_script(world: World) -> None:
    cookie = signed_in(world.acorn).cookies[settings.SESSION_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["domain"]) == (True, "Lax", "")
    assert settings.PACKMULE_ROLE_PREFIX in settings.SESSION_COOKIE_NAME


def test_the_cookie_lasts_as_long_as_the_session(world: World, configure: Configure) -> None:
    configure(session_hours=3)
    cookie = signed_in(world.acorn).cookies[settings.SESSION_COOKIE_NAME]
    assert 3 * 3600 - 60 < int(cookie["max-age"]) <= 3 * 3600


def test_a_cookie_that_somebody_planted_is_changed_at_sign_in(world: World) -> None:
    somebody(world.acorn)
    bait = browser(world.acorn)
    send(bait, "/accounts/login/code/", email=ADA)
    planted, code = session_of(bait), code_for(ADA)
    victim = browser(world.acorn)
    victim.cookies[settings.SESSION_COOKIE_NAME] = planted
    send(victim, "/accounts/login/code/confirm/", code=code)
    assert session_of(victim) != planted
    assert victim.get("/accounts/").status_code == 200
    assert bait.get("/accounts/").status_code == 302


def test_signing_out_ends_the_session_and_not_only_the_cookie(world: World) -> None:
    seen = signed_in(world.acorn)
    kept = session_of(seen)
    send(seen, "/accounts/logout/")
    again = browser(world.acorn)
    again.cookies[settings.SESSION_COOKIE_NAME] = kept
    assert again.get("/accounts/")["Location"] == "/accounts/login/"


def test_opening_a_page_signs_nobody_out(world: World) -> None:
    seen = signed_in(world.acorn)
    assert seen.get("/accounts/logout/").status_code == 200
    assert seen.get("/accounts/").status_code == 200


# Frames, caches and other websites' logs.


@pytest.mark.parametrize(
    "path", ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/accounts/"]
)
def test_pages_are_framed_kept_and_told_nowhere(world: World, path: str) -> None:
    shown = signed_in(world.acorn).get(path) if path == "/accounts/" else browser(world.acorn).get(path)
    assert "frame-ancestors 'none'" in shown["Content-Security-Policy"]
    assert (shown["X-Frame-Options"], shown["Referrer-Policy"]) == ("DENY", "same-origin")
    assert shown["Cache-Control"] == "no-store"
    assert "script-src 'unsafe-inline'" not in shown["Content-Security-Policy"]


def test_a_key_in_a_link_does_not_stay_in_the_address(world: World) -> None:
    """The page moves it into the session first, so that nothing it loads or links to is told of it."""
    somebody(world.acorn)
    seen = browser(world.acorn)
    send(seen, "/accounts/password/reset/", email=ADA)
    link = last_mail(ADA).body.partition(world.acorn.host)[2].split()[0]
    moved = seen.get(link)
    assert moved.status_code == 302
    assert link.rstrip("/").rpartition("-")[2] not in moved["Location"]
    done = send(seen, moved["Location"], password1="a new sentence for me", password2="a new sentence for me")
    assert done.status_code == 302
    again = browser(world.acorn).get(link)
    assert "does not work" in again.content.decode()


# Redirects.


@pytest.mark.parametrize("away", AWAY)
def test_no_page_leads_away(world: World, away: str) -> None:
    somebody(world.acorn)
    seen = browser(world.acorn)
    done = send(seen, "/accounts/login/", login=ADA, password=PASSWORD, next=away)
    assert done["Location"] == "/accounts/"
    for path in ("login/", "signup/"):
        passed = seen.get(f"/accounts/{path}", {"next": away})
        assert passed["Location"] == "/accounts/"
    done = send(seen, "/accounts/reauthenticate/", password=PASSWORD, next=away)
    assert done["Location"] == "/accounts/"
    assert send(seen, "/accounts/logout/", next=away)["Location"] == "/accounts/login/"


def test_a_page_of_ones_own_is_reached(world: World) -> None:
    somebody(world.acorn)
    seen = browser(world.acorn)
    done = send(seen, "/accounts/login/", login=ADA, password=PASSWORD, next="/accounts/2fa/")
    assert done["Location"] == "/accounts/2fa/"


def test_people_go_to_the_products_page_once_they_are_in(world: World, configure: Configure) -> None:
    configure(home_url="https://app.example.com/in")
    somebody(world.acorn)
    seen = browser(world.acorn)
    done = send(seen, "/accounts/login/", login=ADA, password=PASSWORD, next="https://evil.example/")
    assert done["Location"] == "https://app.example.com/in"


# Hosts.


@pytest.mark.parametrize(
    "host", ["evil.example", "production--acorn.localhost.evil.example", "acorn", "x y", ""]
)
def test_a_host_that_is_nobodys_shows_no_page(world: World, host: str) -> None:
    shown = Client(headers={"host": host}).get("/accounts/login/")
    assert shown.status_code in (400, 421)
    with enter(world.acorn.ref):
        assert "Sign in" not in shown.content.decode()


def test_a_host_shows_its_own_tenant_whatever_key_is_sent(world: World) -> None:
    shown = browser(world.acorn, **{"packmule-key": world.birch.publishable_key}).get("/accounts/login/")
    assert shown["Packmule-Tenant"] == world.acorn.name

"""The device flow (RFC 8628): a program without a browser, and a person who lets it in on another screen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.cache import cache

from apps.accounts.oauth import devices
from apps.core import clock
from apps.core.clock import FrozenClock
from apps.core.ids import decode
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import Browser, Program, register
from tests.world import World


@pytest.fixture
def cli(world: World) -> Program:
    """The command line, which every tenant knows, at acorn."""
    return Program(world.acorn, "packmule-cli")


@pytest.fixture
def hands() -> Iterator[FrozenClock]:
    """The clock, which stands still until it is moved."""
    with clock.frozen(clock.now()) as moved:
        yield moved


def wait(hands: FrozenClock, seconds: float = 5) -> None:
    hands.move(timedelta(seconds=seconds))


def test_a_program_is_let_in_on_another_screen(
    world: World, api: Api, cli: Program, browser: Browser, hands: FrozenClock
) -> None:
    begun = cli.begin("users:read")
    page = f"http://{world.acorn.host}/identity/o/device"
    assert (begun["status"], begun["verification_uri"]) == (200, page)
    assert begun["verification_uri_complete"] == f"{page}?user_code={begun['user_code']}"
    assert (begun["expires_in"], begun["interval"]) == (600, 5)
    assert cli.poll(begun["device_code"])["error"] == "authorization_pending"

    assert "users:read" in browser.device(begun["user_code"]).content.decode()
    assert "is connected" in browser.allow(begun["user_code"], ["users:read"]).content.decode()
    wait(hands)
    given = cli.poll(begun["device_code"])

    assert (given["status"], given["token_type"], given["scope"]) == (200, "Bearer", "users:read")
    assert given["refresh_expires_in"] == 30 * 24 * 3600
    who = api.using(given["access_token"]).get("/v1/whoami")
    assert (who["tenant"], who["actor"]["id"]) == (world.acorn.name, world.acorn.parties["north"].person)
    assert who["credential"]["kind"] == "oauth"


def test_who_asks_too_soon_is_told_to_slow_down_and_then_waits_longer(
    cli: Program, hands: FrozenClock
) -> None:
    code = cli.begin("users:read")["device_code"]
    assert cli.poll(code)["error"] == "authorization_pending"
    wait(hands, 2)
    soon = cli.poll(code)
    assert (soon["error"], soon["interval"]) == ("slow_down", 10)
    wait(hands, 8)
    again = cli.poll(code)
    assert (again["error"], again["interval"]) == ("slow_down", 15)
    wait(hands, 15)
    patient = cli.poll(code)
    assert (patient["error"], patient["interval"]) == ("authorization_pending", 15)


def test_a_program_that_keeps_to_the_interval_is_never_slowed_down_by_the_way_of_a_call(
    cli: Program, hands: FrozenClock
) -> None:
    code = cli.begin("users:read")["device_code"]
    for seconds in (5, 4.5, 5.5, 4.2):
        wait(hands, seconds)
        assert cli.poll(code)["error"] == "authorization_pending"


def test_nobody_waits_longer_than_a_minute(cli: Program, hands: FrozenClock) -> None:
    code = cli.begin("users:read")["device_code"]
    told = [cli.poll(code)["interval"] for _ in range(20)]
    assert (told[0], told[-1]) == (5, 60)
    wait(hands, 60)
    assert cli.poll(code)["error"] == "authorization_pending"


def test_a_person_may_allow_less(api: Api, cli: Program, browser: Browser, hands: FrozenClock) -> None:
    begun = cli.begin("users:read agents:read openid")
    browser.allow(begun["user_code"], ["users:read"])
    given = cli.poll(begun["device_code"])
    assert given["scope"] == "users:read"
    assert api.using(given["access_token"]).get("/v1/agents").code == "scope_missing"
    assert cli.token("refresh_token", refresh_token=given["refresh_token"])["scope"] == "users:read"


def test_nothing_is_allowed_that_was_not_asked_for(cli: Program, browser: Browser) -> None:
    begun = cli.begin("users:read")
    for scopes in (["users:write"], ["users:read", "*"], []):
        assert "is connected" not in browser.allow(begun["user_code"], scopes).content.decode()
    assert cli.poll(begun["device_code"])["error"] == "authorization_pending"


def test_denying_ends_it(cli: Program, browser: Browser, hands: FrozenClock) -> None:
    begun = cli.begin("users:read")
    page = browser.post(f"/identity/o/device?user_code={begun['user_code']}", action="deny")
    assert "You denied it" in page.content.decode()
    assert cli.poll(begun["device_code"])["error"] == "access_denied"
    wait(hands)
    assert cli.poll(begun["device_code"])["error"] == "invalid_grant"
    assert browser.allow(begun["user_code"], ["users:read"]).status_code == 400


def test_it_is_over_after_ten_minutes(cli: Program, browser: Browser, hands: FrozenClock) -> None:
    seen, forgotten = cli.begin("users:read"), cli.begin("users:read")
    wait(hands, 599)
    assert browser.device(forgotten["user_code"]).status_code == 200
    browser.allow(seen["user_code"], ["users:read"])
    assert cli.poll(seen["device_code"])["status"] == 200
    wait(hands, 1)
    late = browser.allow(forgotten["user_code"], ["users:read"])
    assert (late.status_code, "its ten minutes are over" in late.content.decode()) == (400, True)
    assert cli.poll(forgotten["device_code"])["error"] == "expired_token"


def test_what_was_allowed_in_time_has_to_be_fetched_in_time(
    cli: Program, browser: Browser, hands: FrozenClock
) -> None:
    begun = cli.begin("users:read")
    wait(hands, 590)
    browser.allow(begun["user_code"], ["users:read"])
    wait(hands, 10)
    assert cli.poll(begun["device_code"])["error"] == "expired_token"


def test_a_code_is_used_once(cli: Program, browser: Browser, hands: FrozenClock) -> None:
    begun = cli.begin("users:read")
    browser.allow(begun["user_code"], ["users:read"])
    assert cli.poll(begun["device_code"])["status"] == 200
    wait(hands)
    assert cli.poll(begun["device_code"])["error"] == "invalid_grant"
    assert browser.device(begun["user_code"]).status_code == 400


def test_the_first_decision_counts(world: World, cli: Program, browser: Browser, hands: FrozenClock) -> None:
    begun = cli.begin("users:read")
    with enter(world.acorn.ref):
        asked = devices.find(begun["user_code"])
        assert asked is not None
    browser.post(f"/identity/o/device?user_code={begun['user_code']}", action="deny")
    with enter(world.acorn.ref):
        assert not devices.decide(asked, devices.Decision("somebody", "", ["*"]))
    assert cli.poll(begun["device_code"])["error"] == "access_denied"


def test_the_code_is_read_however_people_type_it(cli: Program, browser: Browser) -> None:
    typed = cli.begin("users:read")["user_code"]
    assert len(typed) == 9
    for text in (typed.lower(), typed.replace("-", ""), f" {typed.replace('-', ' ')} "):
        assert browser.device(text).status_code == 200


def test_a_code_of_one_client_is_none_of_another(
    world: World, cli: Program, browser: Browser, hands: FrozenClock
) -> None:
    with enter(world.acorn.ref):
        made = register(None, kind="public", grants=["device_code"], name="Television")
    other = Program(world.acorn, made.public_id)
    begun = cli.begin("users:read")
    browser.allow(begun["user_code"], ["users:read"])
    assert other.poll(begun["device_code"])["error"] == "invalid_grant"
    assert cli.poll(begun["device_code"])["status"] == 200


def test_a_confidential_client_shows_its_secret_each_time(world: World, browser: Browser) -> None:
    with enter(world.acorn.ref):
        made = register(None, secret="s", grants=["device_code"], name="Television")
    known, nameless = Program(world.acorn, made.public_id, "s"), Program(world.acorn, made.public_id)
    assert nameless.begin("users:read")["error"] == "invalid_client"
    begun = known.begin("users:read")
    browser.allow(begun["user_code"], ["users:read"])
    assert nameless.poll(begun["device_code"])["error"] == "invalid_client"
    given = known.poll(begun["device_code"])
    assert (given["status"], "refresh_token" in given) == (200, False)


def test_only_a_client_with_that_grant_begins_one(world: World, program: Program) -> None:
    assert program.begin("users:read")["error"] == "unauthorized_client"
    assert Program(world.acorn, "oac_nobody").begin("users:read")["error"] == "invalid_client"
    assert Program(world.acorn, "packmule-cli").begin("no scope")["error"] == "invalid_scope"
    elsewhere = Program(world.acorn, "packmule-cli").begin("users:read", resource="https://elsewhere.test/v1")
    assert elsewhere["error"] == "invalid_target"


def test_who_was_suspended_or_signed_out_in_between_gives_nothing(
    world: World, cli: Program, browser: Browser, hands: FrozenClock
) -> None:
    from apps.accounts.models import User

    begun, later = cli.begin("users:read"), cli.begin("users:read")
    browser.allow(begun["user_code"], ["users:read"])
    browser.allow(later["user_code"], ["users:read"])
    person = decode(world.acorn.parties["north"].person, "usr")
    with enter(world.acorn.ref):
        User.objects.filter(pk=person).update(status="suspended")
    assert cli.poll(begun["device_code"])["error"] == "invalid_grant"
    with enter(world.acorn.ref):
        User.objects.filter(pk=person).update(status="active", signed_out_at=clock.now())
    assert cli.poll(later["device_code"])["error"] == "invalid_grant"


def test_who_took_the_consent_back_in_between_gives_nothing(
    world: World, api: Api, cli: Program, browser: Browser
) -> None:
    begun = cli.begin("users:read")
    browser.allow(begun["user_code"], ["users:read"])
    person = api.using(world.acorn.parties["north"].person_key)
    (given,) = person.get("/v1/oauth-grants")["data"]
    assert (given["client"], given["scopes"]) == ("packmule-cli", ["users:read"])
    assert person.delete(f"/v1/oauth-grants/{given['id']}").status == 204
    assert cli.poll(begun["device_code"])["error"] == "invalid_grant"


def test_an_address_begins_thirty_a_minute_at_most(cli: Program) -> None:
    answers = [cli.begin("users:read") for _ in range(31)]
    assert {answer["status"] for answer in answers[:30]} == {200}
    assert (answers[30]["status"], answers[30]["error"]) == (429, "temporarily_unavailable")


def test_what_waits_is_kept_by_hash_alone(world: World, cli: Program) -> None:
    begun = cli.begin("users:read")
    with enter(world.acorn.ref):
        assert cache.get(f"oauth:device:asked:{begun['device_code']}") is None
        from apps.core.models import CacheEntry

        kept = list(CacheEntry.objects.values_list("key", "value"))
    assert begun["device_code"] not in str(kept)

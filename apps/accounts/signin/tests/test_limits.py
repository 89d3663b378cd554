"""How often people may try: over all workers, and so that nobody is locked out by somebody else's tries."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client

from apps.accounts.signin.tests.headless import (
    ADA,
    Answer,
    FrontEnd,
    Travel,
    code_for,
    mails_to,
    reset_key,
    somebody,
)
from apps.tenancy.walls import enter
from tests.standins.authenticator import totp
from tests.world import World

TOO_MANY = ["too_many_login_attempts"]
WRONG = ["email_password_mismatch"]


def guess(world: World, address: str = "127.0.0.1", email: str = ADA, **headers: Any) -> list[str]:
    """Try a wrong password; the codes of the refusal."""
    return FrontEnd(world.acorn, address=address, **headers).sign_in(email, "a wrong guess").codes


def ask_for_a_code(world: World, address: str = "127.0.0.1", email: str = ADA) -> Answer:
    return FrontEnd(world.acorn, address=address).post("auth/code/request", email=email)


# Passwords.


def test_five_wrong_passwords_from_one_place_are_enough_for_a_minute(world: World, travel: Travel) -> None:
    somebody(world.acorn)
    assert [guess(world) for _ in range(6)] == [WRONG] * 5 + [TOO_MANY]
    assert FrontEnd(world.acorn).sign_in().codes == TOO_MANY
    travel(timedelta(seconds=61))
    assert FrontEnd(world.acorn).sign_in().status == 200


def test_somebody_elses_tries_hold_nobody_up(world: World) -> None:
    """Neither the owner of the account, at another place, nor other people at the same one."""
    somebody(world.acorn)
    somebody(world.acorn, "bob@example.test")
    for _ in range(6):
        guess(world, "203.0.113.7")
    assert FrontEnd(world.acorn, address="198.51.100.4").sign_in().status == 200
    assert FrontEnd(world.acorn, address="203.0.113.7").sign_in("bob@example.test").status == 200


def test_signing_in_well_costs_no_try(world: World) -> None:
    somebody(world.acorn)
    assert [FrontEnd(world.acorn).sign_in().status for _ in range(12)] == [200] * 12


@pytest.mark.parametrize(
    "lie", [{"X_Forwarded_For": "10.0.0.{n}"}, {"X_Real_Ip": "10.0.0.{n}"}, {"Forwarded": "for=10.0.0.{n}"}]
)
def test_nobody_gets_more_tries_by_a_header(world: World, lie: dict[str, str]) -> None:
    somebody(world.acorn)
    tried = [guess(world, **{k: v.format(n=n) for k, v in lie.items()}) for n in range(6)]
    assert tried[-1] == TOO_MANY


def test_the_addresses_of_one_network_are_one_place(world: World) -> None:
    """Who has one IPv6 address has a network of them."""
    somebody(world.acorn)
    assert [guess(world, f"2001:db8::{n}") for n in range(6)][-1] == TOO_MANY
    assert guess(world, "2001:db8:0:1::1") == WRONG


def test_many_places_together_are_stopped_for_a_while_and_other_ways_stay_open(
    world: World, travel: Travel
) -> None:
    somebody(world.acorn)
    places = [f"203.0.113.{n}" for n in range(10)]
    assert {tuple(guess(world, place)) for place in places for _ in range(5)} == {tuple(WRONG)}
    owner = FrontEnd(world.acorn, address="198.51.100.4")
    assert owner.sign_in().codes == TOO_MANY
    assert owner.by_code().status == 200
    travel(timedelta(minutes=10, seconds=1))
    assert FrontEnd(world.acorn, address="198.51.100.4").sign_in().status == 200


def test_a_new_password_ends_the_wait(world: World) -> None:
    somebody(world.acorn)
    for _ in range(6):
        guess(world)
    front = FrontEnd(world.acorn)
    front.post("auth/password/request", email=ADA)
    front.post("auth/password/reset", key=reset_key(ADA), password="a sentence for a new start")
    assert FrontEnd(world.acorn).sign_in(ADA, "a sentence for a new start").status == 200


def test_a_twin_counts_for_itself(world: World) -> None:
    for space in (world.acorn, world.birch):
        somebody(space)
    for _ in range(6):
        guess(world)
    assert FrontEnd(world.birch).sign_in().status == 200


# Mails.


def test_one_place_has_five_mails_a_minute_sent_and_another_is_not_held_up(
    world: World, travel: Travel
) -> None:
    somebody(world.acorn)
    travel(timedelta(minutes=2))
    answers = [ask_for_a_code(world) for _ in range(6)]
    assert [answer.status for answer in answers] == [401] * 5 + [429]
    assert answers[-1].headers["Retry-After"] == "60"
    assert len(mails_to(ADA)) == 6
    elsewhere = FrontEnd(world.acorn, address="198.51.100.4")
    assert elsewhere.by_code().status == 200
    travel(timedelta(seconds=61))
    assert ask_for_a_code(world).status == 401


def test_whatever_the_mails_are_for_they_count_together(world: World) -> None:
    somebody(world.acorn)
    asked: list[Any] = [
        FrontEnd(world.acorn).post(path, email=ADA, **more)
        for path, more in (
            ("auth/code/request", {}),
            ("auth/password/request", {}),
            ("auth/signup", {"password": "a sentence of a stranger"}),
            ("auth/code/request", {}),
            ("auth/password/request", {}),
            ("auth/signup", {"password": "a sentence of a stranger"}),
        )
    ]
    assert [answer.status for answer in asked] == [401, 200, 401, 401, 429, 429]


def test_a_mailbox_is_not_flooded_from_many_places(world: World, travel: Travel) -> None:
    somebody(world.acorn)
    places = [f"203.0.113.{n}" for n in range(8)]
    asked = [ask_for_a_code(world, place).status for place in places for _ in range(4)]
    assert (asked.count(401), asked[-2:]) == (29, [429, 429])
    travel(timedelta(minutes=10, seconds=1))
    assert ask_for_a_code(world, "198.51.100.4").status == 401


def test_an_address_without_an_account_is_counted_alike(world: World) -> None:
    asked = [ask_for_a_code(world, email="nobody@example.test").status for _ in range(6)]
    assert asked == [401] * 5 + [429]


def test_a_refused_mail_leaves_no_step_open(world: World) -> None:
    somebody(world.acorn)
    front = FrontEnd(world.acorn)
    for _ in range(4):
        ask_for_a_code(world)
    assert front.post("auth/code/request", email=ADA).status == 429
    assert front.post("auth/code/confirm", code=code_for(ADA)).status == 409


def test_the_page_says_it_in_words(world: World) -> None:
    browser = Client(headers={"host": world.acorn.host})
    asked = [browser.post("/accounts/password/reset/", {"email": ADA}) for _ in range(6)]
    assert [answer.status_code for answer in asked] == [302] * 5 + [429]
    assert "Too many tries" in asked[-1].content.decode()


# Second factors.


def test_tries_of_a_second_factor_hold_up_nobody_who_has_not_got_the_password(world: World) -> None:
    somebody(world.acorn)
    secret = somebody(world.acorn, "bob@example.test").add_app()
    for _ in range(6):
        guess(world, "203.0.113.7", "bob@example.test")
    front = FrontEnd(world.acorn, address="198.51.100.4")
    assert front.sign_in("bob@example.test").pending == "mfa_authenticate"
    assert front.post("auth/2fa/authenticate", code=totp(secret)).status == 200


# Several workers.


@pytest.fixture
def acorn(committing: World) -> Iterator[Any]:
    """The tenant acorn, whose counters are gone afterwards."""
    yield committing.acorn
    with enter(committing.acorn.ref):
        cache.clear()


def _worker(host: str, tries: int) -> tuple[int, list[str]]:
    """Try a password `tries` times over a connection of our own, as a worker does; its process, and what was said."""
    try:
        said = []
        for _ in range(tries):
            answer = Client(headers={"host": host}).post(
                "/_allauth/app/v1/auth/login",
                {"email": "nobody@example.test", "password": "a wrong guess"},
                content_type="application/json",
            )
            said.append(answer.json()["errors"][0]["code"])
        with connection.cursor() as cursor:
            cursor.execute("select pg_backend_pid()")
            return int(cursor.fetchone()[0]), said
    finally:
        connections.close_all()


def test_tries_count_over_all_workers(acorn: Any) -> None:
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as another:
        first, said = one.submit(_worker, acorn.host, 3).result()
        assert said == WRONG * 3
        second, said = another.submit(_worker, acorn.host, 3).result()
        assert said == WRONG * 2 + TOO_MANY
        assert first != second
        assert one.submit(_worker, acorn.host, 1).result()[1] == TOO_MANY


def test_tries_at_the_same_moment_are_counted_each(acorn: Any) -> None:
    with ThreadPoolExecutor(6) as pool:
        told = [code for _, said in pool.map(lambda _: _worker(acorn.host, 2), range(6)) for code in said]
    assert len(told) == 12
    assert 1 <= told.count(*WRONG) <= 5

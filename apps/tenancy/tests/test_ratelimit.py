"""The rate limiter: what passes, what its headers say, and that all workers share it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections
from pytest_django import Settings

from apps.core.problems import RateLimited
from apps.tenancy.ratelimit import Limit, forget_idle, read_limit, take
from tests.client import Api
from tests.world import World

#: So slow that no call comes back while a test runs.
SLOW = Limit("slow", 10, 36_000)


@pytest.mark.parametrize(("text", "quota", "seconds"), [("6000/60", 6000, 60), ("1/1", 1, 1)])
def test_a_limit_is_read(text: str, quota: int, seconds: int) -> None:
    assert read_limit("x", text) == Limit("x", quota, seconds)


@pytest.mark.parametrize("text", ["", "6000", "0/60", "60/0", "-1/5", "a/b", "6000/60/1", "60 / 60"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        read_limit("x", text)


@pytest.mark.parametrize(("quota", "burst"), [(6000, 600), (600, 60), (400, 50), (50, 50), (10, 10)])
def test_a_burst_is_a_tenth_at_least_fifty_and_never_more_than_the_quota(quota: int, burst: int) -> None:
    assert Limit("x", quota, 60).burst == burst


def test_a_burst_passes_and_one_more_does_not(world: World) -> None:
    remaining = [take(SLOW, "me").remaining for _ in range(10)]

    assert remaining == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    with pytest.raises(RateLimited) as caught:
        take(SLOW, "me")
    assert caught.value.retryable
    assert 3500 < int(caught.value.headers["Retry-After"]) <= 3600
    assert caught.value.headers["RateLimit"].startswith('"slow";r=0;t=')
    assert caught.value.headers["RateLimit-Policy"] == '"slow";q=10;w=36000'
    assert take(SLOW, "somebody else").remaining == 9


def test_what_was_refused_does_not_count(world: World) -> None:
    for _ in range(10):
        take(SLOW, "me")
    before = arrival("slow:me")
    for _ in range(20):
        with pytest.raises(RateLimited):
            take(SLOW, "me")

    assert arrival("slow:me") == before


def arrival(key: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("select arrives_at from public.tenancy_ratecounter where key = %s", [key])
        return cursor.fetchone()


def test_exactly_the_burst_passes_over_many_connections(committing: World) -> None:
    caller = uuid4().hex

    def call(_: int) -> bool:
        try:
            take(SLOW, caller)
        except RateLimited:
            return False
        else:
            return True

    def work(number: int) -> list[bool]:
        try:
            return [call(number) for _ in range(10)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        passed = [one for some in pool.map(work, range(8)) for one in some]

    assert (sum(passed), len(passed)) == (10, 80)


def test_idle_callers_are_forgotten(world: World) -> None:
    take(Limit("x", 100, 1), "me")
    with connection.cursor() as cursor:
        cursor.execute(
            "update public.tenancy_ratecounter set arrives_at = arrives_at - interval '2 hours' where key = 'x:me'"
        )
    take(SLOW, "busy")

    assert forget_idle() >= 1
    with connection.cursor() as cursor:
        cursor.execute("select key from public.tenancy_ratecounter where key in ('x:me', 'slow:busy')")
        assert cursor.fetchall() == [("slow:busy",)]


# At the edge


def test_every_answer_says_where_the_caller_stands(world: World, api: Api, settings: Settings) -> None:
    settings.PACKMULE_RATE_LIMIT = "10/36000"
    client = api.using(world.builders.agent_key)

    answers = [client.get("/v1/whoami") for _ in range(11)]

    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert answers[0].headers["RateLimit"].startswith('"credential";r=9;t=')
    last = answers[-1]
    assert (last.code, last["retryable"]) == ("rate_limited", True)
    assert last.headers["Packmule-Tenant"] == "console"
    assert int(last.headers["Retry-After"]) > 0
    assert last.headers["RateLimit"].startswith('"credential";r=0;t=')
    assert api.using(world.builders.person_key).get("/v1/whoami").status == 200


def test_failed_authentications_count_against_the_address(world: World, api: Api, settings: Settings) -> None:
    settings.PACKMULE_FAILURE_LIMIT = "5/36000"
    wrong: Any = api.using("pmk_test_sk_wrong")

    answers = [wrong.get("/v1/whoami").status for _ in range(6)]

    assert answers == [401] * 5 + [429]
    # Who has a good key is not locked out by somebody behind the same address.
    assert api.using(world.builders.agent_key).get("/v1/whoami").status == 200


def test_each_visitor_of_a_website_has_a_limit_of_their_own(
    world: World, api: Api, settings: Settings
) -> None:
    settings.PACKMULE_RATE_LIMIT = "2/36000"
    settings.PACKMULE_TRUSTED_PROXIES = ["127.0.0.1"]
    page = api.using(world.acorn.publishable_key)

    first = [page.get("/v1/whoami", x_forwarded_for="203.0.113.1").status for _ in range(3)]

    assert first == [200, 200, 429]
    assert page.get("/v1/whoami", x_forwarded_for="203.0.113.2").status == 200

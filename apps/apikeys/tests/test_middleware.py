"""The HTTP edge itself: dead connections, failures on the way, and that nothing stays standing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from django.db import OperationalError, connection, connections
from django.test import Client

from apps.apikeys import usage
from apps.apikeys.middleware import drop_dead_connection
from apps.apikeys.tests.making import machine_key
from apps.apikeys.tests.test_credentials import WHOAMI
from apps.tenancy.backend.base import OUTSIDE, DatabaseWrapper
from tests.client import Api
from tests.world import World


def here() -> DatabaseWrapper:
    return cast(DatabaseWrapper, connection)


def end_session() -> None:
    """Let the server end this connection's session, as a restart would: the login may end its own sessions."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        (pid,) = cursor.fetchone()

    def end() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("select pg_terminate_backend(%s, 5000)", [pid])
                assert cursor.fetchone() == (True,)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(end).result(10)


def test_a_call_after_the_database_ended_the_session_costs_no_error(committing: World, api: Api) -> None:
    assert api.using(committing.builders.agent_key).get(WHOAMI).status == 200
    before = here().connection
    end_session()

    assert api.using(committing.builders.agent_key).get(WHOAMI).status == 200
    assert here().connection is not before


def test_a_connection_in_a_transaction_is_left_alone(world: World) -> None:
    before = here().connection

    drop_dead_connection()

    assert here().connection is before


def test_every_call_ends_outside_of_all_walls(world: World, api: Api) -> None:
    for answer in (
        api.using(world.builders.agent_key).get(WHOAMI),
        api.using(world.builders.agent_key).get("/v1/nothing"),
        api.using("pmk_wrong").get(WHOAMI),
        api.get(WHOAMI),
        api.using(world.builders.agent_key).sending(packmule_environment="birch/production").get(WHOAMI),
    ):
        assert answer.headers["Request-Id"]
        assert here().wall == OUTSIDE


def test_a_database_that_fails_is_a_problem_that_may_be_repeated(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("the server closed the connection unexpectedly")

    monkeypatch.setattr("apps.tenancy.ratelimit.take", fail)

    answer = api.using(world.builders.agent_key).get(WHOAMI)

    assert (answer.status, answer.code, answer["retryable"]) == (503, "service_unavailable", True)


def test_a_last_use_that_cannot_be_noted_does_not_fail_the_call(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(usage, "_NOTE", "update nothing where %(now)s = %(id)s and %(since)s")

    answer = api.using(machine_key(world.console, world.builders).secret).get(WHOAMI)

    assert answer.status == 200
    assert "could not be noted" in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        {"packmule_environment": "a\0b"},
        {"packmule_environment": "é" * 5000},
        {"packmule_organization": "x" * 9000},
        {"packmule_expect_tenant": "\0"},
        {"authorization": "Bearer \0"},
        {"authorization": "Bearer " + "pmk_test_sk_" * 4000},
        {"origin": "https://\0"},
        {"user_agent": "\0\xff" * 300},
    ],
)
def test_odd_headers_are_nobodys_mistake_but_the_callers(
    world: World, api: Api, headers: dict[str, str]
) -> None:
    for client in (api.using(world.builders.agent_key), api.on(world.acorn.host), api):
        answer = client.sending(**headers).get(WHOAMI)
        assert answer.status in (200, 400, 401, 404, 409), answer


def test_no_secret_is_logged(world: World, api: Api, caplog: pytest.LogCaptureFixture) -> None:
    key = world.builders.agent_key
    with caplog.at_level("DEBUG"):
        api.using(key).get(WHOAMI)
        api.using(key[:-1]).get(WHOAMI)
        api.using(key).get("/v1/nothing")

    assert key[-20:-1] not in caplog.text


@pytest.mark.parametrize("path", ["/admin/", "/accounts/login/", "/operator/"])
def test_a_page_on_an_unknown_host_is_refused(world: World, client: Client, path: str) -> None:
    answer = client.get(path, headers={"Host": "nobody.example.com"})

    assert answer.status_code == 400
    assert b"nobody.example.com" in answer.content

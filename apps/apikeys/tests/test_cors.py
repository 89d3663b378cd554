"""What a browser's page may do with a publishable key."""

from __future__ import annotations

import pytest

from apps.apikeys.tests.making import change_index, machine_key, publishable_key
from apps.apikeys.tests.test_credentials import WHOAMI, refused
from apps.core import clock
from tests.client import Answer, Api
from tests.world import World

PAGE = "https://app.example.com"
ALLOWED = "Access-Control-Allow-Origin"


def preflight(api: Api, origin: str) -> Answer:
    return api.sending(origin=origin, access_control_request_method="GET").call("OPTIONS", WHOAMI)


def test_a_page_reads_the_answer_to_its_own_key(world: World, api: Api) -> None:
    key = publishable_key(world.acorn, PAGE)

    answer = api.sending(packmule_key=key, origin=PAGE).get(WHOAMI)

    assert answer.status == 200
    assert answer.headers[ALLOWED] == PAGE
    assert "Origin" in answer.headers["Vary"]
    assert "Request-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "null",
    ],
)
def test_another_page_is_refused_and_cannot_read_why(world: World, api: Api, origin: str) -> None:
    key = publishable_key(world.acorn, PAGE)

    answer = refused(api.sending(packmule_key=key, origin=origin).get(WHOAMI), 403, "origin_not_allowed")

    assert ALLOWED not in answer.headers
    assert "Origin" in answer.headers["Vary"]


def test_a_call_without_an_origin_comes_from_no_page(world: World, api: Api) -> None:
    answer = api.sending(packmule_key=publishable_key(world.acorn, PAGE)).get(WHOAMI)

    assert answer.status == 200
    assert ALLOWED not in answer.headers


def test_a_key_without_origins_serves_no_page(world: World, api: Api) -> None:
    refused(api.using(world.acorn.publishable_key).get(WHOAMI, origin=PAGE), 403, "origin_not_allowed")


def test_problems_can_be_read_by_the_page_too(world: World, api: Api) -> None:
    key = publishable_key(world.acorn, PAGE)

    answer = refused(api.sending(packmule_key=key, origin=PAGE).get("/v1/keys"), 403, "secret_key_needed")
    assert answer.headers[ALLOWED] == PAGE
    nowhere = api.sending(packmule_key=key, origin=PAGE).get("/v1/no-such-call")
    assert (nowhere.status, nowhere.headers[ALLOWED]) == (404, PAGE)


def test_so_can_the_refusal_of_a_dead_key(world: World, api: Api) -> None:
    publishable_key(world.acorn, PAGE)

    answer = refused(api.sending(packmule_key="pmk_test_pk_x", origin=PAGE).get(WHOAMI), 401, "key_truncated")

    assert answer.headers[ALLOWED] == PAGE
    assert ALLOWED not in api.sending(origin="https://evil.example").get(WHOAMI).headers


def test_a_secret_key_gets_no_cors_headers(world: World, api: Api) -> None:
    publishable_key(world.acorn, PAGE)

    answer = api.using(world.acorn.root_key).get(WHOAMI, origin=PAGE)

    assert answer.status == 200
    assert ALLOWED not in answer.headers


def test_a_preflight_is_answered_for_the_origins_of_live_keys(world: World, api: Api) -> None:
    refused(preflight(api, PAGE), 403, "origin_not_allowed")
    publishable_key(world.acorn, PAGE)

    answer = preflight(api, PAGE)

    assert answer.status == 204
    assert answer.headers[ALLOWED] == PAGE
    assert "Packmule-Key" in answer.headers["Access-Control-Allow-Headers"]
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert "Origin" in answer.headers["Vary"]
    refused(preflight(api, "https://evil.example"), 403, "origin_not_allowed")


def test_on_a_tenants_host_its_own_keys_decide(world: World, api: Api) -> None:
    publishable_key(world.acorn, PAGE)

    assert preflight(api.on(world.acorn.host), PAGE).status == 204
    refused(preflight(api.on(world.birch.host), PAGE), 403, "origin_not_allowed")


def test_a_revoked_key_allows_no_origin(world: World, api: Api) -> None:
    from apps.apikeys.keyformat import parse

    key = publishable_key(world.acorn, PAGE)
    change_index(parse(key).id, revoked_at=clock.now())

    refused(preflight(api, PAGE), 403, "origin_not_allowed")


def test_a_secret_keys_row_allows_no_origin(world: World, api: Api) -> None:
    made = machine_key(world.acorn)
    change_index(made.key, allowed_origins=[PAGE])

    refused(preflight(api, PAGE), 403, "origin_not_allowed")


def test_options_without_a_preflights_headers_is_a_method_like_any(world: World, api: Api) -> None:
    answer = api.using(world.acorn.root_key).call("OPTIONS", WHOAMI)

    refused(answer, 405, "method_not_allowed")

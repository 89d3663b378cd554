"""Tokens and clients' secrets that were found in the open: a report ends them as it ends keys."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from apps.accounts.oauth import texts
from apps.apikeys.tests.test_leaks import URL, became, report, says
from apps.core import clock
from apps.core.ids import decode, uuid7
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import Browser, Program, give, register
from tests.world import Party, World

PATH = "/v1/oauth-clients"
NIGHTLY = {"name": "Nightly", "grants": ["client_credentials"], "scopes": ["*"]}


@pytest.fixture
def north(world: World) -> Party:
    return world.acorn.parties["north"]


@pytest.fixture
def made(north: Party) -> dict[str, Any]:
    """A client of north's service account."""
    return dict(Api(north.person_key).post(PATH, {**NIGHTLY, "service_account": north.service}).body)


def token_of(world: World, made: dict[str, Any], secret: str | None = None) -> dict[str, Any]:
    """What the token endpoint answers to the client with its secret, or with another one."""
    return Program(world.acorn, made["id"], secret or made["secret"]).token("client_credentials")


def sign_in(world: World, north: Party) -> tuple[Program, dict[str, Any]]:
    """A program of the tenant, and the tokens that north's person let it have."""
    with enter(world.acorn.ref):
        program = Program(world.acorn, register(None, secret="s").public_id, "s")
    code = program.code(Browser.of(world.acorn, north), "*", scopes=["*"])
    return program, program.exchange(code)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_a_leaked_token_ends_with_its_sign_in(world: World, north: Party, which: str) -> None:
    program, given = sign_in(world, north)
    _, other = sign_in(world, north)
    key = Api(given["access_token"]).post("/v1/keys", {"name": "made", "scopes": ["*"]})["secret"]
    told = report(given[which])
    assert told["revoked"] == 1
    assert told["keys"][0]["key"].startswith("tok_")
    assert says(given["access_token"]) == "token_unknown"
    assert program.token("refresh_token", refresh_token=given["refresh_token"])["error"] == "invalid_grant"
    assert says(key) == "key_revoked"
    assert (says(other["access_token"]), says(north.person_key)) == ("in", "in")
    assert became(given[which]) == ["unknown"]


def test_the_command_lines_token_and_its_person(
    world: World, north: Party, django_capture_on_commit_callbacks: Any
) -> None:
    token = give(world.acorn, ["*"], user=north.person)
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        assert became(token) == ["revoked"]
    assert says(token) == "token_unknown"
    assert [one.to for one in mail.outbox] == [[north.email]]
    assert URL in mail.outbox[0].body
    assert token not in mail.outbox[0].body
    [event] = Api(world.acorn.root_key).get("/v1/audit?operation=leaked_keys.report")["data"]
    assert event["resource"]["id"].startswith("oag_")


def test_a_token_that_is_over_is_not_alive(world: World, north: Party) -> None:
    over = give(world.acorn, ["*"], user=north.person, expires_at=clock.now())
    signed_out = give(world.acorn, ["*"], user=north.person, begun_with="another password")
    assert became(over, signed_out) == ["not_alive", "not_alive"]


def test_a_leaked_secret_ends_with_the_tokens_that_it_got(world: World, north: Party, made: Any) -> None:
    token = token_of(world, made)["access_token"]
    key = Api(token).post("/v1/keys", {"name": "made", "scopes": ["*"]})["secret"]
    answer = report(made["secret"])
    assert answer.body == {"keys": [{"key": made["id"], "status": "revoked"}], "revoked": 1}
    assert token_of(world, made)["error"] == "invalid_client"
    assert (says(token), says(key)) == ("token_unknown", "key_revoked")
    assert became(made["secret"]) == ["unknown"]
    [event] = Api(north.person_key).get("/v1/audit?operation=leaked_keys.report")["data"]
    assert (event["resource"]["id"], event["organization"]["id"]) == (made["id"], north.id)
    assert event["reason"] == f"found in the open: {URL} (commit)"
    rotated = Api(north.person_key).post(f"{PATH}/{made['id']}/rotate-secret")
    assert token_of(world, made, rotated["secret"])["status"] == 200


def test_of_two_secrets_only_the_one_that_leaked_ends(world: World, north: Party, made: Any) -> None:
    path = f"{PATH}/{made['id']}/rotate-secret"
    with clock.frozen(clock.now()) as hands:
        new = Api(north.person_key).post(path, {"overlap_seconds": 600})["secret"]
        assert became(made["secret"]) == ["revoked"]
        assert token_of(world, made)["error"] == "invalid_client"
        assert token_of(world, made, new)["status"] == 200
        newest = Api(north.person_key).post(path, {"overlap_seconds": 600})["secret"]
        hands.move(timedelta(seconds=600))
        assert became(new) == ["not_alive"]
        assert token_of(world, made, newest)["status"] == 200


def test_whoever_answers_for_the_client_gets_a_mail(
    made: Any, north: Party, django_capture_on_commit_callbacks: Any
) -> None:
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        report(made["secret"])
    assert [one.to for one in mail.outbox] == [[north.email]]
    assert made["id"] in mail.outbox[0].body
    assert made["secret"] not in mail.outbox[0].body


def test_who_does_not_hold_the_whole_of_it_neither_ends_nor_learns_of_it(
    world: World, north: Party, made: Any
) -> None:
    token, acorn = give(world.acorn, ["*"], user=north.person), world.acorn.ref.id
    forged = [
        token[:-1],
        texts.access_token(acorn),
        texts.access_token(uuid7()),
        texts.refresh_token(acorn, uuid7()),
        texts.client_secret(acorn, decode(made["id"], "oac")),
        texts.client_secret(world.birch.ref.id, decode(made["id"], "oac")),
        made["secret"][:-1],
        "pmo_cs_nonsense",
    ]
    assert became(*forged) == ["unknown"] * len(forged)
    assert (says(token), token_of(world, made)["status"]) == ("in", 200)


def test_the_pattern_finds_all_of_them(world: World, north: Party, made: Any) -> None:
    pattern = Api().get("/v1/leaked-keys/pattern")
    _, given = sign_in(world, north)
    leaked = [given["access_token"], given["refresh_token"], made["secret"]]
    text = " ".join([*(f'"{one}"' for one in leaked), "pmo_at_nonsense", north.agent_key])
    assert re.findall(pattern["tokens"]["regular_expression"], text) == leaked
    assert [kind["code"] for kind in pattern["tokens"]["kinds"]] == ["at", "rt", "cs"]

"""What is kept of machine sign-in: who let whom in and what ended, and nowhere a secret."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from apps.audit.models import Event
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import Browser, Program
from tests.world import World


def entries(world: World, api: Api, operation: str) -> list[dict[str, Any]]:
    """What acorn's trail says about an operation, the newest first."""
    found: list[dict[str, Any]] = api.using(world.acorn.root_key).get(f"/v1/audit?operation={operation}")[
        "data"
    ]
    return found


def test_the_trail_says_who_let_a_program_in_and_when_it_got_tokens(
    world: World, api: Api, program: Program, browser: Browser
) -> None:
    given = program.exchange(program.code(browser, "users:read"))
    person = world.acorn.parties["north"].person
    (consent,) = entries(world, api, "oauth_grants.give")
    (issue,) = entries(world, api, "oauth_tokens.issue")
    assert (consent["actor"]["id"], issue["actor"]["id"]) == (person, person)
    assert consent["resource"]["id"] == issue["resource"]["id"]
    who = api.using(given["access_token"]).get("/v1/whoami")
    assert issue["credential"]["id"] == who["credential"]["id"]
    program.token("refresh_token", refresh_token=given["refresh_token"])
    assert len(entries(world, api, "oauth_tokens.issue")) == 1


def test_the_trail_says_why_tokens_ended(world: World, api: Api, program: Program, browser: Browser) -> None:
    given = program.exchange(program.code(browser, "users:read"))
    program.token("refresh_token", refresh_token=given["refresh_token"])
    program.token("refresh_token", refresh_token=given["refresh_token"])
    (ended,) = entries(world, api, "oauth_tokens.revoke")
    assert ended["reason"] == "a refresh token was used twice"
    code = program.code(browser, "users:read")
    program.exchange(code)
    program.exchange(code)
    assert entries(world, api, "oauth_tokens.revoke")[0]["reason"] == "an authorization code was used twice"


def test_the_trail_says_who_denied_what(world: World, api: Api, program: Program, browser: Browser) -> None:
    browser.post(program.address("users:read"), action="cancel")
    begun = Program(world.acorn, "packmule-cli").begin("users:read")
    browser.post(f"/identity/o/device?user_code={begun['user_code']}", action="deny")
    assert len(entries(world, api, "oauth_grants.refuse")) == 2
    assert entries(world, api, "oauth_grants.give") == []


def test_nothing_in_the_tenant_or_the_logs_holds_a_secret(
    world: World, api: Api, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    body = {
        "name": "Web",
        "redirect_uris": ["https://app.example.com/callback"],
        "scopes": ["users:read", "openid"],
    }
    made = api.using(world.acorn.root_key).post("/v1/oauth-clients", body)
    program = Program(world.acorn, made["id"], made["secret"])
    code = program.code(browser, "users:read openid")
    given = program.exchange(code)
    fresh = program.token("refresh_token", refresh_token=given["refresh_token"])
    program.token("refresh_token", refresh_token=given["refresh_token"])
    begun = Program(world.acorn, "packmule-cli").begin("users:read")
    secrets = [made["secret"], code, begun["device_code"], given["id_token"]]
    secrets += [one[name] for one in (given, fresh) for name in ("access_token", "refresh_token")]
    kept = _everything(world)
    assert made["id"] in kept
    for secret in secrets:
        assert secret not in kept
        assert secret not in caplog.text


def _everything(world: World) -> str:
    """Every row of acorn as text."""
    with enter(world.acorn.ref), connection.cursor() as cursor:
        cursor.execute(
            "select table_name from information_schema.tables where table_schema = %s",
            [world.acorn.ref.schema_name],
        )
        tables = sorted({row[0] for row in cursor.fetchall()} & {m._meta.db_table for m in apps.get_models()})
        texts = []
        for table in tables:
            cursor.execute(f"select coalesce(string_agg(t::text, chr(10)), '') from \"{table}\" t")
            texts.append(cursor.fetchone()[0])
    assert Event._meta.db_table in tables
    return "\n".join(texts)

"""Asked again, a person takes away what they leave out; what the page does not offer stays as it was."""

from __future__ import annotations

from typing import Any

from tests.client import Api
from tests.oauth import Browser, Program
from tests.world import World

NEW = {"email": "new@example.test"}


def let_in(program: Program, browser: Browser, asked: str, *scopes: str) -> dict[str, Any]:
    """The tokens that the program gets, where the page offers what is `asked` and the person ticks `scopes`."""
    code = program.code(browser, asked, scopes=list(scopes) or asked.split(), prompt="consent")
    return program.exchange(code)


def consent(world: World, api: Api) -> list[str]:
    """What north's person lets the program do."""
    (grant,) = api.using(world.acorn.parties["north"].person_key).get("/v1/oauth-grants")["data"]
    return list(grant["scopes"])


def test_what_is_left_out_is_taken_away_with_the_tokens_that_hold_it(
    world: World, api: Api, program: Program, browser: Browser
) -> None:
    wide = let_in(program, browser, "users:read agents:read")
    narrow = let_in(program, browser, "users:read")
    assert let_in(program, browser, "users:read agents:read", "users:read")["scope"] == "users:read"
    assert consent(world, api) == ["users:read"]
    assert api.using(wide["access_token"]).get("/v1/users").code == "token_unknown"
    assert program.token("refresh_token", refresh_token=wide["refresh_token"])["error"] == "invalid_grant"
    assert api.using(narrow["access_token"]).get("/v1/users").status == 200
    assert browser.get(program.address("users:read agents:read")).status_code == 200, (
        "it is asked about again"
    )


def test_what_was_not_offered_stays(world: World, api: Api, program: Program, browser: Browser) -> None:
    first = let_in(program, browser, "agents:read")
    let_in(program, browser, "users:read")
    assert consent(world, api) == ["agents:read", "users:read"]
    assert api.using(first["access_token"]).get("/v1/agents").status == 200


def test_everything_does_not_stay_where_something_is_left_out(
    world: World, api: Api, program: Program, browser: Browser
) -> None:
    everything = let_in(program, browser, "*")
    let_in(program, browser, "users:read users:write", "users:read")
    assert consent(world, api) == ["users:read"]
    assert api.using(everything["access_token"]).post("/v1/users", NEW).code == "token_unknown"


def test_the_same_holds_for_devices(world: World, api: Api, browser: Browser) -> None:
    cli, given = Program(world.acorn, "packmule-cli"), []
    for scopes in (["users:read", "agents:read"], ["agents:read"]):
        begun = cli.begin("users:read agents:read")
        browser.allow(begun["user_code"], scopes)
        given.append(cli.poll(begun["device_code"])["access_token"])
    assert consent(world, api) == ["agents:read"]
    assert api.using(given[0]).get("/v1/agents").code == "token_unknown"
    assert api.using(given[1]).get("/v1/agents").status == 200

"""Consent is remembered for whom it was given, and the page comes back when somebody else would get the code."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client import Answer, Api
from tests.oauth import BACK, Browser, Program, came_back
from tests.world import World

PATH = "/v1/oauth-clients"
EVIL = "https://evil.example.net/callback"
WEBSITE = {"name": "Website", "redirect_uris": [BACK], "scopes": ["users:read", "agents:read"]}


@pytest.fixture
def website(world: World, api: Api, browser: Browser) -> Program:
    """A public client of north's person, which they let in once."""
    made = api.using(world.acorn.parties["north"].person_key).post(PATH, {**WEBSITE, "kind": "public"})
    program = Program(world.acorn, made["id"])
    program.code(browser, "users:read")
    assert is_silent(program, browser)
    return program


def is_silent(program: Program, browser: Browser, **changes: Any) -> bool:
    """True where a code is given without showing a page, which both ways of asking agree about."""
    shown = browser.get(program.address("users:read", **changes))
    silent = came_back(browser.get(program.address("users:read", prompt="none", **changes)))
    assert ("code" in silent) is (shown.status_code == 302)
    return "code" in silent


def by_agent(world: World, api: Api, program: Program, **changes: Any) -> Answer:
    """North's agent, which is an admin, changes the client."""
    agent = api.using(world.acorn.parties["north"].agent_key)
    return agent.patch(f"{PATH}/{program.client_id}", changes)


def test_an_agent_that_adds_an_address_gets_no_code_of_the_person(
    world: World, api: Api, website: Program, browser: Browser
) -> None:
    assert by_agent(world, api, website, redirect_uris=[BACK, EVIL]).status == 200
    for address in (EVIL, BACK):
        assert not is_silent(website, browser, redirect_uri=address)
    website.code(browser, "users:read")
    assert is_silent(website, browser)
    assert not is_silent(website, browser, redirect_uri=EVIL)


def test_an_address_of_those_behind_it_already_is_asked_about_too(
    world: World, api: Api, website: Program, browser: Browser
) -> None:
    """The person who registered it adds one: nobody new, and still another page that gets codes."""
    person = api.using(world.acorn.parties["north"].person_key)
    path = f"{PATH}/{website.client_id}"
    assert person.patch(path, {"redirect_uris": [BACK, EVIL]}).status == 200
    assert is_silent(website, browser)
    assert not is_silent(website, browser, redirect_uri=EVIL)
    assert person.patch(path, {"name": "Site"}).status == 200
    assert is_silent(website, browser)


def test_whoever_rotates_the_secret_gets_nothing_silently(world: World, api: Api, browser: Browser) -> None:
    person = api.using(world.acorn.parties["north"].person_key)
    made = person.post(PATH, WEBSITE)
    program = Program(world.acorn, made["id"], made["secret"])
    program.code(browser, "users:read")
    assert is_silent(program, browser)
    assert person.post(f"{PATH}/{made['id']}/rotate-secret", {"overlap_seconds": 60}).status == 200
    assert not is_silent(program, browser)


def test_a_device_that_was_let_in_says_nothing_about_a_website(
    world: World, api: Api, browser: Browser
) -> None:
    grants = ["authorization_code", "device_code"]
    made = api.using(world.acorn.parties["north"].person_key).post(PATH, {**WEBSITE, "grants": grants})
    program = Program(world.acorn, made["id"], made["secret"])
    browser.approve(program.device("users:read")["user_code"], "users:read")
    assert not is_silent(program, browser)
    program.code(browser, "users:read")
    assert is_silent(program, browser)


def test_two_addresses_are_remembered_side_by_side(world: World, api: Api, browser: Browser) -> None:
    other = "https://app.example.com/other"
    body = {**WEBSITE, "kind": "public", "redirect_uris": [BACK, other]}
    made = api.using(world.acorn.parties["north"].person_key).post(PATH, body)
    program = Program(world.acorn, made["id"])
    for address in (BACK, other):
        program.code(browser, "users:read", redirect_uri=address)
    assert is_silent(program, browser)
    assert is_silent(program, browser, redirect_uri=other)

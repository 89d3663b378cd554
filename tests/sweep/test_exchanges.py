"""What is exchanged for tokens, taken to every tenant's authorization server: each takes its own alone.

The same client, with the same id and secret, is registered in all three tenants, and the command line is a client of
each without being registered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from allauth.idp.oidc.models import Token
from django.test import Client

from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import BACK, DEVICE_GRANT, VERIFIER, Browser, Program
from tests.sweep.tokens import program_of
from tests.world import Space, World

Programs = dict[str, Program]
Fields = dict[str, str]
SPACES = ("acorn", "birch", "console")


@pytest.fixture
def programs(world: World) -> Programs:
    """The same client in each tenant."""
    return {title: program_of(getattr(world, title)) for title in SPACES}


def browser_in(space: Space) -> Browser:
    """The person of the tenant's first party, signed in."""
    return Browser.of(space, next(iter(space.parties.values())))


def command_line(program: Program) -> Program:
    """The command line, as a client of the same tenant."""
    return Program(program.space, "packmule-cli")


def code(program: Program) -> Fields:
    """An authorization code, and what goes with it."""
    given = program.code(browser_in(program.space), "self:read")
    return {
        "grant_type": "authorization_code",
        "code": given,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }


def refreshing(program: Program) -> Fields:
    """A refresh token."""
    given = program.token(**code(program))
    return {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}


def device(program: Program) -> Fields:
    """The code of a device that a person let in."""
    codes = command_line(program).device("self:read")
    browser_in(program.space).approve(codes["user_code"], "self:read")
    return {"grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}


def exchanged(program: Program, fields: Fields) -> dict[str, Any]:
    """What the tenant's token endpoint says to it."""
    asking = command_line(program) if fields["grant_type"] == DEVICE_GRANT else program
    return asking.token(**fields)


def tokens_in(space: Space) -> set[Any]:
    """All tokens that the tenant has given."""
    with enter(space.ref):
        return set(Token.objects.values_list("hash", flat=True))


@pytest.mark.parametrize("own", SPACES)
@pytest.mark.parametrize("given", [code, refreshing, device], ids=lambda one: str(one.__name__))
def test_it_gives_tokens_in_its_own_tenant_alone(
    world: World, programs: Programs, api: Api, given: Callable[[Program], Fields], own: str
) -> None:
    fields = given(programs[own])
    for title in set(SPACES) - {own}:
        before = tokens_in(programs[title].space)
        assert exchanged(programs[title], fields)["error"] == "invalid_grant", title
        assert tokens_in(programs[title].space) == before, title
    answer = exchanged(programs[own], fields)
    assert answer["status"] == 200
    whoami = api.using(answer["access_token"]).get("/v1/whoami")
    assert whoami["tenant"] == programs[own].space.name
    assert whoami["credential"]["scopes"] == ["self:read"]


@pytest.mark.parametrize("own", SPACES)
def test_a_device_is_let_in_by_people_of_its_own_tenant_alone(programs: Programs, own: str) -> None:
    codes = command_line(programs[own]).device("self:read")
    page = f"/identity/o/device?user_code={codes['user_code']}"
    fields = {"grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    for title in set(SPACES) - {own}:
        person = browser_in(programs[title].space)
        assert person.get(page).status_code == 400
        assert person.post(page, action="confirm", scopes=["self:read"]).status_code == 400
        assert exchanged(programs[title], fields)["error"] == "invalid_grant"
    assert exchanged(programs[own], fields)["error"] == "authorization_pending"


@pytest.mark.parametrize("own", SPACES)
def test_what_was_given_is_known_in_its_own_tenant_alone(
    world: World, programs: Programs, api: Api, own: str
) -> None:
    """Nobody elsewhere learns about it, reads whose it is, or ends it."""
    given = programs[own].exchange(programs[own].code(browser_in(programs[own].space), "self:read openid"))
    for title in set(SPACES) - {own}:
        for token in (given["access_token"], given["refresh_token"]):
            assert _says(programs[title].call("introspect", token=token)) == {"active": False}
            assert programs[title].call("revoke", token=token).status_code == 200
        assert _userinfo(programs[title].space, given["access_token"]) == 401
    assert _says(programs[own].call("introspect", token=given["access_token"]))["active"] is True
    assert _userinfo(programs[own].space, given["access_token"]) == 200
    assert api.using(given["access_token"]).get("/v1/whoami").status == 200


def test_a_client_of_one_tenant_is_none_of_another(world: World) -> None:
    machine = program_of(world.acorn, world.acorn.parties["north"], machine=True)
    assert machine.token("client_credentials")["status"] == 200
    for space in (world.birch, world.console):
        elsewhere = Program(space, machine.client_id, machine.secret)
        assert elsewhere.token("client_credentials")["error"] == "invalid_client"


def _says(answer: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(answer.content)
    return said


def _userinfo(space: Space, token: str) -> int:
    headers = {"host": space.host, "authorization": f"Bearer {token}"}
    return int(Client().get("/identity/o/api/userinfo", headers=headers).status_code)

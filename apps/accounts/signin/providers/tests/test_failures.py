"""A provider that cannot be called, or that answers nonsense, costs nobody more than a page that says so."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from apps.accounts.signin.providers import failures
from apps.accounts.signin.providers.models import SignInProvider
from apps.accounts.signin.providers.tests.elsewhere import BEGIN, Surfer, Wire
from apps.core import outbound
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import World

DISCOVERY, JWKS = "/.well-known/openid-configuration", "/.well-known/jwks.json"
TOKEN, USERINFO = "/identity/o/api/token", "/identity/o/api/userinfo"


def says(answer: Any, why: str) -> bool:
    """Whether the page says that signing in with Birch did not work, and why."""
    text = answer.content.decode()
    return answer.status_code == 401 and "Signing in with Birch did not work" in text and why in text


def store(world: World, **columns: Any) -> None:
    """Change acorn's provider behind everybody's back."""
    with enter(world.acorn.ref):
        SignInProvider.objects.update(**columns)


@pytest.mark.parametrize(
    "server_url",
    [
        "http://169.254.169.254/latest/meta-data", "http://10.0.0.1", "http://localhost:1", "https://[::1]:1",
        "https://id.corp.example", "http://production--birch.localhost",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_called_whatever_the_row_says(
    world: World, provider: Answer, monkeypatch: pytest.MonkeyPatch, settings: Any, server_url: str
) -> None:
    """Were it stored before the environment was protected, or should the name stand for another address now."""
    monkeypatch.undo()
    settings.PACKMULE_OUTBOUND_LOOPBACK = False

    def inside(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", inside)
    store(world, server_url=server_url)
    surfer = Surfer()
    assert says(surfer.post(world.acorn, BEGIN), failures.NOT_OURS)
    assert surfer.get(world.acorn, "/accounts/login/").status_code == 200


@pytest.mark.parametrize("failure", [outbound.Unreachable("x"), outbound.AnswerTooSlow("x")])
def test_a_provider_that_is_away_is_said_to_be_away(
    world: World, wire: Wire, provider: Answer, carla: Surfer, failure: Exception
) -> None:
    callback = carla.go(world.acorn, world.birch)
    wire.instead[DISCOVERY] = failure
    assert says(carla.post(world.acorn, BEGIN), failures.UNREACHABLE)
    assert says(carla.come_back(world.acorn, callback), failures.UNREACHABLE)


DOCUMENTS: dict[str, Any] = {
    "not there": 404,
    "a redirect": 302,
    "no object": ["a", "b"],
    "a number": 7,
    "empty": {},
    "of another issuer": {"issuer": "http://evil.example"},
    "of nobody": {"issuer": None},
    "without endpoints": {"token_endpoint": None},
}


@pytest.mark.parametrize("document", list(DOCUMENTS.values()), ids=list(DOCUMENTS))
def test_a_discovery_document_that_is_none_leads_nowhere(
    world: World, wire: Wire, provider: Answer, carla: Surfer, document: Any
) -> None:
    def answered(asked: Any) -> Any:
        return wire.really(asked) | document if document and isinstance(document, dict) else document

    wire.instead[DISCOVERY] = answered
    assert says(carla.post(world.acorn, BEGIN), failures.UNREADABLE)


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://evil.example/", "https://10.0.0.1/", "https://a:b@evil.example/"]
)
def test_a_discovery_document_does_not_lead_people_or_calls_astray(
    world: World, wire: Wire, provider: Answer, carla: Surfer, name: str, url: str
) -> None:
    wire.instead[DISCOVERY] = lambda asked: wire.really(asked) | {name: url}
    assert says(carla.post(world.acorn, BEGIN), failures.NOT_OURS)


ANSWERS: dict[str, tuple[str, Any]] = {
    "no token": (TOKEN, {}),
    "a token that is none": (TOKEN, {"access_token": None, "id_token": None}),
    "no id token": (TOKEN, {"access_token": "a"}),
    "a list of tokens": (TOKEN, ["a"]),
    "tokens with another status": (TOKEN, 500),
    "no keys": (JWKS, {}),
    "an empty set of keys": (JWKS, {"keys": []}),
    "keys that are none": (JWKS, {"keys": [{"kty": "RSA"}, "x", 7]}),
    "a list of keys": (JWKS, []),
    "keys that are away": (JWKS, 503),
    "nobody": (USERINFO, {"name": "Carla"}),
    "somebody else": (USERINFO, {"sub": "usr_1"}),
    "a number": (USERINFO, {"sub": 7}),
    "a list of people": (USERINFO, ["carla"]),
    "no userinfo": (USERINFO, 401),
}


@pytest.mark.parametrize("answer", list(ANSWERS.values()), ids=list(ANSWERS))
def test_an_answer_that_cannot_be_read_lets_nobody_in(
    world: World, wire: Wire, provider: Answer, carla: Surfer, answer: tuple[str, Any]
) -> None:
    path, said = answer
    wire.instead[path] = said
    assert says(carla.come_back(world.acorn, carla.go(world.acorn, world.birch)), failures.UNREADABLE)
    assert carla.whoami(world.acorn).status == 401


def test_odd_facts_about_a_person_are_no_obstacle(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    odd = {"name": "Car\u202ela\n" + "x" * 500, "picture": {"a": 1}, "locale": None, "given_name": None}
    wire.instead[USERINFO] = lambda asked: wire.really(asked) | odd
    carla.come_back(world.acorn, carla.go(world.acorn, world.birch))
    name = carla.whoami(world.acorn)["actor"]["name"]
    assert (name[:8], len(name)) == ("Carla xx", 120)


def test_a_secret_that_does_not_open_is_said_to_be_lost(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    callback = carla.go(world.acorn, world.birch)
    with enter(world.acorn.ref):
        box = SignInProvider.objects.get().client_secret
    store(world, client_secret=box[:-4] + "AAAA")
    assert says(carla.come_back(world.acorn, callback), failures.UNPROVEN)
    assert TOKEN not in str(wire.calls)


def test_a_secret_that_the_provider_does_not_take_lets_nobody_in(
    world: World, wire: Wire, provider: Answer, carla: Surfer, caplog: pytest.LogCaptureFixture
) -> None:
    path = f"/v1/sign-in-providers/{provider['id']}"
    assert Api(world.acorn.root_key).patch(path, {"client_secret": "of yesterday"}).status == 200
    assert says(carla.come_back(world.acorn, carla.go(world.acorn, world.birch)), failures.UNREADABLE)
    assert "sign-in with Birch failed" in caplog.text
    assert "of yesterday" not in caplog.text


def test_an_error_of_the_provider_is_not_repeated(
    world: World, wire: Wire, provider: Answer, carla: Surfer
) -> None:
    callback = carla.go(world.acorn, world.birch)
    answer = carla.come_back(world.acorn, callback.replace("code=", "error=server_error&x=<b>hi</b>&y="))
    assert says(answer, "It refused.")
    assert "<b>hi" not in answer.content.decode()


def test_nobody_makes_this_server_call_others_without_end(
    world: World, wire: Wire, provider: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.accounts.signin.providers.offers._BEGINNINGS", {"begin": "2/m/ip"})
    statuses = [Surfer().post(world.acorn, BEGIN).status_code for _ in range(4)]
    assert statuses == [302, 302, 429, 429]
    assert len(wire.calls) == 2

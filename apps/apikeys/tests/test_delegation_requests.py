"""Asking to act for somebody: an agent asks, and the person answers, through the API or on the page."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from apps.accounts.models import User
from apps.apikeys.delegations.models import Delegation
from apps.apikeys.tests.making import seat_in_another
from apps.core import clock
from apps.core.ids import decode
from apps.core.strictjson import timestamp
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.sessions import begin_session, person_of, session_token
from tests.world import Space, World


def later(**by: float) -> str:
    return timestamp(clock.now() + timedelta(**by or {"days": 1}))


def ask(api: Api, world: World, *scopes: str, **more: Any) -> Answer:
    """North's agent asks north's person."""
    north = world.acorn.parties["north"]
    body = {
        "of": north.person,
        "scopes": list(scopes) or ["users:read", "agents:write"],
        "expires_at": later(days=7),
        "purpose": "To tidy up",
        **more,
    }
    return api.using(north.agent_key).post("/v1/delegations/requests", body)


def acting(api: Api, world: World) -> Api:
    north = world.acorn.parties["north"]
    return api.using(north.agent_key).sending(packmule_on_behalf_of=north.person)


def test_an_agent_asks_and_the_person_agrees(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    asked = ask(api, world)
    assert (asked.status, asked["status"], asked["purpose"]) == (201, "pending", "To tidy up")
    assert asked["actor_owner"] == north.email
    assert asked["consent"] == f"/accounts/delegations/{asked['id']}/"
    assert acting(api, world).get("/v1/users").code == "delegation_pending"

    person = api.using(north.person_key)
    assert [row["id"] for row in person.get("/v1/delegations?status=pending")["data"]] == [asked["id"]]
    agreed = person.post(f"/v1/delegations/{asked['id']}/approve")
    assert (agreed.status, agreed["status"], agreed["consent"]) == (200, "active", None)
    assert acting(api, world).get("/v1/users").status == 200


def test_the_person_agrees_to_less(world: World, api: Api) -> None:
    person = api.using(world.acorn.parties["north"].person_key)
    asked = ask(api, world)
    path, end = f"/v1/delegations/{asked['id']}/approve", later(hours=1)
    assert person.post(path, {"scopes": ["keys:write"]}).code == "validation_failed"
    assert person.post(path, {"expires_at": later(days=8)}).code == "delegation_too_long"
    agreed = person.post(path, {"scopes": ["agents:read"], "expires_at": end, "max_uses": 2})
    assert (agreed["scopes"], agreed["expires_at"], agreed["max_uses"]) == (["agents:read"], end, 2)
    assert acting(api, world).get("/v1/users").code == "delegation_scope_missing"


def test_the_person_says_no(world: World, api: Api) -> None:
    person = api.using(world.acorn.parties["north"].person_key)
    path = f"/v1/delegations/{ask(api, world)['id']}"
    assert person.post(f"{path}/deny")["status"] == "denied"
    assert acting(api, world).get("/v1/users").code == "delegation_denied"
    for again in ("approve", "deny"):
        assert person.post(f"{path}/{again}").code == "delegation_request_answered"


def test_a_request_waits_for_a_day(world: World, api: Api) -> None:
    person = api.using(world.acorn.parties["north"].person_key)
    with clock.frozen(clock.now()) as time:
        asked = ask(api, world)
        assert ask(api, world).code == "delegation_request_open"
        time.move(timedelta(days=1))
        path = f"/v1/delegations/{asked['id']}"
        assert person.get(path)["status"] == "expired"
        assert person.post(f"{path}/approve").code == "delegation_request_answered"
        assert ask(api, world).status == 201


def test_who_asked_withdraws_it(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    path = f"/v1/delegations/{ask(api, world)['id']}"
    assert api.using(north.agent_key).delete(path).status == 204
    assert api.using(north.person_key).post(f"{path}/approve").code == "delegation_request_answered"


def test_nobody_else_answers(world: World, api: Api) -> None:
    """Not the agent itself, nor an admin who looks after everybody's, nor a key that an agent minted."""
    north = world.acorn.parties["north"]
    path = f"/v1/delegations/{ask(api, world)['id']}"
    minted = api.using(north.agent_key).post(
        "/v1/keys", {"name": "k", "scopes": ["*"], "service_account": north.service}
    )["secret"]
    for key in (north.agent_key, minted):
        assert api.using(key).post(f"{path}/approve").code == "delegation_not_in_person"
    for key in (north.service_key, world.acorn.root_key, world.acorn.parties["south"].person_key):
        assert api.using(key).post(f"{path}/approve").status == 404
    assert api.using(north.person_key).get(path)["status"] == "pending"


def test_a_delegate_does_not_answer_for_its_person(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    person = api.using(north.person_key)
    body = {"actor": north.service, "scopes": ["delegations:write"], "expires_at": later()}
    assert person.post("/v1/delegations", body).status == 201
    asked = ask(api, world)
    backend = api.using(north.service_key).sending(packmule_on_behalf_of=north.person)
    for answer in ("approve", "deny"):
        refused = backend.post(f"/v1/delegations/{asked['id']}/{answer}")
        assert refused.code == "delegation_not_in_person"


def test_what_the_person_may_not_do_is_not_agreed_to(world: World, api: Api) -> None:
    """Asking is free; agreeing takes the right."""
    person = api.using(world.acorn.parties["north"].person_key)
    made = person.post("/v1/keys", {"name": "narrow", "scopes": ["delegations:write", "users:read"]})
    asked = ask(api, world)
    refused = api.using(made["secret"]).post(f"/v1/delegations/{asked['id']}/approve")
    assert (refused.code, refused["missing"]) == ("delegation_exceeds_own", ["agents:write"])


@pytest.mark.parametrize("whom", ["stranger", "south", "nobody"])
def test_only_people_of_the_organization_are_asked(world: World, api: Api, whom: str) -> None:
    known = {"stranger": world.acorn.stranger, "south": world.acorn.parties["south"].person}
    refused = ask(api, world, of=known.get(whom, "usr_" + "0" * 26))
    assert (refused.status, refused.code) == (404, "not_found")


def test_nobody_asks_on_somebodys_behalf(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    person = api.using(north.person_key)
    body = {"actor": north.agent, "scopes": ["delegations:write"], "expires_at": later()}
    person.post("/v1/delegations", body)
    wanted = {"of": north.service, "scopes": ["users:read"], "expires_at": later(), "purpose": "x"}
    refused = acting(api, world).post("/v1/delegations/requests", wanted)
    assert (refused.code, refused["gate"]) == ("not_delegable", "delegation")


# Agents of the console, in an environment that their company owns.


def test_a_builders_agent_asks_a_customers_person(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    builder = api.using(world.builders.agent_key).sending(packmule_environment=world.acorn.name)
    wanted = {"of": north.person, "scopes": ["agents:read"], "expires_at": later(), "purpose": "To help you"}
    assert builder.post("/v1/delegations/requests", wanted).code == "organization_required"
    asked = builder.post("/v1/delegations/requests", wanted, packmule_organization=north.id)
    assert (asked.status, asked["from_console"]) == (201, True)
    assert api.using(north.person_key).post(f"/v1/delegations/{asked['id']}/approve").status == 200

    for_north = builder.sending(packmule_on_behalf_of=north.person)
    me = for_north.get("/v1/whoami")
    assert (me["tenant"], me["organization"]["id"]) == (world.acorn.name, north.id)
    assert me["on_behalf_of"]["id"] == north.person
    assert [agent["id"] for agent in for_north.get("/v1/agents")["data"]] == [north.agent]
    assert for_north.get("/v1/users").code == "delegation_scope_missing"
    at_home = api.using(world.builders.agent_key).get("/v1/whoami", packmule_on_behalf_of=north.person)
    assert at_home.code == "delegation_missing"


def test_it_ends_when_the_console_deletes_the_agent(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    builder = api.using(world.builders.agent_key).sending(
        packmule_environment=world.acorn.name, packmule_organization=north.id
    )
    wanted = {"of": north.person, "scopes": ["agents:read"], "expires_at": later(), "purpose": "To help you"}
    asked = builder.post("/v1/delegations/requests", wanted)
    api.using(north.person_key).post(f"/v1/delegations/{asked['id']}/approve")
    console = api.using(world.console.root_key)
    assert console.delete(f"/v1/agents/{world.builders.agent}").status == 204
    assert api.using(north.person_key).get(f"/v1/delegations/{asked['id']}")["status"] == "revoked"


def test_the_trail_at_home_names_no_customers_person(world: World, api: Api) -> None:
    """What the console keeps of it says that it was for somebody, and not how they are called."""
    north = world.acorn.parties["north"]
    builder = api.using(world.builders.agent_key).sending(
        packmule_environment=world.acorn.name, packmule_organization=north.id
    )
    wanted = {"of": north.person, "scopes": ["agents:write"], "expires_at": later(), "purpose": "To help you"}
    asked = builder.post("/v1/delegations/requests", wanted)
    api.using(north.person_key).post(f"/v1/delegations/{asked['id']}/approve")
    made = builder.sending(packmule_on_behalf_of=north.person).post("/v1/agents", {"name": "made"})
    assert made.status == 201, made
    (there,) = api.using(north.person_key).get(f"/v1/audit?resource={made['id']}")["data"]
    (here,) = api.using(world.builders.person_key).get(f"/v1/audit?resource={made['id']}")["data"]
    assert (there["on_behalf_of"]["name"], here["on_behalf_of"]["name"]) == ("owner", "")
    assert here["mirror_of"] == there["id"]


# The page.

ALLOW = {"action": "allow", "scopes": ["users:read", "agents:write"]}


def page(
    space: Space, token: str, path: str, data: dict[str, Any] | None = None, *, csrf: bool = True
) -> HttpResponse:
    """The page as a browser of somebody who is signed in gets it; with `data`, after sending its form."""
    client = Client(enforce_csrf_checks=True)
    client.cookies[settings.SESSION_COOKIE_NAME] = token
    shown: Any = client.get(path, headers={"host": space.host})
    if data is None:
        return shown  # type: ignore[no-any-return]
    found = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', shown.content)
    sent = data | ({"csrfmiddlewaretoken": found[1].decode()} if csrf and found else {})
    answered: Any = client.post(path, sent, headers={"host": space.host})
    return answered  # type: ignore[no-any-return]


def test_the_page_says_who_asks_for_what(world: World, api: Api) -> None:
    acorn, north = world.acorn, world.acorn.parties["north"]
    asked = ask(api, world, "agents:write", max_uses=3)
    shown = page(acorn, session_token(acorn, north), asked["consent"])
    assert shown.status_code == 200
    text = shown.content.decode()
    for said in ("north&#x27;s agent", north.email, "To tidy up", "agents:write", "3 time"):
        assert said in text
    assert shown.headers["X-Frame-Options"] == "DENY"
    assert "no-store" in shown.headers["Cache-Control"]


def test_the_person_answers_on_the_page(world: World, api: Api) -> None:
    acorn, north = world.acorn, world.acorn.parties["north"]
    asked, token = ask(api, world), session_token(acorn, north)
    assert page(acorn, token, asked["consent"], ALLOW).status_code == 200
    assert acting(api, world).get("/v1/users").status == 200
    again = page(acorn, token, asked["consent"], {"action": "deny"})
    assert again.status_code in (200, 403)
    assert acting(api, world).get("/v1/users").status == 200


def test_the_person_allows_what_stays_ticked(world: World, api: Api) -> None:
    """With every box unticked nothing is allowed, and the form is shown again as it was sent."""
    acorn, north = world.acorn, world.acorn.parties["north"]
    asked, token = ask(api, world), session_token(acorn, north)
    assert page(acorn, token, asked["consent"]).content.count(b" checked") == 2
    empty = page(acorn, token, asked["consent"], {"action": "allow"})
    assert empty.status_code == 422
    assert b"Tick what it may do, or deny it." in empty.content
    assert b" checked" not in empty.content
    assert acting(api, world).get("/v1/users").code == "delegation_pending"
    assert page(acorn, token, asked["consent"], ALLOW | {"scopes": ["users:read"]}).status_code == 200
    assert acting(api, world).get("/v1/users").status == 200
    assert acting(api, world).get("/v1/agents").code == "delegation_scope_missing"


def test_the_person_denies_on_the_page(world: World, api: Api) -> None:
    acorn, north = world.acorn, world.acorn.parties["north"]
    asked = ask(api, world)
    assert page(acorn, session_token(acorn, north), asked["consent"], {"action": "deny"}).status_code == 200
    assert acting(api, world).get("/v1/users").code == "delegation_denied"


def test_another_site_does_not_answer(world: World, api: Api) -> None:
    acorn, north = world.acorn, world.acorn.parties["north"]
    asked = ask(api, world)
    forged = page(acorn, session_token(acorn, north), asked["consent"], {"action": "allow"}, csrf=False)
    assert forged.status_code == 403
    assert acting(api, world).get("/v1/users").code == "delegation_pending"


def test_the_page_is_for_nobody_else(world: World, api: Api) -> None:
    """Not for an admin of the same organization, the other customer, the twin's person of the same id, or strangers."""
    acorn, birch, asked = world.acorn, world.birch, ask(api, world)
    with enter(acorn.ref):
        viewer = User.objects.get(email="viewer@north.test")
    others = [
        (acorn, begin_session(acorn, viewer)),
        (acorn, session_token(acorn, acorn.parties["south"])),
        (birch, session_token(birch, birch.parties["north"])),
    ]
    for space, token in others:
        assert page(space, token, asked["consent"]).status_code == 404
        assert page(space, token, asked["consent"], {"action": "allow"}, csrf=False).status_code in (403, 404)
    signed_out = page(acorn, "", asked["consent"])
    assert signed_out.status_code == 302
    assert asked["id"] in signed_out.headers["Location"]
    with enter(acorn.ref):
        assert Delegation.objects.get(pk=decode(asked["id"], "dlg")).granted_at is None


def test_the_page_stands_in_the_organization_of_the_request(world: World, api: Api) -> None:
    """A person of several organizations who looks at another one is asked all the same."""
    acorn, north = world.acorn, world.acorn.parties["north"]
    asked = ask(api, world)
    other = seat_in_another(acorn, north)
    token = begin_session(acorn, person_of(acorn, north), chosen=str(other.pk))
    assert page(acorn, token, asked["consent"], ALLOW).status_code == 200
    assert acting(api, world).get("/v1/users").status == 200

"""Authorization codes with PKCE: from the person's consent to a call of the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest
from allauth.idp.oidc.models import Token

from apps.accounts.models import User
from apps.accounts.oauth.models import OAuthClient
from apps.core import clock
from apps.core.ids import decode
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import BACK, VERIFIER, Browser, Program, came_back, challenge_of, register, ticked
from tests.world import World


def test_a_person_lets_a_program_in(world: World, api: Api, program: Program, browser: Browser) -> None:
    page = browser.get(program.address("users:read"))
    assert page.status_code == 200
    assert ticked(page) == {"users:read": True}
    assert "Tester" in page.content.decode()

    sent = came_back(browser.post(program.address("users:read"), action="grant", scopes=["users:read"]))
    assert (sent["state"], sent["iss"]) == ("the-state", f"http://{world.acorn.host}")
    given = program.exchange(sent["code"])

    assert (given["status"], given["token_type"], given["expires_in"]) == (200, "Bearer", 3600)
    who = api.using(given["access_token"]).get("/v1/whoami")
    assert (who.status, who["tenant"], who["actor"]["id"]) == (
        200,
        world.acorn.name,
        world.acorn.parties["north"].person,
    )
    assert who["credential"]["kind"] == "oauth"
    assert who["credential"]["scopes"] == ["users:read"]
    assert who["credential"]["id"].startswith("tok_")
    assert api.using(given["access_token"]).get("/v1/users").status == 200
    assert api.using(given["access_token"]).get("/v1/agents").code == "scope_missing"


def test_the_tenant_may_be_named_by_the_token_alone_or_by_its_own_host(
    world: World, api: Api, program: Program, browser: Browser
) -> None:
    token = program.exchange(program.code(browser, "users:read"))["access_token"]
    assert api.using(token).on(world.acorn.host).get("/v1/whoami").status == 200
    assert api.using(token).on(world.birch.host).get("/v1/whoami").code == "wrong_tenant"
    assert api.call("GET", "/v1/whoami", headers={"packmule_key": token}).status == 401


def test_who_is_not_signed_in_is_sent_to_sign_in(world: World, program: Program) -> None:
    answer = Browser(world.acorn).get(program.address("users:read"))
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/accounts/login/")


def test_denying_tells_the_program_and_gives_nothing(program: Program, browser: Browser) -> None:
    sent = came_back(browser.post(program.address("users:read"), action="cancel"))
    assert sent.keys() == {"error", "state", "iss"}
    assert sent["error"] == "access_denied"


def test_a_person_may_grant_less_and_everything_is_never_ticked_beforehand(
    program: Program, browser: Browser
) -> None:
    asked = program.address("* users:read openid")
    assert ticked(browser.get(asked)) == {"*": False, "users:read": True, "openid": True}
    code = program.code(browser, "* users:read", scopes=["users:read"])
    assert program.exchange(code)["scope"] == "users:read"


def test_nothing_is_granted_that_was_not_asked_for(program: Program, browser: Browser) -> None:
    answer = browser.post(program.address("users:read"), action="grant", scopes=["users:read", "users:write"])
    assert (answer.status_code, "Location" in answer) == (200, False)
    assert browser.post(program.address("users:read"), action="grant").status_code == 200


def test_nobody_grants_more_than_their_role_allows(world: World, program: Program) -> None:
    south = world.acorn.parties["south"]
    with enter(world.acorn.ref):
        from apps.orgs.models import Membership

        Membership.objects.filter(user_id=decode(south.person, "usr")).update(role="viewer")
    viewer = Browser.of(world.acorn, south)
    assert ticked(viewer.get(program.address("users:read users:write"))).keys() == {"users:read"}
    assert viewer.get(program.address("users:write")).status_code == 403


def test_a_code_is_good_once_and_ends_what_it_gave_when_it_comes_again(
    api: Api, program: Program, browser: Browser
) -> None:
    code = program.code(browser, "users:read")
    given = program.exchange(code)
    assert api.using(given["access_token"]).get("/v1/users").status == 200
    assert program.exchange(code)["error"] == "invalid_grant"
    assert api.using(given["access_token"]).get("/v1/users").code == "token_unknown"
    assert program.token("refresh_token", refresh_token=given["refresh_token"])["error"] == "invalid_grant"


def test_a_code_ends_after_a_minute(program: Program, browser: Browser) -> None:
    with clock.frozen(clock.now()) as hands:
        early, late = program.code(browser, "users:read"), program.code(browser, "users:read")
        hands.move(timedelta(seconds=59))
        assert program.exchange(early)["status"] == 200
        hands.move(timedelta(seconds=1))
        assert program.exchange(late)["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
        {"code_challenge": "short"},
        {"code_challenge": [challenge_of("a" * 43), challenge_of("b" * 43)]},
    ],
)
def test_every_client_proves_itself_by_s256(
    program: Program, browser: Browser, changes: dict[str, str]
) -> None:
    sent = came_back(browser.get(program.address("users:read", **changes)))
    assert (sent["error"], "code" in sent) == ("invalid_request", False)


@pytest.mark.parametrize(
    "changes", [{"code_verifier": None}, {"code_verifier": "another-verifier-of-at-least-43-characters-1"}]
)
def test_a_wrong_verifier_uses_the_code_up(
    program: Program, browser: Browser, changes: dict[str, str]
) -> None:
    code = program.code(browser, "users:read")
    assert program.exchange(code, **changes)["error"] in ("invalid_grant", "invalid_request")
    assert program.exchange(code)["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "uri",
    [
        BACK + "/",
        BACK + "?more=1",
        BACK.upper(),
        "https://app.example.com.evil.test/callback",
        "https://app.example.com@evil.test/callback",
        "https://app.example.com/callback/../other",
        "https://app.example.com:444/callback",
        "http://app.example.com/callback",
        "https://app.example.com/callback#fragment",
        "javascript:alert(1)",
        "//app.example.com/callback",
    ],
)
def test_nobody_is_sent_anywhere_but_where_the_client_registered(
    program: Program, browser: Browser, uri: str
) -> None:
    answer = browser.get(program.address("users:read", redirect_uri=uri))
    assert (answer.status_code, "Location" in answer) == (400, False)
    twice = browser.get(program.address("users:read", redirect_uri=[BACK, uri]))
    assert (twice.status_code, "Location" in twice) == (400, False)
    worse = browser.get(program.address("users:read", redirect_uri=uri, resource="https://elsewhere.test/"))
    assert (worse.status_code, "Location" in worse) == (400, False)


def test_a_code_goes_with_the_redirect_uri_for_which_it_was_given(world: World, browser: Browser) -> None:
    other = "https://app.example.com/other"
    with enter(world.acorn.ref):
        made = register(None, secret="s", redirect_uris=[BACK, other])
    program = Program(world.acorn, made.public_id, "s")
    code = program.code(browser, "users:read")
    assert "error" in program.exchange(code, redirect_uri=other)


def test_a_program_on_the_persons_machine_listens_on_any_port(world: World, browser: Browser) -> None:
    cli = Program(world.acorn, "packmule-cli")
    here = "http://127.0.0.1:54321/callback"
    code = cli.code(browser, "users:read", redirect_uri=here)
    assert cli.exchange(code, redirect_uri=here)["status"] == 200
    for other in (
        "http://127.0.0.2:54321/callback",
        "http://127.0.0.1:54321/",
        "http://127.0.0.1.evil.test/callback",
    ):
        assert browser.get(cli.address("users:read", redirect_uri=other)).status_code == 400


def test_consent_is_remembered_for_a_client_on_the_web_and_never_for_everything(
    world: World, program: Program, browser: Browser
) -> None:
    program.code(browser, "users:read agents:read")
    assert "code" in came_back(browser.get(program.address("users:read")))
    assert browser.get(program.address("users:read", prompt="consent")).status_code == 200
    assert browser.get(program.address("users:read keys:read")).status_code == 200
    program.code(browser, "*")
    assert browser.get(program.address("*")).status_code == 200
    cli = Program(world.acorn, "packmule-cli")
    here: dict[str, Any] = {"redirect_uri": "http://127.0.0.1:1/callback"}
    cli.code(browser, "users:read", **here)
    assert browser.get(cli.address("users:read", **here)).status_code == 200


def test_asking_silently_never_asks(world: World, program: Program, browser: Browser) -> None:
    silent = program.address("users:read", prompt="none")
    assert came_back(Browser(world.acorn).get(silent))["error"] == "login_required"
    assert came_back(browser.get(silent))["error"] == "consent_required"
    program.code(browser, "users:read")
    assert program.exchange(came_back(browser.get(silent))["code"])["status"] == 200


def test_an_id_token_says_who_it_is_and_opens_nothing(
    world: World, api: Api, program: Program, browser: Browser
) -> None:
    given = program.exchange(program.code(browser, "openid email", nonce="the-nonce"))
    (key,) = browser.get("/.well-known/jwks.json").json()["keys"]
    told = jwt.decode(
        given["id_token"],
        jwt.PyJWK(key).key,
        ["RS256"],
        audience=program.client_id,
        issuer=f"http://{world.acorn.host}",
    )
    assert (told["sub"], told["nonce"]) == (world.acorn.parties["north"].person, "the-nonce")
    assert api.using(given["id_token"]).get("/v1/whoami").status == 401
    assert api.using(given["access_token"]).get("/v1/whoami").code == "token_audience_wrong"
    headers = {"host": world.acorn.host, "authorization": f"Bearer {given['access_token']}"}
    from django.test import Client

    shown = Client().get("/identity/o/api/userinfo", headers=headers)
    assert (shown.status_code, shown.json()["email"]) == (200, world.acorn.parties["north"].email)
    wrong = headers | {"authorization": f"Bearer {given['id_token']}"}
    assert Client().get("/identity/o/api/userinfo", headers=wrong).status_code == 401


# The walls.


def test_a_code_of_one_tenant_is_none_in_another(world: World, program: Program, browser: Browser) -> None:
    twin = _twin(world, program)
    code = program.code(browser, "users:read")
    assert twin.exchange(code)["error"] == "invalid_grant"
    assert program.exchange(code)["status"] == 200


def test_a_code_of_one_client_is_none_of_another(world: World, program: Program, browser: Browser) -> None:
    with enter(world.acorn.ref):
        other = register(None, secret="other", name="Other")
    code = program.code(browser, "users:read")
    assert Program(world.acorn, other.public_id, "other").exchange(code)["error"] == "invalid_grant"


def test_a_client_of_one_organization_gets_nothing_of_another(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    with enter(world.acorn.ref):
        made = register(north, secret="s")
    program = Program(world.acorn, made.public_id, "s")
    assert Browser.of(world.acorn, south).get(program.address("users:read")).status_code == 403
    with enter(world.acorn.ref):
        from apps.orgs.models import Membership

        seat = Membership(organization_id=south.uuid, user_id=decode(north.person, "usr"), role="owner")
        seat.save()
    token = program.exchange(program.code(Browser.of(world.acorn, north), "*", scopes=["*"]))["access_token"]
    assert api.using(token).get("/v1/whoami")["organization"]["id"] == north.id
    assert api.using(token).sending(packmule_organization=south.id).get("/v1/agents").status == 404


def test_a_suspended_person_and_a_new_password_end_what_was_given(
    world: World, api: Api, program: Program, browser: Browser
) -> None:
    given = program.exchange(program.code(browser, "users:read"))
    with enter(world.acorn.ref):
        person = User.objects.get(pk=decode(world.acorn.parties["north"].person, "usr"))
        User.objects.filter(pk=person.pk).update(status="suspended")
    assert api.using(given["access_token"]).get("/v1/users").code == "principal_suspended"
    assert program.token("refresh_token", refresh_token=given["refresh_token"])["error"] == "invalid_grant"
    with enter(world.acorn.ref):
        person.set_password("another battery staple, just as good")
        person.status = "active"
        person.save()
    assert api.using(given["access_token"]).get("/v1/users").code == "token_ended"
    assert program.token("refresh_token", refresh_token=given["refresh_token"])["error"] == "invalid_grant"


def test_a_disabled_client_gets_nothing_and_its_tokens_open_nothing(
    world: World, api: Api, program: Program, browser: Browser
) -> None:
    given = program.exchange(program.code(browser, "users:read"))
    root = api.using(world.acorn.root_key)
    path = f"/v1/oauth-clients/{program.client_id}"
    assert root.patch(path, {"status": "disabled"}).status == 200
    assert api.using(given["access_token"]).get("/v1/users").code == "client_stopped"
    assert program.token("refresh_token", refresh_token=given["refresh_token"])["error"] == "invalid_client"
    assert browser.get(program.address("users:read")).status_code == 400
    assert root.patch(path, {"status": "active"}).status == 200
    assert api.using(given["access_token"]).get("/v1/users").status == 200
    assert root.delete(path).status == 204
    assert api.using(given["access_token"]).get("/v1/users").code == "token_unknown"
    with enter(world.acorn.ref):
        assert not Token.objects.filter(client_id=program.client_id).exists()


def _twin(world: World, program: Program) -> Program:
    """The same client, by id and secret, in birch."""
    with enter(world.birch.ref):
        register(None, id=decode(program.client_id, "oac"), secret=program.secret)
        assert OAuthClient.objects.filter(client_id=program.client_id).exists()
    return Program(world.birch, program.client_id, program.secret)

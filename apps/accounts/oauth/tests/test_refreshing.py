"""Refresh tokens: good once, within what was granted; and everything that ends a family of tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from allauth.idp.oidc.models import Token

from apps.accounts.models import User
from apps.accounts.oauth import texts
from apps.core import clock
from apps.core.ids import decode, uuid7
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import Browser, Program, give, register
from tests.world import World


@pytest.fixture
def given(program: Program, browser: Browser) -> dict[str, Any]:
    """What the program got: tokens for users:read and agents:read."""
    return program.exchange(program.code(browser, "users:read agents:read"))


def refreshed(program: Program, given: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return program.token("refresh_token", refresh_token=given["refresh_token"], **fields)


def opens(api: Api, given: dict[str, Any]) -> str:
    """'' when the access token opens the API, else why not."""
    return api.using(given["access_token"]).get("/v1/users").code


def test_it_is_exchanged_for_a_new_pair(api: Api, program: Program, given: dict[str, Any]) -> None:
    fresh = refreshed(program, given)
    assert (fresh["status"], fresh["scope"]) == (200, given["scope"])
    assert fresh["refresh_token"] != given["refresh_token"]
    assert (opens(api, given), opens(api, fresh)) == ("", "")
    assert refreshed(program, fresh)["status"] == 200


def test_one_that_comes_twice_ends_the_family(api: Api, program: Program, given: dict[str, Any]) -> None:
    fresh = refreshed(program, given)
    newest = refreshed(program, fresh)
    assert refreshed(program, given)["error"] == "invalid_grant"
    for one in (given, fresh, newest):
        assert opens(api, one) == "token_unknown"
    assert refreshed(program, newest)["error"] == "invalid_grant"


def test_another_sign_in_of_the_same_person_goes_on(
    api: Api, program: Program, browser: Browser, given: dict[str, Any]
) -> None:
    other = program.exchange(program.code(browser, "users:read"))
    refreshed(program, given)
    assert refreshed(program, given)["error"] == "invalid_grant"
    assert (opens(api, other), refreshed(program, other)["status"]) == ("", 200)


def test_a_refresh_narrows_and_never_widens(api: Api, program: Program, given: dict[str, Any]) -> None:
    narrow = refreshed(program, given, scope="users:read")
    assert narrow["scope"] == "users:read"
    assert api.using(narrow["access_token"]).get("/v1/agents").code == "scope_missing"
    for scope in ("users:write", "*", "users:read keys:read", "openid", "nonsense"):
        assert refreshed(program, narrow, scope=scope)["error"] == "invalid_scope"
    whole = refreshed(program, narrow)
    assert whole["scope"] == "users:read agents:read"


def test_what_was_asked_wrongly_may_be_asked_again(program: Program, given: dict[str, Any]) -> None:
    assert refreshed(program, given, scope="keys:write")["error"] == "invalid_scope"
    assert refreshed(program, given, resource="https://elsewhere.test/v1")["error"] == "invalid_target"
    assert refreshed(program, given)["status"] == 200


def test_it_is_bound_to_its_client(world: World, api: Api, program: Program, given: dict[str, Any]) -> None:
    with enter(world.acorn.ref):
        made = register(None, secret="s", name="Other")
    other = Program(world.acorn, made.public_id, "s")
    assert refreshed(other, given)["error"] == "invalid_grant"
    nameless = Program(world.acorn, program.client_id)
    assert refreshed(nameless, given)["error"] == "invalid_client"
    assert opens(api, given) == ""
    assert refreshed(program, given)["status"] == 200


def test_a_forged_one_ends_nobodys_family(
    world: World, api: Api, program: Program, given: dict[str, Any]
) -> None:
    forged = texts.refresh_token(world.acorn.ref.id, uuid7())
    for text in (
        forged,
        given["refresh_token"][:-1],
        given["refresh_token"] + "x",
        "",
        "\0",
        given["access_token"],
    ):
        answer = program.token("refresh_token", refresh_token=text)
        assert answer["error"] in ("invalid_grant", "invalid_request")
    assert (opens(api, given), refreshed(program, given)["status"]) == ("", 200)


def test_it_ends_after_thirty_days_without_use(program: Program, browser: Browser) -> None:
    with clock.frozen(clock.now()) as hands:
        given = program.exchange(program.code(browser, "users:read"))
        hands.move(timedelta(days=29))
        fresh = refreshed(program, given)
        hands.move(timedelta(days=29))
        newest = refreshed(program, fresh)
        assert newest["status"] == 200
        hands.move(timedelta(days=30))
        assert refreshed(program, newest)["error"] == "invalid_grant"


def test_an_access_token_ends_after_an_hour(api: Api, program: Program, browser: Browser) -> None:
    with clock.frozen(clock.now()) as hands:
        given = program.exchange(program.code(browser, "users:read"))
        hands.move(timedelta(seconds=3599))
        assert opens(api, given) == ""
        hands.move(timedelta(seconds=1))
        assert opens(api, given) == "token_expired"


def test_a_client_without_that_grant_gets_none(world: World, browser: Browser) -> None:
    with enter(world.acorn.ref):
        made = register(None, secret="s", grants=["authorization_code"])
    program = Program(world.acorn, made.public_id, "s")
    given = program.exchange(program.code(browser, "users:read"))
    assert (given["status"], "refresh_token" in given) == (200, False)
    forged = give(
        world.acorn,
        ["users:read"],
        user=world.acorn.parties["north"].person,
        client=made.public_id,
        kind="rt",
    )
    assert program.token("refresh_token", refresh_token=forged)["error"] == "unauthorized_client"


# What ends them.


def test_taking_the_consent_back(world: World, api: Api, program: Program, given: dict[str, Any]) -> None:
    person = api.using(world.acorn.parties["north"].person_key)
    (grant,) = person.get("/v1/oauth-grants")["data"]
    assert (grant["client"], grant["scopes"]) == (program.client_id, ["agents:read", "users:read"])
    stranger = api.using(world.acorn.parties["south"].person_key)
    assert stranger.get("/v1/oauth-grants")["data"] == []
    assert stranger.delete(f"/v1/oauth-grants/{grant['id']}").status == 404
    assert person.delete(f"/v1/oauth-grants/{grant['id']}").status == 204
    assert opens(api, given) == "token_unknown"
    assert refreshed(program, given)["error"] == "invalid_grant"


def test_nobody_refreshes_without_the_consent(world: World, program: Program) -> None:
    """Also where the tokens were overlooked when it was taken back."""
    from apps.accounts.oauth.models import OAuthGrant

    left = give(
        world.acorn,
        ["users:read"],
        user=world.acorn.parties["north"].person,
        client=program.client_id,
        kind="rt",
    )
    with enter(world.acorn.ref):
        OAuthGrant.objects.filter(client_id=program.client_id).delete()
    assert program.token("refresh_token", refresh_token=left)["error"] == "invalid_grant"


def test_a_new_password(world: World, api: Api, program: Program, given: dict[str, Any]) -> None:
    with enter(world.acorn.ref):
        person = User.objects.get(pk=decode(world.acorn.parties["north"].person, "usr"))
        person.set_password("another battery staple, just as good")
        person.save()
    assert opens(api, given) == "token_ended"
    assert refreshed(program, given)["error"] == "invalid_grant"


def test_signing_out_everywhere(world: World, api: Api, program: Program, given: dict[str, Any]) -> None:
    root, person = api.using(world.acorn.root_key), world.acorn.parties["north"].person
    assert root.post(f"/v1/users/{person}/end-sessions", {"reason": "A lost laptop"}).status == 200
    assert opens(api, given) == "token_unknown"
    assert refreshed(program, given)["error"] == "invalid_grant"
    with enter(world.acorn.ref):
        assert not Token.objects.filter(client_id=program.client_id).exists()


def test_a_suspension_for_as_long_as_it_lasts(
    world: World, api: Api, program: Program, given: dict[str, Any]
) -> None:
    with enter(world.acorn.ref):
        known = User.objects.filter(pk=decode(world.acorn.parties["north"].person, "usr"))
        known.update(status="suspended")
    assert opens(api, given) == "principal_suspended"
    assert refreshed(program, given)["error"] == "invalid_grant"


def test_leaving_an_organization_ends_what_it_gave(
    world: World, api: Api, program: Program, given: dict[str, Any]
) -> None:
    from apps.orgs.models import Membership

    north = world.acorn.parties["north"]
    with enter(world.acorn.ref):
        made = register(north, secret="s")
    own = Program(world.acorn, made.public_id, "s")
    bound = own.exchange(own.code(Browser.of(world.acorn, north), "users:read"))
    with enter(world.acorn.ref):
        Membership.objects.filter(user_id=decode(north.person, "usr")).delete()
    assert opens(api, bound) == "not_a_member"
    answer = api.using(given["access_token"]).get("/v1/agents")
    assert (answer.status, answer.body.get("data", [])) in ((403, []), (200, []))


def test_a_client_that_may_ask_for_less_by_now(world: World, program: Program, given: dict[str, Any]) -> None:
    """Also where the token was written at the moment at which the client was narrowed."""
    from allauth.idp.oidc.models import Client

    with enter(world.acorn.ref):
        row = Client.objects.get(pk=program.client_id)
        row.set_scopes(["users:read"])
        row.save()
    assert refreshed(program, given)["error"] == "invalid_grant"


def test_what_is_over_is_swept_away(world: World, given: dict[str, Any], program: Program) -> None:
    from apps.tenancy.maintenance import forget_in_tenant
    from tests.duties import in_every_tenant

    with clock.frozen(clock.now() + timedelta(hours=2)):
        in_every_tenant(forget_in_tenant)
    with enter(world.acorn.ref):
        kinds = list(Token.objects.filter(client_id=program.client_id).values_list("type", flat=True))
    assert kinds == ["rt"]

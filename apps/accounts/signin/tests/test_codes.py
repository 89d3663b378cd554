"""Signing in by a code from a mail, without a password."""

from __future__ import annotations

from datetime import timedelta

from apps.accounts.signin.tests.headless import (
    ADA,
    FrontEnd,
    Travel,
    code_for,
    is_in,
    last_mail,
    mails_to,
    somebody,
    trail_of,
)
from tests.client import Api
from tests.standins.authenticator import totp
from tests.world import World

WRONG = "AAAA-AAAA"


def asked(world: World, email: str = ADA) -> FrontEnd:
    front = FrontEnd(world.acorn)
    assert front.post("auth/code/request", email=email).pending == "login_by_code"
    return front


def test_a_code_opens_the_session_that_asked_for_it(world: World) -> None:
    person = somebody(world.acorn).get("auth/session")["user"]["id"]
    front, stranger = asked(world, ADA.upper()), asked(world)
    assert last_mail(ADA).subject == "Your code for acorn"
    assert stranger.post("auth/code/confirm", code=WRONG).codes == ["incorrect_code"]
    assert stranger.post("auth/code/confirm", code=code_for(ADA)).status == 200
    assert not is_in(front)
    assert ("sessions.start", "by code") in trail_of(world.acorn, person)
    assert ("sessions.refuse", "wrong code") in trail_of(world.acorn, person)


def test_three_wrong_codes_end_the_try(world: World) -> None:
    somebody(world.acorn)
    front = asked(world)
    right = code_for(ADA)
    for _ in range(3):
        assert front.post("auth/code/confirm", code=WRONG).status == 400
    assert front.post("auth/code/confirm", code=right).status == 409
    assert not is_in(front)


def test_a_code_expires_and_can_be_sent_again(world: World, travel: Travel) -> None:
    somebody(world.acorn)
    front = asked(world)
    earlier = code_for(ADA)
    assert front.post("auth/code/resend").status == 200
    assert front.post("auth/code/confirm", code=earlier).status == 400
    travel(timedelta(minutes=16))
    assert front.post("auth/code/confirm", code=code_for(ADA)).status == 409


def test_a_code_works_once(world: World) -> None:
    somebody(world.acorn)
    front = asked(world)
    code = code_for(ADA)
    assert front.post("auth/code/confirm", code=code).status == 200
    assert front.post("auth/code/confirm", code=code).status == 409
    assert asked(world).post("auth/code/confirm", code=code).status == 400


def test_a_code_does_not_stand_in_for_the_second_factor(world: World) -> None:
    secret = somebody(world.acorn).add_app()
    front = asked(world)
    assert front.post("auth/code/confirm", code=code_for(ADA)).pending == "mfa_authenticate"
    assert not is_in(front)
    assert front.post("auth/2fa/authenticate", code=totp(secret)).status == 200
    assert is_in(front)


def test_somebody_whom_the_tenant_added_gets_in_by_a_code(world: World) -> None:
    """They have no password and have confirmed nothing: reading the mail is the proof of both."""
    added = Api(world.acorn.root_key).post("/v1/users", {"email": "added@example.test"})
    assert added.status == 201
    front = FrontEnd(world.acorn)
    assert front.by_code("added@example.test").status == 200
    assert front.api.get("/v1/whoami")["actor"]["name"] == "added@example.test"


def test_an_address_without_an_account_is_told_so_by_mail_alone(world: World) -> None:
    front = asked(world, "nobody@example.test")
    assert mails_to("nobody@example.test") == ["There is no account for this address at acorn"]
    assert front.post("auth/code/confirm", code=WRONG).codes == ["incorrect_code"]

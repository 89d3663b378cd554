"""Confirming an e-mail address by the code that was sent there."""

from __future__ import annotations

from datetime import timedelta

from apps.accounts.signin.tests.headless import (
    ADA,
    PASSWORD,
    FrontEnd,
    Travel,
    code_for,
    is_in,
    mails_to,
    somebody,
)
from tests.world import World

WRONG = "AAAA-AAAA"


def asked(world: World, email: str = ADA) -> FrontEnd:
    """Somebody who has signed up, and has not confirmed the address."""
    front = FrontEnd(world.acorn)
    assert front.post("auth/signup", email=email, password=PASSWORD).pending == "verify_email"
    return front


def test_who_has_not_confirmed_is_nobody_yet(world: World) -> None:
    front = asked(world)
    assert not is_in(front)
    assert front.get("account/email").status == 401
    assert front.get("account/authenticators/totp").status == 401


def test_a_code_is_typed_as_people_type(world: World) -> None:
    front = asked(world)
    typed = f" {code_for(ADA).lower().replace('-', ' ')} "
    assert front.post("auth/email/verify", key=typed).status == 200
    assert is_in(front)


def test_a_wrong_code_confirms_nothing_and_three_end_the_try(world: World) -> None:
    front = asked(world)
    right = code_for(ADA)
    for _ in range(3):
        assert front.post("auth/email/verify", key=WRONG).codes == ["incorrect_code"]
    assert front.post("auth/email/verify", key=right).status == 409
    again = FrontEnd(world.acorn)
    assert again.sign_in().pending == "verify_email"
    assert again.post("auth/email/verify", key=code_for(ADA)).status == 200


def test_asking_whether_a_code_is_right_counts_as_a_try(world: World) -> None:
    front = asked(world)
    for _ in range(3):
        assert front.get("auth/email/verify", x_email_verification_key=WRONG).status == 400
    assert front.get("auth/email/verify", x_email_verification_key=code_for(ADA)).status == 409


def test_a_code_expires(world: World, travel: Travel) -> None:
    front = asked(world)
    travel(timedelta(minutes=14))
    assert front.get("auth/session").pending == "verify_email"
    travel(timedelta(minutes=2))
    assert front.post("auth/email/verify", key=code_for(ADA)).status == 409
    again = FrontEnd(world.acorn)
    assert again.sign_in().pending == "verify_email"
    assert again.post("auth/email/verify", key=code_for(ADA)).status == 200


def test_a_code_that_is_sent_again_replaces_the_one_before(world: World) -> None:
    front = asked(world)
    earlier = code_for(ADA)
    assert front.post("auth/email/verify/resend").status == 200
    assert len(mails_to(ADA)) == 2
    assert front.post("auth/email/verify", key=earlier).codes == ["incorrect_code"]
    assert front.post("auth/email/verify", key=code_for(ADA)).status == 200


def test_a_code_opens_the_session_that_it_was_asked_in_and_no_other(world: World) -> None:
    asked(world)
    other = FrontEnd(world.acorn)
    other.sign_in()
    code = code_for(ADA)
    stranger = asked(world, "eve@example.test")
    assert stranger.post("auth/email/verify", key=code).status == 400
    assert other.post("auth/email/verify", key=code).status == 200


def test_a_code_works_once(world: World) -> None:
    front = somebody(world.acorn)
    assert front.post("auth/email/verify", key=code_for(ADA)).status == 409
    assert FrontEnd(world.acorn).post("auth/email/verify", key=code_for(ADA)).status == 409


def test_a_stranger_who_took_an_address_first_does_not_keep_it(world: World) -> None:
    """Somebody signs up with another's address and waits; its owner comes in by a code, and shuts them out."""
    asked(world)
    owner = FrontEnd(world.acorn)
    assert owner.by_code().status == 200
    assert FrontEnd(world.acorn).sign_in().codes == ["email_password_mismatch"]
    assert is_in(owner)

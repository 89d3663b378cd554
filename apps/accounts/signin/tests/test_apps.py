"""Second factors that show codes: authenticator apps, and the recovery codes that stand in for one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator

from apps.accounts.signin.tests.headless import (
    ADA,
    Answer,
    FrontEnd,
    Travel,
    is_in,
    mails_to,
    somebody,
    trail_of,
)
from apps.core.sealing import SealError
from apps.tenancy.sealing import open_sealed
from apps.tenancy.walls import enter
from tests.standins.authenticator import STEP, totp
from tests.world import World

APP, CODES = "account/authenticators/totp", "account/authenticators/recovery-codes"


def second_step(world: World, code: str) -> Answer:
    """Sign in by password, then with `code`."""
    front = FrontEnd(world.acorn)
    asked = front.sign_in()
    assert (asked.pending, is_in(front)) == ("mfa_authenticate", False)
    answer = front.post("auth/2fa/authenticate", code=code)
    assert is_in(front) is (answer.status == 200)
    return answer


# The app.


def test_an_app_is_added_with_a_code_that_it_shows(world: World) -> None:
    front = somebody(world.acorn)
    assert front.get(APP).status == 404
    front.confirm_it_is_me()
    offered = front.get(APP).body["meta"]
    assert offered["totp_url"].endswith("&issuer=acorn")
    assert front.post(APP, code="000000").codes == ["incorrect_code"]
    assert front.post(APP, code=totp(offered["secret"])).status == 200
    assert front.get(APP)["type"] == "totp"
    assert "Your account at acorn: An authenticator app was added." in mails_to(ADA)
    person = front.get("auth/session")["user"]["id"]
    assert ("users.add_second_factor", "authenticator app") in trail_of(world.acorn, person)


def test_adding_and_removing_take_a_proof_of_who_asks(world: World) -> None:
    front = somebody(world.acorn)
    assert front.post(APP, code="000000").status in (400, 401)
    secret = front.add_app()
    other = FrontEnd(world.acorn)
    other.sign_in()
    other.post("auth/2fa/authenticate", code=totp(secret))
    refused = other.call("DELETE", APP)
    assert (refused.status, refused.flows) == (401, {"reauthenticate", "mfa_reauthenticate"})
    assert FrontEnd(world.acorn).sign_in().pending == "mfa_authenticate"


def test_who_knows_the_password_alone_does_not_get_in(world: World) -> None:
    secret = somebody(world.acorn).add_app()
    refused = second_step(world, "000000")
    assert refused.codes == ["incorrect_code"]
    done = second_step(world, totp(secret))
    assert [proof["method"] for proof in done["methods"]] == ["password", "mfa"]
    told = trail_of(world.acorn, done["user"]["id"])
    assert told[-2:] == [
        ("sessions.refuse", "wrong second factor"),
        ("sessions.start", "by password and authenticator app"),
    ]


def test_a_code_is_taken_once(world: World) -> None:
    secret = somebody(world.acorn).add_app()
    code = totp(secret)
    assert second_step(world, code).status == 200
    assert second_step(world, code).codes == ["incorrect_code"]


def test_the_code_that_added_the_app_is_used_up(world: World) -> None:
    """Who looks over somebody's shoulder while they add it does not sign in with what they saw."""
    front = somebody(world.acorn)
    front.confirm_it_is_me()
    secret = front.get(APP).body["meta"]["secret"]
    code = totp(secret)
    assert front.post(APP, code=code).status == 200
    assert second_step(world, code).codes == ["incorrect_code"]
    assert second_step(world, totp(secret, steps=1)).status == 200


@pytest.mark.parametrize(("steps", "status"), [(-2, 400), (-1, 200), (0, 200), (1, 200), (2, 400)])
def test_a_telephone_may_be_half_a_minute_off(world: World, travel: Travel, steps: int, status: int) -> None:
    secret = somebody(world.acorn).add_app()
    travel(timedelta(seconds=2 * STEP))
    assert second_step(world, totp(secret, steps=steps)).status == status


def test_a_code_is_taken_once_for_as_long_as_it_would_be_right(world: World, travel: Travel) -> None:
    secret = somebody(world.acorn).add_app()
    ahead = totp(secret, steps=1)
    assert second_step(world, ahead).status == 200
    for _ in range(2):
        travel(timedelta(seconds=STEP))
        assert second_step(world, ahead).codes == ["incorrect_code"]


def test_codes_cannot_be_tried_without_end(world: World) -> None:
    secret = somebody(world.acorn).add_app()
    front = FrontEnd(world.acorn)
    front.sign_in()
    for _ in range(5):
        assert front.post("auth/2fa/authenticate", code="000000").codes == ["incorrect_code"]
    assert front.post("auth/2fa/authenticate", code=totp(secret)).codes == ["too_many_login_attempts"]
    assert second_step(world, totp(secret)).codes == ["too_many_login_attempts"]


def test_an_app_is_removed(world: World) -> None:
    front = somebody(world.acorn)
    front.add_app()
    assert front.call("DELETE", APP).status == 200
    assert "Your account at acorn: The authenticator app was removed." in mails_to(ADA)
    assert FrontEnd(world.acorn).sign_in().status == 200
    assert front.get(CODES).status == 404


def test_the_secret_is_sealed_and_opens_in_its_tenant_alone(world: World) -> None:
    secret = somebody(world.acorn).add_app()
    with enter(world.acorn.ref):
        kept = Authenticator.objects.get(type="totp").data["secret"]
        assert secret not in kept
        assert open_sealed("second factor", kept) == secret
        with pytest.raises(SealError):
            open_sealed("something else", kept)
    with enter(world.birch.ref), pytest.raises(SealError):
        open_sealed("second factor", kept)


# Recovery codes.


def test_recovery_codes_come_with_the_first_factor_and_are_shown_once(world: World) -> None:
    front = somebody(world.acorn)
    assert front.get(CODES).status == 404
    front.add_app()
    shown = front.get(CODES)["unused_codes"]
    assert len(set(shown)) == 10
    assert "unused_codes" not in front.get(CODES).body["data"]


def test_each_recovery_code_works_once(world: World) -> None:
    front = somebody(world.acorn)
    front.add_app()
    codes = front.get(CODES)["unused_codes"]
    assert second_step(world, codes[3]).status == 200
    assert second_step(world, codes[3]).codes == ["incorrect_code"]
    assert second_step(world, codes[0]).status == 200
    assert front.get(CODES)["unused_code_count"] == 8
    person = front.get("auth/session")["user"]["id"]
    assert ("sessions.start", "by password and recovery code") in trail_of(world.acorn, person)


def test_new_recovery_codes_end_the_old_ones(world: World) -> None:
    front = somebody(world.acorn)
    front.add_app()
    old = front.get(CODES)["unused_codes"]
    new = front.post(CODES)["unused_codes"]
    assert set(old).isdisjoint(new)
    assert second_step(world, old[0]).codes == ["incorrect_code"]
    assert second_step(world, new[0]).status == 200
    assert any("New recovery codes were made" in subject for subject in mails_to(ADA))


def test_recovery_codes_are_nothing_without_a_factor(world: World) -> None:
    front = somebody(world.acorn)
    front.confirm_it_is_me()
    assert front.post(CODES).status == 400
    assert front.get(CODES).status == 404

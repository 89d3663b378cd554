"""One address in two tenants is two people: nothing that one of them has or does reaches the other."""

from __future__ import annotations

from apps.accounts.signin.tests.headless import ADA, FrontEnd, code_for, is_in, mails_to, reset_key
from tests.client import Api
from tests.standins.authenticator import totp
from tests.world import PASSWORD, Space, World

OURS, THEIRS = "the sentence for acorn", "the sentence for birch"


def twins(world: World) -> tuple[FrontEnd, FrontEnd]:
    """Ada at acorn and Ada at birch, each with a password of her own."""
    ours, theirs = FrontEnd(world.acorn), FrontEnd(world.birch)
    assert ours.sign_up(ADA, OURS).status == 200
    assert theirs.sign_up(ADA, THEIRS).status == 200
    return ours, theirs


def opens(space: Space, password: str) -> bool:
    return FrontEnd(space).sign_in(ADA, password).status == 200


def test_two_people_have_two_ids_and_two_passwords(world: World) -> None:
    ours, theirs = twins(world)
    assert ours.get("auth/session")["user"]["id"] != theirs.get("auth/session")["user"]["id"]
    assert [opens(world.acorn, OURS), opens(world.acorn, THEIRS)] == [True, False]
    assert [opens(world.birch, OURS), opens(world.birch, THEIRS)] == [False, True]


def test_signing_up_in_one_tells_nothing_of_the_other(world: World) -> None:
    FrontEnd(world.acorn).sign_up(ADA, OURS)
    before = len(mails_to(ADA))
    FrontEnd(world.birch).post("auth/signup", email=ADA, password=THEIRS)
    assert mails_to(ADA)[before:] == ["Confirm your address for birch"]


def test_the_console_and_its_environments_have_directories_of_their_own(world: World) -> None:
    """The owner of the company that runs acorn is nobody in acorn, though the address is the same as another's."""
    builder = FrontEnd(world.console)
    assert builder.sign_in(world.builders.email, PASSWORD).status == 200
    assert FrontEnd(world.acorn).sign_in(world.builders.email, PASSWORD).status == 400
    assert not is_in(FrontEnd(world.acorn, token=builder.token))


def test_a_new_password_here_changes_nothing_there(world: World) -> None:
    ours, theirs = twins(world)
    FrontEnd(world.acorn).post("auth/password/request", email=ADA)
    new = "another sentence for acorn"
    assert FrontEnd(world.acorn).post("auth/password/reset", key=reset_key(ADA), password=new).status == 401
    assert (is_in(ours), is_in(theirs)) == (False, True)
    assert (opens(world.acorn, new), opens(world.birch, THEIRS)) == (True, True)


def test_a_second_factor_here_is_none_there(world: World) -> None:
    ours, _ = twins(world)
    ours.confirm_it_is_me(OURS)
    secret = ours.get("account/authenticators/totp").body["meta"]["secret"]
    assert ours.post("account/authenticators/totp", code=totp(secret)).status == 200
    assert FrontEnd(world.acorn).sign_in(ADA, OURS).pending == "mfa_authenticate"
    assert opens(world.birch, THEIRS)


def test_suspending_one_leaves_the_other_alone(world: World) -> None:
    ours, theirs = twins(world)
    person = ours.get("auth/session")["user"]["id"]
    assert Api(world.acorn.root_key).post(f"/v1/users/{person}/suspend", {"reason": "x"}).status == 200
    assert (is_in(ours), is_in(theirs)) == (False, True)


def test_signing_out_here_leaves_the_other_in(world: World) -> None:
    ours, theirs = twins(world)
    assert ours.sign_out().status == 401
    assert is_in(theirs)


def test_an_address_that_is_given_up_here_stays_there(world: World) -> None:
    ours, _ = twins(world)
    ours.confirm_it_is_me(OURS)
    ours.post("account/email", email="ada@elsewhere.test")
    assert ours.post("auth/email/verify", key=code_for("ada@elsewhere.test")).status == 200
    assert (opens(world.acorn, OURS), opens(world.birch, THEIRS)) == (False, True)

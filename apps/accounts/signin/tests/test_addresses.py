"""Changing one's e-mail address: the new one counts when it was confirmed, and the old one is told."""

from __future__ import annotations

from apps.accounts.signin.tests.headless import (
    ADA,
    PASSWORD,
    FrontEnd,
    code_for,
    is_in,
    last_mail,
    mails_to,
    somebody,
    trail_of,
)
from tests.client import Api
from tests.world import World

NEW = "ada@elsewhere.test"


def asking(world: World, email: str = NEW) -> FrontEnd:
    """Somebody who has asked for another address."""
    front = somebody(world.acorn)
    front.confirm_it_is_me()
    assert front.post("account/email", email=email).status == 200
    return front


def test_a_change_takes_a_proof_of_who_asks(world: World) -> None:
    front = somebody(world.acorn)
    refused = front.post("account/email", email=NEW)
    assert (refused.status, refused.flows) == (401, {"reauthenticate"})
    assert mails_to(NEW) == []


def test_the_old_address_counts_until_the_new_one_is_confirmed(world: World) -> None:
    front = asking(world)
    assert FrontEnd(world.acorn).sign_in(NEW).status == 400
    assert FrontEnd(world.acorn).sign_in(ADA).status == 200
    assert front.post("auth/email/verify", key=code_for(NEW)).status == 200
    assert front.get("account/email").body["data"] == [{"email": NEW, "verified": True, "primary": True}]
    assert FrontEnd(world.acorn).sign_in(ADA).status == 400
    assert FrontEnd(world.acorn).sign_in(NEW).status == 200


def test_the_old_address_is_told_and_so_is_the_trail(world: World) -> None:
    front = asking(world)
    person = front.get("auth/session")["user"]["id"]
    front.post("auth/email/verify", key=code_for(NEW))
    assert last_mail(ADA).subject == "Your address at acorn has changed"
    assert NEW in last_mail(ADA).body
    assert "users.change_email" in [operation for operation, _ in trail_of(world.acorn, person)]
    assert Api(world.acorn.root_key).get(f"/v1/users/{person}")["email"] == NEW


def test_a_wrong_code_changes_nothing(world: World) -> None:
    front = asking(world)
    for _ in range(3):
        assert front.post("auth/email/verify", key="AAAA-AAAA").status == 400
    assert front.post("auth/email/verify", key=code_for(NEW)).status == 409
    assert front.get("account/email").body["data"] == [{"email": ADA, "verified": True, "primary": True}]
    assert is_in(front)


def test_an_address_that_is_taken_is_told_to_who_reads_its_mail_alone(world: World) -> None:
    somebody(world.acorn, NEW)
    front = asking(world, NEW)
    assert front.post("auth/email/verify", key="AAAA-AAAA").codes == ["incorrect_code"]
    assert front.post("auth/email/verify", key=code_for(NEW)).codes == ["email_taken"]
    assert FrontEnd(world.acorn).sign_in(NEW, PASSWORD).status == 200


def test_a_link_for_a_new_password_ends_with_the_address_that_it_was_sent_to(world: World) -> None:
    front = somebody(world.acorn)
    FrontEnd(world.acorn).post("auth/password/request", email=ADA)
    link = last_mail(ADA).body
    front.confirm_it_is_me()
    front.post("account/email", email=NEW)
    front.post("auth/email/verify", key=code_for(NEW))
    key = link.partition("http")[2].split()[0].rstrip("/").rpartition("/")[2]
    refused = FrontEnd(world.acorn).post("auth/password/reset", key=key, password="another sentence")
    assert refused.status == 400


def test_the_only_address_cannot_be_taken_away(world: World) -> None:
    front = somebody(world.acorn)
    front.confirm_it_is_me()
    assert front.call("DELETE", "account/email", {"email": ADA}).codes == ["cannot_remove_primary_email"]

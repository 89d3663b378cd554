"""Choosing another password: by the link in a mail, or by the old one. What was begun with the old one ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts.models import User
from apps.accounts.signin.tests.headless import (
    ADA,
    PASSWORD,
    FrontEnd,
    is_in,
    last_mail,
    link_for,
    mails_to,
    reset_key,
    somebody,
    trail_of,
)
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

#: What reads the key of a link.
_TOKENS = "allauth.account.forms.default_token_generator"
NEW = "an entirely different sentence"


def asked(world: World, email: str = ADA) -> str:
    """The key of a link that was just sent."""
    assert FrontEnd(world.acorn).post("auth/password/request", email=email).status == 200
    return reset_key(email)


def reset(world: World, key: str, password: str = NEW) -> int:
    return int(FrontEnd(world.acorn).post("auth/password/reset", key=key, password=password).status)


def change(front: FrontEnd, new: str = NEW, old: str = PASSWORD) -> int:
    return int(front.post("account/password/change", current_password=old, new_password=new).status)


def test_a_link_leads_to_the_tenants_own_host_and_shows_whose_it_is(world: World) -> None:
    somebody(world.acorn)
    key = asked(world)
    assert link_for(ADA).startswith(f"http://{world.acorn.host}")
    assert "60 minutes" in last_mail(ADA).body
    shown = FrontEnd(world.acorn).get("auth/password/reset", x_password_reset_key=key)
    assert (shown.status, shown["user"]["email"]) == (200, ADA)


def test_a_reset_ends_every_session_and_begins_none(world: World) -> None:
    sessions = [somebody(world.acorn), FrontEnd(world.acorn)]
    sessions[1].sign_in()
    person = sessions[0].get("auth/session")["user"]["id"]
    front = FrontEnd(world.acorn)
    done = front.post("auth/password/reset", key=asked(world), password=NEW)
    assert (done.status, front.token) == (401, "")
    assert [is_in(one) for one in sessions] == [False, False]
    assert [one.get("auth/session").status for one in sessions] == [410, 410]
    assert FrontEnd(world.acorn).sign_in().codes == ["email_password_mismatch"]
    assert FrontEnd(world.acorn).sign_in(password=NEW).status == 200
    assert "Your account at acorn: Your password was reset." in mails_to(ADA)
    assert ("users.set_password", "reset by a link from a mail") in trail_of(world.acorn, person)


def test_a_link_works_once(world: World) -> None:
    somebody(world.acorn)
    key = asked(world)
    assert reset(world, key) == 401
    assert reset(world, key, PASSWORD) == 400
    assert FrontEnd(world.acorn).sign_in(password=NEW).status == 200


def test_a_newer_password_or_sign_in_ends_a_link(world: World) -> None:
    front = somebody(world.acorn)
    key = asked(world)
    assert change(front) == 200
    assert reset(world, key, PASSWORD) == 400


def test_a_link_lasts_an_hour(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody(world.acorn)
    key, sent = asked(world), datetime.now(UTC).replace(tzinfo=None)
    for later, status in ((timedelta(minutes=61), 400), (timedelta(minutes=59), 401)):
        monkeypatch.setattr(f"{_TOKENS}._now", lambda now=sent + later: now)
        assert reset(world, key) == status


@pytest.mark.parametrize("key", ["", "x", "1-x", "9" * 50 + "-x", "é-é", "\0-\0", "../../x-y"])
def test_a_made_up_key_is_refused(world: World, key: str) -> None:
    assert reset(world, key) == 400


def test_a_link_of_one_tenant_is_none_in_its_twin(world: World) -> None:
    """The persons of both tenants have the same id, address and password here, so only the tenant tells them apart."""
    email = world.acorn.parties["north"].email
    key = asked(world, email)
    with enter(world.acorn.ref):
        ours = User.objects.get(email=email)
    with enter(world.birch.ref):
        twin = User.objects.get(email=email)
        User.objects.filter(pk=twin.pk).update(password=ours.password, last_login=ours.last_login)
        assert (twin.pk, User.objects.get(pk=twin.pk).password) == (ours.pk, ours.password)
    front = FrontEnd(world.birch)
    assert front.get("auth/password/reset", x_password_reset_key=key).status == 400
    assert front.post("auth/password/reset", key=key, password=NEW).status == 400
    assert reset(world, key) == 401


def test_a_change_keeps_the_session_that_made_it_and_ends_the_others(world: World) -> None:
    front, other = somebody(world.acorn), FrontEnd(world.acorn)
    other.sign_in()
    before = front.token
    assert change(front) == 200
    assert front.token != before
    assert (is_in(front), is_in(other)) == (True, False)
    assert not is_in(FrontEnd(world.acorn, token=before))
    assert [row["current"] for row in front.api.get("/v1/sessions")["data"]] == [True]
    assert "Your account at acorn: Your password was changed." in mails_to(ADA)
    person = front.get("auth/session")["user"]["id"]
    assert ("users.set_password", "changed by its owner") in trail_of(world.acorn, person)


def test_a_change_takes_the_old_password(world: World) -> None:
    front = somebody(world.acorn)
    refused = front.post("account/password/change", current_password="a guess", new_password=NEW)
    assert (refused.status, refused.codes) == (400, ["enter_current_password"])
    assert front.post("account/password/change", new_password=NEW).status == 400
    assert FrontEnd(world.acorn).sign_in(password=NEW).status == 400


@pytest.mark.parametrize("poor", ["short", "password1234", "1234567890"])
def test_a_poor_password_is_refused_everywhere(world: World, poor: str) -> None:
    front = somebody(world.acorn)
    assert change(front, poor) == 400
    assert reset(world, asked(world), poor) == 400
    refused = FrontEnd(world.acorn).post("auth/signup", email="new@example.test", password=poor)
    assert refused.status == 400


def test_somebody_whom_the_tenant_added_chooses_a_password(world: World) -> None:
    """Reading the mail confirms the address, too."""
    assert Api(world.acorn.root_key).post("/v1/users", {"email": "added@example.test"}).status == 201
    assert reset(world, asked(world, "added@example.test")) == 401
    front = FrontEnd(world.acorn)
    assert front.sign_in("added@example.test", NEW).status == 200
    assert is_in(front)


def test_the_trail_does_not_show_the_password(world: World) -> None:
    front = somebody(world.acorn)
    change(front)
    with enter(world.acorn.ref):
        kept = User.objects.get(email=ADA).password
    told = Api(world.acorn.root_key).get("/v1/audit?operation=users.set_password")
    assert '"***"' in told.response.content.decode()
    for secret in (PASSWORD, NEW, kept):
        assert secret not in told.response.content.decode()


def test_a_suspended_person_gets_no_link_and_no_session(world: World) -> None:
    front = somebody(world.acorn)
    person = front.get("auth/session")["user"]["id"]
    assert Api(world.acorn.root_key).post(f"/v1/users/{person}/suspend", {"reason": "stolen"}).status == 200
    assert front.get("auth/session").status == 410
    before = len(mails_to(ADA))
    assert FrontEnd(world.acorn).post("auth/password/request", email=ADA).status == 200
    assert "Choose a new password for acorn" not in mails_to(ADA)[before:]
    refused = FrontEnd(world.acorn)
    assert refused.sign_in().status == 401
    assert not is_in(refused)

"""Signing up by an invitation: with its address, which counts as confirmed, and with nobody else's."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.test import Client, TestCase

from apps.accounts.signin.tests.headless import (
    ADA,
    PASSWORD,
    Configure,
    FrontEnd,
    code_for,
    is_in,
    link_for,
    somebody,
    trail_of,
)
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import Space, World


def invite(space: Space, email: str = ADA, **body: Any) -> str:
    """The token in the mail by which north's owner invites somebody."""
    north = space.parties["north"]
    with enter(space.ref), TestCase.captureOnCommitCallbacks(execute=True):
        made = Api(north.person_key).post(
            f"/v1/organizations/{north.id}/invitations", {"email": email, **body}
        )
    assert made.status == 201, made
    return link_for(email).rstrip("/").rpartition("/")[2]


def take(space: Space, token: str, email: str = ADA) -> FrontEnd:
    """Somebody who signs up with the token in a header, as a product's front end sends it."""
    front = FrontEnd(space, Packmule_Invitation=token)
    front.post("auth/signup", email=email, password=PASSWORD)
    return front


def test_who_was_invited_signs_up_without_a_code_and_has_the_seat(world: World) -> None:
    token, sent = invite(world.acorn, role="developer"), len(mail.outbox)
    front = take(world.acorn, token, ADA.upper())
    assert is_in(front)
    me = front.api.get("/v1/whoami")
    assert (me["organization"]["slug"], me["role"]) == ("north", "developer")
    assert len(front.api.get("/v1/memberships")["data"]) == 1
    assert len(mail.outbox) == sent
    told = [operation for operation, _ in trail_of(world.acorn, me["actor"]["id"])]
    assert told[:2] == ["users.sign_up", "sessions.start"]


@pytest.mark.parametrize("sign_up", ["invited", "open"])
def test_an_invitation_opens_a_door_that_is_not_open_to_all(
    world: World, configure: Configure, sign_up: str
) -> None:
    token = invite(world.acorn)
    configure(sign_up=sign_up, email_domains=["elsewhere.test"])
    assert is_in(take(world.acorn, token))


def test_closed_is_closed_to_the_invited_too(world: World, configure: Configure) -> None:
    token = invite(world.acorn)
    configure(sign_up="closed")
    assert not is_in(take(world.acorn, token))


def test_an_invitation_is_taken_once(world: World, configure: Configure) -> None:
    token = invite(world.acorn)
    configure(sign_up="invited")
    assert is_in(take(world.acorn, token))
    again = FrontEnd(world.acorn, Packmule_Invitation=token)
    refused = again.post("auth/signup", email="eve@example.test", password=PASSWORD)
    assert refused.codes == ["not_invited"]


def test_an_invitation_is_for_its_address_alone(world: World, configure: Configure) -> None:
    """With another address the token is worth nothing: neither the seat, nor the confirmation."""
    token = invite(world.acorn)
    front = take(world.acorn, token, "eve@example.test")
    assert not is_in(front)
    front.post("auth/email/verify", key=code_for("eve@example.test"))
    assert front.api.get("/v1/whoami")["organization"]["slug"].startswith("eve-")
    configure(sign_up="invited")
    assert not is_in(take(world.acorn, token, "mallory@example.test"))
    assert is_in(take(world.acorn, token))


def test_an_invitation_of_one_tenant_opens_no_other(world: World) -> None:
    token = invite(world.acorn)
    front = take(world.birch, token)
    assert not is_in(front)
    front.post("auth/email/verify", key=code_for(ADA))
    assert front.api.get("/v1/whoami")["organization"]["slug"].startswith("ada-")


def test_an_invitation_confirms_nothing_for_an_account_that_is_there(world: World) -> None:
    """Whoever reads the mail of an invitation does not get into the account of its address without its password."""
    somebody(world.acorn)
    front = take(world.acorn, invite(world.acorn))
    assert not is_in(front)
    assert FrontEnd(world.acorn).sign_in().status == 200


def test_the_page_of_an_invitation_leads_through_sign_up(world: World) -> None:
    token = invite(world.acorn, "new@example.test", role="developer")
    browser: Any = Client(headers={"host": world.acorn.host})
    shown = browser.get(f"/accounts/invitations/{token}/").content.decode()
    assert "Join North" in shown
    form = browser.get("/accounts/signup/").content.decode()
    assert 'value="new@example.test"' in form
    done = browser.post("/accounts/signup/", {"email": "eve@example.test", "password1": PASSWORD})
    assert (done.status_code, done["Location"]) == (302, "/accounts/")
    assert "new@example.test" in browser.get("/accounts/").content.decode()


def test_the_page_of_a_used_invitation_says_so(world: World) -> None:
    token = invite(world.acorn)
    take(world.acorn, token)
    shown = Client(headers={"host": world.acorn.host}).get(f"/accounts/invitations/{token}/")
    assert (shown.status_code, "was used already" in shown.content.decode()) == (409, True)


def test_the_mail_leads_to_the_products_own_page(world: World, configure: Configure) -> None:
    configure(invitation_url="https://app.example.com/join#{token}")
    invite(world.acorn)
    assert link_for(ADA).startswith("https://app.example.com/join#")

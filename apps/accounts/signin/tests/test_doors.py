"""Who may make an account, what they get with it, and by which ways they may come in."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.accounts.signin.tests.headless import (
    ADA,
    PASSWORD,
    Answer,
    Configure,
    FrontEnd,
    is_in,
    mails_to,
    somebody,
)
from tests.client import Api
from tests.world import World


def asked(world: World, email: str = ADA) -> Answer:
    return FrontEnd(world.acorn).post("auth/signup", email=email, password=PASSWORD)


def page(world: World, path: str = "login") -> str:
    """What a page of acorn shows to somebody who is not signed in."""
    shown = Client(headers={"host": world.acorn.host}).get(f"/accounts/{path}/")
    assert shown.status_code == 200
    return str(shown.content.decode())


# Who.


@pytest.mark.parametrize("sign_up", ["closed", "invited"])
def test_where_sign_up_is_not_open_nobody_signs_up(world: World, configure: Configure, sign_up: str) -> None:
    configure(sign_up=sign_up)
    refused = asked(world)
    assert (refused.status, refused.codes) == ((403, []) if sign_up == "closed" else (400, ["not_invited"]))
    front = FrontEnd(world.acorn)
    assert front.get("config")["account"]["is_open_for_signup"] is False
    assert "signup" not in front.get("auth/session").flows
    assert "Sign-up is closed" in page(world, "signup")
    assert mails_to(ADA) == []


def test_who_has_an_account_comes_in_where_sign_up_is_closed(world: World, configure: Configure) -> None:
    somebody(world.acorn)
    configure(sign_up="closed")
    assert FrontEnd(world.acorn).sign_in().status == 200


@pytest.mark.parametrize(
    ("email", "status"),
    [
        ("ada@example.test", 401),
        ("ADA@EXAMPLE.TEST", 401),
        ("ada@sub.example.test", 400),
        ("ada@example.test.evil.example", 400),
        ("ada@evilexample.test", 400),
        ('"ada@example.test"@evil.example', 400),
    ],
)
def test_only_addresses_of_the_tenants_own_domains(
    world: World, configure: Configure, email: str, status: int
) -> None:
    configure(email_domains=["example.test"])
    refused = asked(world, email)
    assert refused.status == status
    assert refused.pending == ("verify_email" if status == 401 else "")


def test_nobody_leaves_the_domains_by_changing_the_address(world: World, configure: Configure) -> None:
    front = somebody(world.acorn)
    configure(email_domains=["example.test"])
    front.confirm_it_is_me()
    assert front.post("account/email", email="ada@evil.example").codes == ["domain_not_allowed"]


# With what.


def test_a_new_person_gets_an_organization_of_their_own(world: World) -> None:
    front, other = somebody(world.acorn), somebody(world.acorn, "bob@example.test")
    ours, theirs = (one.api.get("/v1/whoami")["organization"] for one in (front, other))
    assert ours["slug"].startswith("ada-")
    assert ours["id"] != theirs["id"]
    assert [seat["role"] for seat in front.api.get("/v1/memberships")["data"]] == ["owner"]


def test_or_a_seat_in_a_shared_one(world: World, configure: Configure) -> None:
    north = world.acorn.parties["north"]
    configure(new_people_get="shared", shared_organization=north.id, shared_role="developer")
    seats = somebody(world.acorn).api.get("/v1/memberships")["data"]
    assert [(seat["organization"]["id"], seat["role"]) for seat in seats] == [(north.id, "developer")]


def test_or_none(world: World, configure: Configure) -> None:
    configure(new_people_get="none")
    me = somebody(world.acorn).api.get("/v1/whoami")
    assert (me.status, me["organization"]) == (200, None)


def test_a_shared_organization_that_is_gone_lets_nobody_into_another(
    world: World, configure: Configure
) -> None:
    north = world.acorn.parties["north"]
    configure(new_people_get="shared", shared_organization=north.id)
    assert Api(world.acorn.root_key).delete(f"/v1/organizations/{north.id}").status in (200, 204)
    assert somebody(world.acorn).api.get("/v1/whoami")["organization"]["slug"].startswith("ada-")


# How.


def test_front_ends_are_told_what_is_offered_here(world: World, configure: Configure) -> None:
    configure(methods=["password", "passkey"], sign_up="invited", product_name="Acorn Menus")
    ours, theirs = (FrontEnd(space, by_key=True).get("config") for space in (world.acorn, world.birch))
    assert ours["packmule"] == {
        "methods": ["password", "passkey"],
        "sign_up": "invited",
        "product": "Acorn Menus",
    }
    assert (ours["account"]["login_by_code_enabled"], ours["mfa"]["passkey_login_enabled"]) == (False, True)
    assert theirs["packmule"]["methods"] == ["password", "code", "passkey", "social"]
    assert theirs["account"]["login_by_code_enabled"] is True


def test_a_password_where_none_is_taken(world: World, configure: Configure) -> None:
    somebody(world.acorn)
    configure(methods=["code"])
    refused = FrontEnd(world.acorn).sign_in()
    assert (refused.status, refused.codes) == (400, ["method_off"])
    assert FrontEnd(world.acorn).by_code().status == 200
    shown = page(world)
    assert 'name="password"' not in shown
    assert "E-mail me a code" in shown
    assert 'name="password1"' not in page(world, "signup")


def test_who_is_in_may_still_prove_it_with_the_password(world: World, configure: Configure) -> None:
    somebody(world.acorn)
    configure(methods=["code"])
    front = FrontEnd(world.acorn)
    front.by_code()
    assert front.add_app()


def test_a_code_where_none_is_taken(world: World, configure: Configure) -> None:
    somebody(world.acorn)
    configure(methods=["password", "passkey"])
    front = FrontEnd(world.acorn)
    refused = front.by_code()
    assert (refused.status, refused.pending, is_in(front)) == (401, "", False)
    assert front.sign_in().status == 200
    assert "E-mail me a code" not in page(world)


def test_a_passkey_where_none_is_taken(world: World, configure: Configure) -> None:
    from apps.accounts.signin.tests.test_passkeys import add, sign_in

    carried = add(somebody(world.acorn))
    configure(methods=["password", "code"])
    front = FrontEnd(world.acorn)
    refused = sign_in(front, carried)
    assert (refused.status, is_in(front)) == (401, False)
    assert "passkey_login" not in page(world)
    assert FrontEnd(world.acorn).sign_in().pending == "mfa_authenticate"


def test_signing_up_by_a_page_without_a_password(world: World, configure: Configure) -> None:
    configure(methods=["code"])
    browser: Any = Client(headers={"host": world.acorn.host})
    assert browser.post("/accounts/signup/", {"email": ADA})["Location"].startswith("/accounts/confirm-email")
    assert FrontEnd(world.acorn).by_code().status == 200

"""The mails of signing in: in the tenant's own words and name, with links to its own host or the product's pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from apps.accounts.signin.tests.headless import (
    ADA,
    PASSWORD,
    Configure,
    FrontEnd,
    code_for,
    last_mail,
    link_for,
    mails_to,
    somebody,
)
from tests.client import Api
from tests.world import World


def ask_for_a_password(world: World, **headers: Any) -> None:
    assert FrontEnd(world.acorn, **headers).post("auth/password/request", email=ADA).status == 200


def test_every_mail_comes_in_the_products_name(world: World, configure: Configure) -> None:
    configure(product_name="Acorn Menus")
    somebody(world.acorn)
    ask_for_a_password(world)
    assert mails_to(ADA) == [
        "Confirm your address for Acorn Menus",
        "Choose a new password for Acorn Menus",
    ]
    assert last_mail(ADA).from_email == "Acorn Menus <noreply@localhost>"


def test_a_tenant_writes_its_own_words(world: World) -> None:
    own = {"subject": "Hi!", "text": "Type {{ code }} within {{ minutes }} minutes.", "sender_name": "Ann"}
    assert Api(world.acorn.root_key).call("PUT", "/v1/mail-templates/confirm_email", own).status == 200
    FrontEnd(world.acorn).post("auth/signup", email=ADA, password=PASSWORD)
    got = last_mail(ADA)
    assert (got.subject, got.from_email) == ("Hi!", "Ann <noreply@localhost>")
    assert got.body == f"Type {code_for(ADA)} within 15 minutes."
    FrontEnd(world.birch).post("auth/signup", email=ADA, password=PASSWORD)
    assert last_mail(ADA).subject == "Confirm your address for birch"


def test_a_code_is_in_no_subject(world: World) -> None:
    FrontEnd(world.acorn).post("auth/signup", email=ADA, password=PASSWORD)
    assert code_for(ADA) not in last_mail(ADA).subject


@pytest.mark.parametrize(
    "lie",
    [
        {"X_Forwarded_Host": "evil.example"},
        {"Forwarded": "host=evil.example"},
        {"X_Forwarded_Proto": "https"},
        {"X_Original_Host": "evil.example"},
        {"Origin": "https://evil.example", "Referer": "https://evil.example/"},
    ],
)
def test_no_header_leads_a_link_elsewhere(world: World, lie: dict[str, str]) -> None:
    somebody(world.acorn)
    ask_for_a_password(world, **lie)
    assert link_for(ADA).startswith(f"http://{world.acorn.host}")


@pytest.mark.parametrize("host", ["evil.example", "production--acorn.localhost.evil.example", "", "a b"])
def test_a_host_that_is_nobodys_sends_no_mail(world: World, host: str) -> None:
    somebody(world.acorn)
    before = mails_to(ADA)
    refused = FrontEnd(world.acorn, Host=host).post("auth/password/request", email=ADA)
    assert refused.status in (400, 421), refused
    assert mails_to(ADA) == before


def test_another_tenants_host_sends_its_own_links(world: World) -> None:
    for space in (world.acorn, world.birch):
        somebody(space)
        FrontEnd(space).post("auth/password/request", email=ADA)
        assert link_for(ADA).startswith(f"http://{space.host}")


def test_behind_the_shared_host_links_lead_to_the_tenants_own(world: World) -> None:
    somebody(world.acorn, by_key=True)
    FrontEnd(world.acorn, by_key=True).post("auth/password/request", email=ADA)
    assert link_for(ADA).startswith(f"http://{world.acorn.host}")


def test_links_lead_to_the_pages_that_the_product_names(world: World, configure: Configure) -> None:
    somebody(world.acorn)
    configure(
        new_password_url="https://app.example.com/new#{key}",
        sign_up_url="https://app.example.com/join",
        reset_password_url="https://app.example.com/forgotten",
    )
    ask_for_a_password(world)
    key = link_for(ADA).removeprefix("https://app.example.com/new#")
    assert quote(key) == key
    assert FrontEnd(world.acorn).post("auth/password/reset", key=key, password=PASSWORD).status == 401
    FrontEnd(world.acorn).post("auth/signup", email=ADA, password=PASSWORD)
    assert link_for(ADA) == "https://app.example.com/forgotten"
    FrontEnd(world.acorn).post("auth/password/request", email="nobody@example.test")
    assert link_for("nobody@example.test") == "https://app.example.com/join"


def test_nobody_is_invited_to_sign_up_where_they_cannot(world: World, configure: Configure) -> None:
    configure(sign_up="closed")
    FrontEnd(world.acorn).post("auth/password/request", email="nobody@example.test")
    assert "http" not in last_mail("nobody@example.test").body


def test_a_notice_tells_where_it_came_from(world: World) -> None:
    front = somebody(world.acorn, User_Agent="Firefox\r\nBcc: all@example.com")
    front.post("account/password/change", current_password=PASSWORD, new_password=f"{PASSWORD}!")
    body = last_mail(ADA).body
    assert "From: 127.0.0.1" in body
    assert "\nBcc:" not in body
    assert link_for(ADA) == f"http://{world.acorn.host}/accounts/"

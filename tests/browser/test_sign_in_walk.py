"""From signing up to the second factor, in a product's own environment, as its customers see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.person import chromium
from tests.browser.visitor import PASSWORD, Visitor
from tests.standins.authenticator import totp

pytestmark = pytest.mark.browser


@pytest.fixture
def other(product: str, installation: dict[str, Any], shots: Path, tmp_path: Path) -> Iterator[Visitor]:
    """The same person's other device: another browser with a profile of its own."""
    with chromium(tmp_path / "other") as driver:
        yield Visitor(driver, product, shots, Path(installation["data_dir"]) / "mail")


def test_from_signing_up_to_a_passkey(visitor: Visitor) -> None:
    email = "walker@customers.example.com"
    wrong: list[str] = []

    def look(name: str) -> None:
        wrong.extend(visitor.looks_here(name))

    visitor.open("/accounts/login/")
    look("sign-in")
    visitor.follow("Create an account")
    visitor.send(email=email, password1="short")
    assert visitor.find("[name=password1]").get_attribute("aria-invalid") == "true"
    look("sign-up-refused")
    visitor.send(email=email, password1=PASSWORD)
    look("confirm-e-mail")
    visitor.send(code="WR0-NG0")
    look("confirm-e-mail-refused")
    visitor.send(code=visitor.code_for(email))
    visitor.open("/accounts/")
    assert email in visitor.read()
    look("account")

    visitor.follow_row("Two-step sign-in")
    look("factors-none")
    visitor.click_to_page("a[href$='/totp/activate/']")
    visitor.confirm_it_is_me()
    secret = visitor.read("#authenticator_secret")
    look("authenticator-app")
    visitor.send(code="000000")
    look("authenticator-app-refused")
    visitor.send(code=totp(secret, steps=-1))
    recovery_codes = [item.text for item in visitor.find_all("#recovery-codes li")]
    assert len(recovery_codes) == 10
    look("recovery-codes")
    visitor.click("[data-copy=recovery-codes]")
    visitor.wait_for(lambda: visitor.read("[data-copy=recovery-codes]") == "Copied")
    visitor.follow("I have kept them")
    look("factors")

    visitor.sign_out()
    visitor.sign_in_here(email)
    assert "One more step" in visitor.read("h1")
    assert visitor.find_all("#mfa_webauthn_authenticate") == []
    look("second-factor")
    visitor.send(code="123456")
    assert visitor.find("[name=code]").get_attribute("aria-invalid") == "true"
    look("second-factor-refused")
    visitor.send(code=totp(secret))
    visitor.open("/accounts/")
    assert visitor.path == "/accounts/"

    visitor.sign_out()
    visitor.sign_in_here(email)
    visitor.send(code=recovery_codes[0])
    visitor.open("/accounts/2fa/")
    assert "9 left" in visitor.read()

    visitor.carry_passkeys()
    visitor.open("/accounts/2fa/webauthn/add/")
    visitor.confirm_it_is_me()
    look("add-passkey")
    visitor.fill(name="My telephone")
    visitor.click_to_page("#mfa_webauthn_add")
    visitor.open("/accounts/2fa/webauthn/")
    assert "My telephone" in visitor.read()
    look("passkeys")

    visitor.sign_out()
    visitor.open("/accounts/login/")
    visitor.click_to_page("#passkey_login")
    visitor.open("/accounts/")
    assert email in visitor.read()
    visitor.follow_row("Devices")
    assert "This one" in visitor.read()

    visitor.sign_out()
    visitor.sign_in_here(email)
    look("second-factor-with-passkey")
    visitor.click_to_page("#mfa_webauthn_authenticate")
    visitor.open("/accounts/2fa/recovery-codes/")
    visitor.confirm_it_is_me()
    assert "9 of 10 are left" in visitor.read()
    look("recovery-codes-left")
    assert wrong == []


def test_a_recovery_code_works_once(visitor: Visitor) -> None:
    email = "once@customers.example.com"
    visitor.sign_up(email)
    visitor.open("/accounts/2fa/totp/activate/")
    visitor.confirm_it_is_me()
    visitor.send(code=totp(visitor.read("#authenticator_secret")))
    used = visitor.find("#recovery-codes li").text
    for works in (True, False):
        visitor.forget()
        visitor.sign_in_here(email)
        visitor.send(code=used)
        visitor.open("/accounts/")
        assert (visitor.path == "/accounts/") is works


def test_a_code_by_mail_instead_of_the_password(visitor: Visitor) -> None:
    email = "forgetful@customers.example.com"
    visitor.sign_up(email)
    visitor.sign_out()
    visitor.open("/accounts/login/")
    visitor.follow("E-mail me a code")
    wrong = visitor.looks_here("code-request")
    visitor.send(email=email)
    wrong += visitor.looks_here("code-confirm")
    visitor.send(code=visitor.code_for(email))
    visitor.open("/accounts/")
    assert visitor.path == "/accounts/"
    assert wrong == []


def test_resetting_a_password_by_the_link_in_the_mail(visitor: Visitor) -> None:
    email = "lost@customers.example.com"
    visitor.sign_up(email)
    visitor.sign_out()
    visitor.follow("Forgotten?")
    wrong = visitor.looks_here("reset")
    visitor.send(email=email)
    wrong += visitor.looks_here("reset-sent")
    link = visitor.link_for(email)
    visitor.open(link)
    wrong += visitor.looks_here("reset-choose")
    new = "an entirely different mule"
    visitor.send(password1=new, password2=new)
    wrong += visitor.looks_here("reset-done")
    visitor.forget()
    visitor.open(link)
    assert "does not work" in visitor.read("h1")
    wrong += visitor.looks_here("reset-used")
    visitor.sign_in_here(email)
    assert visitor.path == "/accounts/login/"
    wrong += visitor.looks_here("sign-in-refused")
    visitor.sign_in_here(email, new)
    visitor.open("/accounts/")
    assert visitor.path == "/accounts/"
    assert wrong == []


def test_signing_out_the_other_device(visitor: Visitor, other: Visitor) -> None:
    email = "everywhere@customers.example.com"
    visitor.sign_up(email)
    wrong: list[str] = []
    for button, name in (("[name=session]", "devices"), ("#end-others", "devices-all")):
        other.sign_in_here(email)
        other.open("/accounts/")
        assert other.path == "/accounts/"
        visitor.open("/accounts/sessions/")
        assert len(visitor.find_all(".pm-rows > li")) == 2
        wrong += visitor.looks_here(name)
        visitor.send_by(button)
        assert len(visitor.find_all(".pm-rows > li")) == 1
        other.open("/accounts/")
        assert other.path == "/accounts/login/"
    wrong += visitor.looks_here("devices-one")
    visitor.open("/accounts/")
    assert visitor.path == "/accounts/"
    assert wrong == []


def test_changing_address_and_password(visitor: Visitor) -> None:
    email, new = "before@customers.example.com", "after@customers.example.com"
    visitor.sign_up(email)
    visitor.open("/accounts/")
    visitor.follow_row("E-mail")
    visitor.confirm_it_is_me()
    wrong = visitor.looks_here("e-mail")
    visitor.send_by("[name=action_add]", email=new)
    visitor.confirm_it_is_me()
    wrong += visitor.looks_here("e-mail-confirm")
    visitor.send(code=visitor.code_for(new))
    visitor.open("/accounts/")
    assert new in visitor.read()
    visitor.follow_row("Password")
    visitor.confirm_it_is_me()
    wrong += visitor.looks_here("password")
    visitor.send(
        oldpassword=PASSWORD, password1="a mule of another stable", password2="a mule of another stable"
    )
    wrong += visitor.looks_here("password-changed")
    visitor.open("/accounts/logout/")
    wrong += visitor.looks_here("sign-out")
    visitor.send()
    visitor.sign_in_here(new, "a mule of another stable")
    visitor.open("/accounts/")
    assert visitor.path == "/accounts/"
    assert wrong == []


def test_asking_for_too_many_mails(visitor: Visitor) -> None:
    for _ in range(6):
        visitor.open("/accounts/password/reset/")
        visitor.send(email="impatient@customers.example.com")
    assert "Too many tries" in visitor.read("h1")
    assert visitor.looks_here("too-many", mistakes=1) == []


@pytest.mark.parametrize("name", ["3rdparty", "2fa/webauthn", "2fa/recovery-codes/generate", "inactive"])
def test_the_other_pages_of_an_account_look_right(visitor: Visitor, name: str) -> None:
    visitor.sign_up(f"{name.partition('/')[0]}-{len(name)}@customers.example.com")
    visitor.open(f"/accounts/{name}/")
    visitor.confirm_it_is_me()
    assert visitor.looks_here(name.replace("/", "-"), mistakes=1) == []

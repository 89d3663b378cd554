"""What people do at the admin, in a real browser against a running installation."""

from __future__ import annotations

from typing import Any
from urllib.error import HTTPError

import pytest

from tests.browser.conftest import call
from tests.browser.person import Person

pytestmark = pytest.mark.browser


def test_from_signing_in_to_signing_out(installation: dict[str, Any], admin: Person) -> None:
    assert "First organization" in admin.read("h1")
    assert admin.wrong_here("light") == []

    admin.follow("Create an application")
    admin.send(name="MenuGen", slug="menugen", reason="We begin with menus")
    assert "MenuGen" in admin.read("h1")
    assert admin.wrong_here("light") == []
    assert "menugen/production" in admin.read()
    assert "We begin with menus" in admin.read(".pm-timeline")

    admin.open("/admin/apikeys/key/")
    admin.follow("Mint a key")
    admin.send(name="laptop", reason="To try the API")
    secret = admin.read("#secret")
    admin.click("[data-copy=secret]")
    admin.wait_for(lambda: admin.read("[data-copy=secret]") == "Copied")
    assert call(installation, "/v1/whoami", secret)["actor"]["kind"] == "user"

    admin.follow("I have kept it")
    admin.follow("laptop")
    story = admin.path
    admin.follow("Rotate")
    admin.send(overlap_seconds="0", reason="It was on a screen")
    rotated = admin.read("#secret")
    assert rotated != secret
    assert refusal(installation, secret) == 401
    assert call(installation, "/v1/whoami", rotated)["tenant"] == "console"

    admin.open(story)
    admin.follow("Revoke")
    admin.send(confirmation="laptop", reason="The laptop is gone")
    assert admin.path == story
    assert refusal(installation, rotated) == 401
    assert "Revoked" in admin.read("h1")
    for told in ("keys.create", "keys.rotate", "It was on a screen", "keys.revoke", "The laptop is gone"):
        assert told in admin.read(".pm-timeline"), told

    admin.open("/admin/audit/event/")
    assert "The laptop is gone" in admin.read("#result_list")

    admin.click("#account-menu")
    admin.click_to_page("#sign-out")
    admin.open("/admin/")
    assert admin.path == "/accounts/login/"


def test_working_in_another_organization(admin: Person) -> None:
    admin.open("/admin/orgs/organization/do/organizations.create/")
    admin.send(name="Second company", reason="A second product")
    admin.choose("#organization", "Second company")
    assert admin.read("h1") == "Second company"
    assert "No applications yet" in admin.read()
    admin.choose("#organization", "First organization")
    assert admin.read("h1") == "First organization"


def test_an_operator_sees_the_installation(admin: Person) -> None:
    admin.open("/operator/")
    assert "spares in the pool" in admin.read()
    admin.open("/operator/tenancy/tenant/?kind__exact=console")
    admin.follow("console")
    assert "console" in admin.read("h1")
    assert "Delete" not in admin.read(".pm-head")
    admin.open("/operator/health/")
    assert "PostgreSQL" in admin.read()


def test_what_is_refused_is_said_and_nothing_typed_is_lost(admin: Person) -> None:
    path = "/admin/applications/application/do/applications.create/"
    for _ in range(2):
        admin.open(path)
        admin.send(name="Twice", slug="twice", reason="Once is enough")
    assert "That slug is taken" in admin.read(".pm-problem")
    assert admin.wrong_here("light") == []
    assert admin.find("[name=name]").get_attribute("value") == "Twice"
    assert admin.find("[name=reason]").get_attribute("value") == "Once is enough"


def test_the_menu_on_a_telephone(admin: Person) -> None:
    admin.resize(390)
    admin.open("/admin/")
    admin.click("#open-menu")
    admin.wait_for(lambda: admin.find("#nav-sidebar").is_displayed())
    admin.click_to_page("#nav-sidebar a[href='/admin/accounts/agent/']")
    assert admin.path == "/admin/accounts/agent/"


def test_everything_can_be_reached_by_keyboard(admin: Person) -> None:
    admin.open("/admin/accounts/agent/do/agents.create/")
    script = (
        "const e = document.querySelector(arguments[0]); e.focus({focusVisible: true});"
        "return getComputedStyle(e).outlineStyle"
    )
    for selector in (
        ".pm-button-lead",
        "[name=name]",
        "[name=role]",
        "[name=reason]",
        "#account-menu",
        ".pm-copy",
    ):
        assert admin.driver.execute_script(script, selector) == "solid", selector


def refusal(installation: dict[str, Any], key: str) -> int:
    """The status with which the API refuses `key`."""
    with pytest.raises(HTTPError) as refused:
        call(installation, "/v1/whoami", key)
    refused.value.close()
    return refused.value.code

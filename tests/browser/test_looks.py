"""How every page looks: light and dark, at a desk and on a telephone."""

from __future__ import annotations

from typing import Any
from urllib.error import HTTPError

import pytest

from tests.browser.conftest import call
from tests.browser.person import Person

pytestmark = pytest.mark.browser

PAGES = {
    "dashboard": "/admin/",
    "applications": "/admin/applications/application/",
    "application": "/admin/applications/application/{application}/change/",
    "environments": "/admin/applications/environment/",
    "environment": "/admin/applications/environment/{environment}/change/",
    "keys": "/admin/apikeys/key/",
    "key": "/admin/apikeys/key/{key}/change/",
    "agents": "/admin/accounts/agent/",
    "agent": "/admin/accounts/agent/{agent}/change/",
    "service-accounts": "/admin/accounts/serviceaccount/",
    "members": "/admin/orgs/membership/",
    "people": "/admin/accounts/user/",
    "organization": "/admin/orgs/organization/{organization}/change/",
    "organizations": "/admin/orgs/organization/",
    "timeline": "/admin/audit/event/",
    "nothing-fits": "/admin/audit/event/?q=nobody",
    "mint": "/admin/apikeys/key/do/keys.create/",
    "revoke": "/admin/apikeys/key/{key}/do/keys.revoke/",
    "suspend": "/admin/accounts/agent/{agent}/do/agents.suspend/",
    "create-application": "/admin/applications/application/do/applications.create/",
    "add-member": "/admin/orgs/membership/do/members.add/",
    "operators": "/operator/",
    "tenants": "/operator/tenancy/tenant/",
    "hosts": "/operator/hosts/",
    "health": "/operator/health/",
    "password": "/accounts/password/change/",
    "signing-out": "/accounts/logout/",
}
BEFORE_SIGNING_IN = {
    "sign-in": "/accounts/login/",
    "forgotten": "/accounts/password/reset/",
}
LONG = "An agent with a rather long name that somebody typed without thinking of narrow screens"


@pytest.fixture(scope="module")
def ids(installation: dict[str, Any]) -> dict[str, str]:
    """The shown ids of one thing of each kind, made over the API; some have long names."""
    key = installation["console_key"]
    me = call(installation, "/v1/whoami", key)
    try:
        call(
            installation,
            "/v1/applications",
            key,
            {"slug": "looks", "name": "A product with a long name, too"},
        )
    except HTTPError as refused:
        refused.close()
    application = call(installation, "/v1/applications?slug=looks", key)["data"][0]
    agent = call(installation, "/v1/agents", key, {"name": LONG, "purpose": LONG * 3, "role": "developer"})
    minted = {
        "name": "of the long one",
        "scopes": ["agents:read", "applications:read", "keys:read"],
        "expires_in_days": 7,
    }
    made = call(installation, f"/v1/agents/{agent['id']}/keys", key, minted)
    return {
        "application": application["id"],
        "environment": application["environments"][0]["id"],
        "agent": agent["id"],
        "key": made["id"],
        "organization": me["organization"]["id"],
    }


@pytest.mark.parametrize("name", PAGES)
def test_a_page_looks_right(admin: Person, ids: dict[str, str], name: str) -> None:
    assert admin.looks_wrong(name, PAGES[name].format(**ids)) == []


def test_pages_before_signing_in_look_right(person: Person) -> None:
    wrong = [one for name, path in BEFORE_SIGNING_IN.items() for one in person.looks_wrong(name, path)]
    assert wrong == []


def test_a_page_that_is_not_there_looks_right(admin: Person) -> None:
    path = "/admin/apikeys/key/key_00000000000000000000000000/change/"
    assert admin.looks_wrong("not-there", path, mistakes=1) == []


def test_lists_that_are_empty_look_right(admin: Person) -> None:
    admin.open("/admin/orgs/organization/do/organizations.create/")
    admin.send(name="Empty", reason="To look at it")
    admin.choose("#organization", "Empty")
    for name in ("dashboard", "applications", "keys", "service-accounts"):
        assert admin.looks_wrong(f"empty-{name}", PAGES[name]) == []


def test_a_secret_looks_right_on_a_telephone(admin: Person, ids: dict[str, str]) -> None:
    admin.resize(390)
    admin.open(f"/admin/accounts/agent/{ids['agent']}/do/keys.create-for-agent/")
    admin.send(name="pocket", reason="To look at it")
    assert admin.wrong_here("light") == []
    admin.driver.save_screenshot(str(admin.shots / "secret-light-390.png"))

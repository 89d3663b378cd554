"""How every page looks: light and dark, at a desk and on a telephone."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image

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
    "member": "/admin/orgs/membership/{member}/change/",
    "invitations": "/admin/orgs/invitation/",
    "invitation": "/admin/orgs/invitation/{invitation}/change/",
    "teams": "/admin/orgs/team/",
    "team": "/admin/orgs/team/{team}/change/",
    "roles": "/admin/orgs/role/",
    "role": "/admin/orgs/role/{role}/change/",
    "people": "/admin/accounts/user/",
    "organization": "/admin/orgs/organization/{organization}/change/",
    "organizations": "/admin/orgs/organization/",
    "timeline": "/admin/audit/event/",
    "nothing-fits": "/admin/audit/event/?q=nobody",
    "mint": "/admin/apikeys/key/do/keys.create/",
    "revoke": "/admin/apikeys/key/{key}/do/keys.revoke/",
    "suspend": "/admin/accounts/agent/{agent}/do/agents.suspend/",
    "create-application": "/admin/applications/application/do/applications.create/",
    "invite": "/admin/orgs/membership/do/invitations.create/",
    "make-role": "/admin/orgs/role/do/roles.create/",
    "add-to-team": "/admin/orgs/team/{team}/do/teams.add-member/",
    "hand-over": "/admin/orgs/organization/{organization}/do/organizations.transfer/",
    "hand-offs": "/admin/apikeys/handoff/",
    "hand-off": "/admin/open/{protected}/",
    "operators": "/operator/",
    "tenants": "/operator/tenancy/tenant/",
    "hosts": "/operator/hosts/",
    "health": "/operator/health/",
    "password": "/accounts/password/change/",
    "signing-out": "/accounts/logout/",
}
INSIDE = {
    "dashboard": "/admin/",
    "customers": "/admin/orgs/organization/",
    "customer": "/admin/orgs/organization/{customer}/change/",
    "members": "/admin/orgs/membership/",
    "invitations": "/admin/orgs/invitation/",
    "agent": "/admin/accounts/agent/{customers_agent}/change/",
    "make-team": "/admin/orgs/team/do/teams.create/",
    "timeline": "/admin/audit/event/",
    "collections": "/admin/data/collection/",
    "collection": "/admin/data/collection/{collection}/change/",
    "make-collection": "/admin/data/collection/do/collections.create/",
    "make-record": "/admin/data/collection/{collection}/do/records.create/",
    "delete-collection": "/admin/data/collection/{collection}/do/collections.delete/",
    "records": "/admin/data/record/",
    "record": "/admin/data/record/{record}/change/",
    "change-record": "/admin/data/record/{record}/do/records.replace/",
    "buckets": "/admin/storage/bucket/",
    "bucket": "/admin/storage/bucket/{bucket}/change/",
    "make-bucket": "/admin/storage/bucket/do/buckets.create/",
    "files": "/admin/storage/file/",
    "file": "/admin/storage/file/{file}/change/",
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
    open_one, protected = sorted(application["environments"], key=lambda one: bool(one["protected"]))
    return {
        "application": application["id"],
        "environment": open_one["id"],
        "protected": protected["id"],
        "agent": agent["id"],
        "key": made["id"],
        "organization": me["organization"]["id"],
        **_company(installation, me["organization"]["id"]),
        **_customer(installation),
    }


def _company(installation: dict[str, Any], organization: str) -> dict[str, str]:
    """A role with many permissions, a team with somebody in it, and an invitation, all with long names."""
    key, here = installation["console_key"], f"/v1/organizations/{organization}"
    member = call(installation, f"{here}/members", key)["data"][0]["id"]
    allowed = [
        "agents:read",
        "applications:read",
        "environments:read",
        "keys:read",
        "members:read",
        "users:read",
    ]
    role = {"slug": "support", "name": "Support of a product with a long name", "permissions": allowed}
    team = call(
        installation, f"{here}/teams", key, {"slug": "kitchen", "name": LONG[:60], "description": LONG}
    )
    call(installation, f"{here}/teams/{team['id']}/members", key, {"membership": member})
    invited = {"email": "somebody.with.a.rather.long.name@a-company-elsewhere.example.com", "role": "viewer"}
    return {
        "member": member,
        "team": team["id"],
        "role": call(installation, f"{here}/roles", key, role)["id"],
        "invitation": call(installation, f"{here}/invitations", key, invited)["id"],
    }


def _customer(installation: dict[str, Any]) -> dict[str, str]:
    """Two customers of the product, and an agent of the second one."""
    path, asked = "/v1/applications/looks/environments/development/keys", {"name": "backend", "scopes": ["*"]}
    key = call(installation, path, installation["console_key"], asked)["secret"]
    names = ("A restaurant", "A chain of restaurants with a long name")
    made = [call(installation, "/v1/organizations", key, {"name": name}) for name in names]
    body = {"name": LONG, "purpose": LONG, "role": "viewer", "organization": made[1]["id"]}
    agent = call(installation, "/v1/agents", key, body)
    return {
        "customer": made[1]["id"],
        "customers_agent": agent["id"],
        **_dishes(installation, key),
        **_pictures(installation, key),
    }


def _dishes(installation: dict[str, Any], key: str) -> dict[str, str]:
    """A collection with a schema of some length, and records of which one is large."""
    properties: dict[str, Any] = {
        "name": {"type": "string", "minLength": 1},
        "description": {"type": "string"},
        "price": {"type": "number", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}},
        "origin": {"type": "object", "properties": {"country": {"type": "string"}}},
    }
    collection = call(
        installation,
        "/v1/collections",
        key,
        {
            "name": "dishes-of-all-our-restaurants",
            "description": LONG,
            "schema": {"type": "object", "properties": properties, "required": ["name"]},
            "indexes": [{"field": "price"}, {"field": "name", "unique": True}],
            "search": {"fields": ["name", "description"], "language": "english"},
        },
    )
    path = f"/v1/collections/{collection['name']}/records"
    call(installation, path, key, {"data": {"name": "Miso", "price": 4}})
    large = {"name": "Ramen", "description": LONG * 4, "price": 14.5, "tags": ["soup"] * 12}
    return {"collection": collection["id"], "record": call(installation, path, key, {"data": large})["id"]}


def _pictures(installation: dict[str, Any], key: str) -> dict[str, str]:
    """A bucket with a picture in it."""
    content = _picture()
    bucket = call(
        installation,
        "/v1/buckets",
        key,
        {"name": "pictures", "content_types": ["image/*"], "max_size": 10**7},
    )
    asked = {
        "bucket": "pictures",
        "name": f"{LONG[:60]}.png",
        "content_type": "image/png",
        "size": len(content),
    }
    file = call(installation, "/v1/files", key, {**asked, "tags": {"course": "main", "season": "winter"}})
    upload = file["upload"]
    sent = Request(upload["url"], content, upload["headers"], method=upload["method"])
    with urlopen(sent, timeout=20):
        call(installation, f"/v1/files/{file['id']}/complete", key, {})
    return {"bucket": bucket["id"], "file": file["id"]}


def _picture() -> bytes:
    made, kept = Image.radial_gradient("L").resize((640, 480)).convert("RGB"), BytesIO()
    made.save(kept, "PNG")
    return kept.getvalue()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_looks_right(onlooker: Person, ids: dict[str, str], name: str) -> None:
    assert onlooker.looks_wrong(name, PAGES[name].format(**ids)) == []


def test_an_environments_admin_looks_right(
    installation: dict[str, Any], admin: Person, ids: dict[str, str]
) -> None:
    port = installation["api_url"].rpartition(":")[2]
    admin.open(f"/admin/open/{ids['environment']}/")
    inside = Person(admin.driver, f"http://development--looks.localhost:{port}", admin.shots)
    inside.wait_for(lambda: inside.path == "/admin/")
    pages = {f"inside-{name}": path.format(**ids) for name, path in INSIDE.items()}
    assert [one for name, path in pages.items() for one in inside.looks_wrong(name, path)] == []

    inside.choose("#organization", "A restaurant")
    assert inside.looks_wrong("inside-customer-chosen", INSIDE["members"]) == []
    inside.driver.delete_all_cookies()
    assert inside.looks_wrong("inside-closed", INSIDE["dashboard"], mistakes=1) == []


def test_pages_before_signing_in_look_right(person: Person) -> None:
    wrong = [one for name, path in BEFORE_SIGNING_IN.items() for one in person.looks_wrong(name, path)]
    assert wrong == []


def test_a_page_that_is_not_there_looks_right(onlooker: Person) -> None:
    path = "/admin/apikeys/key/key_00000000000000000000000000/change/"
    assert onlooker.looks_wrong("not-there", path, mistakes=1) == []


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

"""How a tenant says who gets in and how: read and written by who configures it, checked word for word."""

from __future__ import annotations

import pytest

from tests.client import Answer, Api
from tests.world import World

PATH = "/v1/sign-in-settings"
DEFAULTS = {
    "sign_up": "open",
    "new_people_get": "personal",
    "shared_organization": None,
    "shared_role": "viewer",
    "email_domains": [],
    "methods": ["password", "code", "passkey", "social"],
    "second_factor_for": [],
    "session_hours": 336,
    "product_name": "",
}


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


def test_defaults_count_until_something_is_set(root: Api) -> None:
    answer = root.get(PATH)
    assert {name: answer[name] for name in DEFAULTS} == DEFAULTS
    assert all(answer[name] == "" for name in answer.body if name.endswith("_url"))


def test_what_is_not_sent_stays(root: Api) -> None:
    assert root.patch(PATH, {"session_hours": 8}).status == 200
    changed = root.patch(PATH, {"product_name": "Acorn Menus"})
    assert (changed["session_hours"], changed["product_name"]) == (8, "Acorn Menus")
    assert root.get(PATH).body == changed.body


def test_two_writers_meet(root: Api) -> None:
    seen = root.patch(PATH, {"session_hours": 8}).headers["ETag"]
    assert root.patch(PATH, {"session_hours": 9}, if_match=seen).status == 200
    assert root.patch(PATH, {"session_hours": 10}, if_match=seen).code == "version_mismatch"
    assert root.get(PATH)["session_hours"] == 9


def test_a_tenants_settings_are_its_own(world: World, root: Api) -> None:
    root.patch(PATH, {"sign_up": "closed", "methods": ["code"]})
    twin = Api(world.birch.root_key).get(PATH)
    assert (twin["sign_up"], twin["methods"]) == ("open", DEFAULTS["methods"])


def test_on_the_console_strangers_are_let_in_by_the_installation_alone(world: World, api: Api) -> None:
    assert api.using(world.console.root_key).get(PATH)["sign_up"] == "invited"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sign_up": "maybe"}, "sign_up"),
        ({"methods": []}, "methods"),
        ({"methods": ["password", "telepathy"]}, "methods"),
        ({"second_factor_for": ["king"]}, "second_factor_for"),
        ({"session_hours": 0}, "session_hours"),
        ({"session_hours": 24 * 90 + 1}, "session_hours"),
        ({"email_domains": ["Example.com"]}, "email_domains"),
        ({"email_domains": ["example"]}, "email_domains"),
        ({"email_domains": ["@example.com"]}, "email_domains"),
        ({"shared_role": "owner"}, "shared_role"),
        ({"product_name": "A\nBcc: all@example.com"}, "product_name"),
        ({"signup": "open"}, "signup"),
    ],
)
def test_what_will_not_do_is_refused(root: Api, change: dict[str, object], field: str) -> None:
    refused = root.patch(PATH, change)
    assert refused.status == 422, refused
    assert refused["errors"][0]["field"].startswith(field)
    assert root.get(PATH)["sign_up"] == "open"


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.com/in",
        "http://localhost:3000/in",
        "http://app.example.com/in",
        "//evil.example/in",
        "/in",
        "javascript:alert(1)",
        "https://user:word@app.example.com/in",
        "https://app.example.com\\@evil.example/in",
        "https://app.example.com/ in",
        "https://app.example.com:port/in",
        "https://{host}/in",
        "data:text/html,x",
    ],
)
def test_people_are_sent_to_https_alone(root: Api, url: str) -> None:
    refused = root.patch(PATH, {"home_url": url})
    assert (refused.status, refused.code) == (
        (200, "") if url == "https://app.example.com/in" else (422, "frontend_url_unfit")
    )


def test_in_development_people_are_sent_to_this_machine_too(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key)
    builder.post("/v1/applications", {"slug": "menugen", "name": "MenuGen"})
    minted = builder.post(
        "/v1/applications/menugen/environments/development/keys", {"name": "dev", "scopes": ["*"]}
    )
    dev = api.using(minted["secret"])
    assert dev.patch(PATH, {"home_url": "http://localhost:3000/in"}).status == 200
    assert dev.patch(PATH, {"home_url": "http://app.example.com/in"}).code == "frontend_url_unfit"


def test_a_link_has_to_have_a_place_for_its_key(root: Api) -> None:
    for field, url in (
        ("new_password_url", "https://app.example.com/new"),
        ("invitation_url", "https://app.example.com/join"),
    ):
        assert root.patch(PATH, {field: url}).code == "frontend_url_unfit"
    assert root.patch(PATH, {"new_password_url": "https://app.example.com/new#{key}"}).status == 200
    assert root.patch(PATH, {"invitation_url": "https://app.example.com/join/{token}"}).status == 200


def test_a_shared_organization_has_to_be_there(world: World, root: Api) -> None:
    north, builders = world.acorn.parties["north"], world.builders
    assert root.patch(PATH, {"new_people_get": "shared"}).code == "shared_organization_missing"
    assert root.patch(PATH, {"shared_organization": builders.id}).code == "shared_organization_missing"
    done = root.patch(PATH, {"new_people_get": "shared", "shared_organization": north.id})
    assert (done.status, done["shared_organization"]) == (200, north.id)
    assert root.patch(PATH, {"shared_organization": None}).code == "shared_organization_missing"


def test_only_who_configures_the_tenant_reads_or_writes(world: World, api: Api) -> None:
    def both(client: Api) -> list[Answer]:
        return [client.get(PATH), client.patch(PATH, {"sign_up": "closed"})]

    north = world.acorn.parties["north"]
    for key in (north.person_key, north.agent_key, north.service_key):
        assert [answer.code for answer in both(api.using(key))] == ["configuration_of_tenant"] * 2
    assert [answer.status for answer in both(api.using(world.acorn.stranger_key))] == [403, 403]
    assert [answer.code for answer in both(api.using(world.acorn.publishable_key))] == [
        "secret_key_needed"
    ] * 2
    assert [answer.code for answer in both(api.using(world.builders.agent_key))] == [
        "configuration_of_tenant"
    ] * 2
    away = api.sending(packmule_environment="acorn/production")
    assert [answer.status for answer in both(away.using(world.rivals.agent_key))] == [404, 404]
    assert [answer.status for answer in both(away.using(world.builders.agent_key))] == [200, 200]


@pytest.mark.parametrize("field", ["home_url", "new_password_url", "invitation_url", "error_url"])
def test_no_agent_says_where_people_are_led_in_a_protected_environment(
    world: World, api: Api, field: str
) -> None:
    """Whoever names the page of new passwords reads the keys that are mailed, and is then anybody."""
    page = {field: "https://evil.example/{key}{token}"}
    away = api.sending(packmule_environment="acorn/production")
    agent = away.using(world.builders.agent_key)
    program = agent.post("/v1/service-accounts", {"name": "a helper", "role": "admin"})["id"]
    path = f"/v1/service-accounts/{program}/keys"
    through = api.using(agent.post(path, {"name": "through", "scopes": ["*"]})["secret"])
    for client in (agent, through):
        refused = client.patch(PATH, {"session_hours": 8, **page})
        assert (refused.status, refused.code) == (403, "leading_needs_person")
        assert field in refused["detail"]
        assert client.get(PATH)[field] == ""
    assert agent.patch(PATH, {"session_hours": 8}).status == 200
    assert away.using(world.builders.person_key).patch(PATH, page).status == 200
    assert agent.patch(PATH, {field: ""}).status == 200, "back to the platform's own page"


def test_the_trail_tells_who_changed_it(root: Api) -> None:
    root.patch(PATH, {"sign_up": "closed"})
    (told,) = root.get("/v1/audit?operation=sign_in_settings.update")["data"]
    assert told["actor"]["name"] == "root"
    assert ["", "closed"] in [change["fields"].get("sign_up") for change in told["changes"]]

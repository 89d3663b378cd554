"""What a token is good for: the API of one tenant, named in its row, whatever address was asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from allauth.idp.oidc.models import Token

from apps.accounts.oauth import audiences, texts
from apps.core.ids import decode
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import Browser, Program, came_back, give
from tests.refusals import check_refusal
from tests.world import World


def test_every_token_has_an_audience_though_nobody_asked_for_one(
    world: World, program: Program, browser: Browser
) -> None:
    program.exchange(program.code(browser, "users:read"))
    program.exchange(program.code(browser, "openid"))
    with enter(world.acorn.ref):
        kept = list(
            Token.objects.filter(client_id=program.client_id).values_list("data__resources", flat=True)
        )
    api, identity = audiences.api_of(world.acorn.ref.id), audiences.identity_of(world.acorn.ref.id)
    assert sorted(kept) == [[api], [api], [identity], [identity]]


@pytest.mark.parametrize("resources", [None, [], [""], ["https://elsewhere.test/v1"], "*"])
def test_a_row_without_the_tenants_audience_opens_nothing(world: World, api: Api, resources: object) -> None:
    """FACTS: a token without `resource` passes allauth's own check."""
    token = give(world.acorn, ["*"], user=world.acorn.parties["north"].person)
    assert api.using(token).get("/v1/whoami").status == 200
    with enter(world.acorn.ref):
        row = Token.objects.get(hash=texts.hash_of(token))
        row.data = (
            {**row.data, "resources": resources}
            if resources is not None
            else {"begun_with": row.data["begun_with"]}
        )
        row.save()
    check_refusal(api.using(token).get("/v1/whoami"), 401, "token_audience_wrong")


def test_who_asks_for_identity_alone_gets_nothing_of_the_api(
    api: Api, program: Program, browser: Browser
) -> None:
    given = program.exchange(program.code(browser, "openid profile email"))
    check_refusal(api.using(given["access_token"]).get("/v1/whoami"), 401, "token_audience_wrong")
    named = program.exchange(
        program.code(browser, "openid"), resource="http://production--acorn.localhost/v1"
    )
    check_refusal(api.using(named["access_token"]).get("/v1/whoami"), 401, "token_audience_wrong")


def test_the_api_goes_by_its_address_and_by_its_name(
    world: World, api: Api, program: Program, browser: Browser
) -> None:
    own = f"http://{world.acorn.host}"
    for resource in (own, f"{own}/", f"{own}/v1", f"{own}/v1/"):
        code = program.code(browser, "users:read", resource=resource)
        token = program.exchange(code, resource=resource)["access_token"]
        assert api.using(token).get("/v1/users").status == 200
    with enter(world.acorn.ref):
        assert audiences.api_of(world.acorn.ref.id).startswith("urn:packmule:api:ten_")


@pytest.mark.parametrize(
    "resource",
    [
        *("http://production--birch.localhost/v1", "https://production--acorn.localhost/v1", "nonsense", ""),
        *(
            "http://production--acorn.localhost:81/v1",
            "http://production--acorn.localhost/v1/users",
            "http://127.0.0.1/v1",
        ),
        *(
            "http://a@production--acorn.localhost/v1",
            "http://production--acorn.localhost/v1?x=1",
            "http://[/v1",
        ),
        *(
            "http://production--acorn.localhost/v1#x",
            "urn:packmule:api:ten_01",
            "http://console.localhost/v1",
        ),
    ],
)
def test_no_other_address_is_taken(world: World, program: Program, browser: Browser, resource: str) -> None:
    refused = came_back(browser.get(program.address("users:read", resource=resource)))
    assert refused["error"] == "invalid_target"
    both = [f"http://{world.acorn.host}/v1", resource]
    assert came_back(browser.get(program.address("users:read", resource=both)))["error"] == "invalid_target"
    sent = came_back(
        browser.post(program.address("users:read", resource=resource), action="grant", scopes=["users:read"])
    )
    assert sent["error"] == "invalid_target"
    code = program.code(browser, "users:read")
    assert program.exchange(code, resource=resource)["error"] == "invalid_target"


def test_the_installations_own_hosts_are_all_the_consoles(world: World, program: Program) -> None:
    own = replace(world.console, host="127.0.0.1")
    cli = Program(own, "packmule-cli")
    for host in ("127.0.0.1", "localhost"):
        assert cli.begin("*", resource=f"http://{host}/v1")["status"] == 200
    assert cli.begin("*", resource=f"http://{world.acorn.host}/v1")["error"] == "invalid_target"
    assert program.token("client_credentials", resource="http://127.0.0.1/v1")["error"] == "invalid_target"


# Headers, as with keys.


def test_a_builders_token_acts_in_an_environment_of_theirs(world: World, api: Api) -> None:
    token = give(world.console, ["*"], user=world.builders.person)
    using = api.using(token)
    assert using.get("/v1/whoami")["tenant"] == "console"
    there = using.sending(packmule_environment=world.acorn.name)
    who = there.get("/v1/whoami")
    assert (who["tenant"], who["actor"]["id"]) == (world.acorn.name, world.builders.person)
    found = [agent["id"] for agent in there.get("/v1/agents")["data"]]
    assert {world.acorn.parties[name].agent for name in ("north", "south")} <= set(found)
    check_refusal(using.sending(packmule_environment=world.birch.name).get("/v1/agents"), 404, "not_found")
    check_refusal(using.sending(packmule_environment="nobody/nowhere").get("/v1/agents"), 404, "not_found")


def test_a_token_of_narrow_scopes_is_as_narrow_there(world: World, api: Api) -> None:
    token = give(world.console, ["users:read"], user=world.builders.person)
    there = api.using(token).sending(packmule_environment=world.acorn.name)
    check_refusal(there.get("/v1/agents"), 403, "scope_missing")


def test_organizations_and_expectations_count_as_with_keys(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    using = api.using(give(world.acorn, ["*"], user=north.person))
    assert using.sending(packmule_organization=north.id).get("/v1/agents").status == 200
    check_refusal(using.sending(packmule_organization=south.id).get("/v1/agents"), 404, "not_found")
    check_refusal(using.sending(packmule_organization="nonsense").get("/v1/agents"), 400)
    assert using.sending(packmule_expect_tenant=world.acorn.name).get("/v1/agents").status == 200
    check_refusal(using.sending(packmule_expect_tenant="console").get("/v1/agents"), 409, "tenant_mismatch")


def test_a_token_is_no_way_around_a_second_factor(world: World, api: Api) -> None:
    token = give(world.acorn, ["*"], user=world.acorn.parties["north"].person)
    root = api.using(world.acorn.root_key)
    assert api.using(token).get("/v1/agents").status == 200
    assert root.patch("/v1/sign-in-settings", {"second_factor_for": ["owner"]}).status == 200
    check_refusal(api.using(token).get("/v1/agents"), 403, "second_factor_needed")
    assert api.using(token).get("/v1/whoami").status == 200


def test_a_token_is_one_credential(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    token = give(world.acorn, ["*"], user=north.person)
    check_refusal(api.using(token).sending(packmule_key=world.acorn.publishable_key).get("/v1/whoami"), 400)
    check_refusal(api.sending(packmule_key=token).get("/v1/whoami"), 401)
    check_refusal(
        api.on(world.acorn.host).sending(x_session_token=token).get("/v1/whoami"), 401, "session_ended"
    )
    check_refusal(api.get(f"/v1/whoami?access_token={token}"), 401)


def test_what_is_no_access_token_says_what_it_is(world: World, api: Api) -> None:
    token = give(world.acorn, ["*"], user=world.acorn.parties["north"].person)
    refresh = give(world.acorn, ["*"], user=world.acorn.parties["north"].person, kind="rt")
    secret = texts.client_secret(world.acorn.ref.id, decode(world.acorn.parties["north"].id, "org"))
    for text, code in (
        (token[:-1], "token_broken"),
        (token + "x", "token_broken"),
        (token.replace("pmo_at", "pmo_rt"), "token_broken"),
        (refresh, "token_kind_wrong"),
        (secret, "token_kind_wrong"),
        (texts.access_token(world.acorn.ref.id), "token_unknown"),
    ):
        check_refusal(api.using(text).get("/v1/whoami"), 401, code)


def test_calls_by_token_are_counted(world: World, api: Api) -> None:
    answer = api.using(give(world.acorn, ["*"], user=world.acorn.parties["north"].person)).get("/v1/users")
    assert answer.headers["RateLimit-Policy"].startswith('"credential";q=')

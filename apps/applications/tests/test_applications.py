"""Builders make applications and environments, each other's out of sight."""

from datetime import UTC, datetime

from tests.client import Api
from tests.world import World


def test_a_slug_is_taken_for_everybody(world: World, api: Api) -> None:
    body = {"slug": "birch", "name": "Mine now"}

    refused = api.using(world.builders.agent_key).post("/v1/applications", body)

    assert (refused.status, refused.code) == (409, "slug_taken")
    assert [a["slug"] for a in api.using(world.builders.agent_key).get("/v1/applications")["data"]] == [
        "acorn"
    ]


def test_anothers_application_does_not_exist(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key)
    key = {"name": "k", "scopes": ["*"]}

    for answer in (
        builder.get("/v1/applications/birch"),
        builder.patch("/v1/applications/birch", {"name": "Ours"}),
        builder.delete("/v1/applications/birch"),
        builder.get("/v1/applications/birch/environments"),
        builder.post("/v1/applications/birch/environments", {"name": "staging"}),
        builder.get("/v1/applications/birch/environments/production"),
        builder.delete("/v1/applications/birch/environments/production"),
        builder.post("/v1/applications/birch/environments/production/keys", key),
    ):
        assert (answer.status, answer.code) == (404, "not_found"), answer


def test_an_environment_is_added_and_deleted(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key)

    staging = builder.post("/v1/applications/acorn/environments", {"name": "staging", "protected": True})
    assert (staging.status, staging["tenant"], staging["protected"]) == (201, "acorn/staging", True)
    again = builder.post("/v1/applications/acorn/environments", {"name": "staging"})
    assert (again.status, again.code) == (409, "environment_exists")

    minted = builder.post(
        "/v1/applications/acorn/environments/staging/keys", {"name": "k", "kind": "secret", "scopes": ["*"]}
    )
    assert minted["secret"].startswith("pmk_live_sk_")
    assert builder.delete("/v1/applications/acorn/environments/staging").status == 204

    assert api.using(minted["secret"]).get("/v1/whoami").code == "tenant_deleted"
    gone = builder.get("/v1/whoami", packmule_environment="acorn/staging")
    assert gone.status == 404
    back = builder.post("/v1/applications/acorn/environments", {"name": "staging"})
    assert back.status == 201, "the name of a deleted environment is free again"


def test_deleting_an_application_takes_its_environments_out_of_service(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key)

    assert builder.delete("/v1/applications/acorn", if_match='"v9"').status == 412
    assert builder.delete("/v1/applications/acorn", if_match='"v1"').status == 204

    assert builder.get("/v1/applications/acorn").status == 404
    assert api.using(world.acorn.root_key).get("/v1/whoami").code == "tenant_deleted"
    assert api.using(world.birch.root_key).get("/v1/whoami").status == 200


def test_a_key_for_an_environment_never_grants_more_than_its_minter_holds(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key)
    narrow = builder.post("/v1/keys", {"name": "narrow", "scopes": ["keys:write", "applications:read"]})

    where = "/v1/applications/acorn/environments/production/keys"
    refused = api.using(narrow["secret"]).post(where, {"name": "wide", "scopes": ["*"]})

    assert (refused.status, refused.code) == (403, "scope_exceeded")


def test_the_trail_of_both_tenants_shows_who_minted_a_key(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key)
    where = "/v1/applications/acorn/environments/production/keys"

    minted = builder.post(where, {"name": "backend", "scopes": ["*"]})

    inside = api.using(world.acorn.root_key).get(f"/v1/audit?resource={minted['id']}")["data"]
    at_home = builder.get(f"/v1/audit?resource={minted['id']}")["data"]
    for trail in (inside, at_home):
        [entry] = trail
        assert entry["actor"]["id"] == world.builders.agent
        assert (entry["tenant"], entry["home"]) == ("acorn/production", "console")
    assert at_home[0]["mirror_of"] == inside[0]["id"]
    assert minted["secret"] not in str(inside) + str(at_home)
    assert datetime.fromisoformat(minted["expires_at"]) > datetime.now(UTC)


def test_applications_are_no_business_of_an_environment(world: World, api: Api) -> None:
    refused = api.using(world.acorn.root_key).get("/v1/applications")

    assert (refused.status, refused.code) == (403, "console_only")
    assert "console" in refused["detail"]


def test_who_acts_for_the_whole_console_says_who_owns_it(world: World, api: Api) -> None:
    root = api.using(world.console.root_key)

    unsaid = root.post("/v1/applications", {"slug": "third", "name": "Third"})
    assert (unsaid.status, unsaid.code) == (400, "organization_required")
    made = root.post(
        "/v1/applications", {"slug": "third", "name": "Third", "organization": world.builders.id}
    )
    assert (made.status, made["organization"]) == (201, world.builders.id)


def test_an_organization_with_applications_stays(world: World, api: Api) -> None:
    owner = api.using(world.builders.person_key)

    refused = owner.delete(f"/v1/organizations/{world.builders.id}")
    assert refused.status == 409
    assert "application acorn" in refused["detail"]

    assert owner.delete("/v1/applications/acorn").status == 204
    assert owner.delete(f"/v1/organizations/{world.builders.id}").status == 204

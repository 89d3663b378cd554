"""The first story: what somebody does with a fresh installation."""

from tests.client import Api
from tests.world import World


def test_an_agent_builds_its_first_environment(world: World, api: Api) -> None:
    builder = api.using(world.builders.agent_key)

    me = builder.get("/v1/whoami")
    assert me["actor"]["kind"] == "agent"
    assert me["organization"] == {"id": world.builders.id, "slug": "acorn"}
    assert me.headers["Packmule-Tenant"] == "console"

    made = builder.post("/v1/applications", {"slug": "menugen", "name": "MenuGen"})
    assert made.status == 201
    assert [(e["name"], e["tenant"], e["protected"]) for e in made["environments"]] == [
        ("development", "menugen/development", False),
        ("production", "menugen/production", True),
    ]

    minted = builder.post(
        "/v1/applications/menugen/environments/development/keys", {"name": "dev", "scopes": ["*"]}
    )
    assert minted.status == 201

    backend = api.using(minted["secret"])
    assert backend.get("/v1/whoami")["tenant"] == "menugen/development"
    customer = backend.post("/v1/organizations", {"slug": "north", "name": "North"})
    assert customer.status == 201
    assert customer.headers["Packmule-Tenant"] == "menugen/development"

    through_console = builder.get("/v1/organizations", packmule_environment="menugen/development")
    assert [o["slug"] for o in through_console["data"]] == ["north"]

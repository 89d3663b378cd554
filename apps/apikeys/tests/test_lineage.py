"""What was made with a key, dead or alive, here and in the environments of the organization that owns it."""

from __future__ import annotations

from tests.client import Api
from tests.world import World

EVERYTHING = {"name": "made", "scopes": ["*"]}
ENVIRONMENT_KEYS = "/v1/applications/acorn/environments/production/keys"


def test_the_line_of_a_key(world: World) -> None:
    builders, asked = world.builders, Api(world.builders.person_key)
    first = Api(builders.agent_key).post("/v1/keys", EVERYTHING)
    backend = Api(first["secret"]).post(ENVIRONMENT_KEYS, EVERYTHING)
    north = world.acorn.parties["north"]
    customer = Api(backend["secret"]).post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)
    dead = Api(first["secret"]).post("/v1/keys", EVERYTHING)
    asked.delete(f"/v1/keys/{dead['id']}")

    line = asked.get(f"/v1/keys/{first['id']}/lineage")
    assert (line["key"]["depth"], line["key"]["status"]) == (0, "active")
    assert (line["minted"], line["alive"], line["omitted"]) == (3, 2, 0)
    told = {one["id"]: (one["depth"], one["tenant"], one["minted_by"], one["status"]) for one in line["keys"]}
    assert told == {
        backend["id"]: (1, "acorn/production", first["id"], "active"),
        dead["id"]: (1, "console", first["id"], "revoked"),
        customer["id"]: (2, "acorn/production", backend["id"], "active"),
    }
    ours = Api(world.acorn.root_key).get(f"/v1/keys/{backend['id']}/lineage")
    assert [one["id"] for one in ours["keys"]] == [customer["id"]]
    assert ours["key"]["minted_by"] == first["id"]


def test_keys_that_rotated_each_other_end_the_line(world: World) -> None:
    north = world.acorn.parties["north"]
    person = Api(north.person_key)
    one, two = (person.post("/v1/keys", EVERYTHING | {"service_account": north.service}) for _ in "ab")
    one_new = Api(two["secret"]).post(f"/v1/keys/{one['id']}/rotate", {"overlap_seconds": 0})["secret"]
    assert Api(one_new).post(f"/v1/keys/{two['id']}/rotate", {"overlap_seconds": 0}).status == 200
    line = person.get(f"/v1/keys/{one['id']}/lineage")
    assert [(key["id"], key["depth"]) for key in line["keys"]] == [(two["id"], 1)]
    assert person.delete(f"/v1/keys/{one['id']}").status == 204
    assert person.get(f"/v1/keys/{one['id']}/lineage")["alive"] == 0


def test_the_clients_of_a_line(world: World) -> None:
    """Those that were registered with one of its keys, here and abroad, and those whose secret one of them knows."""
    builders, north = world.builders, world.acorn.parties["north"]
    asked = {"name": "Nightly", "grants": ["client_credentials"], "scopes": ["users:read"]}
    first = Api(builders.agent_key).post("/v1/keys", EVERYTHING)
    here = Api(first["secret"]).post("/v1/oauth-clients", {**asked, "service_account": builders.service})
    away = Api(first["secret"]).sending(packmule_environment=world.acorn.name)
    abroad = away.post("/v1/oauth-clients", {**asked, "service_account": north.service})
    second = Api(first["secret"]).post("/v1/keys", EVERYTHING)
    others = Api(builders.person_key).post(
        "/v1/oauth-clients", {**asked, "service_account": builders.service}
    )
    assert Api(second["secret"]).post(f"/v1/oauth-clients/{others['id']}/rotate-secret").status == 200

    line = Api(builders.person_key).get(f"/v1/keys/{first['id']}/lineage")
    told = {one["id"]: (one["depth"], one["tenant"], one["minted_by"]) for one in line["clients"]}
    person_key = Api(builders.person_key).get("/v1/whoami")["credential"]["id"]
    assert told == {
        here["id"]: (1, "console", first["id"]),
        abroad["id"]: (1, world.acorn.name, first["id"]),
        others["id"]: (2, "console", person_key),
    }
    theirs = Api(world.rivals.person_key).get(f"/v1/keys/{first['id']}/lineage")
    assert theirs.status == 404

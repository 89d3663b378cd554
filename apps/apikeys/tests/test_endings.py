"""Keys end with what they belong to, and take along what they minted."""

from tests.client import Api
from tests.world import World


def test_what_a_deleted_agent_minted_opens_nothing_any_more(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    agent, owner = api.using(north.agent_key), api.using(north.person_key)
    body = {"name": "for the backend", "scopes": ["*"]}
    minted = agent.post(f"/v1/service-accounts/{north.service}/keys", body)
    assert minted.status == 201
    backend = api.using(minted["secret"])
    assert backend.get("/v1/whoami").status == 200

    assert owner.delete(f"/v1/agents/{north.agent}").status == 204

    assert backend.get("/v1/whoami").code == "key_revoked"
    assert agent.get("/v1/whoami").status == 401
    assert api.using(north.service_key).get("/v1/whoami").status == 200


def test_an_organizations_keys_end_with_it(world: World, api: Api) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]

    assert api.using(north.person_key).delete(f"/v1/organizations/{north.id}").status == 204

    for key in (north.agent_key, north.service_key):
        assert api.using(key).get("/v1/whoami").status == 401
    assert api.using(north.person_key).get("/v1/whoami")["organization"] is None
    assert api.using(south.agent_key).get("/v1/whoami").status == 200
    assert api.using(world.birch.parties["north"].agent_key).get("/v1/whoami").status == 200

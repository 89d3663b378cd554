"""What bounds a credential bounds what is made with it: an address, and the time that a replaced secret has left."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.apikeys.tests.making import machine_key
from apps.core import clock
from apps.core.strictjson import timestamp
from tests.client import Answer, Api
from tests.refusals import check_refusal
from tests.world import Space, World

CLIENTS = "/v1/oauth-clients"
REDIRECTS = {"redirect_uris": ["https://app.example.com/callback"]}
CLIENT = {"name": "Website", "scopes": ["users:read"], **REDIRECTS}


def replaced(world: World, api: Api) -> tuple[Api, Api]:
    """North's backend by the secret that a rotation has replaced and that still works, and by the new one."""
    old = machine_key(world.acorn, world.acorn.parties["north"])
    path = f"/v1/keys/{old.key.public_id}/rotate"
    new = api.using(old.secret).post(path, {"overlap_seconds": 600})
    assert new.status == 200, new
    return api.using(old.secret), api.using(new["secret"])


def makes(world: World, client: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Everything that makes something which outlives a secret."""
    north, end = world.acorn.parties["north"], timestamp(clock.now() + timedelta(days=1))
    key = {"name": "more", "scopes": ["users:read"]}
    return [
        ("post", "/v1/keys", key),
        ("post", f"/v1/service-accounts/{north.service}/keys", key),
        ("post", f"/v1/agents/{north.agent}/keys", key),
        ("post", CLIENTS, CLIENT),
        ("patch", f"{CLIENTS}/{client['id']}", REDIRECTS),
        ("post", f"{CLIENTS}/{client['id']}/rotate-secret", {}),
        ("post", "/v1/delegations", {"actor": north.agent, "scopes": ["users:read"], "expires_at": end}),
    ]


def test_a_replaced_secret_goes_on_and_makes_nothing_that_outlives_it(world: World, api: Api) -> None:
    old, new = replaced(world, api)
    client = new.post(CLIENTS, CLIENT)
    assert client.status == 201, client
    for method, path, body in makes(world, client):
        check_refusal(getattr(old, method)(path, body), 403, "secret_outgoing")
    assert old.get("/v1/users").status == 200
    for method, path, body in makes(world, client):
        answer: Answer = getattr(new, method)(path, body)
        assert answer.status in (200, 201), (path, answer)


def test_it_makes_no_key_of_an_environment_either(world: World, api: Api) -> None:
    old = machine_key(world.console, world.builders)
    path = f"/v1/keys/{old.key.public_id}/rotate"
    assert api.using(old.secret).post(path, {"overlap_seconds": 600}).status == 200
    keys, body = "/v1/applications/acorn/environments/production/keys", {"name": "k", "scopes": ["*"]}
    check_refusal(api.using(old.secret).post(keys, body), 403, "secret_outgoing")


@pytest.mark.parametrize("networks", [[], ["0.0.0.0/0"], ["127.0.0.0/8", "203.0.113.0/24"]])
def test_a_bound_key_takes_over_none_that_works_from_elsewhere(
    world: World, api: Api, networks: list[str]
) -> None:
    """Neither one that is bound to nothing, nor one whose networks are wider."""
    space: Space = world.acorn
    north = space.parties["north"]
    bound = api.using(machine_key(space, north, allowed_ips=["127.0.0.0/8"]).secret)
    other = machine_key(space, north, allowed_ips=networks)
    path = f"/v1/keys/{other.key.public_id}/rotate"
    check_refusal(bound.post(path), 403, "ip_exceeded")
    assert api.using(other.secret).get("/v1/whoami").status == 200


def test_a_bound_key_rotates_itself_and_those_within_its_own(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    mine = machine_key(world.acorn, north, allowed_ips=["127.0.0.0/8"])
    narrower = machine_key(world.acorn, north, allowed_ips=["127.0.0.1"])
    bound = api.using(mine.secret)
    assert bound.post(f"/v1/keys/{narrower.key.public_id}/rotate").status == 200
    assert bound.post(f"/v1/keys/{mine.key.public_id}/rotate").status == 200

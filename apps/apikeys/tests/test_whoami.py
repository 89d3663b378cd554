"""Who am I: the first call of everybody."""

from __future__ import annotations

from tests.client import Api
from tests.world import World


def test_an_agent_learns_who_it_is(world: World, api: Api) -> None:
    answer = api.using(world.builders.agent_key).get("/v1/whoami")

    assert answer.status == 200
    assert answer["actor"]["kind"] == "agent"
    assert answer["actor"]["id"] == world.builders.agent
    assert answer["tenant"] == "console"
    assert answer["organization"] == {"id": world.builders.id, "slug": "acorn"}
    assert answer["on_behalf_of"] is None
    assert answer["credential"]["scopes"] == ["*"]
    assert answer.headers["Packmule-Tenant"] == "console"
    assert answer.headers["RateLimit-Policy"] == '"credential";q=6000;w=60'

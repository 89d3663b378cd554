"""A command and a call are one thing: the same bytes, the same refusals, the same trail."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.client import Api
from tests.world import World


@pytest.fixture
def builder(world: World, api: Api, settings: Any) -> Api:
    """The builder's agent, whose key the commands use too."""
    settings.PACKMULE_KEY = world.builders.agent_key
    return api.using(world.builders.agent_key)


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, "--json", stdout=out)
    return out.getvalue().removesuffix("\n")


def refused(*words: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(CommandError) as failure:
        run(*words)
    return failure.value.returncode, failure.value.document  # type: ignore[attr-defined]


def test_reads_answer_the_same_bytes(builder: Api) -> None:
    for words, path in (
        (("whoami", "get"), "/v1/whoami"),
        (("applications", "list", "--limit", "1"), "/v1/applications?limit=1"),
    ):
        assert run(*words).encode() == builder.get(path).response.content


def test_what_a_command_made_is_what_the_api_shows(builder: Api) -> None:
    made = run("applications", "create", "--slug", "bakery", "--name", "Bakery")
    assert made.encode() == builder.get("/v1/applications/bakery").response.content
    entry = builder.get(f"/v1/audit?resource={json.loads(made)['id']}")["data"][0]
    assert (entry["operation"], entry["edge"]) == ("applications.create", "command")


def test_refusals_are_the_apis_own(builder: Api) -> None:
    code, document = refused("applications", "get", "nothing")
    assert code == 3
    assert document["detail"] == builder.get("/v1/applications/nothing")["detail"]
    assert refused("applications", "create", "--slug", "acorn", "--name", "Again")[0] == 5
    assert refused("applications", "create", "--slug", "A--b", "--name", "x")[0] == 64
    assert refused("keys", "list", "--cursor", "none")[1]["code"] == "cursor_invalid"
    assert refused("organizations", "list", "--expect-tenant", "birch/production")[0] == 5


def test_a_replay_is_a_replay_through_either_door(builder: Api) -> None:
    body = {"slug": "bakery", "name": "Bakery"}
    first = builder.post("/v1/applications", body, idempotency_key="once")
    again = run("applications", "create", "--slug", "bakery", "--name", "Bakery", "--idempotency-key", "once")
    assert again.encode() == first.response.content


def test_a_command_acts_in_an_environment_of_its_organization(builder: Api) -> None:
    assert (
        json.loads(run("whoami", "get", "--in-environment", "acorn/production"))["tenant"]
        == "acorn/production"
    )
    assert refused("whoami", "get", "--in-environment", "birch/production")[0] in (3, 4)


def test_a_viewer_is_refused_with_4(world: World, settings: Any) -> None:
    settings.PACKMULE_KEY = world.builders.viewer_key
    code, document = refused("applications", "create", "--slug", "bakery", "--name", "Bakery")
    assert (code, document["status"]) == (4, 403)

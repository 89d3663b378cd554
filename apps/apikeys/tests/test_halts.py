"""A suspension stops everything that somebody made, at once and everywhere, and lifting it brings exactly that back."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Agent
from apps.apikeys.models import Halt
from apps.apikeys.tests.making import key_for, service_of
from apps.core.ids import decode
from apps.tenancy.walls import enter, outside
from tests.client import Answer, Api
from tests.world import Party, Space, World, promote

WHY = {"reason": "stolen"}
EVERYTHING = {"name": "made", "scopes": ["*"]}
ENVIRONMENT_KEYS = "/v1/applications/acorn/environments/production/keys"


def says(secret: str) -> str:
    """The code that /v1/whoami answers to a key, or 'in'."""
    return Api(secret).get("/v1/whoami").code or "in"


def made(answer: Answer) -> str:
    """The secret of a key that was minted."""
    assert answer.status == 201, answer
    return str(answer["secret"])


def for_service(key: str, party: Party) -> str:
    """A key of the party's service account, minted with `key`."""
    return made(Api(key).post(f"/v1/service-accounts/{party.service}/keys", EVERYTHING))


def suspend(key: str, path: str) -> None:
    """Suspend the principal at `path` with `key`."""
    assert Api(key).post(f"{path}/suspend", WHY).status == 200


def activate(key: str, path: str) -> None:
    """End its suspension."""
    assert Api(key).post(f"{path}/activate", WHY).status == 200


@pytest.fixture
def north(world: World) -> Party:
    return world.acorn.parties["north"]


@pytest.mark.parametrize("kind", ["agent", "service", "person"])
def test_what_a_suspended_principal_minted_stops_and_goes_on_with_it(
    world: World, north: Party, kind: str
) -> None:
    promote(world.acorn, north)
    minted = for_service(getattr(north, f"{kind}_key"), north)
    further = for_service(minted, north)
    room = {"agent": "agents", "service": "service-accounts", "person": "users"}[kind]
    path = f"/v1/{room}/{getattr(north, kind)}"

    suspend(world.acorn.root_key, path)
    assert says(getattr(north, f"{kind}_key")) == "principal_suspended"
    stopped = "principal_suspended" if kind == "service" else "minter_suspended"
    assert (says(minted), says(further)) == (stopped, stopped)
    assert says(world.birch.parties["north"].agent_key) == "in", (
        "the twin has the same ids, in another tenant"
    )

    activate(world.acorn.root_key, path)
    assert (says(minted), says(further)) == ("in", "in")


def test_the_twin_of_a_suspended_minter_minted_on(world: World) -> None:
    """Ids of two tenants are equal; a halt names the one it means."""
    ours, theirs = world.acorn.parties["north"], world.birch.parties["north"]
    minted = for_service(theirs.agent_key, theirs)
    suspend(ours.person_key, f"/v1/agents/{ours.agent}")
    assert says(minted) == "in"


def test_it_reaches_into_the_environments(world: World, north: Party) -> None:
    """A key that a console's agent minted for an environment, and what that one minted there for others."""
    builders = world.builders
    backend = made(Api(builders.agent_key).post(ENVIRONMENT_KEYS, EVERYTHING))
    customer = for_service(backend, north)
    suspend(builders.person_key, f"/v1/agents/{builders.agent}")
    assert (says(backend), says(customer)) == ("minter_suspended", "minter_suspended")
    activate(builders.person_key, f"/v1/agents/{builders.agent}")
    assert (says(backend), says(customer)) == ("in", "in")


def test_nobody_of_an_environment_is_taken_for_a_builder_with_the_same_id(world: World) -> None:
    builders = world.builders
    backend = made(Api(builders.agent_key).post(ENVIRONMENT_KEYS, EVERYTHING))
    further = for_service(backend, world.acorn.parties["north"])
    with enter(world.acorn.ref):
        twin = Agent.objects.create(
            id=decode(builders.agent, "agt"), name="twin", owner_kind="system", owner_name=""
        )
    suspend(world.acorn.root_key, f"/v1/agents/{twin.public_id}")
    assert (says(backend), says(further)) == ("in", "in")


def test_rotating_joins_the_rotator(world: World, north: Party) -> None:
    """Whoever rotated a key knows its secret, so it stops with them."""
    key = key_for(world.acorn, service_of(world.acorn, north)).key
    rotated = Api(north.agent_key).post(f"/v1/keys/{key.public_id}/rotate", {"overlap_seconds": 0})["secret"]
    suspend(north.person_key, f"/v1/agents/{north.agent}")
    assert says(rotated) == "minter_suspended"


def test_rotating_by_somebody_else_takes_nobody_out(world: World, north: Party) -> None:
    minted = Api(north.agent_key).post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)
    rotated = Api(north.person_key).post(f"/v1/keys/{minted['id']}/rotate", {"overlap_seconds": 600})[
        "secret"
    ]
    suspend(north.person_key, f"/v1/agents/{north.agent}")
    assert (says(rotated), says(minted["secret"])) == ("minter_suspended", "minter_suspended")


def test_a_publishable_key_stops_too(world: World, north: Party) -> None:
    asked = EVERYTHING | {"kind": "publishable"}
    public = made(Api(north.agent_key).post(f"/v1/service-accounts/{north.service}/keys", asked))
    suspend(north.person_key, f"/v1/agents/{north.agent}")
    answer = Api().get("/v1/whoami", packmule_key=public)
    assert answer.code == "minter_suspended"


def test_it_does_not_say_who(world: World, north: Party) -> None:
    minted = for_service(north.agent_key, north)
    suspend(north.person_key, f"/v1/agents/{north.agent}")
    text = Api(minted).get("/v1/whoami").response.content.decode()
    assert north.agent not in text
    assert "north's agent" not in text


# --- who answers for an agent ------------------------------------------------------------


def test_an_agent_stops_when_nobody_answers_for_it(world: World, north: Party) -> None:
    promote(world.acorn, north)
    minted = for_service(north.agent_key, north)
    suspend(world.acorn.root_key, f"/v1/users/{north.person}")
    refused = Api(north.agent_key).get("/v1/whoami")
    assert (refused.code, refused["remedy"]["api"]["path"]) == (
        "agent_unanswered",
        f"/v1/agents/{north.agent}/owner",
    )
    assert says(minted) == "minter_suspended"

    taken = Api(north.viewer_key).post(f"/v1/agents/{north.agent}/owner", {"reason": "mine now"})
    assert (taken.status, taken["owner"]["name"]) == (200, "viewer")
    assert (says(north.agent_key), says(minted)) == ("in", "in")

    activate(world.acorn.root_key, f"/v1/users/{north.person}")
    assert says(north.agent_key) == "in"


def test_or_when_its_owner_comes_back(world: World, north: Party) -> None:
    promote(world.acorn, north)
    suspend(world.acorn.root_key, f"/v1/users/{north.person}")
    activate(world.acorn.root_key, f"/v1/users/{north.person}")
    assert says(north.agent_key) == "in"


def test_its_own_suspension_is_not_lifted_by_a_new_owner(world: World, north: Party) -> None:
    suspend(north.person_key, f"/v1/agents/{north.agent}")
    assert Api(north.person_key).post(f"/v1/agents/{north.agent}/owner", WHY).status == 200
    assert says(north.agent_key) == "principal_suspended"


def test_a_builders_agents_in_environments_stop_with_them(world: World) -> None:
    promote(world.console, world.builders)
    builder = Api(world.builders.person_key).sending(packmule_environment="acorn/production")
    agent = builder.post("/v1/agents", {"name": "abroad", "role": "developer"})
    assert agent["owner"]["id"] == world.builders.person
    key = made(Api(world.acorn.root_key).post(f"/v1/agents/{agent['id']}/keys", EVERYTHING))
    suspend(world.console.root_key, f"/v1/users/{world.builders.person}")
    assert says(key) == "agent_unanswered"
    assert says(world.acorn.parties["north"].agent_key) == "in"
    activate(world.console.root_key, f"/v1/users/{world.builders.person}")
    assert says(key) == "in"


def test_a_deleted_service_accounts_agents_wait_for_somebody(world: World, north: Party) -> None:
    agent = Api(north.service_key).post("/v1/agents", {"name": "programmed"})["id"]
    key = made(Api(north.person_key).post(f"/v1/agents/{agent}/keys", EVERYTHING))
    assert Api(north.person_key).delete(f"/v1/service-accounts/{north.service}").status == 204
    assert says(key) == "agent_unanswered"
    assert Api(north.person_key).post(f"/v1/agents/{agent}/owner", WHY).status == 200
    assert says(key) == "in"


def test_nothing_is_left_of_a_suspension_that_ended(world: World, north: Party) -> None:
    promote(world.acorn, north)
    for step in (suspend, activate):
        step(world.acorn.root_key, f"/v1/users/{north.person}")
    with outside():
        assert not Halt.objects.exists()


# --- leaving ------------------------------------------------------------


def remove_viewer(world: World, space: Space, party: Party) -> None:
    """Remove the party's viewer (made an admin before) through the API."""
    path = f"/v1/organizations/{party.id}/members"
    seats: Any = Api(party.person_key).get(path)["data"]
    seat = next(one for one in seats if one["user"]["email"] == f"viewer@{party.slug}.test")
    assert Api(party.person_key).delete(f"{path}/{seat['id']}").status == 204


def test_what_somebody_minted_ends_when_they_leave(world: World) -> None:
    builders = world.builders
    promote(world.console, builders, "admin")
    here = for_service(builders.viewer_key, builders)
    backend = made(Api(builders.viewer_key).post(ENVIRONMENT_KEYS, EVERYTHING))
    customer = for_service(backend, world.acorn.parties["north"])
    others = for_service(builders.person_key, builders)
    remove_viewer(world, world.console, builders)
    assert (says(here), says(backend), says(customer)) == ("key_revoked",) * 3
    assert says(others) == "in"


def test_their_agents_wait_for_somebody_to_take_them_over(world: World) -> None:
    builders = world.builders
    promote(world.console, builders, "admin")
    agent = Api(builders.viewer_key).post("/v1/agents", {"name": "left behind"})["id"]
    key = made(Api(builders.person_key).post(f"/v1/agents/{agent}/keys", EVERYTHING))
    away = Api(builders.viewer_key).sending(packmule_environment="acorn/production")
    abroad = away.post("/v1/agents", {"name": "left abroad"})["id"]
    far_key = made(Api(world.acorn.root_key).post(f"/v1/agents/{abroad}/keys", EVERYTHING))
    remove_viewer(world, world.console, builders)
    assert (says(key), says(far_key)) == ("agent_unanswered", "agent_unanswered")
    person = Api(builders.person_key)
    assert person.post(f"/v1/agents/{agent}/owner", WHY).status == 200
    there = person.sending(packmule_environment="acorn/production")
    assert there.post(f"/v1/agents/{abroad}/owner", WHY)["owner"]["id"] == builders.person
    assert (says(key), says(far_key)) == ("in", "in")

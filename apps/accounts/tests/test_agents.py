"""Agents: somebody answers for each, and none of them makes itself more than it was given."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Agent, ServiceAccount, User
from apps.orgs.models import Membership
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import Party, World

EVERYTHING = {"name": "made", "scopes": ["*"]}
WHY = {"reason": "a test of it"}


@pytest.fixture
def north(world: World) -> Party:
    return world.acorn.parties["north"]


@pytest.fixture
def small(world: World, north: Party) -> Api:
    """An agent of north with the role of a developer, and all scopes."""
    return Api(_agent(north, "developer")["secret"])


def _agent(party: Party, role: str) -> Answer:
    made = Api(party.person_key).post("/v1/agents", {"name": f"a {role}", "role": role})
    key = Api(party.person_key).post(f"/v1/agents/{made['id']}/keys", EVERYTHING)
    assert key.status == 201, key
    return key


def _viewer(world: World, party: Party, role: str) -> str:
    """Give the party's viewer another role; their id."""
    with enter(world.acorn.ref):
        person: User = User.objects.get(email=f"viewer@{party.slug}.test")
        Membership.objects.filter(user=person).update(role=role)
    return person.public_id


# --- who answers ------------------------------------------------------------


def test_a_person_hands_an_agent_to_another(world: World, north: Party) -> None:
    other = _viewer(world, north, "admin")
    answer = Api(north.person_key).post(f"/v1/agents/{north.agent}/owner", {"user": other, **WHY})
    assert answer["owner"] == {"kind": "user", "id": other, "name": "viewer"}
    assert Api(north.agent_key).get("/v1/whoami")["owner"]["id"] == other


def test_or_to_a_service_account(world: World, north: Party) -> None:
    body = {"service_account": north.service, **WHY}
    assert Api(north.person_key).post(f"/v1/agents/{north.agent}/owner", body)["owner"]["id"] == north.service
    assert (
        Api(world.acorn.root_key).post(f"/v1/agents/{north.agent}/owner", WHY)["owner"]["id"]
        == world.acorn.root
    )


@pytest.mark.parametrize("who", ["itself", "what it minted", "another agent", "a service account"])
def test_no_agent_decides_who_answers(world: World, north: Party, who: str) -> None:
    minted = Api(north.agent_key).post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)["secret"]
    keys = {
        "itself": north.agent_key,
        "what it minted": minted,
        "another agent": _agent(north, "admin")["secret"],
        "a service account": north.service_key,
    }
    for body in (WHY, {"user": north.person, **WHY}, {"service_account": north.service, **WHY}):
        assert Api(keys[who]).post(f"/v1/agents/{north.agent}/owner", body).code == "answering_refused"


@pytest.mark.parametrize("wrong", ["a viewer", "a stranger", "a suspended one", "south's", "two at once"])
def test_who_cannot_answer_is_refused(world: World, north: Party, wrong: str) -> None:
    south = world.acorn.parties["south"]
    viewer = _viewer(world, north, "admin" if wrong == "a suspended one" else "viewer")
    if wrong == "a suspended one":
        assert Api(world.acorn.root_key).post(f"/v1/users/{viewer}/suspend", WHY).status == 200
    body: dict[str, Any] = {
        "a viewer": {"user": viewer},
        "a stranger": {"user": world.acorn.stranger},
        "a suspended one": {"user": viewer},
        "south's": {"user": south.person},
        "two at once": {"user": north.person, "service_account": north.service},
    }[wrong]
    code = {"south's": "not_found", "two at once": "principal_ambiguous"}.get(wrong, "owner_unfit")
    answer = Api(world.acorn.root_key if wrong == "a stranger" else north.person_key).post(
        f"/v1/agents/{north.agent}/owner", body | WHY
    )
    assert answer.code == code, answer


def test_who_could_not_give_its_role_does_not_take_an_agent_over(world: World, north: Party) -> None:
    _viewer(world, north, "developer")
    answer = Api(north.viewer_key).post(f"/v1/agents/{north.agent}/owner", WHY)
    assert answer.code == "role_exceeds_own"


# --- no agent widens itself ------------------------------------------------------------


def test_it_gives_itself_no_role(world: World, north: Party, small: Api) -> None:
    itself = small.get("/v1/whoami")["actor"]["id"]
    assert small.patch(f"/v1/agents/{itself}", {"role": "viewer"}).code == "self_widening"
    assert small.patch(f"/v1/agents/{itself}", {"role": "admin"}).status == 403


def test_it_does_not_say_what_it_is_for(world: World, north: Party, small: Api) -> None:
    itself = small.get("/v1/whoami")["actor"]["id"]
    assert small.patch(f"/v1/agents/{itself}", {"purpose": "anything at all"}).code == "self_widening"
    assert small.patch(f"/v1/agents/{itself}", {"name": "renamed"}).status == 200


@pytest.mark.parametrize("room", ["agents", "service-accounts"])
def test_it_makes_nobody_with_a_higher_role(world: World, small: Api, room: str) -> None:
    assert small.post(f"/v1/{room}", {"name": "more", "role": "admin"}).code == "role_exceeds_own"
    made = small.post(f"/v1/{room}", {"name": "as much", "role": "developer"})
    assert made.status == 201
    assert small.patch(f"/v1/{room}/{made['id']}", {"role": "admin"}).code == "role_exceeds_own"


def test_it_gets_no_key_of_who_is_more(world: World, north: Party, small: Api) -> None:
    for path in (f"/v1/service-accounts/{north.service}/keys", f"/v1/agents/{north.agent}/keys"):
        assert small.post(path, EVERYTHING).status == 403
    key = Api(north.person_key).post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)
    assert small.post(f"/v1/keys/{key['id']}/rotate", {"overlap_seconds": 0}).status == 403


def test_it_gets_no_identity_of_another_persons_agent(world: World, north: Party) -> None:
    _viewer(world, north, "admin")
    theirs = Api(north.viewer_key).post("/v1/agents", {"name": "theirs", "role": "viewer"})["id"]
    through = Api(north.agent_key).post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)["secret"]
    for key in (north.agent_key, through):
        assert Api(key).post(f"/v1/agents/{theirs}/keys", EVERYTHING).code == "minting_refused"


def test_it_mints_no_key_of_a_person(world: World, north: Party) -> None:
    """Only people mint for themselves, and an agent of an organization makes none whom it could be."""
    agent = Api(north.agent_key)
    assert agent.post("/v1/users", {"email": "puppet@attack.test"}).code == "directory_of_tenant"
    with enter(world.acorn.ref):
        assert not User.objects.filter(email="puppet@attack.test").exists()
    assert agent.post("/v1/keys", EVERYTHING | {"user": north.person}).code == "validation_failed"


def test_a_suspended_one_gets_nobody_to_lift_it(world: World, north: Party) -> None:
    agent = Api(north.agent_key)
    through = agent.post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)["secret"]
    other = agent.post("/v1/agents", {"name": "made by it", "role": "admin"})["id"]
    others = agent.post(f"/v1/agents/{other}/keys", EVERYTHING)["secret"]
    assert Api(north.person_key).post(f"/v1/agents/{north.agent}/suspend", WHY).status == 200
    for key in (north.agent_key, through, others):
        assert Api(key).post(f"/v1/agents/{north.agent}/activate", WHY).status == 401


@pytest.mark.parametrize("room", ["agents", "service-accounts"])
def test_it_frees_nobody_whom_somebody_suspended(world: World, north: Party, room: str) -> None:
    """It may suspend others, and whoever lifts that is a person, or a program in which no agent has a part."""
    person, agent = Api(north.person_key), Api(north.agent_key)
    through = agent.post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)["secret"]
    path = f"/v1/{room}/{person.post(f'/v1/{room}', {'name': 'other'})['id']}"
    for suspends in (person, agent):
        assert suspends.post(f"{path}/suspend", WHY).status == 200
        for key in (north.agent_key, through):
            refused = Api(key).post(f"{path}/activate", WHY)
            assert (refused.status, refused.code) == (403, "peer_widening")
            assert refused["remedy"]["api"]["path"] == f"{path}/activate"
        assert person.get(path)["status"] == "suspended"
        assert person.post(f"{path}/activate", WHY)["status"] == "active"


def test_it_does_not_say_what_another_one_is_for(world: World, north: Party) -> None:
    person, agent = Api(north.person_key), Api(north.agent_key)
    path = f"/v1/agents/{person.post('/v1/agents', {'name': 'other', 'purpose': 'Answers mails'})['id']}"
    through = agent.post(f"/v1/service-accounts/{north.service}/keys", EVERYTHING)["secret"]
    for key in (north.agent_key, through):
        assert Api(key).patch(path, {"purpose": "Pays bills"}).code == "peer_widening"
        assert Api(key).patch(path, {"name": "another name"}).status == 200
    assert person.get(path)["purpose"] == "Answers mails"
    assert person.patch(path, {"purpose": "Pays bills"}).status == 200


def test_what_it_makes_answers_to_its_own_owner(world: World, north: Party) -> None:
    made = Api(north.agent_key).post("/v1/agents", {"name": "its own"})
    assert made["owner"]["id"] == north.person
    away = Api(world.builders.agent_key).sending(packmule_environment="acorn/production")
    abroad = away.post("/v1/agents", {"name": "abroad"})
    assert abroad["owner"]["id"] == world.builders.person
    with enter(world.acorn.ref):
        homes = dict(Agent.objects.values_list("name", "owner_home_id"))
        assert (homes["its own"], homes["abroad"]) == (None, world.console.ref.id)
        assert ServiceAccount.objects.filter(role="owner").count() == 1


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="an agent that may invite invites an address whose mailbox it reads, and signs in as a person of its role",
)
def test_an_agent_makes_no_person_who_decides(world: World) -> None:
    """In the console, where people approve what agents may not."""
    body = {"email": "puppet@attack.test", "role": "admin"}
    path = f"/v1/organizations/{world.builders.id}/invitations"
    assert Api(world.builders.agent_key).post(path, body).status == 403

"""Clients end with whoever registered them, and what a program made ends with what let it in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from apps.accounts.models import User
from apps.accounts.oauth.models import OAuthClient
from apps.core import clock
from apps.core.strictjson import timestamp
from apps.orgs.models import Membership
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.oauth import Program, give, register
from tests.sessions import begin_session, session_token
from tests.world import Party, Space, World, promote

PATH = "/v1/oauth-clients"
NIGHTLY = {"name": "Nightly", "grants": ["client_credentials"], "scopes": ["users:read"]}
WEBSITE = {"name": "Board", "redirect_uris": ["https://board.example.com/"], "scopes": ["users:read"]}
KEY = {"name": "made", "scopes": ["users:read"]}


@pytest.fixture
def north(world: World) -> Party:
    return world.acorn.parties["north"]


@pytest.fixture
def app(world: World, north: Party) -> OAuthClient:
    """A program of somebody else's, which people of north may let in."""
    with enter(world.acorn.ref):
        return register(north, secret="s")


def signed_in(api: Api, space: Space, token: str) -> Api:
    """A person by their session: no key is behind what they make."""
    return api.using(None).on(space.host).sending(x_session_token=token)


def viewer_of(api: Api, space: Space, party: Party) -> Api:
    """The party's viewer, an admin now, by their session."""
    promote(space, party, "admin")
    with enter(space.ref):
        viewer = User.objects.get(email=f"viewer@{party.slug}.test")
    return signed_in(api, space, begin_session(space, viewer))


def remove_viewer(api: Api, party: Party) -> None:
    """Remove the party's viewer from its organization."""
    owner, path = api.using(party.person_key), f"/v1/organizations/{party.id}/members"
    seats: list[dict[str, Any]] = owner.get(path)["data"]
    seat = next(one["id"] for one in seats if one["user"]["email"].startswith("viewer@"))
    assert owner.delete(f"{path}/{seat}").status == 204


def registered(by: Api, party: Party, **fields: Any) -> Answer:
    """A client of the party's service account, registered by somebody."""
    made = by.post(PATH, {**NIGHTLY, "service_account": party.service, **fields})
    assert made.status == 201, made
    return made


def says(world: World, made: Any) -> str:
    """The error that the token endpoint answers to a client, or 'in'."""
    answer = Program(world.acorn, made["id"], made["secret"]).token("client_credentials")
    return str(answer.get("error", "in"))


# Whoever registered it.


def test_it_ends_when_its_registrar_leaves(world: World, api: Api, north: Party) -> None:
    promote(world.acorn, north)
    person = signed_in(api, world.acorn, session_token(world.acorn, north))
    made, website = registered(person, north), person.post(PATH, WEBSITE)
    token = Program(world.acorn, made["id"], made["secret"]).token("client_credentials")["access_token"]
    others = registered(api.using(world.acorn.root_key), north)
    assert person.post(f"/v1/organizations/{north.id}/leave").status == 204
    assert (says(world, made), says(world, others)) == ("invalid_client", "in")
    assert api.using(token).get("/v1/users").code == "client_stopped"
    ended = api.using(north.viewer_key).get(f"{PATH}/{website['id']}")["ends_at"]
    assert datetime.fromisoformat(ended) <= clock.now()


def test_and_when_they_are_removed(world: World, api: Api, north: Party) -> None:
    """From that organization alone: what they registered in another one goes on."""
    south = world.acorn.parties["south"]
    admin = viewer_of(api, world.acorn, north)
    with enter(world.acorn.ref):
        viewer = User.objects.get(email="viewer@north.test")
        Membership.objects.create(organization_id=south.uuid, user=viewer, role="admin")
    made = registered(admin.sending(packmule_organization=north.id), north)
    elsewhere = registered(admin.sending(packmule_organization=south.id), south)
    assert [(one["kind"], one["name"]) for one in made["registered_by"]] == [("user", "viewer")]
    remove_viewer(api, north)
    assert (says(world, made), says(world, elsewhere)) == ("invalid_client", "in")


def test_a_secret_that_somebody_knows_ends_with_them(world: World, api: Api, north: Party) -> None:
    made = registered(api.using(world.acorn.root_key), north)
    rotated = viewer_of(api, world.acorn, north).post(f"{PATH}/{made['id']}/rotate-secret")
    assert [one["kind"] for one in rotated["registered_by"]] == ["service_account", "user"]
    assert says(world, rotated) == "in"
    remove_viewer(api, north)
    assert says(world, rotated) == "invalid_client"


def test_what_a_builder_registered_in_an_environment_ends_when_they_leave_its_owner(
    world: World, api: Api, north: Party
) -> None:
    builder = viewer_of(api, world.console, world.builders)
    away = builder.sending(packmule_environment=world.acorn.name)
    made, others = registered(away, north), registered(api.using(world.acorn.root_key), north)
    remove_viewer(api, world.builders)
    assert (says(world, made), says(world, others)) == ("invalid_client", "in")


def test_what_a_deleted_agents_token_registered_ends_with_it(world: World, api: Api, north: Party) -> None:
    person = signed_in(api, world.acorn, session_token(world.acorn, north))
    first = person.post(PATH, {**NIGHTLY, "scopes": ["*"], "agent": north.agent})
    token = Program(world.acorn, first["id"], first["secret"]).token("client_credentials")["access_token"]
    second = registered(api.using(token), north)
    assert says(world, second) == "in"
    assert person.delete(f"/v1/agents/{north.agent}").status == 204
    assert says(world, second) == "invalid_client"


def test_what_was_registered_through_a_delegation_ends_with_it(world: World, api: Api, north: Party) -> None:
    person = api.using(north.person_key)
    end = timestamp(clock.now() + timedelta(days=1))
    body = {"actor": north.agent, "scopes": ["oauth-clients:write", "users:read"], "expires_at": end}
    given = person.post("/v1/delegations", body)
    agent = api.using(_token_of_agent(world, api, north))
    made = registered(agent.sending(packmule_on_behalf_of=north.person), north)
    assert says(world, made) == "in"
    assert person.delete(f"/v1/delegations/{given['id']}").status == 204
    assert says(world, made) == "invalid_client"


def _token_of_agent(world: World, api: Api, north: Party) -> str:
    """A token of north's agent behind which there is no key."""
    person = signed_in(api, world.acorn, session_token(world.acorn, north))
    made = person.post(PATH, {**NIGHTLY, "scopes": ["*"], "agent": north.agent})
    program = Program(world.acorn, made["id"], made["secret"])
    return str(program.token("client_credentials")["access_token"])


# What let a program in.


def test_what_a_program_makes_ends_with_its_token_at_the_latest(world: World, api: Api, north: Party) -> None:
    token = give(world.acorn, ["*"], user=north.person)
    end = api.using(token).get("/v1/whoami")["credential"]["expires_at"]
    key = api.using(token).post("/v1/keys", {**KEY, "service_account": north.service})
    assert (registered(api.using(token), north)["ends_at"], key["expires_at"]) == (end, end)


class Made:
    """What a program made with the token of north's person, and a key of theirs that it gave a new secret."""

    def __init__(self, world: World, api: Api, token: str) -> None:
        self.world, self.api, north = world, api, world.acorn.parties["north"]
        program = api.using(token)
        self.client = registered(program, north)
        self.website = program.post(PATH, WEBSITE)
        self.key = program.post("/v1/keys", {**KEY, "service_account": north.service})
        old = api.using(north.person_key).post("/v1/keys", KEY)
        self.rotated = program.post(f"/v1/keys/{old['id']}/rotate")
        assert self.rotated.status == 200, self.rotated

    def says(self) -> list[str]:
        """What each of them is told now."""
        keys = [
            self.api.using(key["secret"]).get("/v1/whoami").code or "in" for key in (self.key, self.rotated)
        ]
        website = self.api.using(self.world.acorn.root_key).get(f"{PATH}/{self.website['id']}")
        return [says(self.world, self.client), "ended" if website["ends_at"] else "in", *keys]


ALL_IN, ALL_OVER = ["in"] * 4, ["invalid_client", "ended", "key_revoked", "key_revoked"]


def test_what_a_program_made_ends_with_the_consent(
    world: World, api: Api, north: Party, app: OAuthClient
) -> None:
    made = Made(world, api, give(world.acorn, ["*"], user=north.person, client=app.public_id))
    others = Made(world, api, give(world.acorn, ["*"], user=north.person))
    assert (made.says(), others.says()) == (ALL_IN, ALL_IN)
    person = api.using(north.person_key)
    consent = next(one for one in person.get("/v1/oauth-grants")["data"] if one["client"] == app.public_id)
    assert person.delete(f"/v1/oauth-grants/{consent['id']}").status == 204
    assert (made.says(), others.says()) == (ALL_OVER, ALL_IN)


def test_and_with_the_program(world: World, api: Api, north: Party, app: OAuthClient) -> None:
    made = Made(world, api, give(world.acorn, ["*"], user=north.person, client=app.public_id))
    others = Made(world, api, give(world.acorn, ["*"], user=north.person))
    assert api.using(world.acorn.root_key).delete(f"{PATH}/{app.public_id}").status == 204
    assert (made.says(), others.says()) == (ALL_OVER, ALL_IN)


def test_what_was_made_in_an_environment_with_a_builders_token_ends_too(
    world: World, api: Api, north: Party
) -> None:
    token = give(world.console, ["*"], user=world.builders.person)
    made = registered(api.using(token).sending(packmule_environment=world.acorn.name), north)
    assert says(world, made) == "in"
    builder = api.using(world.builders.person_key)
    (consent,) = builder.get("/v1/oauth-grants")["data"]
    assert builder.delete(f"/v1/oauth-grants/{consent['id']}").status == 204
    assert says(world, made) == "invalid_client"


# In person.


def test_a_program_is_not_the_person(world: World, api: Api, north: Party) -> None:
    """Neither another's nor the command line: it hands on nothing, answers no request and gives nothing away."""
    promote(world.acorn, north, "admin")
    program = api.using(give(world.acorn, ["*"], user=north.person))
    wanted = {"scopes": ["users:read"], "expires_at": timestamp(clock.now() + timedelta(days=1))}
    given = program.post("/v1/delegations", {**wanted, "actor": north.service})
    assert given.code == "delegation_not_in_person"
    ask = {**wanted, "of": north.person, "purpose": "To look"}
    asked = api.using(north.agent_key).post("/v1/delegations/requests", ask)
    for answer in ("approve", "deny"):
        refused = program.post(f"/v1/delegations/{asked['id']}/{answer}")
        assert refused.code == "delegation_not_in_person"
    members = api.using(north.person_key).get(f"/v1/organizations/{north.id}/members")["data"]
    heir = next(one["id"] for one in members if one["user"]["email"] == "viewer@north.test")
    transfer = program.post(
        f"/v1/organizations/{north.id}/transfer", {"membership": heir, "reason": "hers now"}
    )
    assert transfer.code == "person_needed", transfer

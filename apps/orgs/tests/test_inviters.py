"""Who invites: nobody climbs by an invitation, and none outlives what its inviter may do, or invited by."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys.tests.making import change_index
from apps.core import clock
from apps.core.ids import decode
from apps.core.strictjson import timestamp
from apps.orgs import errors
from apps.orgs.joining import accept
from apps.orgs.tests.post import STRANGER, Post, change, invited, joined, key_of, one
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import give, register
from tests.world import World


@pytest.mark.parametrize("who", ["agent_key", "service_key"])
def test_a_machine_invites_within_its_role(world: World, api: Api, post: Post, who: str) -> None:
    north = world.acorn.parties["north"]
    me = api.using(str(getattr(north, who)))
    assert (
        me.post(f"{one(north)}/invitations", {"email": STRANGER, "role": "owner"}).code == "role_exceeds_own"
    )
    invited(me, north, role="admin")
    accepted = api.using(world.acorn.stranger_key).post("/v1/invitations/accept", {"token": post.token})
    assert accepted["role"] == "admin"


def test_a_narrow_key_invites_viewers_alone(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    narrow = api.using(key_of(world.acorn, north.person, ("invitations:write",)))
    refused = narrow.post(f"{one(north)}/invitations", {"email": STRANGER, "role": "admin"})
    assert (refused.status, refused.code) == (403, "credential_too_narrow")
    invited(narrow, north)


def test_a_lesser_role_neither_sends_nor_takes_back_a_higher_invitation(
    world: World, api: Api, post: Post
) -> None:
    north = world.acorn.parties["north"]
    path = f"{one(north)}/invitations/{invited(api.using(north.person_key), north, role='owner')}"
    change(world, sent_at=clock.now() - timedelta(minutes=2))
    admin = api.using(north.agent_key)
    assert admin.post(f"{path}/resend").code == "role_exceeds_own"
    assert admin.delete(path).code == "role_exceeds_own"
    assert api.using(north.viewer_key).get(path).status == 200
    assert api.using(north.viewer_key).delete(path).code == "role_missing"


@pytest.mark.parametrize("what", ["removed", "suspended", "lowered"])
def test_an_inviter_who_is_no_more_what_they_were_makes_it_void(
    world: World, api: Api, post: Post, what: str
) -> None:
    north = world.acorn.parties["north"]
    seat, key = joined(world.acorn, north, "boss@north.test", "admin")
    invited(api.using(key), north, role="admin")
    owner, path = api.using(north.person_key), f"{one(north)}/members/{seat}"
    if what == "removed":
        owner.delete(path)
    elif what == "lowered":
        owner.patch(path, {"role": "developer"})
    else:
        boss = owner.get(path)["user"]["id"]
        assert (
            api.using(world.acorn.root_key).post(f"/v1/users/{boss}/suspend", {"reason": "x"}).status == 200
        )
    stranger = api.using(world.acorn.stranger_key)
    for verb in ("preview", "accept"):
        refused = stranger.post(f"/v1/invitations/{verb}", {"token": post.token})
        assert (refused.status, refused.code) == (409, "invitation_void")
    change(world, sent_at=clock.now() - timedelta(minutes=2))
    invitation = owner.get(f"{one(north)}/invitations")["data"][0]["id"]
    assert owner.post(f"{one(north)}/invitations/{invitation}/resend").status == 200
    assert stranger.post("/v1/invitations/accept", {"token": post.token}).status == 200, (
        "the owner vouches now"
    )


@pytest.mark.parametrize("what", ["removed", "suspended", "lowered"])
def test_so_does_a_machine(world: World, api: Api, post: Post, what: str) -> None:
    north = world.acorn.parties["north"]
    invited(api.using(north.agent_key), north, role="admin")
    with enter(world.acorn.ref):
        agent = Agent.objects.filter(pk=decode(north.agent, "agt"))
        if what == "removed":
            Agent.objects.filter(pk=decode(north.agent, "agt")).delete()
        else:
            agent.update(**({"role": "viewer"} if what == "lowered" else {"status": "suspended"}))
    refused = api.using(world.acorn.stranger_key).post("/v1/invitations/accept", {"token": post.token})
    assert refused.code == "invitation_void"


def test_a_role_that_was_widened_meanwhile_is_beyond_the_inviter(world: World, api: Api, post: Post) -> None:
    """Who invited as a helper did not invite as what the helper's role has become."""
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    body = {"slug": "helper", "name": "Helper", "permissions": ["agents:read"]}
    role = owner.post(f"{one(north)}/roles", body)["id"]
    lead = {"slug": "lead", "name": "Lead", "permissions": ["agents:read", "invitations:write"]}
    owner.post(f"{one(north)}/roles", lead)
    _, key = joined(world.acorn, north, "lead@north.test", "lead")
    invited(api.using(key), north, role="helper")
    owner.patch(f"{one(north)}/roles/{role}", {"permissions": ["agents:write"]})
    refused = api.using(world.acorn.stranger_key).post("/v1/invitations/accept", {"token": post.token})
    assert refused.code == "invitation_void"


def test_a_backend_invites_the_first_owner_and_no_further_one(world: World, api: Api, post: Post) -> None:
    root = api.using(world.acorn.root_key)
    backend = root.post("/v1/service-accounts", {"name": "Backend", "role": "admin"})["id"]
    key = {"name": "backend", "scopes": ["*"], "expires_in_days": 1}
    me = api.using(root.post(f"/v1/service-accounts/{backend}/keys", key)["secret"])
    path = f"/v1/organizations/{me.post('/v1/organizations', {'name': 'East'})['id']}"
    assert me.post(f"{path}/invitations", {"email": STRANGER, "role": "owner"}).status == 201
    first = post.token
    assert me.post(f"{path}/invitations", {"email": "other@far.test", "role": "owner"}).status == 201
    stranger = api.using(world.acorn.stranger_key)
    assert stranger.post("/v1/invitations/accept", {"token": first})["role"] == "owner"
    with enter(world.acorn.ref), transaction.atomic(), pytest.raises(errors.InvitationVoid):
        accept(User.objects.create_user("other@far.test"), post.token)
    with enter(world.acorn.ref):
        ServiceAccount.objects.filter(name="Backend").update(status="suspended")


def test_a_builder_invites_into_a_customer_while_they_are_in_the_company(
    world: World, api: Api, post: Post
) -> None:
    north, company = world.acorn.parties["north"], world.builders
    seat, key = joined(world.console, company, "colleague@acorn.test", "admin")
    away = api.using(key).sending(packmule_environment=world.acorn.name)
    invited(away, north, role="admin")
    stranger = api.using(world.acorn.stranger_key)
    assert stranger.post("/v1/invitations/preview", {"token": post.token}).status == 200
    assert api.using(company.person_key).delete(f"{one(company)}/members/{seat}").status == 204
    assert stranger.post("/v1/invitations/accept", {"token": post.token}).code == "invitation_void"


# What they invited by.


def accepting(world: World, post: Post) -> str:
    """What the stranger is told who takes the newest invitation; '' for a seat."""
    return str(Api(world.acorn.stranger_key).post("/v1/invitations/accept", {"token": post.token}).code)


def test_an_agent_for_whom_nobody_answers_lets_nobody_in(world: World, api: Api, post: Post) -> None:
    """Its own status stays what it was; it is halted with its owner."""
    north, root = world.acorn.parties["north"], api.using(world.acorn.root_key)
    joined(world.acorn, north, "boss@north.test", "admin")
    with enter(world.acorn.ref):
        boss = User.objects.get(email="boss@north.test")
        Agent.objects.filter(pk=decode(north.agent, "agt")).update(owner_id=boss.pk)
    invited(api.using(north.agent_key), north, role="admin")
    path = f"/v1/users/{boss.public_id}"
    assert root.post(f"{path}/suspend", {"reason": "gone"}).status == 200
    assert root.get(f"/v1/agents/{north.agent}")["status"] == "active"
    assert accepting(world, post) == "invitation_void"
    assert root.post(f"{path}/activate", {"reason": "back"}).status == 200
    assert accepting(world, post) == ""


def test_nor_does_a_machine_through_a_key_whose_minter_is_suspended(
    world: World, api: Api, post: Post
) -> None:
    north = world.acorn.parties["north"]
    owner, agent = api.using(north.person_key), api.using(north.agent_key)
    path = f"/v1/service-accounts/{north.service}/keys"
    key = agent.post(path, {"name": "through", "scopes": ["*"]})["secret"]
    invited(api.using(key), north, role="admin")
    assert owner.post(f"/v1/agents/{north.agent}/suspend", {"reason": "odd"}).status == 200
    assert accepting(world, post) == "invitation_void"


def test_an_invitation_ends_with_the_key_that_sent_it(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    invitation = invited(api.using(north.agent_key), north, role="admin")
    leaked = api.using(None).post("/v1/leaked-keys", {"keys": [{"key": north.agent_key}]})
    assert leaked["revoked"] == 1
    assert accepting(world, post) == "invitation_void"
    change(world, sent_at=clock.now() - timedelta(minutes=2))
    assert owner.post(f"{one(north)}/invitations/{invitation}/resend").status == 200
    assert accepting(world, post) == "", "the owner vouches now, by a key that is alive"


def test_a_key_that_expired_vouched_while_it_lived(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    key = api.using(north.person_key).post("/v1/keys", {"name": "short", "scopes": ["*"]})
    invited(api.using(key["secret"]), north, role="admin")
    change_index(decode(key["id"], "key"), expires_at=clock.now())
    assert api.using(key["secret"]).get("/v1/whoami").code == "key_expired"
    assert accepting(world, post) == ""


def test_an_invitation_ends_with_the_delegation_through_which_it_was_sent(
    world: World, api: Api, post: Post
) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    body = {"actor": north.agent, "scopes": ["invitations:write"], "expires_at": tomorrow()}
    given = owner.post("/v1/delegations", body)["id"]
    acting = api.using(north.agent_key).sending(packmule_on_behalf_of=north.person)
    invited(acting, north)
    assert owner.delete(f"/v1/delegations/{given}").status == 204
    assert accepting(world, post) == "invitation_void"


def test_and_with_what_a_program_was_let_do(world: World, api: Api, post: Post) -> None:
    """The program acted as the owner, who can still give every role."""
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    with enter(world.acorn.ref):
        program = register(None)
    token = give(world.acorn, ["*"], user=north.person, client=program.public_id)
    invited(api.using(token), north, role="admin")
    (grant,) = owner.get("/v1/oauth-grants")["data"]
    assert owner.delete(f"/v1/oauth-grants/{grant['id']}").status == 204
    assert accepting(world, post) == "invitation_void"


def tomorrow() -> str:
    return timestamp(clock.now() + timedelta(days=1))

"""Invitations: how people come into an organization, and what a link is not good for."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.core import mail
from django.db import connections, transaction

from apps.accounts.models import User
from apps.core import clock
from apps.core.ids import decode
from apps.orgs import errors
from apps.orgs.joining import accept, peek_invitation
from apps.orgs.models import Invitation, Membership, TeamMember
from apps.orgs.tests.post import STRANGER, Post, change, invited, joined, key_of, one
from apps.tenancy.walls import NO_ORGANIZATION, enter
from tests.client import Api
from tests.sweep.traces import texts_of
from tests.world import World

# The way in.


def test_somebody_with_an_account_is_invited_and_joins(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    team = owner.post(f"{one(north)}/teams", {"slug": "kitchen", "name": "Kitchen"})["id"]
    made = owner.post(
        f"{one(north)}/invitations", {"email": "Stranger@Nowhere.test", "role": "developer", "teams": [team]}
    )
    assert (made.status, made["email"], made["status"], made["teams"]) == (201, STRANGER, "pending", [team])
    assert made["inviter"]["kind"] == "user"
    to, mailed = post.sent[0]
    assert (to, mailed["organization"], mailed["role"], mailed["days"]) == (
        STRANGER,
        "North",
        "Developer",
        "7",
    )
    assert mailed["link"].startswith(f"http://{world.acorn.host}")
    assert mailed["link"].endswith(f"/accounts/invitations/{post.token}/")

    stranger = api.using(world.acorn.stranger_key)
    accepted = stranger.post("/v1/invitations/accept", {"token": post.token})
    assert (accepted.status, accepted["role"], accepted["organization"]["slug"]) == (
        200,
        "developer",
        "north",
    )
    assert stranger.get("/v1/whoami")["organization"]["id"] == north.id
    assert owner.get(f"{one(north)}/invitations/{made['id']}")["status"] == "accepted"
    with enter(world.acorn.ref):
        assert TeamMember.objects.get().membership.public_id == accepted["id"]
    told = owner.get(f"/v1/audit?resource={accepted['id']}")["data"][0]
    assert (told["operation"], told["actor"]["id"]) == ("invitations.accept", world.acorn.stranger)


def test_the_token_is_in_the_mail_and_nowhere_else(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    answer = owner.post(f"{one(north)}/invitations", {"email": STRANGER}, idempotency_key="once")
    listed = owner.get(f"{one(north)}/invitations")
    kept = texts_of(world.acorn)
    assert len(post.token) >= 43
    for text in (answer.response.content.decode(), listed.response.content.decode(), kept):
        assert post.token not in text
        assert post.token.encode().hex() not in text
    assert hashlib.sha256(post.token.encode()).hexdigest() in kept


def test_the_mail_leaves_when_the_invitation_is_there(
    world: World, api: Api, django_capture_on_commit_callbacks: Any
) -> None:
    north = world.acorn.parties["north"]
    with django_capture_on_commit_callbacks(execute=True):
        invited(api.using(north.person_key), north)
    assert [one.to for one in mail.outbox] == [[STRANGER]]
    assert f"{world.acorn.host}" in mail.outbox[0].body


def test_a_preview_shows_what_is_offered_and_half_of_the_address(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    invited(api.using(north.person_key), north)
    body = {"token": post.token}
    for caller in (api.using(world.acorn.publishable_key), api.using(north.viewer_key)):
        shown = caller.post("/v1/invitations/preview", body)
        assert (shown.status, shown["organization"], shown["role"]) == (200, {"name": "North"}, "viewer")
        assert (shown["inviter"]["name"], shown["email"]) == ("owner", "s***@n***.test")
    assert (
        api.using(world.acorn.publishable_key).post("/v1/invitations/accept", body).code
        == "secret_key_needed"
    )


def test_a_new_person_joins_as_they_sign_up(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    invited(api.using(north.person_key), north, email="new@far.test")
    with enter(world.acorn.ref, NO_ORGANIZATION), transaction.atomic():
        assert peek_invitation(post.token).email == "new@far.test"
        assert peek_invitation(post.token).organization.name == "North"
    with enter(world.acorn.ref), transaction.atomic():
        other = User.objects.create_user("other@far.test")
        with pytest.raises(errors.InvitationForAnother):
            accept(other, post.token)
        seat = accept(User.objects.create_user("New@far.test"), post.token)
        assert (seat.role, seat.organization.slug) == ("viewer", "north")
        with pytest.raises(errors.InvitationUsed):
            peek_invitation(post.token)


def test_the_answer_tells_not_whether_there_is_an_account(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    answers = [
        owner.post(f"{one(north)}/invitations", {"email": to}).body for to in (STRANGER, "no@where.test")
    ]
    for answer in answers:
        for name in ("id", "email", "sent_at", "expires_at", "created_at"):
            del answer[name]
    assert answers[0] == answers[1]


def test_who_is_a_member_already_stays_what_they_are(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    refused = owner.post(f"{one(north)}/invitations", {"email": "viewer@north.test", "role": "admin"})
    assert refused.code == "already_member"
    invited(owner, north, role="admin")
    api.using(world.acorn.root_key).post(
        f"{one(north)}/members", {"user": world.acorn.stranger, "role": "viewer"}
    )
    accepted = api.using(world.acorn.stranger_key).post("/v1/invitations/accept", {"token": post.token})
    assert (accepted.status, accepted["role"]) == (200, "viewer")


def test_one_open_invitation_for_each_address(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    first = invited(owner, north)
    again = owner.post(f"{one(north)}/invitations", {"email": STRANGER.upper()})
    assert (again.status, again.code, again["invitation"]) == (409, "invitation_pending", first)
    change(world, expires_at=clock.now() - timedelta(seconds=1))
    second = invited(owner, north)
    standings = {row["id"]: row["status"] for row in owner.get(f"{one(north)}/invitations")["data"]}
    assert standings == {first: "expired", second: "pending"}
    pending = owner.get(f"{one(north)}/invitations?status=pending")["data"]
    assert [row["id"] for row in pending] == [second]


@pytest.mark.parametrize(("days", "status"), [(0, 422), (1, 201), (30, 201), (31, 422)])
def test_for_how_long(world: World, api: Api, post: Post, days: int, status: int) -> None:
    north = world.acorn.parties["north"]
    body = {"email": STRANGER, "expires_in_days": days}
    assert api.using(north.person_key).post(f"{one(north)}/invitations", body).status == status


def test_sending_again_ends_the_earlier_link(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner, stranger = api.using(north.person_key), api.using(world.acorn.stranger_key)
    path = f"{one(north)}/invitations/{invited(owner, north)}/resend"
    earlier = post.token
    hasty = owner.post(path)
    assert (hasty.status, hasty.code) == (429, "invitation_just_sent")
    assert 0 < int(hasty.headers["Retry-After"]) <= 60
    change(world, sent_at=clock.now() - timedelta(minutes=2), expires_at=clock.now() - timedelta(minutes=1))
    again = owner.post(path, {"expires_in_days": 3}, if_match='"v1"')
    assert (again.status, again["status"], again["version"]) == (200, "pending", 2)
    assert post.token != earlier
    assert stranger.post("/v1/invitations/accept", {"token": earlier}).code == "invitation_unknown"
    assert stranger.post("/v1/invitations/accept", {"token": post.token}).status == 200


# What a link is not good for.


def test_a_link_works_once(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner, stranger = api.using(north.person_key), api.using(world.acorn.stranger_key)
    invited(owner, north)
    seat = stranger.post("/v1/invitations/accept", {"token": post.token})["id"]
    assert owner.delete(f"{one(north)}/members/{seat}").status == 204
    for verb in ("accept", "decline", "preview"):
        replayed = stranger.post(f"/v1/invitations/{verb}", {"token": post.token})
        assert (replayed.status, replayed.code) == (409, "invitation_used")
    assert stranger.get("/v1/memberships")["data"] == []


def test_a_declined_link_is_used_too(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner, stranger = api.using(north.person_key), api.using(world.acorn.stranger_key)
    invitation = invited(owner, north)
    assert stranger.post("/v1/invitations/decline", {"token": post.token}).status == 204
    assert stranger.post("/v1/invitations/accept", {"token": post.token}).code == "invitation_used"
    assert owner.get(f"{one(north)}/invitations/{invitation}")["status"] == "declined"


def test_a_revoked_and_an_expired_link(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner, stranger = api.using(north.person_key), api.using(world.acorn.stranger_key)
    path = f"{one(north)}/invitations/{invited(owner, north)}"
    assert owner.delete(path, if_match='"v9"').code == "version_mismatch"
    assert owner.delete(path).status == 204
    for verb in ("accept", "decline", "preview"):
        assert stranger.post(f"/v1/invitations/{verb}", {"token": post.token}).code == "invitation_revoked"
    assert owner.delete(path).code == "invitation_revoked"
    assert owner.post(f"{path}/resend").code == "invitation_revoked"
    invited(owner, north)
    change(world, expires_at=clock.now())
    assert stranger.post("/v1/invitations/accept", {"token": post.token}).code == "invitation_expired"


@pytest.mark.parametrize("token", ["", "x", "é" * 40, "a" * 43, "a" * 100])
def test_a_made_up_token(world: World, api: Api, token: str) -> None:
    answer = api.using(world.acorn.stranger_key).post("/v1/invitations/accept", {"token": token})
    assert answer.status == (422 if not token else 404)


def test_somebody_elses_session_learns_nothing_of_the_address(world: World, api: Api, post: Post) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    invited(api.using(north.person_key), north)
    for key in (south.person_key, north.viewer_key):
        for verb in ("accept", "decline"):
            refused = api.using(key).post(f"/v1/invitations/{verb}", {"token": post.token})
            assert (refused.status, refused.code) == (403, "invitation_for_another")
            assert "stranger" not in refused.response.content.decode()
    assert (
        api.using(world.acorn.stranger_key).post("/v1/invitations/accept", {"token": post.token}).status
        == 200
    )


@pytest.mark.parametrize("who", ["agent_key", "service_key"])
def test_a_machine_accepts_nothing(world: World, api: Api, post: Post, who: str) -> None:
    north = world.acorn.parties["north"]
    invited(api.using(north.person_key), north)
    refused = api.using(str(getattr(north, who))).post("/v1/invitations/accept", {"token": post.token})
    assert (refused.status, refused.code) == (403, "person_needed")


def test_a_key_with_few_scopes_joins_nothing(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    invited(api.using(north.person_key), north)
    narrow = api.using(key_of(world.acorn, world.acorn.stranger, ("users:read",)))
    assert narrow.post("/v1/invitations/accept", {"token": post.token}).code == "scope_missing"
    assert narrow.post("/v1/invitations/preview", {"token": post.token}).status == 200


def test_a_token_of_the_twin_opens_nothing_here(world: World, api: Api, post: Post) -> None:
    """The same person, the same ids, another tenant."""
    there = world.birch.parties["north"]
    invited(api.using(there.person_key), there)
    here = api.using(world.acorn.stranger_key)
    for verb in ("accept", "decline", "preview"):
        assert here.post(f"/v1/invitations/{verb}", {"token": post.token}).code == "invitation_unknown"
    assert world.birch.host in post.link


def test_a_builder_away_is_nobody_whom_a_customer_invited(world: World, api: Api, post: Post) -> None:
    """In the console there is somebody with the same id as the environment's stranger."""
    north = world.acorn.parties["north"]
    invited(api.using(north.person_key), north, email="owner@acorn.test")
    away = api.using(world.builders.person_key).sending(packmule_environment=world.acorn.name)
    assert away.post("/v1/invitations/accept", {"token": post.token}).code == "person_needed"


def test_what_belongs_to_others_is_named_in_no_invitation(world: World, api: Api, post: Post) -> None:
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    team = api.using(south.person_key).post(f"{one(south)}/teams", {"slug": "bar", "name": "Bar"})["id"]
    body = {"slug": "reader", "name": "Reader", "permissions": ["users:read"]}
    api.using(south.person_key).post(f"{one(south)}/roles", body)
    for caller in (api.using(north.person_key), api.using(world.acorn.root_key)):
        path = f"{one(north)}/invitations"
        assert caller.post(path, {"email": STRANGER, "teams": [team]}).code == "not_found"
        assert caller.post(path, {"email": STRANGER, "role": "reader"}).code == "role_unknown"
    theirs = invited(api.using(south.person_key), south)
    me = api.using(north.person_key)
    assert me.get(f"{one(north)}/invitations/{theirs}").code == "not_found"
    assert me.delete(f"{one(south)}/invitations/{theirs}").code == "not_found"
    with enter(world.acorn.ref, north.uuid):
        assert not Invitation.objects.exists()


def test_a_team_that_went_meanwhile_hinders_nobody(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    team = owner.post(f"{one(north)}/teams", {"slug": "kitchen", "name": "Kitchen"})["id"]
    invited(owner, north, teams=[team])
    owner.delete(f"{one(north)}/teams/{team}")
    assert (
        api.using(world.acorn.stranger_key).post("/v1/invitations/accept", {"token": post.token}).status
        == 200
    )


def test_who_is_in_its_team_already_joins_all_the_same(world: World, api: Api, post: Post) -> None:
    north = world.acorn.parties["north"]
    owner = api.using(north.person_key)
    slugs = ("kitchen", "bar")
    teams = [owner.post(f"{one(north)}/teams", {"slug": slug, "name": slug})["id"] for slug in slugs]
    invited(owner, north, email="new@far.test", teams=teams)
    seat, key = joined(world.acorn, north, "new@far.test", "viewer")
    assert owner.post(f"{one(north)}/teams/{teams[0]}/members", {"membership": seat}).status == 201
    accepted = api.using(key).post("/v1/invitations/accept", {"token": post.token})
    assert (accepted.status, accepted["id"]) == (200, seat)
    for team in teams:
        members = owner.get(f"{one(north)}/teams/{team}/members")["data"]
        assert [member["user"]["email"] for member in members] == ["new@far.test"]


def test_accepting_twice_at_once_makes_one_member(committing: World, post: Post) -> None:
    """Both transactions really commit. The organization is this test's own."""
    space, root = committing.acorn, Api(committing.acorn.root_key)
    path = f"/v1/organizations/{root.post('/v1/organizations', {'name': 'Raced for'})['id']}"
    assert root.post(f"{path}/invitations", {"email": STRANGER, "role": "viewer"}).status == 201
    started = Barrier(2)

    def take(_: int) -> str:
        try:
            started.wait(5)
            return Api(space.stranger_key).post("/v1/invitations/accept", {"token": post.token}).code
        finally:
            connections.close_all()

    try:
        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(take, range(2))) == ["", "invitation_used"]
        with enter(space.ref):
            assert Membership.objects.filter(user_id=decode(space.stranger, "usr")).count() == 1
    finally:
        assert root.delete(path).status == 204

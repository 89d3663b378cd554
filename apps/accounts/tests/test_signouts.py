"""A suspended person is signed out everywhere, and does not find an old session open when they come back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.idp.oidc.models import Client, Token
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session

from apps.core import clock
from apps.tenancy.walls import enter
from tests.client import Api
from tests.sessions import person_of, session_token
from tests.world import World

WHY = {"reason": "stolen"}


@pytest.fixture
def suspension(world: World) -> str:
    """The path of acorn's north's owner, who is not its only owner."""
    north = world.acorn.parties["north"]
    owner, members = Api(north.person_key), f"/v1/organizations/{north.id}/members"
    viewer = next(row["id"] for row in owner.get(members)["data"] if row["role"] == "viewer")
    assert owner.patch(f"{members}/{viewer}", {"role": "owner"}).status == 200
    return f"/v1/users/{north.person}"


def test_sessions_and_tokens_end_and_stay_ended(world: World, suspension: str) -> None:
    north, root = world.acorn.parties["north"], Api(world.acorn.root_key)
    person = person_of(world.acorn, north)
    session = Api(None, host=world.acorn.host).sending(x_session_token=session_token(world.acorn, north))
    assert session.get("/v1/whoami").status == 200
    with enter(world.acorn.ref):
        client = Client.objects.create(id="a-client", name="A client")
        ends = clock.now() + timedelta(days=1)
        Token.objects.create(type="at", hash="of a token", client=client, user=person, expires_at=ends)

    assert root.post(f"{suspension}/suspend", WHY).status == 200
    assert session.get("/v1/whoami").status == 401
    with enter(world.acorn.ref):
        assert not UserSession.objects.filter(user=person).exists()
        assert not Token.objects.filter(user=person).exists()

    assert root.post(f"{suspension}/activate", WHY).status == 200
    assert session.get("/v1/whoami").status == 401


def test_a_session_whose_row_survived_is_not_revived(world: World, suspension: str) -> None:
    """Taking the rows away is one wall; that a session was begun before the suspension is another."""
    root, north = Api(world.acorn.root_key), world.acorn.parties["north"]
    token = session_token(world.acorn, north)
    session = Api(None, host=world.acorn.host).sending(x_session_token=token)
    with enter(world.acorn.ref):
        row = Session.objects.get(session_key=token)
        entry = UserSession.objects.get(session_key=token)
    for verb in ("suspend", "activate"):
        assert root.post(f"{suspension}/{verb}", WHY).status == 200
    with enter(world.acorn.ref):
        row.save(force_insert=True)
        entry.save(force_insert=True)
    assert session.get("/v1/whoami").status == 401
    again = Api(None, host=world.acorn.host).sending(x_session_token=session_token(world.acorn, north))
    assert again.get("/v1/whoami").status == 200


def test_others_stay_signed_in(world: World, suspension: str) -> None:
    south, twin = world.acorn.parties["south"], world.birch.parties["north"]
    others = [
        Api(None, host=space.host).sending(x_session_token=session_token(space, party))
        for space, party in ((world.acorn, south), (world.birch, twin))
    ]
    assert Api(world.acorn.root_key).post(f"{suspension}/suspend", WHY).status == 200
    assert [one.get("/v1/whoami").status for one in others] == [200, 200]

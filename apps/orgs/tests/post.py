"""What the tests of this room share: catching the mail, inviting, and getting people into organizations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from apps.accounts.models import User
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyKind
from apps.core import clock
from apps.core.ids import decode
from apps.core.scopes import Scopes
from apps.orgs.models import Invitation, Membership
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import Party, Space, World

STRANGER = "stranger@nowhere.test"


@dataclass
class Post:
    """The invitations that would have been mailed, the newest last."""

    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def send(self, kind: str, to: str, context: Mapping[str, Any]) -> None:
        """Keep instead of sending."""
        assert kind == "invitation"
        self.sent.append((to, dict(context)))

    @property
    def link(self) -> str:
        """The newest link."""
        return str(self.sent[-1][1]["link"])

    @property
    def token(self) -> str:
        """The token of the newest link."""
        return self.link.rstrip("/").rpartition("/")[2]


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    """Catch the invitations that are mailed."""
    caught = Post()
    monkeypatch.setattr("apps.accounts.mails.send", caught.send)
    return caught


def one(party: Party) -> str:
    """The path of a party's organization."""
    return f"/v1/organizations/{party.id}"


def joined(space: Space, party: Party, email: str, role: str) -> tuple[str, str]:
    """A new person in the party's organization: the membership's id, and a key of theirs with every scope."""
    with enter(space.ref):
        person = User.objects.filter(email=email).first() or User.objects.create_user(email)
        seat = Membership.objects.create(organization_id=party.uuid, user=person, role=role)
    return seat.public_id, key_of(space, person.public_id)


def key_of(space: Space, user_id: str, scopes: tuple[str, ...] = ("*",)) -> str:
    """A key of the person, for all their organizations."""
    with enter(space.ref):
        return mint(
            tenant=space.ref,
            principal=User.objects.get(pk=decode(user_id, "usr")),
            kind=KeyKind.USER,
            name="test",
            scopes=Scopes.parse(scopes),
            expires_at=clock.now() + timedelta(days=1),
            minter=None,
        ).secret


def invited(api: Api, party: Party, **body: Any) -> str:
    """The id of an invitation into the party's organization, of the stranger and as a viewer unless `body` differs."""
    answer = api.post(f"{one(party)}/invitations", {"email": STRANGER, "role": "viewer", **body})
    assert answer.status == 201, answer
    return str(answer["id"])


def change(world: World, **columns: Any) -> None:
    """Let time or somebody else have changed the newest invitation."""
    with enter(world.acorn.ref):
        Invitation.objects.filter(pk=Invitation.objects.latest("created_at", "id").pk).update(**columns)

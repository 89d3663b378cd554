"""A person at the admin: Django's client, signed in through the page that people use."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.test import Client

from apps.accounts.models import User
from apps.audit.models import Event
from apps.core import clock
from apps.core.ids import uuid7
from apps.orgs.models import Invitation, Membership, Role, Team, TeamMember
from apps.tenancy.walls import enter
from tests.world import PASSWORD


class Person:
    """Somebody with a browser. `email` None has not signed in."""

    def __init__(self, email: str | None = None, *, host: str = "127.0.0.1", careful: bool = False) -> None:
        self.client = Client(SERVER_NAME=host, enforce_csrf_checks=careful)
        if email is not None:
            answer = self.client.post("/accounts/login/", {"login": email, "password": PASSWORD})
            assert answer.status_code == 302, answer.content

    def get(self, path: str) -> Any:
        """Open a page."""
        return self.client.get(path)

    def post(self, path: str, **fields: str) -> Any:
        """Send a form, with what its page hides in it, as a browser does; `fields` go before."""
        if "/do/" in path:
            page = self.client.get(path).content.decode()
            hidden = dict(re.findall(r'type="hidden" name="(shown_for|version)" value="(\w*)"', page))
            fields = {**hidden, **fields}
        return self.client.post(path, fields)


def text_of(answer: Any) -> str:
    """The page as text, entities read."""
    return html.unescape(answer.content.decode())


def people_and_places(organization: UUID, count: int) -> None:
    """Add `count` members, roles, teams with a member, and open invitations to the organization."""
    for number in range(count):
        name = f"{count}-{number}"
        owned: dict[str, Any] = {"organization_id": organization}
        person = User.objects.create_user(f"p{name}@crowd.test")
        seat = Membership.objects.create(user=person, role="developer", **owned)
        Role.objects.create(slug=f"r{name}", name=f"Role {name}", permissions=["keys:read"], **owned)
        team = Team.objects.create(slug=f"t{name}", name=f"Team {name}", **owned)
        TeamMember.objects.create(team=team, membership=seat, **owned)
        _invite(f"i{name}@crowd.test", **owned)


def _invite(email: str, **owned: Any) -> None:
    Invitation.objects.create(
        email=email,
        role="viewer",
        digest=sha256(email.encode()).digest(),
        expires_at=clock.now() + timedelta(days=7),
        inviter_kind="user",
        inviter_name="somebody",
        inviter_home_id=uuid7(),
        **owned,
    )


def last_event(world: Any) -> Event:
    """The newest entry of the console's trail."""
    with enter(world.console.ref):
        return Event.objects.order_by("-id")[0]


def seen(world: Any, model: Any, **wanted: Any) -> Any:
    """The one row of the console that fits."""
    with enter(world.console.ref):
        return model.objects.get(**wanted)

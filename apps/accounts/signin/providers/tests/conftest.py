"""What the stories of accounts elsewhere have in common: birch is acorn's provider, and the wire between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress

from apps.accounts.models import User
from apps.accounts.signin.providers.tests.elsewhere import BACK, SLUG, Surfer, Wire, address_of
from apps.accounts.signin.tests.conftest import configure  # noqa: F401 - a fixture of the stories here, too
from apps.core import outbound
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import World

Newcomer = Callable[..., User]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Wire:
    """Calls to providers stay in this process; this machine counts as a place that may be called."""
    made = Wire()
    monkeypatch.setattr(outbound, "session", made.session)
    settings.PACKMULE_OUTBOUND_LOOPBACK = True
    return made


@pytest.fixture
def registered(world: World) -> Answer:
    """The client that birch knows acorn as."""
    answer = Api(world.birch.root_key).post(
        "/v1/oauth-clients",
        {
            "name": "Acorn",
            "redirect_uris": [address_of(world.acorn, BACK)],
            "scopes": ["openid", "profile", "email"],
            "grants": ["authorization_code"],
        },
    )
    assert answer.status == 201, answer
    return answer


@pytest.fixture
def provider(world: World, wire: Wire, registered: Answer) -> Answer:
    """Birch, as acorn offers it."""
    answer = Api(world.acorn.root_key).post(
        "/v1/sign-in-providers",
        {
            "slug": SLUG,
            "kind": "openid_connect",
            "name": "Birch",
            "client_id": registered["id"],
            "client_secret": registered["secret"],
            "server_url": address_of(world.birch),
        },
    )
    assert answer.status == 201, answer
    return answer


@pytest.fixture
def newcomer(world: World) -> Newcomer:
    """Make somebody in birch, who is unknown in acorn unless the address is one of there."""

    def make(email: str = "carla@example.test", *, name: str = "Carla", verified: bool = True) -> User:
        with enter(world.birch.ref):
            person: User = User.objects.filter(email=email).first() or User.objects.create_user(
                email, None, name=name
            )
            EmailAddress.objects.update_or_create(
                user=person, email=email, defaults={"verified": verified, "primary": True}
            )
        return person

    return make


@pytest.fixture
def carla(world: World, newcomer: Newcomer) -> Surfer:
    """Somebody who is signed in to birch, and was never in acorn."""
    return Surfer().as_person(world.birch, newcomer())

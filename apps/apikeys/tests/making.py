"""Keys and organizations for the tests' stories, made by the code that makes the real ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from apps.accounts.models import ServiceAccount, User
from apps.apikeys.minting import MintedKey, Principal, mint
from apps.apikeys.models import Key, KeyIndex, KeyKind
from apps.core import clock
from apps.core.ids import decode
from apps.core.scopes import Scopes
from apps.orgs.models import Membership, Organization
from apps.tenancy.walls import enter, registry
from tests.world import Party, Space


def key_for(space: Space, principal: Principal, kind: KeyKind = KeyKind.SECRET, **options: Any) -> MintedKey:
    """A key of `principal` in `space`, with all scopes for a day unless `options` say otherwise."""
    asked = {"scopes": ["*"], "expires_at": clock.now() + timedelta(days=1), "minter": None, **options}
    asked["scopes"] = Scopes.parse(asked["scopes"])
    with enter(space.ref):
        return mint(tenant=space.ref, principal=principal, kind=kind, name="test", **asked)


def service_of(space: Space, party: Party | None = None) -> ServiceAccount:
    """The service account of `party`, or the one of the whole tenant."""
    with enter(space.ref):
        return ServiceAccount.objects.get(pk=decode(party.service if party else space.root, "svc"))


def machine_key(space: Space, party: Party | None = None, **options: Any) -> MintedKey:
    """A secret key of that service account."""
    return key_for(space, service_of(space, party), **options)


def publishable_key(space: Space, *origins: str, party: Party | None = None, **options: Any) -> str:
    """A publishable key for pages of `origins`."""
    made = key_for(space, service_of(space, party), KeyKind.PUBLISHABLE, allowed_origins=origins, **options)
    return made.secret


def change_index(key: Key | UUID, **fields: Any) -> None:
    """Write `fields` of the key's index row, as time or an operator would have."""
    with registry():
        KeyIndex.objects.filter(pk=key.pk if isinstance(key, Key) else key).update(**fields)


def seat_in_another(space: Space, party: Party) -> Organization:
    """Make the owner of `party` a viewer of one more organization of the same tenant."""
    with enter(space.ref):
        other = Organization.objects.create(slug="another", name="Another")
        user = User.objects.get(pk=decode(party.person, "usr"))
        Membership.objects.create(organization=other, user=user, role="viewer")
    return other

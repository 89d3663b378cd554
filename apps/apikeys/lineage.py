"""What was made with a key: the keys that it minted or rotated, what those did, and so on, in every tenant.

Keys are read from the registry's index, which outlives their rows in their tenants. The clients that were registered
with them are read where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from apps.accounts.oauth.models import OAuthClient
from apps.apikeys.made import environments_of
from apps.apikeys.models import Key, KeyKind
from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import encode
from apps.core.models import not_found
from apps.tenancy.walls import enter, outside

#: More keys than this are counted and not shown.
MAX_SHOWN = 200
# Two keys can have rotated each other, so a line stops where it would come back.
_FIND = """
with recursive line as (
    select id, 0 as depth, array[id] as path from public.apikeys_keyindex where id = %(id)s
    union all
    select known.id, line.depth + 1, line.path || known.id from public.apikeys_keyindex known
      join line on line.id in (known.minted_by_id, known.rotated_by_id) and not known.id = any(line.path)
), nearest as (select id, min(depth) as depth from line group by id)
select key.id, nearest.depth, key.kind, key.minted_by_id, key.organization_id, key.expires_at, key.revoked_at,
       key.last_used_at, home.id, home.name, home.owner_organization_id
  from nearest join public.apikeys_keyindex key on key.id = nearest.id
  join public.tenancy_tenant home on home.id = key.tenant_id
 order by nearest.depth, key.id
"""


@dataclass(frozen=True, slots=True)
class Descendant:
    """A key and how it came from the one that was asked about: `depth` 0 is that one itself."""

    id: UUID
    depth: int
    kind: str
    minted_by_id: UUID | None
    organization_id: UUID | None
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    tenant_id: UUID
    tenant: str
    owner_organization_id: UUID | None

    @property
    def public_id(self) -> str:
        """The id as clients see it."""
        return encode("key", self.id)

    @property
    def kind_word(self) -> str:
        """The kind as it is called outside."""
        return str(KeyKind(self.kind).label).lower()

    @property
    def status(self) -> str:
        """active, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "active" if self.expires_at > clock.now() else "expired"

    def is_visible_to(self, actor: Actor) -> bool:
        """True for keys of the actor's own organization, here and in the environments that it owns."""
        here = self.tenant_id == actor.tenant.id
        if actor.organization is None:
            return actor.is_tenant_wide and (here or actor.tenant.kind == "console")
        owner = self.organization_id if here else self.owner_organization_id
        return owner == actor.organization.id


@dataclass(frozen=True, slots=True)
class MadeClient:
    """An OAuth client that was registered with a key of a line, or whose secret was rotated with one."""

    client: OAuthClient
    tenant: str
    depth: int


def line_of(actor: Actor, key_id: UUID) -> list[Descendant]:
    """The key, dead or alive, and all that was made with it and `actor` may see; the nearest first. One query.

    Raises NotFound for a key that is none of the actor's.
    """
    with outside(), connection.cursor() as cursor:
        cursor.execute(_FIND, {"id": key_id})
        found = [Descendant(*row) for row in cursor.fetchall()]
    own = next((one for one in found if one.id == key_id and one.tenant_id == actor.tenant.id), None)
    if own is None or not (own.is_visible_to(actor) or _is_own(actor, key_id)):
        raise not_found(Key, key_id)
    return [own, *(one for one in found if one.id != key_id and one.is_visible_to(actor))]


def clients_of(actor: Actor, line: list[Descendant]) -> list[MadeClient]:
    """The OAuth clients that were registered with a key of `line`, or whose secret was rotated with one.

    Those that `actor` sees: here, and in the environments that its organization owns.
    """
    depths = {one.id: one.depth for one in reversed(line)}
    made = Q(minted_by__in=depths) | Q(rotated_by__in=depths)
    found = [(actor.tenant.name, client) for client in OAuthClient.objects.visible_to(actor).filter(made)]
    for environment in environments_of([actor.organization.id] if actor.organization else []):
        with enter(environment):
            found += [(environment.name, client) for client in OAuthClient.objects.filter(made)]
    clients = [MadeClient(client, where, _depth(client, depths)) for where, client in found]
    return sorted(clients, key=lambda one: (one.depth, one.client.pk))


def _depth(client: OAuthClient, depths: dict[UUID, int]) -> int:
    known = [depths[key] for key in (client.minted_by, client.rotated_by) if key in depths]
    return min(known) + 1


def summary(line: list[Descendant], clients: list[MadeClient]) -> dict[str, Any]:
    """What `line` says in short, its first keys, and the first of the `clients`."""
    made = line[1:]
    alive = sum(one.status == "active" for one in made)
    return {
        "key": line[0],
        "minted": len(made),
        "alive": alive,
        "keys": made[:MAX_SHOWN],
        "omitted": max(0, len(made) - MAX_SHOWN),
        "clients": clients[:MAX_SHOWN],
    }


def _is_own(actor: Actor, key_id: UUID) -> bool:
    """True for a person's own key, which may belong to no organization."""
    return Key.objects.visible_to(actor).filter(pk=key_id).exists()

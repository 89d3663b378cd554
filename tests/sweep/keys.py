"""Callers with keys, sessions and delegations: those that reach something, and those that get nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from apps.accounts.models import ServiceAccount, User
from apps.apikeys.delegations.models import Delegation
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyIndex, KeyKind
from apps.core import clock
from apps.core.ids import decode
from apps.core.scopes import Scopes
from apps.orgs.models import Membership
from apps.storage.stores import keys, store
from apps.storage.stores.base import Disposition
from apps.tenancy.walls import enter, registry
from tests.sessions import begin_session, session_cookie, session_token
from tests.sweep.callers import CONSOLES, ENVIRONMENTS, Caller, cells_in, everything_in, useless
from tests.world import Party, Space, World, same_id


def callers(world: World) -> Iterator[Caller]:
    """All of them."""
    yield from _of_environment(world)
    yield from _on_behalf(world)
    yield from _of_the_twin(world)
    yield from _of_console(world)
    yield from _by_session_in_the_console(world)
    yield from _refused(world)


def _of_environment(world: World) -> Iterator[Caller]:
    acorn, north = world.acorn, world.acorn.parties["north"]
    known = cells_in("acorn", "north", "place")
    yield Caller("the tenant", acorn.root_key, "acorn/north", everything_in("acorn"), targets=ENVIRONMENTS)
    for kind in ("service", "agent", "person", "viewer"):
        key = str(getattr(north, f"{kind}_key"))
        yield Caller(f"north's {kind}", key, "acorn/north", known, targets=ENVIRONMENTS)
    yield Caller(
        "south's agent", acorn.parties["south"].agent_key, "acorn/south", cells_in("acorn", "south", "place"),
        targets=("acorn/north",),
    )  # fmt: skip
    yield Caller(
        "the tenant on its own host", acorn.root_key, "acorn/north", everything_in("acorn"), host=acorn.host
    )
    yield Caller(
        "the tenant inside north", acorn.root_key, "acorn/north", known, cells_in("acorn", "root"),
        ("acorn/south", "acorn/tenant", "birch/north"), {"Packmule-Organization": north.id},
    )  # fmt: skip
    lonely = cells_in("acorn", "stranger", "place")
    yield Caller(
        "a stranger", acorn.stranger_key, "acorn/north", lonely, targets=("acorn/north", "birch/north")
    )
    seen = cells_in("acorn", "visitor", "place")
    yield Caller("a publishable key", acorn.publishable_key, "acorn/north", seen, targets=("acorn/north",))
    yield Caller(
        "Packmule-Key", None, "acorn/north", seen, targets=("acorn/north",),
        headers={"Packmule-Key": acorn.publishable_key},
    )  # fmt: skip
    signed_in = {"X-Session-Token": session_token(acorn, north)}
    yield Caller(
        "a session on its host",
        None,
        "acorn/north",
        known,
        targets=ENVIRONMENTS,
        host=acorn.host,
        headers=signed_in,
    )
    yield Caller(
        "a session with Packmule-Key", None, "acorn/north", known, targets=("acorn/south", "birch/north"),
        headers=signed_in | {"Packmule-Key": acorn.publishable_key},
    )  # fmt: skip


def _on_behalf(world: World) -> Iterator[Caller]:
    """Who acts for somebody reaches what the organization of the delegation has."""
    acorn, north = world.acorn, world.acorn.parties["north"]
    scopes = (
        "users:read",
        "organizations:write",
        "agents:write",
        "keys:write",
        "audit:read",
        "delegations:write",
    )
    granted(acorn, north, scopes=list(scopes))
    for_person = {"Packmule-On-Behalf-Of": north.person}
    known = cells_in("acorn", "north", "place")
    yield Caller(
        "an agent on behalf of north's person", north.agent_key, "acorn/north", known,
        targets=("acorn/south", "birch/north"), headers=for_person, scopes=scopes,
    )  # fmt: skip


def _of_the_twin(world: World) -> Iterator[Caller]:
    """The other tenant, in which everything has the same id."""
    birch = world.birch
    yield Caller(
        "the twin tenant", birch.root_key, "birch/north", everything_in("birch"), targets=ENVIRONMENTS
    )
    yield Caller(
        "the twin's north", birch.parties["north"].agent_key, "birch/north", cells_in("birch", "north", "place"),
        targets=("acorn/north", "birch/south"),
    )  # fmt: skip


def _of_console(world: World) -> Iterator[Caller]:
    builders, rivals = world.builders, world.rivals
    own = cells_in("console", "acorn", "place")
    away = {"Packmule-Environment": world.acorn.name}
    knows_own = cells_in("acorn", "place")
    for kind in ("agent", "person", "viewer"):
        yield Caller(
            f"a builder's {kind}", str(getattr(builders, f"{kind}_key")), "console/acorn",
            own | everything_in("acorn"), knows_own, CONSOLES[:-1],
        )  # fmt: skip
    yield Caller(
        "a rival builder", rivals.agent_key, "console/birch",
        cells_in("console", "birch", "place") | everything_in("birch"), targets=CONSOLES,
    )  # fmt: skip
    yield Caller(
        "the console", world.console.root_key, "console/acorn",
        everything_in("console") | everything_in("acorn") | everything_in("birch"), targets=CONSOLES,
    )  # fmt: skip
    yield Caller("a stranger of the console", world.console.stranger_key, "console/acorn",
                 cells_in("console", "stranger", "place"), targets=("console/acorn",))  # fmt: skip
    yield Caller(
        "a builder in their environment", builders.agent_key, "acorn/north", everything_in("acorn"),
        cells_in("console", "acorn", "place"), ENVIRONMENTS[:5], away,
    )  # fmt: skip
    yield Caller(
        "a builder in their customer", builders.agent_key, "acorn/north", cells_in("acorn", "north", "place"),
        cells_in("console", "acorn", "place"), ("acorn/south", "acorn/tenant", "birch/north"),
        away | {"Packmule-Organization": world.acorn.parties["north"].id},
    )  # fmt: skip


def _by_session_in_the_console(world: World) -> Iterator[Caller]:
    """What only a person at the console does: opening an environment's admin."""
    builders, host = world.builders, world.console.host
    own, environment = cells_in("console", "acorn", "place"), everything_in("acorn")
    signed_in = {"X-Session-Token": session_token(world.console, builders)}
    yield Caller(
        "a builder's session", None, "console/acorn", own | environment,
        targets=CONSOLES[:-1], host=host, headers=signed_in,
    )  # fmt: skip
    yield Caller(
        "a builder's session in their environment", None, "acorn/north", environment, own,
        ("birch/north", "console/birch"), signed_in | {"Packmule-Environment": world.acorn.name}, host,
    )  # fmt: skip


def _refused(world: World) -> Iterator[Caller]:
    """Those that get nowhere, whatever they ask for. They may be told where their own key is at home."""
    acorn, console, north = world.acorn, world.console, world.acorn.parties["north"]
    there = {"Packmule-Environment": acorn.name}
    in_south = {"Packmule-Organization": acorn.parties["south"].id}
    with_rivals = {"Packmule-Organization": world.rivals.id}
    expired = dead_key(acorn, north, expires_at=clock.now() - timedelta(seconds=1))
    revoked = dead_key(acorn, north, revoked_at=clock.now())
    yield useless("nobody", None, 401)
    yield useless("an expired key", expired, 401, "acorn")
    yield useless("a revoked key", revoked, 401, "acorn")
    yield useless("a truncated key", north.agent_key[:-5], 401)
    for name, headers in _signed_urls(acorn):
        yield useless(name, None, 401, headers=headers, host=acorn.host)
    yield useless("a key on the twin's host", acorn.root_key, 401, "acorn", host=world.birch.host)
    signed_in = {"X-Session-Token": session_token(acorn, north)}
    cookie = {"Cookie": session_cookie(acorn, north)}
    yield useless("a cookie session", None, 401, "acorn", cookie, acorn.host)
    twins = {"Packmule-Key": world.birch.publishable_key}
    yield useless("a session on the twin's host", None, 401, headers=signed_in, host=world.birch.host)
    yield useless("a session with the twin's key", None, 401, "birch", signed_in | twins)
    yield useless("a session of no tenant", None, 400, headers=signed_in)
    for name, token in _useless_sessions(acorn, north):
        yield useless(name, None, 401, headers={"X-Session-Token": token}, host=acorn.host)
    for name, whom in _useless_delegations(world):
        yield useless(name, north.agent_key, 403, "acorn", {"Packmule-On-Behalf-Of": whom})
    yield useless("a rival in acorn's environment", world.rivals.agent_key, 404, "console", there)
    yield useless("the console's own key in an environment", console.root_key, 404, "console", there)
    yield useless("the twin in acorn's environment", world.birch.root_key, 404, "birch", there)
    yield useless("a publishable key elsewhere", console.publishable_key, 404, "console", there)
    yield useless("north's agent naming south", north.agent_key, 404, "acorn", in_south)
    yield useless("north's person naming south", north.person_key, 404, "acorn", in_south)
    yield useless("a builder naming a rival", world.builders.agent_key, 404, "console", with_rivals)


def _signed_urls(space: Space) -> Iterator[tuple[str, dict[str, str]]]:
    """The token of a link to a file, which opens those bytes and nothing else, wherever a credential can stand."""
    blob = keys.make(space.ref, "bucket", "file", "1")
    link = store().download_url(blob, Disposition("menu.txt", "text/plain"), seconds=3600)
    token = link.url.rpartition("/")[2]
    yield "a signed URL's token as a key", {"Authorization": f"Bearer {token}"}
    yield "a signed URL's token as a session", {"X-Session-Token": token}


def _useless_sessions(space: Space, party: Party) -> Iterator[tuple[str, str]]:
    """Sessions that are over, each in one way."""
    names = ("a session that was ended", "a session that has expired", "a session from before a new password")
    ended, expired, before = tokens = [session_token(space, party) for _ in names]
    with enter(space.ref):
        UserSession.objects.filter(session_key=ended).delete()
        Session.objects.filter(pk=expired).update(expire_date=clock.now() - timedelta(seconds=1))
        begun = SessionStore(before)
        begun[HASH_SESSION_KEY] = "another"
        begun.save()
    yield from zip(names, tokens, strict=True)
    yield "a suspended person's session", begin_session(space, suspended(space))


def suspended(space: Space) -> User:
    """An owner of north whom somebody has suspended."""
    with enter(space.ref):
        person: User = User.objects.get_or_create(
            id=same_id("sweep:suspended"), defaults={"email": "suspended@north.test", "status": "suspended"}
        )[0]
        seat = {"organization_id": space.parties["north"].uuid, "user": person}
        Membership.objects.get_or_create(**seat, defaults={"role": "owner"})
    return person


def _useless_delegations(world: World) -> Iterator[tuple[str, str]]:
    """What north's agent may name as it likes, and still act for nobody."""
    acorn, birch = world.acorn, world.birch
    north, south, twin = acorn.parties["north"], acorn.parties["south"], birch.parties["north"]
    over = granted(acorn, north, expires_at=clock.now() - timedelta(seconds=1))
    yield "an expired delegation", over
    yield "a revoked delegation", granted(acorn, north, revoked_at=clock.now())
    yield "a spent delegation", granted(acorn, north, max_uses=1, uses=1)
    waits = clock.now() + timedelta(days=1)
    yield "a delegation that nobody gave yet", granted(acorn, north, granted_at=None, asked_until=waits)
    yield "on behalf of south's person", south.person
    yield "south's delegation", granted(acorn, south)
    yield "the twin's delegation", granted(birch, twin)


def granted(space: Space, party: Party, **fields: Any) -> str:
    """A delegation by which the party's agent acts for the party's person."""
    asked = {
        "organization_id": party.uuid,
        "delegator_kind": "user",
        "delegator_id": decode(party.person, "usr"),
        "delegator_name": "somebody",
        "delegate_kind": "agent",
        "delegate_id": decode(party.agent, "agt"),
        "delegate_name": "an agent",
        "scopes": ["users:read"],
        "expires_at": clock.now() + timedelta(days=1),
        "granted_at": clock.now(),
    }
    with enter(space.ref):
        made: str = Delegation.objects.create(**asked | fields).public_id
    return made


def dead_key(space: Space, party: Party, **changes: Any) -> str:
    """A key of the party's service account, whose index row is then changed."""
    with enter(space.ref):
        minted = mint(
            tenant=space.ref,
            principal=ServiceAccount.objects.get(pk=decode(party.service, "svc")),
            kind=KeyKind.SECRET,
            name="dead",
            scopes=Scopes.everything(),
            expires_at=clock.now() + timedelta(days=1),
            minter=None,
        )
    with registry():
        KeyIndex.objects.filter(pk=minted.key.pk).update(**changes)
    return minted.secret

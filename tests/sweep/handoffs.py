"""Callers with what a hand-off gives: the session of a builder in the admin of an environment. The API knows none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore

from apps.accounts.models import User
from apps.accounts.signin.trail import session_id
from apps.apikeys.handoffs import HandOff, digest, issue, use_code
from apps.apikeys.middleware import CHOSEN_ORGANIZATION
from apps.apikeys.sessions import HAND_OFF, HAND_OFF_COOKIE
from apps.core import clock
from apps.core.ids import decode
from apps.tenancy.walls import enter, registry
from tests.oauth import give
from tests.sessions import begin_session, session_cookie, session_token
from tests.sweep.callers import Caller, cells_in, everything_in, useless
from tests.sweep.cells import NOBODY
from tests.world import Party, Space, World

NONCE = "the secret of a browser"


def callers(world: World) -> Iterator[Caller]:
    """All of them; tests/sweep/test_pages.py shows what such a session opens."""
    acorn = world.acorn
    session, (_, code) = begin(world, acorn), _issued(world, acorn)
    cookie, away = cookie_of(session), {"Packmule-Environment": acorn.name}
    yield useless("a hand-off's cookie", None, 401, "acorn", cookie, acorn.host)
    yield useless("a hand-off's cookie on the twin's host", None, 401, "birch", cookie, world.birch.host)
    yield useless("a hand-off's cookie on the console", None, 401, "console", cookie, world.console.host)
    for name, text in (("a hand-off", session), ("a hand-off's code", code)):
        shown = {"X-Session-Token": text}
        yield useless(f"{name} as a session", None, 401, headers=shown, host=acorn.host)
        yield useless(
            f"{name} as a session of the console", None, 401, headers=shown | away, host=world.console.host
        )
        yield useless(f"{name} as a key", text, 401)


def visitors(world: World) -> Iterator[Caller]:
    """Who comes to the pages of acorn's admin. All but the first two see the page that turns everybody away."""
    acorn, north = world.acorn, world.acorn.parties["north"]
    everything, company = everything_in("acorn"), cells_in("console", "acorn", "place")
    yield Caller(
        "a hand-off", None, "acorn/north", everything, company, ("birch/north", "console/birch"),
        cookie_of(begin(world, acorn)), acorn.host,
    )  # fmt: skip
    # Every page names all customers, to choose one; what is theirs stays theirs.
    yield Caller(
        "a hand-off within north", None, "acorn/north", cells_in("acorn", "north", "place"), everything | company,
        ("acorn/south", "acorn/root", "birch/north"), cookie_of(begin(world, acorn, north)), acorn.host,
    )  # fmt: skip
    for name, headers in _turned_away(world).items():
        yield useless(name, None, 403, "acorn", headers, acorn.host)
    elsewhere = cookie_of(begin(world, acorn))
    yield useless("a hand-off on the twin's host", None, 403, "birch", elsewhere, world.birch.host)
    yield useless("a hand-off on the console", None, 302, "console", elsewhere, world.console.host)


def _turned_away(world: World) -> dict[str, dict[str, str]]:
    acorn, north, now = world.acorn, world.acorn.parties["north"], clock.now()
    usual, token = settings.SESSION_COOKIE_NAME, session_token(world.console, world.builders)
    over = now - timedelta(seconds=1)
    return {
        "nobody": {},
        "a key": {"Authorization": f"Bearer {acorn.root_key}"},
        "a hand-off that was ended": cookie_of(begin(world, acorn, ended_at=now, ending="revoked")),
        "a hand-off that has expired": cookie_of(begin(world, acorn, expires_at=over)),
        "a hand-off out of a session that is over": cookie_of(begin(world, acorn, session_id=NOBODY)),
        "a hand-off of who left the company": cookie_of(begin(world, acorn, **_left(world))),
        "a hand-off into the twin": cookie_of(begin(world, world.birch)),
        "a hand-off into another environment of the company": cookie_of(
            begin(world, acorn, tenant_id=world.birch.ref.id)
        ),
        "a session that names a hand-off": cookie_of(_forged(world)),
        "a person of north": {"Cookie": session_cookie(acorn, north)},
        "a person of north's session as a hand-off": cookie_of(session_token(acorn, north)),
        "a builder's session": {"Cookie": f"{usual}={token}"},
        "a builder's session as a hand-off": cookie_of(token),
        "a program's token as a hand-off": cookie_of(give(acorn, ["*"], user=north.person)),
    }


def _left(world: World) -> dict[str, Any]:
    """Somebody of the company who is signed in to the console, and no member any more."""
    with enter(world.console.ref):
        person = User.objects.create(email="left@acorn.test")
    return {"user_id": person.pk, "session_id": session_id(begin_session(world.console, person))}


def _forged(world: World) -> str:
    """A session that somebody who writes the tenant's rows made: with the id of a hand-off that is open."""
    made, _ = _issued(world, world.acorn)
    return _session(world.acorn, {HAND_OFF: str(made.pk)})


def begin(world: World, space: Space, chosen: Party | None = None, **changes: Any) -> str:
    """The session of the company's owner in the admin of `space`, within the `chosen` customer or across all of them.

    `changes` are columns of the hand-off that are written afterwards.
    """
    made, code = _issued(world, space)
    within = {CHOSEN_ORGANIZATION: str(chosen.uuid)} if chosen else {}
    session = _session(space, {HAND_OFF: str(made.pk)} | within)
    assert use_code(code, NONCE, space.ref.id, session)
    if changes:
        with registry():
            HandOff.objects.filter(pk=made.pk).update(**changes)
    return session


def _session(space: Space, holds: dict[str, str]) -> str:
    with enter(space.ref):
        session = SessionStore()
        session.update(holds)
        session.save()
    return str(session.session_key)


def cookie_of(session: str) -> dict[str, str]:
    """The header by which a browser shows it."""
    return {"Cookie": f"{HAND_OFF_COOKIE}={session}"}


def _issued(world: World, space: Space) -> tuple[HandOff, str]:
    company = world.console.parties[space.name.partition("/")[0]]
    return issue(
        nonce_digest=digest(NONCE),
        owner_organization_id=company.uuid,
        name=space.name,
        tenant_id=space.ref.id,
        user_id=decode(company.person, "usr"),
        user_name=f"an owner of {company.slug}",
        session_id=session_id(session_token(world.console, company)),
    )

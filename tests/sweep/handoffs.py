"""Callers with what a hand-off gives: the session of a builder in the admin of an environment. The API knows none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.sessions.backends.db import SessionStore

from apps.accounts.signin.trail import session_id
from apps.apikeys.handoffs import HandOff, digest, issue, use_code
from apps.apikeys.middleware import CHOSEN_ORGANIZATION
from apps.apikeys.sessions import HAND_OFF, HAND_OFF_COOKIE
from apps.core.ids import decode
from apps.tenancy.walls import enter, registry
from tests.sessions import session_token
from tests.sweep.callers import Caller, useless
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


def begin(world: World, space: Space, chosen: Party | None = None, **changes: Any) -> str:
    """The session of the company's owner in the admin of `space`, within the `chosen` customer or across all of them.

    `changes` are columns of the hand-off that are written afterwards.
    """
    made, code = _issued(world, space)
    with enter(space.ref):
        session = SessionStore()
        session[HAND_OFF] = str(made.pk)
        if chosen is not None:
            session[CHOSEN_ORGANIZATION] = str(chosen.uuid)
        session.save()
        assert use_code(code, NONCE, space.ref.id, str(session.session_key))
    if changes:
        with registry():
            HandOff.objects.filter(pk=made.pk).update(**changes)
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

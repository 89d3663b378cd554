"""Operations on sessions: where people are signed in, and how to end it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session

from apps.accounts.authority import decides_for_tenant, require_person
from apps.accounts.errors import DirectoryOfTenant
from apps.accounts.models import User
from apps.accounts.serializers import ReasonInput
from apps.accounts.signin import serializers as forms
from apps.accounts.signin.errors import SessionUnknown
from apps.accounts.signin.trail import session_id
from apps.accounts.signouts import end_sign_ins
from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import encode
from apps.core.operations import Risk, operation
from apps.tenancy.walls import whole_tenant

NOTED_EVERY = timedelta(minutes=1)
MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Shown:
    """A session as its person sees it."""

    id: str
    ip: str
    user_agent: str
    current: bool
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """Whose sessions ended, and how many."""

    user: User
    ended: int


@operation("sessions.list", scope="self:read", risk=Risk.READ, output=forms.SessionsOutput, anywhere=True)
def list_sessions(actor: Actor) -> dict[str, Any]:
    """List where you are signed in, the newest first, up to 100."""
    person = require_person(actor)
    with whole_tenant():
        rows = _alive(person)[:MOST_SHOWN]
        ends = dict(
            Session.objects.filter(session_key__in=[row.session_key for row in rows]).values_list(
                "session_key", "expire_date"
            )
        )
    data = [asdict(_shown(row, ends[row.session_key], actor)) for row in rows]
    return {"data": data, "next_cursor": None}


@operation("sessions.revoke", scope="self:write", risk=Risk.WRITE, anywhere=True)
def revoke_session(actor: Actor, *, session_id: UUID) -> User:
    """End one of your sessions: its cookie or token opens nothing from the next call on."""
    person = require_person(actor)
    with whole_tenant():
        rows = [row for row in _alive(person) if _id(row) == session_id]
        if not rows:
            raise SessionUnknown
        _end(rows)
        return _person(person)


@operation(
    "sessions.revoke_others",
    scope="self:write",
    risk=Risk.WRITE,
    output=forms.EndedOutput,
    anywhere=True,
    subject=lambda ended: ended.user,
    event="session.revoked",
)
def revoke_other_sessions(actor: Actor) -> Ended:
    """End all your sessions but the one that calls; with a key, all of them."""
    person = require_person(actor)
    with whole_tenant():
        rows = [row for row in _alive(person) if _id(row) != actor.credential.id]
        _end(rows)
        return Ended(_person(person), len(rows))


@operation(
    "users.end_sessions",
    scope="users:write",
    risk=Risk.WRITE,
    input=ReasonInput,
    output=forms.EndedOutput,
    subject=lambda ended: ended.user,
)
def end_sessions(actor: Actor, *, user_id: UUID, reason: str) -> Ended:  # noqa: ARG001 - the record keeps the reason
    """End all sessions of a person, and what signed in through one, with a reason.

    They may sign in again; their keys go on working. Suspending a person stops those too.
    """
    if not decides_for_tenant(actor):
        raise DirectoryOfTenant
    with whole_tenant():
        user = User.locked(User.objects.all(), user_id, None)
        ended = len(_alive(user.pk))
        # Sessions that are listed nowhere end by this, too.
        changed = user.apply({"signed_out_at": clock.now()})
        end_sign_ins(changed)
        return Ended(changed, ended)


def note_seen(token: str, address: str | None) -> None:
    """Write down that the session `token` was used now, at most once a minute; the tenant has to stand."""
    now = clock.now()
    changes: dict[str, Any] = {"last_seen_at": now} | ({"ip": address} if address else {})
    UserSession.objects.filter(session_key=token, last_seen_at__lte=now - NOTED_EVERY).update(**changes)


def _alive(person: UUID) -> list[UserSession]:
    """The person's sessions that have not ended, the newest first."""
    going_on = Session.objects.filter(expire_date__gt=clock.now()).values("session_key")
    rows = UserSession.objects.filter(user_id=person, session_key__in=going_on)
    return list(rows.order_by("-id"))


def _end(rows: list[UserSession]) -> None:
    keys = [row.session_key for row in rows]
    Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()


def _person(identity: UUID) -> User:
    person: User = User.objects.get(pk=identity)
    return person


def _id(row: UserSession) -> UUID:
    return session_id(row.session_key)


def _shown(row: UserSession, ends: datetime, actor: Actor) -> Shown:
    return Shown(
        encode("ses", _id(row)),
        row.ip,
        row.user_agent,
        _id(row) == actor.credential.id,
        row.created_at,
        row.last_seen_at,
        ends,
    )

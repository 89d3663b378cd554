"""What a credential's home tells of it, in one statement: its bounds, its principal, and where that one may act.

One reader for each kind of credential; the resolver knows no other difference between them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection

from apps.accounts.models import User
from apps.accounts.signin.factors import FACTORS
from apps.apikeys import errors
from apps.apikeys.lookup import Found
from apps.core import clock
from apps.core.actor import PrincipalKind


class PrincipalRow(NamedTuple):
    """What its home tells of a credential: its own bounds, whose it is, and where that one may act.

    `expires_at`, `kind` (of the principal) and `organization_id` are there where the home says what the registry does
    not, `permissions` where a machine has a custom role. `unused_roles` are those, as JSON, for which the home wants a
    second factor while this person has none. `lineage` and `minted_by` are of the client of a token.
    """

    name: str
    scopes: str
    allowed_ips: str
    chain: str
    slug: str | None
    principal_id: UUID
    principal_name: str
    status: str
    role: str
    owner_kind: str | None
    owner_id: UUID | None
    owner_name: str | None
    is_operator: bool
    expires_at: datetime | None = None
    kind: PrincipalKind | None = None
    permissions: str | None = None
    organization_id: UUID | None = None
    unused_roles: str = "[]"
    lineage: tuple[UUID, ...] = ()
    minted_by: UUID | None = None


_NO_OWNER = "null, null::uuid, null, false"
#: A person's role is said by their memberships, as JSON, the oldest first; a machine's by its own row.
SEATS_OF_PERSON = (
    "select coalesce(json_agg(json_build_object('id', place.id, 'slug', place.slug, 'role', seat.role, "
    "'permissions', own.permissions) order by seat.created_at, seat.id), '[]') from orgs_membership seat "
    "join orgs_organization place on place.id = seat.organization_id "
    "left join orgs_role own on own.organization_id = seat.organization_id and own.slug = seat.role "
    "where seat.user_id = principal.id"
)
#: The roles for which the tenant wants a second factor; none for a person who has one.
UNUSED_ROLES = (
    "case when exists (select from mfa_authenticator known where known.user_id = principal.id "  # noqa: S608 - constants only
    f"and known.type in ({', '.join(repr(str(one)) for one in FACTORS)})) then '[]' "
    "else coalesce((select wanted.second_factor_for::text from accounts_signinsettings wanted), '[]') end"
)
#: What a machine's role allows where it is one of its organization's own; null for a built-in role.
_PERMISSIONS_OF_MACHINE = (
    "(select own.permissions::text from orgs_role own "
    "where own.organization_id = key.organization_id and own.slug = principal.role)"
)
_PERMISSIONS = {"sk": _PERMISSIONS_OF_MACHINE, "ag": _PERMISSIONS_OF_MACHINE}
#: A key is no way around the second factor that its person's session would be asked for.
_UNUSED = {"us": UNUSED_ROLES}
_PRINCIPALS = {
    "sk": (
        f"principal.id, principal.name, principal.status, principal.role, {_NO_OWNER}",
        "join accounts_serviceaccount principal on principal.id = key.service_account_id",
    ),
    "ag": (
        "principal.id, principal.name, principal.status, principal.role, owner_kind, owner_id, owner_name, false",
        "join accounts_agent principal on principal.id = key.agent_id",
    ),
    "us": (
        (
            "principal.id, coalesce(nullif(principal.name, ''), principal.email), principal.status, "
            f"({SEATS_OF_PERSON})::text, null, null::uuid, null, principal.is_operator"
        ),
        "join accounts_user principal on principal.id = key.user_id",
    ),
    "pk": (
        f"key.id, key.name, coalesce(person.status, program.status, agent.status), 'none', {_NO_OWNER}",
        (
            "left join accounts_user person on person.id = key.user_id "
            "left join accounts_serviceaccount program on program.id = key.service_account_id "
            "left join accounts_agent agent on agent.id = key.agent_id"
        ),
    ),
}
_READ_KEY = {
    kind: "select key.name, key.scopes, key.allowed_ips, key.chain, organization.slug, "  # noqa: S608 - constants only
    f"{columns}, {_PERMISSIONS.get(kind, 'null')}, {_UNUSED.get(kind, repr('[]'))} from apikeys_key key {joins} "
    "left join orgs_organization organization on organization.id = key.organization_id where key.id = %s"
    for kind, (columns, joins) in _PRINCIPALS.items()
}
_READ_SESSIONS = (
    "select opened.session_data, principal.id, principal.password, principal.signed_out_at, opened.expire_date, "  # noqa: S608 - constants only
    "coalesce(nullif(principal.name, ''), principal.email), principal.status, "
    f"({SEATS_OF_PERSON})::text, principal.is_operator, {UNUSED_ROLES} from django_session opened "
    "join usersessions_usersession entry on entry.session_key = opened.session_key "
    "join accounts_user principal on principal.id = entry.user_id "
    "where {which} and opened.expire_date > %s"
)
_READ_SESSION = _READ_SESSIONS.format(which="opened.session_key = %s")
#: The session's key is kept nowhere but there, so it is found by what a credential's id is made of.
_READ_HAND_OFF = _READ_SESSIONS.format(
    which="entry.user_id = %s and substring(sha256(convert_to(entry.session_key, 'UTF8')) from 1 for 16) = %s"
)


def principal_kind(found: Found, row: PrincipalRow) -> PrincipalKind:
    """Who it is; a publishable key's visitor is nobody's principal."""
    return row.kind or _KINDS.get(found.kind, PrincipalKind.VISITOR)


def add_reader(kind: str, reader: Callable[[Found], PrincipalRow]) -> None:
    """Read credentials of `kind` with `reader`, which raises an Unauthenticated when there is no such any more."""
    _READERS[kind] = reader


def read_principal(found: Found) -> PrincipalRow:
    """Read it where the credential is at home; that wall has to stand. One query.

    Raises an Unauthenticated when there is no such credential any more.
    """
    return _READERS.get(found.kind, _read_key)(found)


def _read_key(found: Found) -> PrincipalRow:
    row = _fetch(_READ_KEY[found.kind], [found.id])
    if row is None:
        raise errors.KeyRevoked(
            "The principal or organization of this key was deleted.", remedy=errors.NEW_KEY
        )
    permissions, unused = row[-2:]
    return PrincipalRow(*row[:-2])._replace(permissions=permissions, unused_roles=unused)


def _read_session(found: Found) -> PrincipalRow:
    return _signed_in(_fetch(_READ_SESSION, [found.secret, clock.now()]))


def _read_hand_off(found: Found) -> PrincipalRow:
    """The person of the console who opened it, while the session out of which they did goes on."""
    opened = found.opened
    arguments = [opened.user_id, opened.session_id.bytes, clock.now()] if opened else [None, b"", clock.now()]
    return _signed_in(_fetch(_READ_HAND_OFF, arguments))


def _signed_in(row: tuple[Any, ...] | None) -> PrincipalRow:
    if row is None or not _is_signed_in(*row[:4]):
        raise errors.SessionEnded
    ends, principal_id, name, status, seats, is_operator, unused = row[4], row[1], *row[5:]
    whose = (None, principal_id, name, status, seats, None, None, None, is_operator, ends)
    return PrincipalRow("", '["*"]', "[]", "[]", *whose, unused_roles=unused)


def _is_signed_in(data: str, user_id: UUID, password: str, signed_out_at: datetime | None) -> bool:
    """Ask of a session what Django asks: it is this person's, and password and sign-out are those it was begun with."""
    session = SessionStore().decode(data)
    person = User(password=password, signed_out_at=signed_out_at)
    begun_with = str(session.get(HASH_SESSION_KEY, ""))
    return session.get(SESSION_KEY) == str(user_id) and person.is_still_in(begun_with)


def _fetch(statement: str, parameters: list[Any]) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row


_READERS: dict[str, Callable[[Found], PrincipalRow]] = {"session": _read_session, "handoff": _read_hand_off}
#: Whose a kind of credential is, where that is always the same.
_KINDS = {
    "sk": PrincipalKind.SERVICE_ACCOUNT,
    "ag": PrincipalKind.AGENT,
    "us": PrincipalKind.USER,
    "session": PrincipalKind.USER,
    "handoff": PrincipalKind.USER,
}

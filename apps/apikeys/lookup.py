"""What the registry knows about a call before any tenant is entered: one statement for key, tenant, host, environment.

Written as SQL, because this is on the path of every call: building the same statement out of querysets costs more than
the database needs to answer it. All of it is constant text with parameters.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import orjson
from django.db import connection

from apps.core.actor import TenantRef
from apps.tenancy.backend.base import OUTSIDE, DatabaseWrapper
from apps.tenancy.walls import outside

_COLUMNS = ("id", "name", "schema_name", "kind", "protected", "state", "fingerprint", "owner_organization_id")
_TENANT = ", ".join(f"{{0}}.{column}" for column in _COLUMNS)
_TENANT_WIDTH = len(_COLUMNS)
_KEY_COLUMNS = (
    "id", "kind", "digest", "previous_digest", "previous_until", "organization_id", "allowed_origins", "expires_at",
    "revoked_at", "last_used_at",
)  # fmt: skip
#: One of the principals behind a key who is stopped; see apps/apikeys/halts.py.
HALTED = "(select halt.mark from public.apikeys_halt halt where halt.mark = any(key.lineage) limit 1)"
_KEY = ", ".join([*(f"key.{column}" for column in _KEY_COLUMNS), HALTED])
_KEY_WIDTH = len(_KEY_COLUMNS) + 1
_FIND_KEY = f"""
select {_KEY}, {_TENANT.format("home")} {{columns}}
from public.apikeys_keyindex key
join public.tenancy_tenant home on home.id = key.tenant_id {{joins}}
where key.id = %s
"""  # noqa: S608 - constants only
_JOIN_HOST = "left join public.tenancy_domain host on host.domain = %s"
_JOIN_AWAY = "left join public.tenancy_tenant away on away.name = %s and away.state = 'active'"
#: By whether the call came to a tenant's host, and whether it named an environment: each join that is left out saves
#: a tenth of what the whole call's authentication costs.
_FIND_KEY_WITH = {
    (False, False): _FIND_KEY.format(columns="", joins=""),
    (True, False): _FIND_KEY.format(columns=", host.tenant_id", joins=_JOIN_HOST),
    (False, True): _FIND_KEY.format(columns=f", {_TENANT.format('away')}", joins=_JOIN_AWAY),
    (True, True): _FIND_KEY.format(
        columns=f", host.tenant_id, {_TENANT.format('away')}", joins=f"{_JOIN_HOST} {_JOIN_AWAY}"
    ),
}
_FIND_TENANT = f"""
select {_TENANT.format("home")} {{columns}}
from public.tenancy_tenant home {{joins}}
where home.state = 'active' and home.id = {{which}}
"""  # noqa: S608 - constants only
_OF_HOST = "(select tenant_id from public.tenancy_domain where domain = %s)"
_FIND_HOST = f"""
select {_TENANT.format("home")} from public.tenancy_domain host
join public.tenancy_tenant home on home.id = host.tenant_id and home.state = 'active'
where host.domain = %s
"""  # noqa: S608 - constants only
_FIND_CONSOLE = f"""
select {_TENANT.format("home")} from public.tenancy_tenant home where kind = 'console' and state = 'active'
"""  # noqa: S608 - constants only
_FIND_HAND_OFF = f"""
select given.id, given.owner_organization_id, given.expires_at, given.ended_at, given.user_id, given.session_id,
       {_TENANT.format("home")}
from public.apikeys_handoff given
join public.tenancy_tenant home on home.kind = 'console' and home.state = 'active'
where given.session_digest = %s and given.tenant_id = %s
"""  # noqa: S608 - constants only
_FIND_ORIGIN = """
select exists (select from public.apikeys_keyindex
where kind = 'pk' and revoked_at is null and expires_at > now() and tenant_id = coalesce(%s, tenant_id)
  and (allowed_origins @> %s::jsonb or allowed_origins @> '["*"]'::jsonb))
"""


_NEVER = datetime.max.replace(tzinfo=UTC)
_KEY_KINDS = frozenset({"sk", "pk", "ag", "us"})


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant of the registry, as much of it as decides whether a call may act there."""

    ref: TenantRef
    state: str
    fingerprint: str
    owner_organization_id: UUID | None

    @property
    def kind(self) -> str:
        """The kind of tenant."""
        return self.ref.kind

    @property
    def is_active(self) -> bool:
        """True when calls may act on it."""
        return self.state == "active"


@dataclass(frozen=True, slots=True)
class Opened:
    """Out of which session of which person of the console a hand-off was opened."""

    user_id: UUID
    session_id: UUID


@dataclass(frozen=True, slots=True)
class Found:
    """A credential and its home, the environment that the call named and the host's tenant, where there are.

    Of a key it holds the index row. A session or token (`kind` "session", "oauth") is looked up in its home by
    `secret`; `id` is made from that, and what the row says, such as when it ends, is read there.
    """

    home: TenantRow
    environment: TenantRow | None
    host_tenant_id: UUID | None
    id: UUID
    kind: str = ""
    digest: bytes = b""
    previous_digest: bytes | None = None
    previous_until: datetime | None = None
    organization_id: UUID | None = None
    origins: str = "[]"
    expires_at: datetime = _NEVER
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    halted: UUID | None = None
    outgoing: bool = False
    secret: str = field(default="", repr=False)
    in_public: bool = False
    opened: Opened | None = None

    @property
    def is_key(self) -> bool:
        """True for a key, false for a session or token."""
        return self.kind in _KEY_KINDS

    @property
    def allowed_origins(self) -> list[str]:
        """The websites that a publishable key serves."""
        return list(orjson.loads(self.origins))


def find_key(key_id: UUID, *, host: str, environment: str) -> Found | None:
    """The key `key_id` with its surroundings, or None. `host` and `environment` may be ''. One query."""
    named = [name for name in (host, environment) if name]
    row = _fetch(_FIND_KEY_WITH[bool(host), bool(environment)], [*named, key_id])
    if row is None:
        return None
    key, home, rest = (
        row[:_KEY_WIDTH],
        row[_KEY_WIDTH : _KEY_WIDTH + _TENANT_WIDTH],
        row[_KEY_WIDTH + _TENANT_WIDTH :],
    )
    host_tenant_id, away = (rest[0], rest[1:]) if host else (None, rest)
    return Found(_tenant(home), _tenant(away) if away and away[0] else None, host_tenant_id, *key)


def find_home(tenant_id: UUID | None, *, host: str, environment: str) -> Found | None:
    """The active tenant `tenant_id`, or the one that `host` belongs to, with its surroundings, or None. One query.

    What comes back is no credential yet: `kind` is '' and it opens nothing.
    """
    joins, columns, arguments = [], [], []
    if host:
        joins, columns, arguments = [_JOIN_HOST], ["host.tenant_id"], [host]
    if environment:
        joins, columns = [*joins, _JOIN_AWAY], [*columns, _TENANT.format("away")]
        arguments.append(environment)
    which, wanted = ("%s", tenant_id) if tenant_id is not None else (_OF_HOST, host)
    statement = _FIND_TENANT.format(
        columns="".join(f", {column}" for column in columns), joins=" ".join(joins), which=which
    )
    row = _fetch(statement, [*arguments, wanted])
    if row is None:
        return None
    rest = row[_TENANT_WIDTH:]
    host_tenant_id, away = (rest[0], rest[1:]) if host else (None, rest)
    home = _tenant(row[:_TENANT_WIDTH])
    return Found(home, _tenant(away) if away and away[0] else None, host_tenant_id, home.ref.id)


def find_host(host: str) -> TenantRow | None:
    """The active tenant that `host` belongs to, or None. One query."""
    row = _fetch(_FIND_HOST, [host])
    return None if row is None else _tenant(row)


def find_hand_off(session_digest: bytes, environment: TenantRow) -> Found | None:
    """The hand-off that began a session on the host of `environment`, or None. It may be over. One query."""
    row = _fetch(_FIND_HAND_OFF, [session_digest, environment.ref.id])
    if row is None:
        return None
    identity, organization_id, expires_at, ended_at, user_id, session_id = row[:6]
    return Found(
        home=_tenant(row[6:]),
        environment=environment,
        host_tenant_id=environment.ref.id,
        id=identity,
        kind="handoff",
        organization_id=organization_id,
        expires_at=expires_at,
        revoked_at=ended_at,
        opened=Opened(user_id, session_id),
    )


def find_console() -> TenantRow | None:
    """The console, or None in an installation that has none yet. One query."""
    row = _fetch(_FIND_CONSOLE, [])
    return None if row is None else _tenant(row)


def knows_origin(origin: str, tenant_id: UUID | None) -> bool:
    """True when some live publishable key (of `tenant_id`, where given) allows `origin`. One query."""
    row = _fetch(_FIND_ORIGIN, [tenant_id, orjson.dumps([origin]).decode()])
    return bool(row and row[0])


def standing_outside() -> AbstractContextManager[Any]:
    """Stand outside of every tenant; costs nothing where that is so already."""
    at_edge = cast(DatabaseWrapper, connection).wall == OUTSIDE
    return nullcontext() if at_edge else cast("AbstractContextManager[Any]", outside())


def _fetch(statement: str, parameters: list[Any]) -> tuple[Any, ...] | None:
    with standing_outside(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cast("tuple[Any, ...] | None", cursor.fetchone())


def _tenant(row: tuple[Any, ...]) -> TenantRow:
    return TenantRow(TenantRef(*row[:5]), *row[5:])

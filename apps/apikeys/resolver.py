"""The one place where a credential becomes an actor. Edges call the three steps in their order:

`find` asks the registry where the credential is at home, and of a key whether it opens anything; `admit` decides where
it may act in this call; `identify` reads, behind the wall of the key's own organization, who it belongs to and what it
may do.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import orjson

from apps.accounts.oauth.texts import looks_like_token
from apps.accounts.signin.gates import wants_second_factor
from apps.apikeys import errors, keyformat, tokens
from apps.apikeys.conditions import require_conditions
from apps.apikeys.delegations import acting
from apps.apikeys.handoffs import digest as digest_of
from apps.apikeys.lookup import Found, TenantRow, find_hand_off, find_home, find_key, standing_outside
from apps.apikeys.network import allows_origin
from apps.apikeys.people import Seat
from apps.apikeys.principals import PrincipalRow, principal_kind, read_principal
from apps.apikeys.seats import guessed, named_organization, organization_of, rights, seat_of
from apps.apikeys.snapshots import read_chain
from apps.core import clock
from apps.core.actor import Actor, Call, Credential, OrganizationRef, PrincipalKind, PrincipalRef
from apps.core.ids import encode
from apps.core.problems import HostRefused, NotFound, Remedy, missing, show
from apps.core.scopes import Scopes
from apps.tenancy.blueprint import is_behind
from apps.tenancy.walls import NO_ORGANIZATION, Within, enter

_TENANT_NAME = re.compile(r"[a-z0-9-]{1,60}(/[a-z0-9-]{1,60})?")
#: What a kind of credential is called outside.
KIND_WORDS = {
    "sk": "secret",
    "pk": "publishable",
    "ag": "agent",
    "us": "user",
    "session": "session",
    "handoff": "hand-off",
    "oauth": "oauth",
    "standing": "standing",
}


@dataclass(frozen=True, slots=True)
class Presented:
    """What a call shows: its credential, and the headers that say where it wants to act. '' where there is none.

    `text` is a key, `session` the token of a session; with both, the (publishable) key only names the tenant.
    `host` is '' on a host of the installation, which belongs to no tenant. `in_public` is True for what came as
    Packmule-Key. `guess` takes a person's first organization where several are possible, or the named one is not
    theirs (the admin, which shows and switches it). `anywhere` lets a person of several act in none of them.
    """

    text: str
    call: Call
    host: str = ""
    environment: str = ""
    organization: str = ""
    on_behalf_of: str = ""
    expect_tenant: str = ""
    origin: str = ""
    in_public: bool = False
    session: str = field(default="", repr=False)
    guess: bool = False
    anywhere: bool = False

    @property
    def named(self) -> str:
        """The environment, where what was sent can be the name of one."""
        return self.environment if _TENANT_NAME.fullmatch(self.environment) else ""


def find(presented: Presented) -> Found:
    """The presented credential in a tenant that is; a key is alive. One query.

    Raises an Unauthenticated that says what is wrong.
    """
    if not presented.session:
        return _find_shown(presented)
    home = _find_key(presented) if presented.text else _find_home_by_host(presented)
    return session_in(replace(home, in_public=bool(presented.text)), presented.session)


def _find_shown(presented: Presented) -> Found:
    """What came as Authorization (or as Packmule-Key, where no token has a place)."""
    if looks_like_token(presented.text) and not presented.in_public:
        return tokens.find(presented.text, host=presented.host, environment=presented.named)
    return _find_key(presented)


def _find_home_by_host(presented: Presented) -> Found:
    if not presented.host:
        raise errors.TenantUnnamed
    found = find_home(None, host=presented.host, environment=presented.named)
    if found is None:
        raise HostRefused(f"No tenant here has the host {show(presented.host)}. {HostRefused.advice}")
    return found


def _find_key(presented: Presented) -> Found:
    parsed = _parse(presented.text)
    if presented.in_public and parsed.kind != "pk":
        raise errors.PublishableKeyNeeded
    found = find_key(parsed.id, host=presented.host, environment=presented.named)
    if found is None or not _opens(found, parsed.digest):
        raise errors.KeyUnknown(remedy=errors.NEW_KEY)
    if not keyformat.matches(parsed.digest, found.digest):
        found = replace(found, outgoing=True)
    shown = encode("key", found.id)
    if found.revoked_at is not None:
        raise errors.KeyRevoked(
            f"{shown} was revoked at {found.revoked_at:%Y-%m-%d %H:%M} UTC.", remedy=errors.NEW_KEY
        )
    if found.expires_at <= clock.now():
        raise errors.KeyExpired(
            f"{shown} expired at {found.expires_at:%Y-%m-%d %H:%M} UTC.", remedy=errors.NEW_KEY
        )
    if not found.home.is_active:
        raise errors.TenantDeleted
    return found


def admit(found: Found, presented: Presented) -> TenantRow:
    """The tenant in which the key acts in this call: its home, or an environment that a key of the console named.

    Raises WrongTenant on another tenant's host, NotFound for an environment that is none of the caller's to know,
    OriginNotAllowed; at home TenantMismatch and TenantBehind too. Away those wait until the caller is known to belong
    there (`identify_here`), or they would tell strangers which environments there are. Asks nothing.
    """
    away = presented.environment not in ("", found.home.ref.name)
    target = _environment(found) if away else found.home
    if found.host_tenant_id is not None and found.host_tenant_id not in {
        found.home.ref.id,
        target and target.ref.id,
    }:
        raise errors.WrongTenant(
            f"{show(presented.host)} does not belong to {found.home.ref.name}, which this key is of."
        )
    if target is None:
        raise missing("environment", presented.environment)
    if not away:
        _require_expected(target, presented)
    require_current(found.home)
    named_in_public = found.in_public or found.kind == "pk"
    if named_in_public and presented.origin and not allows_origin(found.allowed_origins, presented.origin):
        raise errors.OriginNotAllowed(f"The publishable key is not allowed on {show(presented.origin)}.")
    return target


def _environment(found: Found) -> TenantRow | None:
    """The named environment, unless it is plain already that the key does not reach it."""
    named = found.environment
    # A publishable key is for everybody to see, and opens nothing but its own tenant.
    if named is None or found.home.kind != "console" or found.kind == "pk":
        return None
    return named if found.organization_id in (None, named.owner_organization_id) else None


def _require_expected(target: TenantRow, presented: Presented) -> None:
    if presented.expect_tenant not in ("", target.ref.name):
        raise errors.TenantMismatch(
            f"This would act on {target.ref.name}; Packmule-Expect-Tenant says {show(presented.expect_tenant)}."
        )


def require_current(tenant: TenantRow) -> None:
    """Raise TenantBehind when the tenant was built for other code than the code that runs."""
    if is_behind(tenant):  # type: ignore[arg-type] # it reads `kind` and `fingerprint`, which a row has too
        raise errors.TenantBehind(
            f"{tenant.ref.name} was built for other code than the code that runs. Run: manage.py prepare",
            remedy=Remedy("manage.py prepare"),
            retry_after=30,
        )


def identify(found: Found, target: TenantRow, presented: Presented) -> Actor:
    """Who the key belongs to and what it may do in `target`, asked behind the wall of the key's own organization."""
    with key_wall(found):
        return identify_here(found, target, presented)


def key_wall(found: Found) -> AbstractContextManager[Any]:
    """Stand where the key's own row is: in its home, behind its organization's wall where it has one."""
    wall: AbstractContextManager[Any] = enter(found.home.ref, found.organization_id)
    return wall


def identify_here(found: Found, target: TenantRow, presented: Presented) -> Actor:
    """Do what `identify` does for a caller that stands in the key's wall already, and may go on standing there.

    One query for a call at home with no organization named.
    Raises PrincipalSuspended, AddressNotAllowed, NotAMember, OrganizationRequired, NotFound for an organization or
    environment that is not the caller's, and away TenantMismatch and TenantBehind.
    """
    away = target.ref.id != found.home.ref.id
    wanted = named_organization(presented.organization)
    whom = acting.named(presented.on_behalf_of) if presented.on_behalf_of else None
    row = read_principal(found)
    if row.organization_id is not None:
        found = replace(found, organization_id=row.organization_id)
    require_conditions(found, row, presented.call)
    if whom is not None and not away:
        return _represented(found, target, presented, row, whom)
    if presented.guess and not away:
        wanted = guessed(row, wanted)
    place = target.owner_organization_id if away else wanted
    seat = seat_of(found, row, place, away=away, anywhere=presented.anywhere)
    organization = seat.organization if seat else None
    if away:
        if organization is None or organization.id != target.owner_organization_id:
            raise missing("environment", presented.environment)
        _require_expected(target, presented)
        require_current(target)
        if whom is not None:
            grant = acting.find_grant(
                target.ref, _delegate(found, row, whom), found.home.ref.id, whom, wanted
            )
            actor = _actor(found, row, target, presented.call, grant.organization, seat)
            return acting.acting_for(actor, grant, whom)
        organization = organization_of(target, wanted)
    return _actor(found, row, target, presented.call, organization, seat)


def _represented(
    found: Found, target: TenantRow, presented: Presented, row: PrincipalRow, whom: acting.Named
) -> Actor:
    """Who acts at home for `whom`: where the delegation holds, and the delegate has a place of its own."""
    wanted = named_organization(presented.organization)
    grant = acting.find_grant(target.ref, _delegate(found, row, whom), None, whom, wanted)
    place = grant.organization.id if grant.organization else None
    try:
        seat = seat_of(found, row, place, away=False, anywhere=True)
    except NotFound:
        raise acting.missing(whom) from None
    actor = _actor(found, row, target, presented.call, seat.organization if seat else None, seat)
    return acting.acting_for(actor, grant, whom)


def _delegate(found: Found, row: PrincipalRow, whom: acting.Named) -> tuple[PrincipalKind, UUID]:
    """Who may have been given a delegation. Raises DelegationMissing for a visitor, who is nobody."""
    kind = principal_kind(found, row)
    if kind is PrincipalKind.VISITOR:
        raise acting.missing(whom)
    return kind, row.principal_id


@contextmanager
def actor_for_key(text: str, call: Call, *, environment: str = "", organization: str = "") -> Iterator[Actor]:
    """Stand where the key `text` acts, as its actor: for edges inside the process, which have no host, origin or limit.

    Raises what the three steps raise.
    """
    presented = Presented(text, call, environment=environment, organization=organization)
    with standing_outside():
        found = find(presented)
        actor = identify(found, admit(found, presented), presented)
        with enter(actor.tenant, within(actor)):
            yield actor


def actor_of_cookie(home: TenantRow, session_key: str, chosen: UUID | None, call: Call) -> Actor:
    """Who signed in to `home` with a cookie, in the organization `chosen`, or their first where that is not theirs.

    Raises what `identify` raises.
    """
    organization = encode("org", chosen) if chosen else ""
    presented = Presented("", call, organization=organization, session=session_key, guess=True)
    return identify(session_in(Found(home, None, None, home.ref.id), session_key), home, presented)


def actor_of_hand_off(environment: TenantRow, session_key: str, chosen: UUID | None, call: Call) -> Actor:
    """Who was handed off from the console to the session `session_key` on the host of `environment`.

    They act away from home: across the environment, or within its organization `chosen`. Raises HandOffEnded when the
    hand-off or what it rests on in the console is over, and what `identify` raises. Two queries.
    """
    found = _alive(find_hand_off(digest_of(session_key), environment), environment)
    organization = encode("org", chosen) if chosen else ""
    try:
        require_current(found.home)
        return identify(found, environment, Presented("", call, organization=organization))
    except errors.SessionEnded:
        raise errors.HandOffEnded("The session in the console out of which it was opened is over.") from None
    except errors.NotAMember:
        raise errors.HandOffEnded(
            f"You are no member of the organization any more that owns {environment.ref.name}."
        ) from None


def _alive(found: Found | None, environment: TenantRow) -> Found:
    """The hand-off `found`, as long as the registry lets it open `environment`. Raises HandOffEnded."""
    if found is None:
        raise errors.HandOffEnded(f"There is no such session of {environment.ref.name}.")
    if found.revoked_at is not None:
        raise errors.HandOffEnded(f"It was ended at {found.revoked_at:%Y-%m-%d %H:%M} UTC.")
    if found.expires_at <= clock.now():
        raise errors.HandOffEnded(f"Its time was over at {found.expires_at:%Y-%m-%d %H:%M} UTC.")
    if found.organization_id != environment.owner_organization_id:
        raise errors.HandOffEnded(f"{environment.ref.name} belongs to another organization now.")
    return found


def session_in(home: Found, token: str) -> Found:
    """The session `token` of the tenant that `home` found. Whether there is one is read there."""
    digest = hashlib.sha256(token.encode()).digest()
    return replace(home, id=UUID(bytes=digest[:16]), kind="session", secret=token, organization_id=None)


def within(actor: Actor) -> Within:
    """Where in its tenant an actor stands: in its organization, or across them, or in none."""
    if actor.organization is not None:
        return actor.organization.id
    return None if actor.is_tenant_wide else NO_ORGANIZATION


def _parse(text: str) -> keyformat.ParsedKey:
    try:
        return keyformat.parse(text)
    except keyformat.KeyTextError as error:
        refusal = errors.KeyTruncated if error.truncated else errors.KeyMalformed
        raise refusal(
            f"What was sent is no whole key: {error}. {refusal.advice}", remedy=errors.NEW_KEY
        ) from None


def _opens(found: Found, digest: bytes) -> bool:
    if keyformat.matches(digest, found.digest):
        return True
    overlaps = found.previous_until is not None and found.previous_until > clock.now()
    return overlaps and keyformat.matches(digest, found.previous_digest)


def _actor(
    found: Found,
    row: PrincipalRow,
    target: TenantRow,
    call: Call,
    organization: OrganizationRef | None,
    seat: Seat | None,
) -> Actor:
    kind = principal_kind(found, row)
    role, permissions = rights(row, kind, seat)
    owner = (
        PrincipalRef(PrincipalKind(row.owner_kind), row.owner_id, str(row.owner_name))
        if row.owner_kind
        else None
    )
    return Actor(
        principal=PrincipalRef(kind, row.principal_id, row.principal_name),
        home=found.home.ref,
        tenant=target.ref,
        credential=Credential(
            found.id,
            KIND_WORDS[found.kind],
            Scopes.parse(orjson.loads(row.scopes)),
            row.expires_at or found.expires_at,
            read_chain(orjson.loads(row.chain)),
            found.outgoing,
            found.organization_id,
            row.lineage,
            row.minted_by,
        ),
        call=call,
        role=role,
        permissions=permissions,
        organization=organization,
        owner=owner,
        is_operator=row.is_operator and target.kind == "console",
        lacks_second_factor=wants_second_factor(orjson.loads(row.unused_roles), role, permissions),
    )

"""Making, rotating and revoking keys: plain functions for operations, for applications and for the first start.

A key is a row in its tenant and one in the registry's index, written in one transaction. Whoever locks a minter's index
row sees every key that it has minted: minting takes that lock too, so that revoking cannot miss a key in the making.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys import halts
from apps.apikeys.errors import IpRefused, KeyNotAlive, KeyRevoked, OriginRefused
from apps.apikeys.halts import Behind
from apps.apikeys.keyformat import compose, digest
from apps.apikeys.models import Key, KeyIndex, KeyKind
from apps.apikeys.network import ANY_ORIGIN, read_network, read_origin
from apps.apikeys.snapshots import chain_after, joined, read_chain, write_chain
from apps.core import clock
from apps.core.actor import Actor, TenantRef
from apps.core.problems import FieldError, show
from apps.core.scopes import Scopes
from apps.tenancy.walls import current_schema, registry

Principal = User | ServiceAccount | Agent
_PRINCIPAL_FIELD = {User: "user_id", ServiceAccount: "service_account_id", Agent: "agent_id"}
#: What credentials that are keys are called outside.
KEY_WORDS = frozenset(str(kind.label).lower() for kind in KeyKind)
_SIGNED_IN = frozenset({"session", "hand-off"})
_REVOKE = """
with recursive doomed as (
    select id from public.apikeys_keyindex where id = any(%(ids)s)
    union
    select known.id from public.apikeys_keyindex known
      join doomed on doomed.id in (known.minted_by_id, known.rotated_by_id)
)
update public.apikeys_keyindex set revoked_at = %(now)s
where revoked_at is null and id in (select id from doomed)
returning id
"""
_on_revoked: list[Callable[[list[UUID]], Any]] = []


def on_revoked(hook: Callable[[list[UUID]], Any]) -> None:
    """Call `hook` with the keys that a revocation ended, in its transaction. They may be of several tenants."""
    if hook not in _on_revoked:
        _on_revoked.append(hook)


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A key and its secret: the only moment at which the secret exists here."""

    key: Key
    secret: str

    def __repr__(self) -> str:
        return f"MintedKey({self.key.public_id})"

    @property
    def version(self) -> int:
        """The version of the key, which is the ETag of the answer."""
        return self.key.version


def mint(
    *,
    tenant: TenantRef,
    principal: Principal,
    kind: KeyKind,
    name: str,
    scopes: Scopes,
    expires_at: datetime,
    minter: Actor | None,
    allowed_ips: Sequence[str] = (),
    allowed_origins: Sequence[str] = (),
    organization_id: UUID | None = None,
) -> MintedKey:
    """Make a key of `principal` in `tenant`, which must stand. Checks no authority: that is for the caller to do.

    A machine's key belongs to the machine's organization; `organization_id` binds a person's key to one of theirs.
    `minter` None is the installation itself. Raises OriginRefused, IpRefused, and KeyRevoked when the minter's own key
    is dead by now.
    """
    if current_schema() != tenant.schema_name:
        raise RuntimeError(f"A key of {tenant.name} is minted while {tenant.name} stands.")
    origins, ips = checked_origins(allowed_origins, tenant), checked_ips(allowed_ips)
    key = Key(
        name=name,
        kind=kind,
        organization_id=organization_id if isinstance(principal, User) else principal.organization_id,
        scopes=scopes.texts(),
        allowed_ips=ips,
        chain=write_chain(chain_after(minter)),
        **{_PRINCIPAL_FIELD[type(principal)]: principal.pk},
    )
    secret = compose(key.id, kind, live=is_live(tenant))
    key.index = KeyIndex(
        id=key.id,
        tenant_id=tenant.id,
        kind=kind,
        digest=digest(secret),
        organization_id=key.organization_id,
        allowed_origins=origins,
        expires_at=_bounded(expires_at, minter),
        lineage=[Behind(tenant.id, principal.kind, principal.pk).mark],
    )
    with transaction.atomic():
        key.save(force_insert=True)
        _write_index(key.index, minter)
    return MintedKey(key, secret)


def is_live(tenant: TenantRef) -> bool:
    """True where a key says `live`: in the console and in protected environments."""
    return tenant.kind == "console" or tenant.protected


def rotate(key: Key, tenant: TenantRef, *, overlap: timedelta, by: Actor) -> MintedKey:
    """Give `key` (a locked row of `tenant`) a new secret; the previous one works for `overlap` more, or ends at once.

    The expiry stays: rotation replaces a secret, it does not prolong a right. Whoever rotates another's key knows its
    secret from then on, so the rotator joins the chain, and revoking the rotator's key revokes this one too, as
    revoking its minter's does.
    Raises KeyNotAlive.
    """
    secret = compose(key.id, key.kind, live=is_live(tenant))
    with registry():
        index = KeyIndex.objects.select_for_update().get(pk=key.pk)
        if not index.is_alive:
            raise KeyNotAlive(f"{key.public_id} is revoked or expired and cannot be rotated.")
        index.previous_digest = index.digest if overlap else None
        index.previous_until = clock.now() + overlap if overlap else None
        index.digest = digest(secret)
        rotator = key_of(by)
        if rotator is not None and rotator != key.pk:
            index.rotated_by = _living_minter(rotator)
        if rotator != key.pk:
            shown = index.rotated_by if rotator is not None else None
            index.lineage = halts.joined(index.lineage, _lineage_of(by, shown))
        index.save()
    if by.credential.id != key.pk:
        key.chain = write_chain(joined(read_chain(key.chain), chain_after(by)))
    key.index, key.version = index, key.version + 1
    key.save(update_fields=["chain", "version"])
    return MintedKey(key, secret)


def revoke(key_ids: Iterable[UUID]) -> int:
    """Revoke keys and everything minted by them, in every tenant, and return how many that were. Repeatable.

    Repeated until nothing is found: a key that was being minted meanwhile shows up once its minter's lock is free.
    """
    with transaction.atomic(savepoint=False):
        revoked = _revoked(list(key_ids))
        for hook in _on_revoked if revoked else ():
            hook(revoked)
    return len(revoked)


def _revoked(ids: list[UUID]) -> list[UUID]:
    revoked: list[UUID] = []
    with registry(), connection.cursor() as cursor:
        while ids:
            cursor.execute(_REVOKE, {"ids": ids, "now": clock.now()})
            if not (found := [row[0] for row in cursor.fetchall()]):
                break
            revoked += found
    return revoked


def checked_origins(origins: Sequence[str], tenant: TenantRef) -> list[str]:
    """`origins` as browsers send them, each once. Raises OriginRefused, also for `*` in protected environments."""
    checked = []
    for place, text in enumerate(origins):
        if text == ANY_ORIGIN and is_live(tenant):
            raise _refused(OriginRefused, place, f"'*' is not taken in {tenant.name}, which is protected.")
        try:
            checked.append(text if text == ANY_ORIGIN else read_origin(text))
        except ValueError:
            raise _refused(
                OriginRefused, place, f"{show(text)} is no origin. {OriginRefused.advice}"
            ) from None
    return list(dict.fromkeys(checked))


def checked_ips(networks: Sequence[str]) -> list[str]:
    """`networks` as CIDR, each once. Raises IpRefused."""
    checked = []
    for place, text in enumerate(networks):
        try:
            checked.append(read_network(text))
        except ValueError as error:
            raise _refused(IpRefused, place, f"{show(text)} is no network: {error}.") from None
    return list(dict.fromkeys(checked))


def _refused(problem: type[OriginRefused | IpRefused], place: int, detail: str) -> OriginRefused | IpRefused:
    return problem(detail, errors=[FieldError(f"{problem.field}[{place}]", problem.code, detail)])


def _write_index(index: KeyIndex, minter: Actor | None) -> None:
    with registry():
        if minter is not None:
            shown = key_of(minter)
            index.minted_by = None if shown is None else _living_minter(shown)
            index.lineage = halts.joined(index.lineage, _lineage_of(minter, index.minted_by))
        index.save(force_insert=True)


def _lineage_of(minter: Actor, shown: KeyIndex | None) -> list[UUID]:
    """The marks that what `minter` makes carries; `shown` is the index row of the key by which it does."""
    if shown is None:
        return halts.marks_of(minter)
    # Its minters may be of other tenants, which only the row knows.
    return halts.joined(shown.lineage, halts.marks_of(minter, chain=False))


def key_of(actor: Actor | None) -> UUID | None:
    """The key that the actor showed, or by which the client of its token was registered; None for everybody else."""
    if actor is None:
        return None
    shown = actor.credential
    return shown.id if shown.kind in KEY_WORDS else shown.minted_by


def end_of(actor: Actor) -> datetime | None:
    """When what `actor` makes ends at the latest: with its key or token, and with the delegation by which it acts.

    None where it need not end. A session's end is not that of what was done in it.
    """
    shown, granted = actor.credential, actor.delegation.expires_at if actor.delegation is not None else None
    own = None if shown.kind in _SIGNED_IN else shown.expires_at
    return min((end for end in (own, granted) if end is not None), default=None)


def _bounded(expires_at: datetime, minter: Actor | None) -> datetime:
    """When a new key ends: none outlives what it was minted with. A session's end counts here, too."""
    if minter is None:
        return expires_at
    ends = (expires_at, minter.credential.expires_at, end_of(minter))
    return min(end for end in ends if end is not None)


def _living_minter(key_id: UUID) -> KeyIndex:
    row = KeyIndex.objects.select_for_update(no_key=True).filter(pk=key_id).first()
    if row is None or not row.is_alive:
        raise KeyRevoked("The key that was shown was revoked or expired while it minted another.")
    return row

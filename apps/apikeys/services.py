"""Operations on keys, and the question of every credential: who am I?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from apps.accounts.authority import is_oneself
from apps.accounts.authority import require_grantable as require_role
from apps.accounts.machines import found
from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys import serializers as forms
from apps.apikeys.errors import AddressesExceeded, MintingRefused, ScopeExceeded, rotation
from apps.apikeys.lineage import clients_of, line_of, summary
from apps.apikeys.makers import require_maker
from apps.apikeys.minting import MintedKey, Principal, checked_ips, mint, revoke, rotate
from apps.apikeys.models import Key, KeyKind
from apps.apikeys.network import lies_within
from apps.apikeys.querysets import KeyQuerySet, attach_index
from apps.apikeys.snapshots import shown
from apps.core import clock
from apps.core.actor import Actor, PrincipalKind
from apps.core.ids import encode
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import Remedy, ValidationFailed
from apps.core.scopes import Scopes
from apps.orgs.models import Membership
from apps.tenancy.walls import enter

_KINDS: dict[type[Principal], KeyKind] = {
    User: KeyKind.USER,
    ServiceAccount: KeyKind.SECRET,
    Agent: KeyKind.AGENT,
}
_MODELS: dict[PrincipalKind, type[Principal]] = {
    PrincipalKind.USER: User,
    PrincipalKind.SERVICE_ACCOUNT: ServiceAccount,
    PrincipalKind.AGENT: Agent,
}


@operation(
    "whoami.get",
    scope="self:read",
    risk=Risk.READ,
    output=forms.WhoamiOutput,
    publishable=True,
    anywhere=True,
)
def whoami(actor: Actor) -> dict[str, Any]:
    """Show who acts, for whom, by what right, and where."""
    credential, organization = actor.credential, actor.organization
    return {
        "actor": shown(actor.principal),
        "on_behalf_of": shown(actor.on_behalf_of) if actor.on_behalf_of else None,
        "delegation": _delegation_of(actor),
        "owner": shown(actor.owner) if actor.owner else None,
        "credential": {
            "id": credential.public_id,
            "kind": credential.kind,
            "scopes": credential.scopes.texts(),
            "expires_at": credential.expires_at,
        },
        "role": _role_of(actor),
        "tenant": actor.tenant.name,
        "organization": {"id": organization.id, "slug": organization.slug} if organization else None,
    }


def _role_of(actor: Actor) -> str:
    """The role in the place where `actor` acts; a person at home who stands in no organization has none there."""
    nowhere = actor.kind is PrincipalKind.USER and actor.organization is None and not actor.is_away
    return "none" if nowhere else actor.role


def _delegation_of(actor: Actor) -> dict[str, Any] | None:
    grant = actor.delegation
    if grant is None:
        return None
    return {
        "id": encode("dlg", grant.id),
        "scopes": grant.scopes.texts(),
        "expires_at": grant.expires_at,
        "uses_left": grant.uses_left,
        "via": shown(grant.via) if grant.via else None,
    }


@operation("keys.list", scope="keys:read", risk=Risk.READ, output=forms.KeyOutput, lists=True)
def list_keys(actor: Actor) -> KeyQuerySet:
    """List the keys of the organization, or of the tenant for a credential of the whole tenant; never their secrets."""
    return Key.objects.visible_to(actor)


@operation("keys.get", scope="keys:read", risk=Risk.READ, output=forms.KeyOutput)
def get_key(actor: Actor, *, key_id: UUID) -> Key:
    """Read one key; never its secret."""
    key = Key.objects.visible_to(actor).filter(pk=key_id).first()
    if key is None:
        raise not_found(Key, key_id)
    return key


@operation("keys.lineage", scope="keys:read", risk=Risk.READ, output=forms.LineageOutput)
def get_lineage(actor: Actor, *, key_id: UUID) -> dict[str, Any]:
    """Show what was made with a key, dead or alive: the keys that it minted or rotated, what those made, and so on.

    Keys of the environments that your organization owns are among them. Revoking the key revokes all of them, and stops
    the OAuth clients that were registered with them.
    """
    line = line_of(actor, key_id)
    return summary(line, clients_of(actor, line))


@operation(
    "keys.create",
    scope="keys:write",
    risk=Risk.SECRET,
    input=forms.KeyInput,
    output=forms.MintedKeyOutput,
    shows_secret=True,
    renewal=rotation,
    subject=lambda minted: minted.key,
)
def create_key(
    actor: Actor, /, *, service_account: UUID | None = None, agent: UUID | None = None, **asked: Any
) -> MintedKey:
    """Mint a key for yourself, or for the service account or agent that is named. The secret is shown this once.

    It holds at most the scopes of the credential that mints it, and is revoked with it.
    """
    if service_account is not None and agent is not None:
        raise ValidationFailed("Name a service account or an agent, not both.", code="principal_ambiguous")
    if service_account is not None:
        return _mint(actor, found(ServiceAccount, actor, service_account), **asked)
    return _mint(actor, _oneself(actor) if agent is None else found(Agent, actor, agent), **asked)


@operation(
    "keys.create-for-service-account",
    scope="keys:write",
    risk=Risk.SECRET,
    input=forms.PrincipalKeyInput,
    output=forms.MintedKeyOutput,
    shows_secret=True,
    renewal=rotation,
    subject=lambda minted: minted.key,
    event="key.created",
)
def create_service_account_key(actor: Actor, /, *, service_account_id: UUID, **asked: Any) -> MintedKey:
    """Mint a key for a service account. The secret is shown this once."""
    return _mint(actor, found(ServiceAccount, actor, service_account_id), **asked)


@operation(
    "keys.create-for-agent",
    scope="keys:write",
    risk=Risk.SECRET,
    input=forms.PrincipalKeyInput,
    output=forms.MintedKeyOutput,
    shows_secret=True,
    renewal=rotation,
    subject=lambda minted: minted.key,
    event="key.created",
)
def create_agent_key(actor: Actor, /, *, agent_id: UUID, **asked: Any) -> MintedKey:
    """Mint a key for an agent. The secret is shown this once."""
    return _mint(actor, found(Agent, actor, agent_id), **asked)


@operation(
    "keys.rotate",
    scope="keys:write",
    risk=Risk.SECRET,
    input=forms.RotateInput,
    output=forms.MintedKeyOutput,
    shows_secret=True,
    renewal=rotation,
    versioned=True,
    subject=lambda minted: minted.key,
)
def rotate_key(
    actor: Actor, *, key_id: UUID, overlap_seconds: int = 0, expected_version: int | None = None
) -> MintedKey:
    """Replace a key's secret. The previous one works for `overlap_seconds` more; 0 ends it at once.

    Id, scopes and expiry stay. Whoever rotates a key gets its secret, so this takes what minting it would.
    """
    require_maker(actor)
    key = Key.locked(Key.objects.visible_to(actor), key_id, expected_version)
    attach_index([key])
    if actor.credential.id != key.id:
        require_grantable(actor, Scopes.parse(key.scopes))
        require_mintable(actor, principal_of(key))
        _require_within(actor, key)
    return rotate(key, actor.tenant, overlap=timedelta(seconds=overlap_seconds), by=actor)


@operation("keys.revoke", scope="keys:write", risk=Risk.DESTRUCTIVE, versioned=True)
def revoke_key(actor: Actor, *, key_id: UUID, expected_version: int | None = None) -> Key:
    """Revoke a key and every key that was minted with it, in every tenant, at once and for good."""
    key = Key.locked(Key.objects.visible_to(actor), key_id, expected_version)
    if actor.credential.id != key.id:
        _require_senior(actor, principal_of(key))
    revoke([key.id])
    return key


def principal_of(key: Key) -> Principal:
    """Whose key it is."""
    return key.user or key.service_account or key.agent  # type: ignore[return-value] # a constraint says: one of them


def require_grantable(actor: Actor, scopes: Scopes) -> None:
    """Raise ScopeExceeded unless the actor's credential holds all of `scopes`: nobody grants more than they hold."""
    missing = scopes.missing_from(actor.scopes)
    if missing:
        raise ScopeExceeded(
            f"Your credential does not hold: {', '.join(missing)}.",
            remedy=Remedy(method="GET", path="/v1/whoami"),
            extra={"missing": missing},
        )


def _mint(
    actor: Actor,
    principal: Principal,
    *,
    name: str,
    scopes: Sequence[str],
    kind: str = "secret",
    expires_in_days: int = forms.DEFAULT_DAYS,
    allowed_ips: Sequence[str] = (),
    allowed_origins: Sequence[str] = (),
) -> MintedKey:
    require_maker(actor)
    asked = Scopes.parse(scopes)
    require_grantable(actor, asked)
    require_mintable(actor, principal)
    if allowed_origins and kind != "publishable":
        raise ValidationFailed(
            "Only a publishable key has allowed_origins: a secret key has no place in a browser."
        )
    return mint(
        tenant=actor.tenant,
        principal=principal,
        kind=KeyKind.PUBLISHABLE if kind == "publishable" else _KINDS[type(principal)],
        name=name,
        scopes=asked,
        expires_at=clock.now() + timedelta(days=expires_in_days),
        minter=actor,
        allowed_ips=narrowed(actor, checked_ips(allowed_ips)),
        allowed_origins=allowed_origins,
        organization_id=actor.organization.id if actor.organization else None,
    )


def _oneself(actor: Actor) -> Principal:
    """The actor's own row. Raises MintingRefused for who has none here: visitors, the system, actors from elsewhere."""
    model = _MODELS.get(actor.kind)
    if model is None or actor.is_away:
        raise MintingRefused(
            f"You have no account in {actor.tenant.name}. Name a service account or an agent of it.",
            remedy=Remedy(method="POST", path="/v1/service-accounts", body={"name": "backend"}),
        )
    row = model._default_manager.filter(pk=cast(UUID, actor.principal.id)).first()
    if row is None:
        raise MintingRefused(
            "You belong to the tenant as a whole and act within one organization now, where you have no account. "
            "Leave out Packmule-Organization, or name a service account or an agent of the organization."
        )
    return cast(Principal, row)


def require_mintable(actor: Actor, principal: Principal) -> None:
    """Raise MintingRefused or RoleExceedsOwn unless `actor` may hold a credential of `principal`.

    People mint for themselves and for machines. An agent, also one that acts through what it minted, gets no other
    agent's identity unless the same person answers for both, or it answers for that one itself.
    """
    if is_oneself(actor, principal):
        return
    if isinstance(principal, User):
        raise MintingRefused(f"Only {principal} mints keys of {principal}.")
    if isinstance(principal, Agent) and actor.involves_agent and not _answers_alike(actor, principal):
        raise MintingRefused(f"{principal} answers to {principal.owner.name}, and you do not.")
    require_role(actor, principal.role, within=principal.organization_id)


def _require_senior(actor: Actor, principal: Principal) -> None:
    """Raise RoleExceedsOwn when `principal` has a higher role than `actor`: nobody is locked out from below."""
    if is_oneself(actor, principal):
        return
    if not isinstance(principal, User):
        require_role(actor, principal.role, within=principal.organization_id)
    elif actor.organization is not None:
        seats = Membership.objects.filter(organization_id=actor.organization.id, user=principal)
        require_role(actor, *seats.values_list("role", flat=True), within=actor.organization.id)


def _answers_alike(actor: Actor, agent: Agent) -> bool:
    answerable = {
        ref.id for ref in (actor.principal, actor.owner, *actor.credential.chain) if ref is not None
    }
    return agent.owner_id is not None and agent.owner_id in answerable


def narrowed(actor: Actor, networks: Sequence[str]) -> Sequence[str]:
    """The networks of a new key: those asked for, within the minter's own; the minter's own where none were asked for.

    Raises AddressesExceeded.
    """
    own = own_networks(actor)
    outside = [network for network in networks if own and not lies_within(network, own)]
    if outside:
        raise AddressesExceeded(f"{', '.join(outside)} lies outside of what your own key is allowed from.")
    return networks or own


def _require_within(actor: Actor, key: Key) -> None:
    """Raise AddressesExceeded when `key` works from where the actor's own does not."""
    if list(narrowed(actor, key.allowed_ips)) != list(key.allowed_ips):
        raise AddressesExceeded(
            f"{key.public_id} works from everywhere, and your own key does not. Rotate it with another key."
        )


def own_networks(actor: Actor) -> Sequence[str]:
    """From where the actor's own key may be used; nothing for sessions, and for keys that may be used from anywhere."""
    if actor.credential.id is None:
        return ()
    with enter(actor.home):
        found = Key.objects.filter(pk=actor.credential.id).values_list("allowed_ips", flat=True).first()
    return found or ()

"""Operations on clients, and finding one that is let in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from allauth.idp.oidc.models import Client, Token

from apps.accounts import machines
from apps.accounts.authority import require_grantable as require_role
from apps.accounts.models import Agent, Machine, ServiceAccount
from apps.accounts.oauth import redirects, scopes, texts
from apps.accounts.oauth import serializers as forms
from apps.accounts.oauth.endings import end_made_with_client, end_tokens_of_machine
from apps.accounts.oauth.errors import ClientHasNoSecret, ClientShapeRefused, ScopeExceeded, rotation
from apps.accounts.oauth.hooks import Stamp, upstairs
from apps.accounts.oauth.models import ClientKind, ClientStatus, OAuthClient, OAuthGrant
from apps.accounts.oauth.querysets import OAuthClientQuerySet
from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import decode
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.problems import Remedy
from apps.core.scopes import Scopes
from apps.tenancy.walls import current_tenant

#: The command line of every tenant: a client without a row of facts, because it is part of the platform.
CLI = "packmule-cli"
_CLI_GRANTS = ("authorization_code", "device_code", "refresh_token")
_CLI_REDIRECTS = ("http://127.0.0.1/callback", "http://[::1]/callback")
_UNUSABLE = "!"


@dataclass(frozen=True, slots=True)
class Registered:
    """A client and its secret: the only moment at which the secret exists here."""

    client: OAuthClient
    secret: str | None

    def __repr__(self) -> str:
        return f"Registered({self.client.public_id})"

    @property
    def version(self) -> int:
        """The version of the client, which is the ETag of the answer."""
        return self.client.version


@operation(
    "oauth_clients.list",
    scope="oauth-clients:read",
    risk=Risk.READ,
    output=forms.OAuthClientOutput,
    lists=True,
)
def list_oauth_clients(actor: Actor) -> OAuthClientQuerySet:
    """List the OAuth clients of the organization, or of the tenant for a credential of the whole tenant."""
    return OAuthClient.objects.visible_to(actor)


@operation("oauth_clients.get", scope="oauth-clients:read", risk=Risk.READ, output=forms.OAuthClientOutput)
def get_oauth_client(actor: Actor, *, oauth_client_id: UUID) -> OAuthClient:
    """Read one OAuth client; never its secret."""
    client: OAuthClient | None = OAuthClient.objects.visible_to(actor).filter(pk=oauth_client_id).first()
    if client is None:
        raise not_found(OAuthClient, oauth_client_id)
    return client


@operation(
    "oauth_clients.create",
    scope="oauth-clients:write",
    risk=Risk.SECRET,
    input=forms.OAuthClientInput,
    output=forms.OAuthClientWithSecretOutput,
    shows_secret=True,
    renewal=rotation,
    subject=lambda registered: registered.client,
)
def create_oauth_client(
    actor: Actor,
    /,
    *,
    service_account: UUID | None = None,
    agent: UUID | None = None,
    organization: UUID | None = None,
    **fields: Any,
) -> Registered:
    """Register an OAuth client. A confidential one's secret is shown this once.

    It may ask for at most the scopes of the credential that registers it, and ends when the key that registered it is
    revoked, or whoever registered it leaves. With a service account or an agent it gets tokens of that machine by
    client credentials, and what people let it do counts as the machine's doing too; such a client ends when that key
    or token would.
    """
    stamp = upstairs().stamp(actor)
    machine = _machine(actor, service_account, agent)
    facts = OAuthClient(
        organization_id=_place(actor, machine, organization),
        service_account_id=service_account,
        agent_id=agent,
        **fields | {"redirect_uris": redirects.checked(fields["redirect_uris"])},
    )
    _require_shape(facts)
    _require_scopes(actor, facts.scopes)
    facts.chain, facts.lineage, facts.minted_by = stamp.chain, stamp.lineage, stamp.key
    facts.ends_at = stamp.ends_at if machine else None
    secret = texts.client_secret(current_tenant().id, facts.id) if facts.is_confidential else None
    facts.digest = sha256(secret.encode()).digest() if secret else None
    facts.client = write_through(facts)
    facts.save(force_insert=True)
    return Registered(facts, secret)


@operation(
    "oauth_clients.update",
    scope="oauth-clients:write",
    risk=Risk.SECRET,
    input=forms.OAuthClientPatch,
    output=forms.OAuthClientOutput,
    versioned=True,
)
def update_oauth_client(
    actor: Actor, /, *, oauth_client_id: UUID, expected_version: int | None = None, **changes: Any
) -> OAuthClient:
    """Change an OAuth client's name, redirect URIs, scopes or status. Narrowing its scopes ends its tokens."""
    decides = bool(changes.keys() & {"redirect_uris", "scopes"})
    stamp = upstairs().stamp(actor) if decides else Stamp()
    facts = _locked(actor, oauth_client_id, expected_version)
    before = list(facts.scopes)
    if "redirect_uris" in changes:
        changes["redirect_uris"] = redirects.checked(changes["redirect_uris"])
    if decides:
        _require_reach(actor, facts, changes.get("scopes", before))
        changes |= _behind(facts, stamp)
    facts.apply(changes)
    _require_shape(facts)
    write_through(facts)
    if not scopes.covered_by(before, facts.scopes):
        Token.objects.filter(client_id=facts.client_id).delete()
    return facts


@operation(
    "oauth_clients.rotate-secret",
    scope="oauth-clients:write",
    risk=Risk.SECRET,
    input=forms.RotateSecretInput,
    output=forms.OAuthClientWithSecretOutput,
    shows_secret=True,
    renewal=rotation,
    versioned=True,
    subject=lambda registered: registered.client,
)
def rotate_oauth_client_secret(
    actor: Actor, *, oauth_client_id: UUID, overlap_seconds: int = 0, expected_version: int | None = None
) -> Registered:
    """Replace a confidential client's secret. The previous one works for `overlap_seconds` more; 0 ends it at once.

    Whoever rotates it gets the secret, so this takes what registering the client would.
    """
    stamp = upstairs().stamp(actor)
    facts = _locked(actor, oauth_client_id, expected_version)
    if not facts.is_confidential:
        raise ClientHasNoSecret
    _require_reach(actor, facts, facts.scopes)
    secret = texts.client_secret(current_tenant().id, facts.id)
    facts.apply(
        {
            "previous_digest": bytes(facts.digest or b"") if overlap_seconds else None,
            "previous_until": clock.now() + timedelta(seconds=overlap_seconds) if overlap_seconds else None,
            "digest": sha256(secret.encode()).digest(),
            "rotated_by": stamp.key,
        }
        | _behind(facts, stamp)
    )
    return Registered(facts, secret)


@operation("oauth_clients.delete", scope="oauth-clients:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_oauth_client(
    actor: Actor, *, oauth_client_id: UUID, expected_version: int | None = None
) -> OAuthClient:
    """Delete an OAuth client with every token that it was given, what was made with those, and every consent to it."""
    facts = _locked(actor, oauth_client_id, expected_version)
    # Whoever writes tokens has locked the consent to it first.
    consents = OAuthGrant.objects.select_for_update().filter(client_id=facts.client_id)
    list(consents.values_list("pk", flat=True))
    end_made_with_client(facts.client_id, facts.organization_id)
    Client.objects.filter(pk=facts.client_id).delete()
    return facts


def find_live(client_id: str) -> Client | None:
    """The client `client_id` with its `facts` (None for the built-in one), if it may get anything now."""
    if client_id == CLI:
        return _built_in()
    try:
        own = OAuthClient.objects.filter(pk=decode(client_id, OAuthClient.id_prefix))
    except ValueError:
        return None
    found = own.select_related("client", "service_account", "agent").first()
    if found is None or found.status != ClientStatus.ACTIVE or is_stopped(found):
        return None
    client: Client = found.client
    client.facts = found
    return client


def facts_of(client: Client) -> OAuthClient | None:
    """What is known of a client here; None for the built-in one."""
    return None if client.pk == CLI else client.facts


def known_facts(client_id: str) -> OAuthClient | None:
    """What is known of the client here, live or not; None for the built-in one, and for one that is gone."""
    found: OAuthClient | None = OAuthClient.objects.filter(client_id=client_id).first()
    return found


def machine_of(facts: OAuthClient | None) -> ServiceAccount | Agent | None:
    """The machine as which the client acts, if any."""
    return None if facts is None else facts.service_account or facts.agent


def is_stopped(facts: OAuthClient) -> bool:
    """True when its machine, or somebody behind it, is suspended, a key of theirs was revoked, or its time is over."""
    machine = machine_of(facts)
    if machine is not None and not machine.is_active:
        return True
    return (facts.ends_at is not None and facts.ends_at <= clock.now()) or upstairs().is_stopped(facts)


def knows(facts: OAuthClient, secret: str) -> bool:
    """True when `secret` is the client's, or was before the last rotation."""
    return texts.matches(secret, facts.digest) or texts.matches(secret, facts.previous_digest)


def end_secret(client_id: UUID, secret: str) -> OAuthClient:
    """End a secret of the client that somebody else knows, with the tokens that it got and what was made with them.

    Without any secret the client gets nothing until it is given another one.
    """
    facts = OAuthClient.locked(OAuthClient.objects.all(), client_id, None)
    names = [name for name in ("digest", "previous_digest") if texts.matches(secret, getattr(facts, name))]
    facts.apply(dict.fromkeys(names))
    end_tokens_of_machine(facts)
    return facts


def opens(facts: OAuthClient, secret: str) -> bool:
    """True when `secret` is the client's, or the one before a rotation while that still works."""
    if texts.matches(secret, facts.digest):
        return True
    return facts.previous_secret_until is not None and texts.matches(secret, facts.previous_digest)


def _built_in() -> Client:
    """The command line's row. It is made when it is first needed, and the same whoever comes first."""
    fields = {
        "name": "Packmule command line",
        "secret": _UNUSABLE,
        "type": Client.Type.PUBLIC,
        "scopes": "\n".join([scopes.EVERYTHING, *scopes.IDENTITY]),
        "grant_types": "\n".join(forms.GRANTS[grant] for grant in _CLI_GRANTS),
        "redirect_uris": "\n".join(_CLI_REDIRECTS),
    }
    client: Client = Client.objects.get_or_create(pk=CLI, defaults=fields)[0]
    return client


def _machine(actor: Actor, service_account: UUID | None, agent: UUID | None) -> Machine | None:
    """The machine that was named, if `actor` may hold a credential of it."""
    if service_account is None and agent is None:
        return None
    if service_account is not None and agent is not None:
        raise ClientShapeRefused("Name a service account or an agent, not both.")
    machine: Machine = (
        machines.found(ServiceAccount, actor, service_account)
        if service_account is not None
        else machines.found(Agent, actor, agent)  # type: ignore[arg-type] # one of the two is there
    )
    upstairs().require_mintable(actor, machine)
    return machine


def _place(actor: Actor, machine: Machine | None, organization: UUID | None) -> UUID | None:
    """The organization of a new client: its machine's where it has one, and no other can be named then."""
    named = machines.placed(actor, organization)
    if machine is None:
        return named
    if organization is not None and named != machine.organization_id:
        raise ClientShapeRefused("A client belongs where its machine does: leave out `organization`.")
    return machine.organization_id


def _locked(actor: Actor, pk: UUID, expected_version: int | None) -> OAuthClient:
    """The client, locked, for an actor that could give its machine's role."""
    facts = OAuthClient.locked(OAuthClient.objects.visible_to(actor), pk, expected_version)
    machine = machine_of(facts)
    if machine is not None:
        require_role(actor, machine.role, within=machine.organization_id)
    return facts


def _behind(facts: OAuthClient, stamp: Stamp) -> dict[str, Any]:
    """The chain and lineage of a client whose secret or redirects somebody decides about from now on."""
    return {
        "chain": [*facts.chain, *(link for link in stamp.chain if link not in facts.chain)],
        "lineage": list(dict.fromkeys([*facts.lineage, *stamp.lineage])),
    }


def _require_reach(actor: Actor, facts: OAuthClient, wanted: Collection[str]) -> None:
    """Raise unless `actor` could register a client with these scopes for the same machine."""
    _require_scopes(actor, wanted)
    machine = machine_of(facts)
    if machine is not None:
        upstairs().require_mintable(actor, machine)


def _require_scopes(actor: Actor, wanted: Collection[str]) -> None:
    missing = Scopes.parse(scopes.ours(wanted)).missing_from(actor.scopes)
    if missing:
        raise ScopeExceeded(
            f"Your credential does not hold: {', '.join(missing)}.",
            remedy=Remedy(method="GET", path="/v1/whoami"),
            extra={"missing": missing},
        )


def _require_shape(facts: OAuthClient) -> None:
    """Raise ClientShapeRefused when grants, redirect URIs, kind and machine do not go together."""
    grants = set(facts.grants)
    machine = facts.service_account_id or facts.agent_id
    problems: Sequence[tuple[bool, str]] = (
        (not grants, "A client needs a grant."),
        (
            ("authorization_code" in grants) != bool(facts.redirect_uris),
            "authorization_code takes at least one redirect URI, and nothing else takes any.",
        ),
        (
            "client_credentials" in grants and facts.kind != ClientKind.CONFIDENTIAL,
            "client_credentials takes a confidential client: without a secret anybody could be it.",
        ),
        (
            "client_credentials" in grants and not machine,
            "client_credentials takes a service_account or an agent: the token acts as that machine.",
        ),
        (
            "refresh_token" in grants and not grants & {"authorization_code", "device_code"},
            "refresh_token goes with authorization_code or device_code; client_credentials simply asks again.",
        ),
    )
    for wrong, why in problems:
        if wrong:
            raise ClientShapeRefused(why)


def write_through(facts: OAuthClient) -> Client:
    """Write allauth's row after the facts."""
    written = Client(
        id=facts.public_id,
        name=facts.name,
        secret=_UNUSABLE,
        type=Client.Type.CONFIDENTIAL if facts.is_confidential else Client.Type.PUBLIC,
        created_at=clock.now() if facts._state.adding else facts.client.created_at,
    )
    written.set_grant_types([forms.GRANTS[grant] for grant in facts.grants])
    written.set_redirect_uris(facts.redirect_uris)
    written.set_scopes(facts.scopes)
    written.set_default_scopes(facts.scopes)
    written.save(force_insert=facts._state.adding, force_update=not facts._state.adding)
    return written

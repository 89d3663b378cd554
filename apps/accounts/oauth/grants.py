"""What people let clients do: giving and refusing it on the pages, listing and ending it below /v1."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from allauth.idp.oidc.models import Client, Token

from apps.accounts.authority import require_person
from apps.accounts.oauth import clients, families, redirects, scopes
from apps.accounts.oauth import serializers as forms
from apps.accounts.oauth.endings import end_made_for_person
from apps.accounts.oauth.hooks import upstairs
from apps.accounts.oauth.models import OAuthGrant
from apps.accounts.oauth.querysets import OAuthGrantQuerySet
from apps.accounts.roles import Role
from apps.core import clock
from apps.core.actor import Actor, PrincipalKind
from apps.core.models import not_found
from apps.core.operations import Operation, Risk, operation
from apps.core.scopes import Scope


@operation(
    "oauth_grants.list",
    scope="self:grants",
    risk=Risk.READ,
    output=forms.OAuthGrantOutput,
    lists=True,
    anywhere=True,
)
def list_oauth_grants(actor: Actor) -> OAuthGrantQuerySet:
    """List the programs that you let act for you, and what each may do."""
    return OAuthGrant.objects.visible_to(actor)


@operation("oauth_grants.revoke", scope="self:grants", risk=Risk.DESTRUCTIVE, anywhere=True)
def revoke_oauth_grant(actor: Actor, *, oauth_grant_id: UUID) -> OAuthGrant:
    """End what you let a program do: all of its tokens for you are refused from their next call on.

    Keys and OAuth clients that it made with them end too.
    """
    # Tokens are written under this lock, so that none is overlooked here.
    own = OAuthGrant.objects.visible_to(actor).select_for_update()
    grant: OAuthGrant | None = own.filter(pk=oauth_grant_id).first()
    if grant is None:
        raise not_found(OAuthGrant, oauth_grant_id)
    require_person(actor)
    Token.objects.filter(user_id=grant.user_id, client_id=grant.client_id).delete()
    end_made_for_person(grant.client_id, grant.user_id)
    OAuthGrant.objects.filter(pk=grant.pk).delete()
    return grant


def _give(
    actor: Actor,
    *,
    client: Client,
    wanted: Collection[str],
    offered: Collection[str] = (),
    redirect_uri: str = "",
) -> OAuthGrant:
    """Let the client have the `wanted` of the scopes that the page `offered`; what was not offered stays as it was.

    Tokens that hold more than that end. It is remembered for codes that go to the `redirect_uri` of that page.
    """
    person = require_person(actor, in_person=True)
    known = OAuthGrant.objects.select_for_update().filter(user_id=person, client_id=client.pk).first()
    grant = known or OAuthGrant(user_id=person, client=client, scopes=[])
    grant.name, grant.given_at = client.name, clock.now()
    grant.scopes = sorted({*_kept(grant.scopes, set(offered) - set(wanted)), *wanted})
    if redirect_uri and not redirects.is_loopback(redirect_uri):
        grant.listeners = _with_listener(grant.listeners, families.listener_of(client, redirect_uri))
    grant.save()
    given = Token.objects.filter(user_id=person, client_id=client.pk)
    beyond = [token.pk for token in given if not scopes.covered_by(token.get_scopes(), grant.scopes)]
    Token.objects.filter(pk__in=beyond).delete()
    return grant


def _with_listener(known: list[str], listener: str) -> list[str]:
    """The last of those who were to get the codes, and this one: as many as a client has addresses."""
    return [*(one for one in known if one != listener), listener][-forms.MOST_URIS :]


def _kept(before: Collection[str], denied: Collection[str]) -> list[str]:
    """Those of the scopes `before` that allow nothing of what is `denied` now."""
    return [text for text in before if not any(scopes.covered_by([one], [text]) for one in denied)]


def _refuse(_actor: Actor, *, client: Client, wanted: Collection[str]) -> Any:  # noqa: ARG001 - for the gates
    return clients.known_facts(client.pk)


#: What is done on a page by the person themselves. There is no route to it: an agent cannot consent.
GIVE = Operation("oauth_grants.give", Scope("self", "grants"), Risk.SECRET, _give)
REFUSE = Operation(
    "oauth_grants.refuse", Scope("self", "grants"), Risk.WRITE, _refuse, untold="nothing was given or taken"
)


def may_consent(actor: Actor | None) -> bool:
    """True for a person of this tenant in a session of their own: no key, agent, delegation or hand-off."""
    return (
        actor is not None
        and actor.kind is PrincipalKind.USER
        and actor.credential.kind == "session"
        and not actor.is_away
        and not actor.involves_agent
        and actor.on_behalf_of is None
    )


def offered(person_id: UUID, client: Client, wanted: Iterable[str]) -> list[str]:
    """Those of the `wanted` scopes that the person may grant; none where the client's organization is not theirs."""
    places = upstairs().places(person_id)
    facts = clients.facts_of(client)
    if facts is not None and facts.organization_id is not None:
        if facts.organization_id not in places:
            return []
        roles: list[Role] = [places[facts.organization_id]]
    else:
        roles = list(places.values())
    return [text for text in dict.fromkeys(wanted) if scopes.grantable(text, roles)]

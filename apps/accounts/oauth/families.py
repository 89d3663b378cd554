"""Tokens that belong together: all that came out of one consent at one sign-in, and how they end.

A token ends with its family (a refresh token or code that came twice, a revocation), with the consent, with its client,
and like a session: with a suspension, a new password, or when its person signs out everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID

from allauth.core import context
from allauth.idp.oidc.models import Client, Token

from apps.accounts.models import User
from apps.accounts.oauth import clients, redirects, scopes, texts
from apps.accounts.oauth.models import OAuthGrant
from apps.core import clock
from apps.core.actor import Actor, Call, Credential, Edge, PrincipalKind, PrincipalRef
from apps.core.addresses import client_address
from apps.core.operations import Operation, Risk
from apps.core.scopes import Scope, Scopes
from apps.tenancy.walls import current_tenant

_SELF = Scope("self", "grants")


def _nothing(_actor: Actor) -> None:
    return None


#: What the protocol's own endpoints do, for the trail: no call of the API asks for it, so there is no route.
ISSUE = Operation[..., Any]("oauth_tokens.issue", _SELF, Risk.SECRET, _nothing)
REVOKE = Operation[..., Any]("oauth_tokens.revoke", _SELF, Risk.DESTRUCTIVE, _nothing)


def is_still_in(person: User, begun_with: str) -> bool:
    """True while what the person began with `begun_with` goes on: not suspended, same password, not signed out."""
    return person.is_active and person.is_still_in(begun_with)


def alive(text: str, *, client_id: str | None = None, only: str | None = None) -> Token | None:
    """The row of a token that is neither over nor ended, of `client_id` where that is given; None otherwise."""
    try:
        parsed = texts.parse(text)
    except texts.TokenTextError:
        return None
    rows = Token.objects.filter(hash=parsed.hash, type=parsed.kind, expires_at__gt=clock.now())
    row: Token | None = rows.select_related("user", "client").first()
    if row is None or client_id not in (None, row.client_id) or only not in (None, row.type):
        return None
    if row.user is not None and not is_still_in(row.user, row.data["begun_with"]):
        return None
    return row


def issued(client: Client, person: User | None, token: Token) -> None:
    """Write into the trail that a client was let in, once for all that comes out of it."""
    facts = clients.facts_of(client)
    with ISSUE.recorded(_acting(client, person, token)) as note:
        note(facts if person is None else _grant(client, person))


def end_of_code(client_id: str, family: str | None) -> None:
    """End what a code gave that was shown again."""
    if family is not None:
        _end(client_id, family, "an authorization code was used twice")


def end_reused(client: Client, family: UUID) -> None:
    """End the family of a refresh token that was used before."""
    _end(client.pk, str(family), "a refresh token was used twice")


def revoked_by_client(client: Client, text: str) -> None:
    """End a token of `client`, and with a refresh token its family. What is no token of it changes nothing."""
    row = alive(text, client_id=client.pk)
    if row is not None and row.type == Token.Type.REFRESH_TOKEN:
        _end(client.pk, row.data["family"], "the client revoked it")
    elif row is not None:
        _recorded_end([row], "the client revoked it")


def is_remembered(user_id: UUID, client: Client, wanted: list[str], redirect_uri: str) -> bool:
    """True when the person let this client do all of it before, and the code goes to whom it went then.

    Who listens on a loopback address is asked each time, and `*` is asked for each time too.
    """
    if redirects.is_loopback(redirect_uri) or scopes.EVERYTHING in wanted:
        return False
    given = OAuthGrant.objects.filter(user_id=user_id, client_id=client.pk).first()
    if given is None or listener_of(client, redirect_uri) not in given.listeners:
        return False
    return scopes.covered_by(wanted, given.scopes)


def listener_of(client: Client, redirect_uri: str) -> str:
    """Who gets a code that is sent to `redirect_uri`: the address, the secret, and everybody behind the client.

    Another one, when an address is added, the secret rotated, or somebody else has a say in either.
    """
    facts = clients.facts_of(client)
    behind = [] if facts is None else [bytes(facts.digest or b"").hex(), *sorted(facts.lineage)]
    return sha256("\n".join([redirect_uri, *behind]).encode()).hexdigest()


def is_granted(user_id: Any, client: Client, granted: list[str]) -> bool:
    """True while the person lets this client have all that is `granted`.

    Their consent is locked: who takes it back meanwhile waits until the tokens are written, and ends them too.
    """
    consents = OAuthGrant.objects.select_for_update().filter(user_id=user_id, client_id=client.pk)
    given: OAuthGrant | None = consents.first()
    return given is not None and scopes.covered_by(granted, given.scopes)


def _end(client_id: str, family: str, why: str) -> None:
    rows = Token.objects.filter(client_id=client_id, data__family=family).select_related("user", "client")
    _recorded_end(list(rows), why)


def _recorded_end(rows: Iterable[Token], why: str) -> None:
    ended = list(rows)
    if not ended:
        return
    first = ended[0]
    actor = _acting(first.client, first.user, first)
    with REVOKE.recorded(replace(actor, call=replace(actor.call, reason=why))) as note:
        Token.objects.filter(pk__in=[row.pk for row in ended]).delete()
        note(clients.known_facts(first.client_id) if first.user is None else _grant(first.client, first.user))


def _grant(client: Client, person: User) -> OAuthGrant | None:
    grant: OAuthGrant | None = OAuthGrant.objects.filter(user=person, client_id=client.pk).first()
    return grant


def _acting(client: Client, person: User | None, token: Token) -> Actor:
    """Who the trail says it was: the person, or the client's machine, by this token."""
    facts = clients.known_facts(client.pk)
    machine = clients.machine_of(facts)
    who = person or machine
    principal = who.ref if who is not None else PrincipalRef(PrincipalKind.VISITOR, None, client.name)
    shown = Credential(
        UUID(hex=token.hash[:32]),
        "oauth",
        Scopes.parse(scopes.ours(token.get_scopes())),
        token.expires_at,
        minted_by=facts.minted_by if facts is not None else None,
    )
    home = current_tenant()
    return Actor(principal, home, home, shown, _call(), role="none")


def _call() -> Call:
    request = context.request
    agent = str(request.META.get("HTTP_USER_AGENT") or "")[:200].replace("\0", "")
    return Call(getattr(request, "request_id", ""), Edge.API, client_address(request.META), agent)

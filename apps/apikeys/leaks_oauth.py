"""Tokens and clients' secrets that were found where they should not be: what they are, and what ends them.

Their text names the tenant, and there the whole of it has to be known. A text of a tenant that is deleted, or behind
the code that runs, is known to nobody: it opens nothing there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from allauth.idp.oidc.models import Token

from apps.accounts.models import Agent, User
from apps.accounts.oauth import clients, endings, families, texts
from apps.accounts.oauth.models import OAuthClient, OAuthGrant
from apps.accounts.oauth.texts import ParsedToken
from apps.apikeys.lookup import find_home
from apps.core.actor import TenantRef
from apps.core.ids import encode
from apps.tenancy.blueprint import is_behind
from apps.tenancy.walls import enter

_SIGN_IN = "What {name} was let do ({id}) was found in the open; all that came out of that sign-in ended."
_CLIENT = (
    "The secret of the OAuth client {name} ({id}) was found in the open and ended. Rotate it to get another."
)


@dataclass(frozen=True, slots=True)
class LeakedToken:
    """A token or a client's secret that was reported whole: where it is at home, and who answers for it.

    `end` ends it, standing there, and returns what the trail is to name.
    """

    home: TenantRef
    is_alive: bool
    what: str
    person: User | None
    client: OAuthClient | None
    end: Callable[[], Any]

    @property
    def agent(self) -> Agent | None:
        """The agent as which the client acts."""
        return self.client.agent if self.client is not None else None

    @property
    def organization_id(self) -> UUID | None:
        """The organization of the client."""
        return self.client.organization_id if self.client is not None else None


def shown_id(text: str) -> str | None:
    """The id in the text of a token, or of the client in that of a secret; None where there is none to be read."""
    try:
        parsed = texts.parse(text)
    except texts.TokenTextError:
        return None
    if parsed.kind != texts.SECRET:
        return encode("tok", UUID(hex=parsed.hash[:32]))
    return encode(OAuthClient.id_prefix, parsed.part) if parsed.part is not None else None


def find(text: str) -> LeakedToken | None:
    """What `text` is the whole of, dead or alive; None for what nobody has here."""
    try:
        parsed = texts.parse(text)
    except texts.TokenTextError:
        return None
    found = find_home(parsed.tenant_id, host="", environment="")
    if found is None or is_behind(found.home):  # type: ignore[arg-type] # it reads `kind` and `fingerprint`
        return None
    home = found.home.ref
    with enter(home):
        return _secret(home, parsed, text) if parsed.kind == texts.SECRET else _token(home, parsed, text)


def _token(home: TenantRef, parsed: ParsedToken, text: str) -> LeakedToken | None:
    rows = Token.objects.filter(hash=parsed.hash, type=parsed.kind).select_related("user", "client")
    row: Token | None = rows.first()
    if row is None:
        return None
    facts = clients.known_facts(row.client_id)
    what = _SIGN_IN.format(name=row.client.name, id=shown_id(text))
    is_alive = families.alive(text) is not None
    return LeakedToken(home, is_alive, what, row.user, facts, partial(_end_token, row, facts))


def _end_token(row: Token, facts: OAuthClient | None) -> OAuthClient | OAuthGrant | None:
    endings.end_family(row, facts.organization_id if facts is not None else None)
    return facts or OAuthGrant.objects.filter(user_id=row.user_id, client_id=row.client_id).first()


def _secret(home: TenantRef, parsed: ParsedToken, text: str) -> LeakedToken | None:
    if parsed.part is None:
        return None
    facts: OAuthClient | None = OAuthClient.objects.filter(pk=parsed.part).first()
    if facts is None or not clients.knows(facts, text):
        return None
    what = _CLIENT.format(name=facts.name, id=facts.public_id)
    is_alive = clients.opens(facts, text)
    return LeakedToken(home, is_alive, what, None, facts, partial(clients.end_secret, facts.pk, text))

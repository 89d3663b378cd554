"""How clients end with whoever stands behind them, and how what was made with tokens ends with what those rest on."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from allauth.idp.oidc.models import Token
from django.db.models import Q

from apps.accounts.oauth.hooks import upstairs
from apps.accounts.oauth.models import OAuthClient, OAuthGrant
from apps.core import clock
from apps.tenancy.walls import whole_tenant


def end_clients(marks: Collection[UUID], which: Q | None = None) -> None:
    """End the clients of the tenant that stands behind which one of `marks` stands, of those that `which` finds.

    They get nothing from now on, and for good, as with a key that is revoked. Their rows stay. Repeatable.
    """
    behind = Q(pk__in=[])
    for mark in marks:
        behind |= Q(lineage__contains=[str(mark)])
    now = clock.now()
    with whole_tenant():
        living = OAuthClient.objects.filter(which or Q(), behind).exclude(ends_at__lte=now)
        for client in living.select_for_update(of=("self",)).order_by("pk"):
            client.apply({"ends_at": now})


def names_of(client_id: str, whose: UUID | None, family: str) -> list[str]:
    """The names under which what is made with a token is remembered: of its client, whom it is for, and its family."""
    return [f"client:{client_id}", f"for:{client_id}:{whose}", f"family:{family}"]


def end_made_with_client(client_id: str, organization_id: UUID | None) -> None:
    """End what was made with any token of a client, which is of that organization, or of the tenant as a whole."""
    upstairs().end_made(f"client:{client_id}", _place(organization_id))


def end_made_for_person(client_id: str, person_id: UUID) -> None:
    """End what was made with the tokens that the person let the client have."""
    upstairs().end_made(f"for:{client_id}:{person_id}", upstairs().places(person_id))


def end_tokens_of_machine(facts: OAuthClient) -> None:
    """End the tokens that the client got by its own secret, and what was made with such."""
    Token.objects.filter(client_id=facts.client_id, user=None).delete()
    machine_id = facts.service_account_id or facts.agent_id
    upstairs().end_made(f"for:{facts.client_id}:{machine_id}", _place(facts.organization_id))


def end_family(token: Token, organization_id: UUID | None) -> None:
    """End the family of a token of a client of that organization, and what was made with the tokens of the family."""
    # A person's tokens are written under this lock, so that none is overlooked.
    consents = OAuthGrant.objects.select_for_update().filter(user_id=token.user_id, client_id=token.client_id)
    list(consents.values_list("pk", flat=True))
    family = token.data["family"]
    Token.objects.filter(client_id=token.client_id, data__family=family).delete()
    places = _place(organization_id) if token.user_id is None else upstairs().places(token.user_id)
    upstairs().end_made(f"family:{family}", places)


def _place(organization_id: UUID | None) -> list[UUID] | None:
    return None if organization_id is None else [organization_id]

"""Telling people that a key of theirs was found in the open."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from apps.accounts.mails.sending import send
from apps.accounts.models import User
from apps.apikeys.leaks import Leak, on_leak
from apps.apikeys.models import Key
from apps.core import clock
from apps.core.actor import PrincipalKind
from apps.orgs.models import Membership

_WHAT = "The key {name} ({id}) was found in the open and ended, with {others} keys that were made with it."


def tell(leak: Leak) -> None:
    """Write to whoever answers for a leaked key: its person, its agent's owner, or the owners of its organization."""
    others = max(0, leak.ended - 1)
    what = _WHAT.format(name=leak.key.name, id=leak.key.public_id, others=others)
    where = f" It was found at {leak.url}" if leak.url else ""
    told = {"what": f"{what}{where}", "when": f"{clock.now():%d %B %Y, %H:%M} UTC"}
    for person in _answering(leak.key):
        send("security_notice", person.email, told)


def register() -> None:
    """Register with the reports of leaked keys."""
    on_leak(tell)


def _answering(key: Key) -> Iterable[User]:
    people: QuerySet[User] = User.objects.filter(status="active")
    if key.user_id is not None:
        return people.filter(pk=key.user_id)
    agent = key.agent
    if agent is not None and agent.owner_kind == PrincipalKind.USER and agent.owner_home_id is None:
        return people.filter(pk=agent.owner_id)  # type: ignore[misc] # a person has an id
    seats = Membership.objects.filter(organization=key.organization_id, role="owner")
    return people.filter(pk__in=seats.values("user_id"))

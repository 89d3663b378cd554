"""Telling people that a key or token of theirs was found in the open."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from apps.accounts.mails.sending import send
from apps.accounts.models import User
from apps.apikeys.leaks import Leak, on_leak
from apps.core import clock
from apps.core.actor import PrincipalKind
from apps.orgs.models import Membership


def tell(leak: Leak) -> None:
    """Write to whoever answers for what leaked: its person, its agent's owner, or the owners of its organization."""
    where = f" It was found at {leak.url}" if leak.url else ""
    told = {"what": f"{leak.what}{where}", "when": f"{clock.now():%d %B %Y, %H:%M} UTC"}
    for person in _answering(leak):
        send("security_notice", person.email, told)


def register() -> None:
    """Register with the reports of leaks."""
    on_leak(tell)


def _answering(leak: Leak) -> Iterable[User]:
    people: QuerySet[User] = User.objects.filter(status="active")
    if leak.person_id is not None:
        return people.filter(pk=leak.person_id)
    agent = leak.agent
    if agent is not None and agent.owner_kind == PrincipalKind.USER and agent.owner_home_id is None:
        return people.filter(pk=agent.owner_id)  # type: ignore[misc] # a person has an id
    seats = Membership.objects.filter(organization=leak.organization_id, role="owner")
    return people.filter(pk__in=seats.values("user_id"))

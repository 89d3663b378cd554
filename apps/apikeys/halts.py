"""Who is stopped, with everything that they made: the registry's list of halted principals.

A key carries the marks of all who stand behind it: whose it is, who minted it, through whom, and who rotated it, also
when they belong to another tenant. A suspension writes one row; the look-up of a key asks, in its one statement,
whether any of the key's marks is halted. Nothing has to be found or changed, so a suspension costs the same however
much its principal made, and lifting it brings back exactly that.

An agent for whom nobody answers any more, because its owner is suspended or gone, is halted by the same list.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from django.db import connection

from apps.apikeys.errors import AgentUnanswered, MinterSuspended
from apps.core.actor import Actor, PrincipalKind
from apps.core.ids import encode
from apps.core.problems import Remedy, Unauthenticated
from apps.tenancy.walls import outside, registry

if TYPE_CHECKING:
    from apps.apikeys.lookup import Found

_FIND = "select halt.mark from public.apikeys_halt halt where halt.mark = any(%s) limit 1"


@dataclass(frozen=True, slots=True)
class Behind:
    """A principal that stands behind a credential, named so that it can be told from those of other tenants."""

    tenant_id: UUID
    kind: PrincipalKind
    id: UUID

    @property
    def mark(self) -> UUID:
        """What a key's index row and a halt name it by: one value, because ids of two tenants may be equal."""
        return uuid5(self.tenant_id, f"{self.kind.value}:{self.id}")


def marks_of(actor: Actor, *, chain: bool = True) -> list[UUID]:
    """The marks of everybody behind what `actor` makes: itself, the `chain` of its credential, and for whom it acts.

    The chain is taken to be of the actor's home. A key's may not be: its index row has the right marks, as the client
    of a token has. A delegation has a mark too, and a token has some, by which is found what was made through it.
    """
    behind = (actor.principal, *(actor.credential.chain if chain else ()))
    own = [Behind(actor.home.id, one.kind, one.id).mark for one in behind if one.id]
    marks = joined(own, actor.credential.lineage)
    if actor.delegation is None:
        return marks
    place, givers = actor.delegation.tenant.id, [giver for giver, _, _ in actor.delegation.limits]
    given = [Behind(place, giver.kind, giver.id).mark for giver in givers if giver.id]
    return [*marks, *given, *(mark_of_delegation(place, row) for row in actor.delegation.rows)]


def mark_of_delegation(tenant_id: UUID, delegation_id: UUID) -> UUID:
    """What the index rows of keys that were minted through a delegation carry."""
    return uuid5(tenant_id, f"delegation:{delegation_id}")


def mark_of_tokens(tenant_id: UUID, name: str) -> UUID:
    """What is carried by all that was made with the tokens that `name` says (see apps/accounts/oauth/endings.py)."""
    return uuid5(tenant_id, f"tokens:{name}")


def joined(*lineages: Iterable[UUID]) -> list[UUID]:
    """The lineages one after the other, nobody twice."""
    return list(dict.fromkeys(mark for lineage in lineages for mark in lineage))


def halt(cause: UUID, stopped: Iterable[Behind]) -> None:
    """Stop principals at once, for `cause` (a mark). Repeatable; one that has several causes stays until the last."""
    from apps.apikeys.models import Halt

    rows = [
        Halt(mark=one.mark, cause=cause, tenant_id=one.tenant_id, kind=one.kind.value, principal_id=one.id)
        for one in stopped
    ]
    with registry():
        Halt.objects.bulk_create(rows, ignore_conflicts=True)


def lift(cause: UUID) -> None:
    """Let go on whoever was stopped for `cause`."""
    from apps.apikeys.models import Halt

    with registry():
        Halt.objects.filter(cause=cause).delete()


def answered_again(agent: Behind) -> None:
    """Let an agent go on that was stopped because nobody answered for it. Its own suspension stays."""
    from apps.apikeys.models import Halt

    with registry():
        Halt.objects.filter(mark=agent.mark).exclude(cause=agent.mark).delete()


def first_halted(marks: Iterable[UUID]) -> UUID | None:
    """One of `marks` that is halted, or None: for credentials that are no keys and carry a chain. One query."""
    with outside(), connection.cursor() as cursor:
        cursor.execute(_FIND, [list(marks)])
        row = cursor.fetchone()
    return row[0] if row else None


def refusal(found: Found, principal_id: UUID) -> Unauthenticated:
    """Why a key with a halted principal behind it opens nothing. Who that is, is not said."""
    agent = Behind(found.home.ref.id, PrincipalKind.AGENT, principal_id)
    if found.kind == "ag" and found.halted == agent.mark:
        shown = encode("agt", principal_id)
        take_over = Remedy(
            f"manage.py agents change-owner {shown} --reason REASON",
            "POST",
            f"/v1/agents/{shown}/owner",
            {"reason": "…"},
        )
        return AgentUnanswered(f"Whoever answered for {shown} is suspended or gone.", remedy=take_over)
    return MinterSuspended(f"Somebody through whom {encode('key', found.id)} was made is suspended.")

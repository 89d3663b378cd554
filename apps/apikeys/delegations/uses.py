"""Counting how often a delegation was used: each changing operation once, in its own transaction.

The rows are counted before the operation runs. That takes their locks, so that calls by one delegation change things
one after the other, and a revocation waits for those that have begun, and ends what they minted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.db.models import F, Q

from apps.apikeys.delegations.errors import DelegationRevoked, DelegationUsedUp, asking
from apps.apikeys.delegations.models import Delegation
from apps.apikeys.snapshots import shown
from apps.core import clock
from apps.core.actor import Actor, Delegated
from apps.core.ids import encode
from apps.core.operations import Operation, Recording, register_recorder
from apps.tenancy.walls import enter

_counted: ContextVar[UUID | None] = ContextVar("delegation_counted", default=None)


@contextmanager
def count_use(actor: Actor, _operation: Operation[..., Any]) -> Iterator[Recording]:
    """Be a recorder: take one use of the delegation that `actor` acts by, unless an outer operation has taken it.

    Raises DelegationUsedUp and DelegationRevoked for one that ended since the call began. What fails counts nothing,
    because its transaction is rolled back.
    """
    grant = actor.delegation
    if grant is None or _counted.get() == grant.id:
        yield Recording()
        return
    _take(grant)
    before = _counted.set(grant.id)
    try:
        yield Recording()
    finally:
        _counted.reset(before)


def register() -> None:
    """Register the counting."""
    register_recorder(count_use)


def _take(grant: Delegated) -> None:
    left = Q(max_uses=None) | Q(uses__lt=F("max_uses"))
    with enter(grant.tenant):
        # One after the other, the one that was passed on from first: everybody takes the locks in this order.
        for row in reversed(grant.rows):
            alive = Delegation.objects.filter(left, pk=row, revoked_at=None, expires_at__gt=clock.now())
            if not alive.update(uses=F("uses") + 1):
                raise _ended(row, grant)


def _ended(row: UUID, grant: Delegated) -> DelegationUsedUp | DelegationRevoked:
    found = Delegation.objects.filter(pk=row).values_list("revoked_at", flat=True).first()
    problem = DelegationUsedUp if found is None else DelegationRevoked
    how = "all its uses are taken, or its time is over" if found is None else "it was revoked"
    whom = shown(grant.limits[0][0])["id"]
    detail = f"{encode('dlg', row)} ended while this call was under way: {how}."
    return problem(detail, remedy=asking(whom or "usr_…"))

"""Ending what somebody made, or what was made through something: keys, clients and invitations, which carry the marks.

A key's index row is found in every tenant at once; the others are looked for in the tenant that stands and, if that is
the console, in the environments of the organizations through which they can have been made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.accounts.oauth.endings import end_clients
from apps.apikeys.minting import revoke
from apps.apikeys.models import KeyIndex
from apps.core.actor import TenantRef
from apps.orgs.joining import void_those_through
from apps.tenancy.models import CONSOLE, ENVIRONMENT, Tenant
from apps.tenancy.walls import current_tenant, enter, outside

#: End what the rooms above keep in somebody's name: called with the marks, and which rows of the tenant that stands.
_on_ended: list[Callable[[Collection[UUID], Q], Any]] = []


def on_ended(hook: Callable[[Collection[UUID], Q], Any]) -> None:
    """Call `hook` when what was made by somebody ends: with their marks, and what its rows have to fulfil.

    It is called in each tenant where that may be, which stands then, in the transaction that ends it.
    """
    if hook not in _on_ended:
        _on_ended.append(hook)


def end_made(
    marks: Collection[UUID], organizations: Collection[UUID] | None = (), *, only: UUID | None = None
) -> None:
    """Revoke the keys that carry one of `marks`, with everything that they minted, and end such clients, for good.

    Such invitations are void until somebody sends them again, and what `on_ended` hooks keep ends. `organizations` are
    those in whose environments clients and the like are looked for; None is all. `only` keeps it to what belongs to
    that organization here, and to their environments.
    """
    environments, place = environments_of(organizations), current_tenant()
    here = Q() if only is None else Q(organization_id=only)
    there = Q(tenant_id__in=[one.id for one in environments])
    revoke(_keys_with(marks, Q() if only is None else (Q(tenant_id=place.id) & here) | there))
    _end_here(marks, here)
    for environment in environments:
        with enter(environment):
            _end_here(marks, Q())


def _end_here(marks: Collection[UUID], which: Q) -> None:
    end_clients(marks, which)
    void_those_through(marks, which)
    for hook in _on_ended:
        hook(marks, which)


def environments_of(organizations: Collection[UUID] | None) -> list[TenantRef]:
    """The environments of these organizations of the console, if that stands; of all for None."""
    if current_tenant().kind != CONSOLE:
        return []
    with outside():
        owned = Tenant.objects.filter(kind=ENVIRONMENT).exclude(owner_organization_id=None)
        if organizations is not None:
            owned = owned.filter(owner_organization_id__in=organizations)
        return [tenant.ref for tenant in owned]


def _keys_with(marks: Collection[UUID], where: Q) -> list[UUID]:
    with outside():
        carrying = KeyIndex.objects.filter(where, lineage__overlap=list(marks), revoked_at=None)
        return list(carrying.values_list("id", flat=True))

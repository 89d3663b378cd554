"""Finding delegations, in the words of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q

from apps.accounts.authority import role_of
from apps.core import clock
from apps.core.actor import Actor, PrincipalRef
from apps.core.scopes import Scope

if TYPE_CHECKING:
    from apps.apikeys.delegations.models import Delegation  # noqa: F401 - named as text below

#: Who looks after an organization's members sees, and ends, what they have delegated there.
_LOOKS_AFTER = Scope("members", "write")


class DelegationQuerySet(models.QuerySet["Delegation"]):
    """Delegations of a tenant."""

    def visible_to(self, actor: Actor) -> DelegationQuerySet:
        """All for an actor of the tenant and, in their organization, for who looks after its members; else one's own.

        Who acts for somebody sees what that one gave to it, and what it passed on of that.
        """
        if actor.on_behalf_of is not None:
            passed = Q(parent__in=self.model._default_manager.filter(_received(actor)).values("pk"))
            given = self.given_by(actor.on_behalf_of).filter(_received(actor) | passed)
            return given.filter(organization=actor.organization.id if actor.organization else None)
        if actor.is_tenant_wide:
            return self
        own = self if actor.organization is None else self.filter(organization_id=actor.organization.id)
        if actor.organization is not None and role_of(actor).allows(_LOOKS_AFTER):
            return own
        return own.filter(_given(actor.principal, actor) | _received(actor))

    def given_by(self, principal: PrincipalRef) -> DelegationQuerySet:
        """Those by which others act for `principal`."""
        return self.filter(delegator_kind=principal.kind.value, delegator_id=principal.id)  # type: ignore[misc] # without an id: none

    def received_by(self, actor: Actor) -> DelegationQuerySet:
        """Those by which `actor` acts for others."""
        return self.filter(_received(actor))

    def with_standing(self, standing: str) -> DelegationQuerySet:
        """Those that are in `standing` now; `Delegation.standing` says the same of one row."""
        now = clock.now()
        left = self.filter(revoked_at=None, denied_at=None)
        waiting, granted = left.filter(granted_at=None), left.exclude(granted_at=None)
        over = Q(expires_at__lte=now)
        used = Q(max_uses__isnull=False, uses__gte=F("max_uses"))
        late = over | Q(granted_at=None, asked_until__lte=now)
        found: dict[str, DelegationQuerySet] = {
            "pending": waiting.exclude(late),
            "active": granted.exclude(over).exclude(used),
            "denied": self.filter(revoked_at=None).exclude(denied_at=None),
            "expired": left.filter(late),
            "used_up": granted.exclude(over).filter(used),
            "revoked": self.exclude(revoked_at=None),
        }
        return found[standing]


def _given(principal: PrincipalRef, actor: Actor) -> Q:
    if actor.is_away:
        return Q(pk__in=[])
    return Q(delegator_kind=principal.kind.value, delegator_id=principal.id)


def _received(actor: Actor) -> Q:
    home = actor.home.id if actor.is_away else None
    who = actor.principal
    if who.id is None:
        return Q(pk__in=[])
    return Q(delegate_kind=who.kind.value, delegate_id=who.id, delegate_home_id=home)

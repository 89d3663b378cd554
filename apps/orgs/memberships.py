"""A person's own memberships, in all their organizations."""

from __future__ import annotations

from typing import Any

from apps.accounts.authority import require_person
from apps.core.actor import Actor
from apps.core.operations import Risk, operation
from apps.orgs import serializers as forms
from apps.orgs.models import Membership
from apps.tenancy import walls


@operation(
    "memberships.list",
    scope="self:read",
    risk=Risk.READ,
    output=forms.OwnMembershipsOutput,
    anywhere=True,
)
def list_memberships(actor: Actor) -> dict[str, Any]:
    """List the caller's own memberships, the oldest first: the organizations that they can act in, and as what.

    For people; it takes no organization. A key that is bound to one organization tells of that one alone.
    """
    own = Membership.objects.filter(user_id=require_person(actor)).order_by("created_at", "id")
    if actor.credential.bound_to is not None:
        own = own.filter(organization_id=actor.credential.bound_to)
    with walls.whole_tenant():
        found = list(own.select_related("organization"))
    return {"data": found, "next_cursor": None}

"""What the pages of members, roles, teams and invitations have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.actor import Actor
from apps.core.admin import StoryAdmin
from apps.core.admin_story import Fact, code, link, when
from apps.core.endpoints import acting
from apps.orgs.models import Membership, Organization

#: How many rows the page of an organization shows of each kind.
MOST_SHOWN = 20
_MOST_CHOICES = 200


class OfOrganizationAdmin(StoryAdmin):
    """Pages of what belongs to the organization in which the person works, or to any where they act across all."""

    def rows(self, actor: Actor) -> QuerySet[Any]:
        """Those that the actor sees, with their organizations."""
        self.reads.require(actor, {})
        rows: Any = self.model
        found: QuerySet[Any] = rows.objects.visible_to(actor).select_related("organization")
        return found

    def list_target(self, actor: Actor) -> dict[str, Any]:
        """The actor's organization."""
        return own(actor, None)

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """Whose each row is too, where one acts across organizations."""
        shown = super().get_list_display(request)
        return shown if acting(request).organization else [*shown, "organization_shown"]

    @admin.display(description="Since")
    def created_shown(self, row: Any) -> Any:
        """Since when."""
        return when(row.created_at)

    @admin.display(description="Organization")
    def organization_shown(self, row: Any) -> str:
        """Whose it is."""
        return str(row.organization)

    def whose(self, row: Any) -> list[Fact]:
        """The facts with which a summary ends: the organization and the id."""
        return [Fact("Organization", link(row.organization)), Fact("Id", code(row.public_id))]


def own(actor: Actor, _row: object) -> dict[str, Any]:
    """The target of what is done to the actor's organization; None where it acts in none."""
    return {"organization_id": actor.organization.id if actor.organization else None}


def newest_of(rows: Any, actor: Actor, row: Organization) -> Any:
    """The newest of the organization's `rows` (a manager of its model) that the actor sees."""
    return rows.visible_to(actor).filter(organization_id=row.pk).order_by("-id")[:MOST_SHOWN]


def seats(actor: Actor, row: Any, besides: UUID | None = None) -> list[tuple[str, str]]:
    """The members of the organization that `row` is or belongs to, for choosing one; without the person `besides`."""
    found = Membership.objects.visible_to(actor).filter(organization_id=row.organization_id)
    people = found.exclude(user=besides).select_related("user").order_by("user__email")[:_MOST_CHOICES]
    return [(seat.public_id, seat.user.email) for seat in people]

"""Hand-offs in the admin, and the ways to them from the page of an environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.urls import reverse

from apps.apikeys.models import HandOff
from apps.applications.models import Environment
from apps.console.handoff import services as do
from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_on
from apps.core.admin_story import Fact, Related, Way, badge, code, lead_on, link, relate, when

_SAID = {
    "waiting": ("On the way", "info"),
    "open": ("Open", "good"),
    "expired": ("Expired", "plain"),
    "closed": ("Closed with the console", "plain"),
    "signed_out": ("Signed out", "plain"),
    "replaced": ("Opened anew", "plain"),
    "revoked": ("Revoked", "bad"),
}


@admin.register(HandOff, site=site)
class HandOffAdmin(StoryAdmin):
    """Who opened the admin of an environment."""

    reads, reads_one = do.list_hand_offs, do.get_hand_off
    headline = "Hand-offs"
    intro = "People who opened the admin of an environment from the console. Each ends with its session in the console."
    empty = "Nobody has opened the admin of an environment yet. The page of an environment leads there."
    list_display = ("name", "user_name", "status_shown", "opened_shown", "ends_shown", "reason_shown")
    search_fields = ("name", "user_name", "reason")

    @admin.display(description="Status")
    def status_shown(self, row: HandOff) -> Any:
        """What became of it."""
        return self.state(row)

    @admin.display(description="Opened")
    def opened_shown(self, row: HandOff) -> Any:
        """When it was opened."""
        return when(row.created_at)

    @admin.display(description="Ends")
    def ends_shown(self, row: HandOff) -> Any:
        """When it ends, or did."""
        return when(row.ended_at or row.expires_at)

    @admin.display(description="Why")
    def reason_shown(self, row: HandOff) -> str:
        """The reason that was given."""
        return row.reason or "—"

    def state(self, row: HandOff) -> Any:
        """What became of it."""
        return badge(*_SAID[row.status])

    def facts(self, row: HandOff) -> Sequence[Fact]:
        """Who, where, why and until when."""
        return [
            Fact("Environment", code(row.name)),
            Fact("Person", row.user_name),
            Fact("Why", row.reason or "—"),
            Fact("Opened", when(row.created_at)),
            Fact("Came in", when(row.entered_at)),
            Fact("Ends at the latest", when(row.expires_at)),
            Fact("Ended", when(row.ended_at)),
            Fact("Id", code(row.public_id)),
        ]

    def target(self, row: HandOff) -> dict[str, Any]:
        """Its id."""
        return _hand_off(None, row)


def _hand_off(_actor: Actor | None, row: HandOff) -> dict[str, Any]:
    return {"hand_off_id": row.pk}


def _into(actor: Actor, row: Environment) -> list[list[Any]]:
    found = HandOff.objects.visible_to(actor).filter(tenant_id=row.tenant_id).order_by("-id")[:20]
    return [
        [link(one, one.user_name), badge(*_SAID[one.status]), when(one.created_at), one.reason or "—"]
        for one in found
    ]


act_on(
    HandOff,
    Action(
        do.end_hand_off,
        "End",
        "Its session in the environment's admin is closed at the next click. The person stays in the console.",
        _hand_off,
        applies=lambda row: not row.is_over,
    ),
)
lead_on(
    Environment,
    Way("Open admin", do.open_environment, lambda row: reverse("admin:open", args=[row.public_id])),
)
relate(
    Environment,
    Related(
        "Who opened its admin",
        ("Person", "Status", "Opened", "Why"),
        _into,
        "Nobody has opened its admin yet.",
    ),
)

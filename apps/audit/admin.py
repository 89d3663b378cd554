"""The timeline in the admin, and the timeline on every other page."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.audit import services as do
from apps.audit.models import Event
from apps.core.actor import Actor, Edge
from apps.core.admin import StoryAdmin, site
from apps.core.admin_story import Fact, badge, code, use_timeline, when
from apps.core.operations import Risk, decide

_TONES = {"read": "plain", "write": "info", "destructive": "bad", "secret": "warn"}
_SHOWN = 15


class _WordFilter(admin.SimpleListFilter):
    """Entries with one of a few known words in a column, without asking the database which ones there are."""

    words: type[StrEnum]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """The words."""
        return [(word.value, word.value.capitalize()) for word in self.words]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Those with the chosen word."""
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


class RiskFilter(_WordFilter):
    """By what a mistake would have cost."""

    title, parameter_name, words = "risk", "risk", Risk


class EdgeFilter(_WordFilter):
    """By the door."""

    title, parameter_name, words = "edge", "edge", Edge


@admin.register(Event, site=site)
class EventAdmin(StoryAdmin):
    """Everything that was done, the newest first."""

    reads, reads_one = do.list_events, do.get_event
    headline = "Timeline"
    intro = "What was done in this organization, by whom, for whom, and through which key."
    empty = "Nothing has happened yet. Whatever changes something is written down here."
    list_display = ["operation", "at_shown", "actor_shown", "resource_shown", "edge", "reason_shown"]
    search_fields = ["operation", "actor_name", "resource_name", "request_id"]
    list_filter = [RiskFilter, EdgeFilter]

    @admin.display(description="When")
    def at_shown(self, row: Event) -> Any:
        """When."""
        return when(row.at)

    @admin.display(description="Who")
    def actor_shown(self, row: Event) -> str:
        """Who, and for whom."""
        return f"{row.actor_name} for {row.on_behalf_of['name']}" if row.on_behalf_of else row.actor_name

    @admin.display(description="What")
    def resource_shown(self, row: Event) -> str:
        """What was acted on."""
        return row.resource_name or row.resource_id or "—"

    @admin.display(description="Why")
    def reason_shown(self, row: Event) -> str:
        """The reason that was given."""
        return row.reason or "—"

    def state(self, row: Event) -> Any:
        """Its risk."""
        return badge(row.risk.capitalize(), _TONES.get(row.risk, "plain"))

    def facts(self, row: Event) -> Sequence[Fact]:
        """All that is known about it."""
        through = f"{row.credential_kind} {row.credential_id or ''}".strip()
        for_whom = [Fact("On behalf of", row.on_behalf_of["name"])] if row.on_behalf_of else []
        chain = " → ".join(str(link["name"]) for link in row.chain)
        return [
            Fact("When", when(row.at)),
            Fact("Who", f"{row.actor_name} ({row.actor_kind.replace('_', ' ')})"),
            *for_whom,
            Fact("Through", f"{through}, minted by {chain}" if chain else through),
            Fact("What", row.resource_name or "—"),
            Fact("Its id", code(row.resource_id) if row.resource_id else "—"),
            Fact("Why", row.reason or "—"),
            Fact("Edge", row.edge),
            Fact("Tenant", row.tenant),
            Fact("Request", code(row.request_id)),
            Fact("From", row.ip or "—"),
        ]

    def target(self, row: Event) -> dict[str, Any]:
        """Its id."""
        return {"event_id": row.pk}

    def change_view(self, request: Any, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """An entry is its own timeline: show what it changed instead."""
        event = self.found(request, object_id)
        context = {"timeline": [event], "story_title": "What it changed", **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)


def newest(actor: Actor, thing: str) -> Sequence[Event]:
    """The newest entries about `thing` and around it; none for who may not read the trail."""
    if decide(actor, do.get_timeline, {"thing": thing}).decision != "allow":
        return ()
    return list(Event.objects.visible_to(actor).around(thing).order_by("-id")[:_SHOWN])


def latest(actor: Actor, count: int = 10) -> Sequence[Event]:
    """The newest entries of the organization."""
    if decide(actor, do.list_events, {}).decision != "allow":
        return ()
    return list(do.list_events(actor)[:count])


use_timeline(newest)

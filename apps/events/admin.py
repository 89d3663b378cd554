"""The event log in the admin: what happened, to what, and by whom; and the product's types of events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, Related, badge, code, link, relate, timeline_of, when
from apps.core.endpoints import acting
from apps.core.ids import encode
from apps.events import services, types
from apps.events.models import Event, EventType
from apps.events.webhooks import admin as _webhooks  # noqa: F401 - its pages, which Django looks for here
from apps.orgs.models import Organization

_MOST_SHOWN = 20
_FIELDS = ("description", "schema")
_BAD = (
    "deleted",
    "purged",
    "revoked",
    "suspended",
    "failed",
    "dead",
    "leaked",
    "removed",
    "denied",
    "expired",
)
_GOOD = ("created", "succeeded", "activated", "accepted", "approved", "restored", "uploaded")


def tone(kind: str) -> str:
    """How a type is coloured: by its verb."""
    verb = kind.rpartition(".")[2].rpartition("_")[2]
    return "bad" if verb in _BAD else "good" if verb in _GOOD else "info"


class OriginFilter(admin.SimpleListFilter):
    """Events of the platform, or of the product."""

    title, parameter_name = "whose", "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """The two."""
        return [("product", "The product's own"), ("platform", "The platform's")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Those of one of the two: types that the product declared, and all others."""
        if self.value() not in ("product", "platform"):
            return queryset
        declared = list(EventType.objects.values_list("name", flat=True))
        own = {"type__in": declared}
        return queryset.filter(**own) if self.value() == "product" else queryset.exclude(**own)


@admin.register(Event, site=site)
class EventAdmin(StoryAdmin):
    """What happened, the newest first."""

    reads, reads_one = services.list_events, services.get_event
    headline = "Events"
    intro = "What the platform and your product did here. Programs read the same by cursor."
    empty = "Nothing has happened yet. Every operation is told here, and what your product publishes."
    list_display = ("type", "at_shown", "subject_shown", "actor_shown", "organization_shown")
    search_fields = ("type", "subject", "request_id")
    list_filter = (OriginFilter,)

    def rows(self, actor: Actor) -> QuerySet[Any]:
        """What `actor` may see, the newest first; those of transactions that are not over elsewhere included."""
        services.list_events.require(actor, {})
        return Event.objects.visible_to(actor).order_by("-xid", "-id")

    @admin.display(description="When")
    def at_shown(self, row: Event) -> Any:
        """When."""
        return when(row.at)

    @admin.display(description="About")
    def subject_shown(self, row: Event) -> Any:
        """What it is about."""
        return self._led(row.subject) if row.subject else "—"

    @admin.display(description="Who")
    def actor_shown(self, row: Event) -> str:
        """Who did it, and for whom."""
        return _who(row)

    @admin.display(description="Whose")
    def organization_shown(self, row: Event) -> Any:
        """Whose it is."""
        return self._led(encode("org", row.organization_id)) if row.organization_id else "The tenant's"

    def state(self, row: Event) -> Any:
        """Its type, coloured by the verb."""
        return badge(row.type.rpartition(".")[2].replace("_", " ").capitalize(), tone(row.type))

    def facts(self, row: Event) -> Sequence[Fact]:
        """All that it says."""
        return [
            Fact("When", when(row.at)),
            Fact("About", self.subject_shown(row)),
            Fact("Who", _who(row)),
            Fact("Whose", self.organization_shown(row)),
            Fact("Says", _json(row.data)),
            Fact("Request", code(row.request_id) if row.request_id else "—"),
            Fact("Id", code(row.public_id)),
        ]

    def target(self, row: Event) -> dict[str, Any]:
        """Its id."""
        return {"event_id": row.pk}

    def _led(self, shown: str) -> Any:
        """An id, which leads to the page about its thing where this site has one."""
        prefix = shown.rpartition("_")[0]
        model = next(
            (one for one in self.admin_site._registry if getattr(one, "id_prefix", "") == prefix), None
        )
        if model is None:
            return code(shown)
        name = f"{self.admin_site.name}:{model._meta.app_label}_{model._meta.model_name}_change"
        return format_html('<a class="pm-link" href="{}">{}</a>', reverse(name, args=[shown]), code(shown))

    def change_view(self, request: Any, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        """Beside an event stands the story of what it is about."""
        event = self.found(request, object_id)
        told = timeline_of(acting(request), event.subject) if event.subject else ()
        context = {"timeline": told, "story_title": "What else happened to it", **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)


def _who(row: Event) -> str:
    for_whom = f" for {row.on_behalf_of['name']}" if row.on_behalf_of else ""
    return f"{row.actor['name'] or row.actor['kind'].replace('_', ' ')}{for_whom}"


def _json(value: Any) -> Any:
    return format_html('<pre class="pm-json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


@admin.register(EventType, site=site)
class EventTypeAdmin(StoryAdmin):
    """What the product says that happens in it."""

    reads, reads_one = types.list_event_types, types.get_event_type
    headline = "Event types"
    intro = "Kinds of things that your product says happen in it, each with the JSON Schema of its data."
    empty = "None yet. Declare one, and your product can publish such events."
    list_display = ("name", "description", "created_shown")
    search_fields = ("name", "description")

    @admin.display(description="Since")
    def created_shown(self, row: EventType) -> Any:
        """Since when."""
        return when(row.created_at)

    def facts(self, row: EventType) -> Sequence[Fact]:
        """What it says."""
        return [
            Fact("What for", row.description or "—"),
            Fact("Schema", _json(row.schema)),
            Fact("Version", row.version),
            Fact("Id", code(row.public_id)),
        ]

    def target(self, row: EventType) -> dict[str, Any]:
        """Its name."""
        return {"event_type": row.name}


def _named(_actor: Actor | None, row: EventType) -> dict[str, Any]:
    return {"event_type": row.name}


def _as_declared(row: EventType) -> Mapping[str, Any]:
    return {"description": row.description, "schema": json.dumps(row.schema, indent=2, ensure_ascii=False)}


def _newest_of(actor: Actor, row: Organization) -> list[list[Any]]:
    found = Event.objects.visible_to(actor).filter(organization_id=row.pk).order_by("-xid", "-id")
    return [[link(one), when(one.at), _who(one)] for one in found[:_MOST_SHOWN]]


act_above(
    EventType,
    Action(
        types.create_event_type,
        "Declare a type",
        "Your product can publish such events at once; data that does not satisfy the schema is refused.",
        fields=("name", *_FIELDS),
    ),
)
act_on(
    EventType,
    Action(
        types.update_event_type,
        "Change",
        "The schema counts for events from now on. Those that were written stay as they are.",
        _named,
        initial=_as_declared,
        fields=_FIELDS,
    ),
    Action(
        types.delete_event_type,
        "Delete",
        "Such events can be published no more. Those that were stay.",
        _named,
    ),
)
relate(
    Organization,
    Related("Newest events", ("Event", "When", "Who"), _newest_of, "Nothing has happened yet."),
)

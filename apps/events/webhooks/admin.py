"""Webhook endpoints and deliveries in the admin: where events go, what came back, and sending again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.html import format_html

from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, Need, Related, badge, code, link, list_url, relate, watch, when, words
from apps.core.fields import point_in_time
from apps.core.operations import decide
from apps.events.webhooks import deliveries, endpoints
from apps.events.webhooks.models import Delivery, DeliveryState, WebhookEndpoint

_TONES = {DeliveryState.PENDING: "info", DeliveryState.SUCCEEDED: "good", DeliveryState.FAILED: "bad"}
_MOST_SHOWN = 20
_RULES = ("url", "event_types", "description")
_COLUMNS = ("Event", "State", "Sent", "Answer", "Since")


def _state(row: Delivery) -> Any:
    return badge(row.get_state_display(), _TONES[DeliveryState(row.state)])


def _answer(attempt: Mapping[str, Any] | None) -> Any:
    """What came back of an attempt, in a few words."""
    if attempt is None:
        return "—"
    if attempt["error"] is None:
        return code(attempt["response"]["status"])
    return attempt["error"]["message"]


@admin.register(WebhookEndpoint, site=site)
class WebhookEndpointAdmin(StoryAdmin):
    """Where events are sent to."""

    reads, reads_one = endpoints.list_webhook_endpoints, endpoints.get_webhook_endpoint
    headline = "Webhook endpoints"
    intro = "URLs that are told what happens: signed, tried again for three days, disabled where nothing gets through."
    empty = "No endpoints yet. Make one, and events are sent to it from then on."
    list_display = ("named", "state_shown", "types_shown", "owner_shown", "created_shown")
    search_fields = ("url", "description")

    def rows(self, actor: Actor) -> QuerySet[WebhookEndpoint]:
        """Those that the actor sees, with whose they are."""
        return super().rows(actor).select_related("organization")

    @admin.display(description="Endpoint")
    def named(self, row: WebhookEndpoint) -> str:
        """What it is called, or its URL."""
        return str(row)

    @admin.display(description="State")
    def state_shown(self, row: WebhookEndpoint) -> Any:
        """Whether anything is sent."""
        return self.state(row)

    @admin.display(description="Events")
    def types_shown(self, row: WebhookEndpoint) -> Any:
        """What it is told of."""
        return words(row.event_types)

    @admin.display(description="Of")
    def owner_shown(self, row: WebhookEndpoint) -> Any:
        """Whose events."""
        return link(row.organization) if row.organization else "The tenant itself"

    @admin.display(description="Since")
    def created_shown(self, row: WebhookEndpoint) -> Any:
        """Since when."""
        return when(row.created_at)

    def state(self, row: WebhookEndpoint) -> Any:
        """Whether anything is sent, and whether it arrives."""
        if not row.enabled:
            return badge("Disabled", "bad")
        return badge("Failing", "warn") if row.failing_since else badge("Enabled", "good")

    def facts(self, row: WebhookEndpoint) -> Sequence[Fact]:
        """Where it is, what it is told, and how it fares."""
        told = [
            ("Disabled", row.disabled_at),
            ("Nothing but failures since", row.failing_since),
        ]
        return [
            Fact("URL", code(row.url)),
            Fact("Events", words(row.event_types)),
            Fact("Of", link(row.organization) if row.organization else "The tenant itself"),
            *[Fact(label, when(moment)) for label, moment in told if moment is not None],
            *([Fact("Why", row.disabled_reason)] if row.disabled_reason else []),
            Fact("Since", when(row.created_at)),
            Fact("Id", code(row.public_id)),
        ]

    def target(self, row: WebhookEndpoint) -> dict[str, Any]:
        """Its id."""
        return _endpoint(None, row)


@admin.register(Delivery, site=site)
class DeliveryAdmin(StoryAdmin):
    """Events on their way."""

    reads, reads_one = deliveries.list_all_deliveries, deliveries.get_delivery
    headline = "Deliveries"
    intro = "Each event that was sent to an endpoint, with what came back. Kept for 30 days."
    empty = "Nothing was sent yet."
    list_display = ("event_type", "endpoint_shown", "state_shown", "attempt", "answer_shown", "created_shown")
    search_fields = ("event_type",)
    list_filter = ("state",)

    def rows(self, actor: Actor) -> QuerySet[Delivery]:
        """Those that the actor sees, with where they go."""
        return super().rows(actor).select_related("endpoint")

    @admin.display(description="To")
    def endpoint_shown(self, row: Delivery) -> Any:
        """Where it goes."""
        return link(row.endpoint)

    @admin.display(description="State")
    def state_shown(self, row: Delivery) -> Any:
        """Where it stands."""
        return _state(row)

    @admin.display(description="Answer")
    def answer_shown(self, row: Delivery) -> Any:
        """What came back last."""
        return _answer(row.last)

    @admin.display(description="Since")
    def created_shown(self, row: Delivery) -> Any:
        """Since when."""
        return when(row.created_at)

    def state(self, row: Delivery) -> Any:
        """Where it stands."""
        return _state(row)

    def facts(self, row: Delivery) -> Sequence[Fact]:
        """What is sent, and when again."""
        return [
            Fact("To", link(row.endpoint)),
            Fact("Event", code(row.message_id)),
            Fact("Sent", f"{row.attempt} times"),
            Fact("Sent again", when(row.next_at)),
            Fact("Over", when(row.finished_at)),
            Fact("Headers", _lines(row.request["headers"])),
            Fact("Body", _block(_pretty(row.body))),
            Fact("Id", code(row.public_id)),
        ]

    def target(self, row: Delivery) -> dict[str, Any]:
        """Its id."""
        return _delivery(None, row)


def _pretty(body: str) -> str:
    return json.dumps(json.loads(body), indent=1, ensure_ascii=False)


def _block(text: str) -> Any:
    return format_html('<pre class="pm-json">{}</pre>', text)


def _lines(headers: Mapping[str, str]) -> Any:
    return _block("\n".join(f"{name}: {value}" for name, value in headers.items())) if headers else "—"


def _endpoint(_actor: Actor | None, row: WebhookEndpoint) -> dict[str, Any]:
    return {"webhook_endpoint_id": row.pk}


def _delivery(_actor: Actor | None, row: Delivery) -> dict[str, Any]:
    return {"delivery_id": row.pk}


def _rules(row: WebhookEndpoint) -> Mapping[str, Any]:
    return {"url": row.url, "event_types": " ".join(row.event_types), "description": row.description}


def _newest_of(actor: Actor, row: WebhookEndpoint) -> list[list[Any]]:
    found = Delivery.objects.visible_to(actor).filter(endpoint=row).order_by("-id")[:_MOST_SHOWN]
    return [
        [link(one), _state(one), one.attempt, _answer(one.last), when(one.created_at)]
        for one in found.defer("body")
    ]


def _attempts_of(_actor: Actor, row: Delivery) -> list[list[Any]]:
    return [_attempt(one) for one in reversed(row.attempts)]


def _attempt(one: Mapping[str, Any]) -> list[Any]:
    response = one["response"] or {"headers": {}, "body": ""}
    return [
        one["number"],
        when(point_in_time(one["at"])),
        f"{one['seconds']} s",
        _answer(one),
        _lines(response["headers"]),
        _block(response["body"]) if response["body"] else "—",
    ]


def _failing(actor: Actor) -> list[Need]:
    """Endpoints that the platform disabled, or to which nothing gets through."""
    if decide(actor, endpoints.list_webhook_endpoints, {}).decision != "allow":
        return []
    rows = WebhookEndpoint.objects.visible_to(actor)
    disabled, failing = (
        rows.filter(disabled_at__isnull=False).count(),
        rows.enabled().filter(failing_since__isnull=False).count(),
    )
    said = [(disabled, "is disabled", "are disabled", "bad"), (failing, "fails", "fail", "warn")]
    return [
        Need(
            f"{number} webhook endpoint{'s' if number > 1 else ''} {many if number > 1 else one}",
            list_url(WebhookEndpoint),
            tone,
        )
        for number, one, many, tone in said
        if number
    ]


def _is_enabled(row: WebhookEndpoint) -> bool:
    return row.enabled


def _is_disabled(row: WebhookEndpoint) -> bool:
    return not row.enabled


act_above(
    WebhookEndpoint,
    Action(
        endpoints.create_webhook_endpoint,
        "Make an endpoint",
        "Events are sent there from now on. The secret that signs them is shown once.",
        fields=_RULES,
    ),
)
act_on(
    WebhookEndpoint,
    Action(
        deliveries.test_webhook_endpoint,
        "Send a test",
        "An event that never happened is sent, once.",
        _endpoint,
    ),
    Action(
        endpoints.update_webhook_endpoint,
        "Change",
        "What is on its way goes to the new URL from its next attempt on.",
        _endpoint,
        initial=_rules,
        fields=_RULES,
    ),
    Action(
        deliveries.replay_failures,
        "Replay failures",
        "Everything that failed since that time is sent again.",
        _endpoint,
        applies=_is_enabled,
    ),
    Action(
        endpoints.rotate_webhook_endpoint,
        "Rotate the secret",
        "Another secret signs from now on; the previous one signs too for as long as is said.",
        _endpoint,
    ),
    Action(
        endpoints.disable_webhook_endpoint,
        "Disable",
        "Nothing is sent any more. What happens meanwhile is not sent later.",
        _endpoint,
        applies=_is_enabled,
    ),
    Action(
        endpoints.enable_webhook_endpoint,
        "Enable",
        "What happens from now on is sent.",
        _endpoint,
        applies=_is_disabled,
    ),
    Action(
        endpoints.delete_webhook_endpoint,
        "Delete",
        "Its deliveries go with it, those that are on their way too.",
        _endpoint,
    ),
)
act_on(
    Delivery,
    Action(
        deliveries.replay_delivery,
        "Replay",
        "The same message is sent again, under the same id.",
        _delivery,
    ),
)
relate(WebhookEndpoint, Related("Newest deliveries", _COLUMNS, _newest_of, "Nothing was sent yet."))
relate(
    Delivery,
    Related(
        "Attempts", ("#", "When", "Took", "Answer", "Headers", "Body"), _attempts_of, "It was not sent yet."
    ),
)
watch(WebhookEndpoint, _failing)

"""Operations on deliveries: reading what became of them, trying an endpoint, and sending again."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core.actor import Actor
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.events.webhooks import sending
from apps.events.webhooks import serializers as forms
from apps.events.webhooks.endpoints import find_endpoint
from apps.events.webhooks.errors import WebhookEndpointDisabled, enabling
from apps.events.webhooks.models import Delivery, DeliveryQuerySet, DeliveryState, WebhookEndpoint

_UNTOLD = "it is about an event that the log has, and no event of its own"


@operation(
    "webhook_endpoints.deliveries",
    scope="deliveries:read",
    risk=Risk.READ,
    input=forms.DeliveryParameters,
    output=forms.DeliveryOutput,
    lists=True,
)
def list_deliveries(actor: Actor, /, *, webhook_endpoint_id: UUID, **filters: Any) -> DeliveryQuerySet:
    """List what was sent to an endpoint, the newest first, with what came back each time. Kept for 30 days."""
    endpoint = find_endpoint(actor, webhook_endpoint_id)
    return Delivery.objects.filter(endpoint=endpoint, **filters).defer("body")


@operation(
    "deliveries.list",
    scope="deliveries:read",
    risk=Risk.READ,
    input=forms.AllDeliveriesParameters,
    output=forms.DeliveryOutput,
    lists=True,
)
def list_all_deliveries(actor: Actor, /, *, endpoint: UUID | None = None, **filters: Any) -> DeliveryQuerySet:
    """List what was sent to any endpoint, the newest first."""
    chosen = filters if endpoint is None else {**filters, "endpoint_id": endpoint}
    return Delivery.objects.visible_to(actor).filter(**chosen).defer("body")


@operation("deliveries.get", scope="deliveries:read", risk=Risk.READ, output=forms.DeliveryWithRequestOutput)
def get_delivery(actor: Actor, *, delivery_id: UUID) -> Delivery:
    """Read one delivery: what is sent, and what came back each time."""
    rows = Delivery.objects.visible_to(actor).select_related("endpoint")
    return _of(rows, delivery_id)


@operation(
    "deliveries.replay",
    scope="deliveries:write",
    risk=Risk.WRITE,
    output=forms.DeliveryOutput,
    untold=_UNTOLD,
)
def replay_delivery(actor: Actor, *, delivery_id: UUID) -> Delivery:
    """Send a delivery again, whatever became of it: the same message under the same id, at once and from the start."""
    rows = Delivery.objects.visible_to(actor).select_related("endpoint").select_for_update(of=("self",))
    delivery = _of(rows, delivery_id)
    _require_enabled(delivery.endpoint)
    sending.send_again([delivery])
    return delivery


@operation(
    "webhook_endpoints.replay",
    scope="deliveries:write",
    risk=Risk.WRITE,
    input=forms.ReplayInput,
    output=forms.ReplayOutput,
    untold=_UNTOLD,
    subject=lambda result: result["endpoint"],
)
def replay_failures(
    actor: Actor, *, webhook_endpoint_id: UUID, since: datetime, limit: int = forms.MOST_REPLAYED
) -> dict[str, Any]:
    """Send everything again that failed since a time, the oldest first, up to `limit`."""
    endpoint = find_endpoint(actor, webhook_endpoint_id)
    _require_enabled(endpoint)
    failed = Delivery.objects.filter(
        endpoint=endpoint, state=DeliveryState.FAILED, test=False, created_at__gte=since
    )
    chosen = list(failed.select_for_update(of=("self",), skip_locked=True).order_by("id")[:limit])
    sending.send_again(chosen)
    return {"replayed": len(chosen), "left": failed.count(), "endpoint": endpoint}


@operation(
    "webhook_endpoints.test",
    scope="deliveries:write",
    risk=Risk.WRITE,
    output=forms.DeliveryOutput,
    untold=_UNTOLD,
)
def test_webhook_endpoint(actor: Actor, *, webhook_endpoint_id: UUID) -> Delivery:
    """Send `webhook_endpoint.test` to an endpoint, once. Read the delivery a moment later for what came back."""
    endpoint = find_endpoint(actor, webhook_endpoint_id)
    made = sending.test_of(endpoint)
    sending.send([made])
    return made


def _of(rows: DeliveryQuerySet, pk: UUID) -> Delivery:
    found = rows.filter(pk=pk).first()
    if found is None:
        raise not_found(Delivery, pk)
    return found


def _require_enabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.enabled:
        raise WebhookEndpointDisabled(
            f"{endpoint.public_id} is disabled. {WebhookEndpointDisabled.advice}",
            remedy=enabling(endpoint.public_id),
        )

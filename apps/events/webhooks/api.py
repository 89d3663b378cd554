"""URLs of webhook endpoints and deliveries, below /v1/."""

from django.urls import path

from apps.core.endpoints import endpoint
from apps.events.webhooks import deliveries, endpoints

_ENDPOINT = "webhook-endpoints/<whe:webhook_endpoint_id>"
_DELIVERY = "deliveries/<dlv:delivery_id>"

urlpatterns = [
    path(
        "webhook-endpoints",
        endpoint(GET=endpoints.list_webhook_endpoints, POST=endpoints.create_webhook_endpoint),
    ),
    path(
        _ENDPOINT,
        endpoint(
            GET=endpoints.get_webhook_endpoint,
            PATCH=endpoints.update_webhook_endpoint,
            DELETE=endpoints.delete_webhook_endpoint,
        ),
    ),
    path(f"{_ENDPOINT}/rotate", endpoint(POST=endpoints.rotate_webhook_endpoint, status=200)),
    path(f"{_ENDPOINT}/disable", endpoint(POST=endpoints.disable_webhook_endpoint, status=200)),
    path(f"{_ENDPOINT}/enable", endpoint(POST=endpoints.enable_webhook_endpoint, status=200)),
    path(f"{_ENDPOINT}/test", endpoint(POST=deliveries.test_webhook_endpoint)),
    path(f"{_ENDPOINT}/replay", endpoint(POST=deliveries.replay_failures, status=200)),
    path(f"{_ENDPOINT}/deliveries", endpoint(GET=deliveries.list_deliveries)),
    path("deliveries", endpoint(GET=deliveries.list_all_deliveries)),
    path(_DELIVERY, endpoint(GET=deliveries.get_delivery)),
    path(f"{_DELIVERY}/replay", endpoint(POST=deliveries.replay_delivery, status=200)),
]

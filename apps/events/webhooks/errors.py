"""What is refused about webhook endpoints and deliveries."""

from __future__ import annotations

from apps.core.problems import Conflict, Remedy


def rotation(shown: str) -> Remedy:
    """What gets another secret for the endpoint with the id `shown`."""
    command, path = f"manage.py webhook_endpoints rotate {shown}", f"/v1/webhook-endpoints/{shown}/rotate"
    return Remedy(command, "POST", path, {"overlap_seconds": 0})


def enabling(shown: str) -> Remedy:
    """What lets the endpoint with the id `shown` be sent to again."""
    command, path = f"manage.py webhook_endpoints enable {shown}", f"/v1/webhook-endpoints/{shown}/enable"
    return Remedy(command, "POST", path, {})


class TooManyWebhookEndpoints(Conflict):
    """An organization, and the tenant itself, has so many endpoints at most."""

    code, title = "too_many_webhook_endpoints", "There are as many endpoints as there can be"
    advice = "Delete one that is not used, or have one endpoint take more types."


class WebhookEndpointDisabled(Conflict):
    """Nothing is sent to an endpoint that is disabled."""

    code, title = "webhook_endpoint_disabled", "The endpoint is disabled"
    advice = "Enable it first; a test is sent to a disabled one too."

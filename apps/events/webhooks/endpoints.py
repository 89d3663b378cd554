"""Operations on webhook endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS

from apps.accounts.configuring import require_configurer
from apps.accounts.machines import placed
from apps.core import clock
from apps.core.actor import Actor
from apps.core.happenings import tell
from apps.core.models import not_found
from apps.core.operations import Risk, operation
from apps.core.posting import require_receiver
from apps.core.webhook_signing import SigningSecrets
from apps.events.webhooks import serializers as forms
from apps.events.webhooks.delivering import disabled_happening
from apps.events.webhooks.errors import TooManyWebhookEndpoints, rotation
from apps.events.webhooks.models import Delivery, EndpointQuerySet, WebhookEndpoint

#: How many an organization has at most, and the tenant itself.
MOST = 50


@contextmanager
def _checked(actor: Actor, *, url: str | None = None, **_: Any) -> Iterator[None]:  # noqa: ARG001
    """Look where the URL leads before the transaction: name servers take their time."""
    if url is not None:
        require_receiver("url", url)
    yield


@operation(
    "webhook_endpoints.list",
    scope="webhook-endpoints:read",
    risk=Risk.READ,
    output=forms.WebhookEndpointOutput,
    lists=True,
)
def list_webhook_endpoints(actor: Actor) -> EndpointQuerySet:
    """List the endpoints of the organization; for a credential of the whole tenant all of them."""
    return WebhookEndpoint.objects.visible_to(actor)


@operation(
    "webhook_endpoints.get",
    scope="webhook-endpoints:read",
    risk=Risk.READ,
    output=forms.WebhookEndpointOutput,
)
def get_webhook_endpoint(actor: Actor, *, webhook_endpoint_id: UUID) -> WebhookEndpoint:
    """Read one endpoint; never its secret."""
    return find_endpoint(actor, webhook_endpoint_id)


@operation(
    "webhook_endpoints.create",
    scope="webhook-endpoints:write",
    risk=Risk.SECRET,
    input=forms.WebhookEndpointInput,
    output=forms.WebhookEndpointWithSecretOutput,
    shows_secret=True,
    renewal=rotation,
    prepare=_checked,
)
def create_webhook_endpoint(
    actor: Actor,
    /,
    *,
    organization: UUID | None = None,
    prepared: None = None,  # noqa: ARG001 - the URL was looked at
    **fields: Any,
) -> WebhookEndpoint:
    """Have events sent to a URL from now on, signed with a secret that is shown this once.

    One of an organization gets that organization's events, one of the tenant itself all of them.
    """
    place = placed(actor, organization)
    if place is None:
        require_configurer(actor)
    _require_room(place)
    held = SigningSecrets.new()
    made = WebhookEndpoint(organization_id=place, **fields)
    made.secrets, made.secret = made.sealed(held), held.current
    made.save(force_insert=True)
    made.listen()
    return made


@operation(
    "webhook_endpoints.update",
    scope="webhook-endpoints:write",
    risk=Risk.WRITE,
    input=forms.WebhookEndpointPatch,
    output=forms.WebhookEndpointOutput,
    versioned=True,
    prepare=_checked,
)
def update_webhook_endpoint(
    actor: Actor,
    /,
    *,
    webhook_endpoint_id: UUID,
    expected_version: int | None = None,
    prepared: None = None,  # noqa: ARG001
    **changes: Any,
) -> WebhookEndpoint:
    """Change where events go, and which. What is on its way goes to the new URL from its next attempt on."""
    row = _locked(actor, webhook_endpoint_id, expected_version).apply(changes)
    row.listen()
    return row


@operation("webhook_endpoints.delete", scope="webhook-endpoints:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_webhook_endpoint(
    actor: Actor, *, webhook_endpoint_id: UUID, expected_version: int | None = None
) -> WebhookEndpoint:
    """Delete an endpoint and the log of its deliveries. What is on its way is not sent any more."""
    row = _locked(actor, webhook_endpoint_id, expected_version)
    # The trail tells of the endpoint, and not of each of a hundred thousand deliveries.
    Delivery.objects.filter(endpoint=row)._raw_delete(DEFAULT_DB_ALIAS)
    WebhookEndpoint.objects.filter(pk=row.pk).delete()
    row.stop_listening()
    return row


@operation(
    "webhook_endpoints.rotate",
    scope="webhook-endpoints:write",
    risk=Risk.SECRET,
    input=forms.WebhookRotateInput,
    output=forms.WebhookEndpointWithSecretOutput,
    shows_secret=True,
    renewal=rotation,
    versioned=True,
)
def rotate_webhook_endpoint(
    actor: Actor,
    *,
    webhook_endpoint_id: UUID,
    overlap_seconds: int = 86_400,
    expected_version: int | None = None,
) -> WebhookEndpoint:
    """Make another secret, which is shown this once. For `overlap_seconds` the previous one signs too."""
    row = _locked(actor, webhook_endpoint_id, expected_version)
    held = SigningSecrets.successor(row.signing, timedelta(seconds=overlap_seconds))
    row.apply({"secrets": row.sealed(held)})
    row.secret = held.current
    return row


@operation(
    "webhook_endpoints.disable",
    scope="webhook-endpoints:write",
    risk=Risk.WRITE,
    input=forms.WebhookDisableInput,
    output=forms.WebhookEndpointOutput,
    untold="webhook_endpoint.disabled says it, with the reason",
)
def disable_webhook_endpoint(actor: Actor, *, webhook_endpoint_id: UUID, reason: str = "") -> WebhookEndpoint:
    """Send nothing to an endpoint. What is due then fails and can be replayed; what happens then is not sent."""
    row = _locked(actor, webhook_endpoint_id, None)
    if row.enabled:
        row.apply({"disabled_at": clock.now(), "disabled_reason": reason})
        row.listen()
        tell(actor, disabled_happening(row, "asked"))
    return row


@operation(
    "webhook_endpoints.enable",
    scope="webhook-endpoints:write",
    risk=Risk.WRITE,
    output=forms.WebhookEndpointOutput,
)
def enable_webhook_endpoint(actor: Actor, *, webhook_endpoint_id: UUID) -> WebhookEndpoint:
    """Send to an endpoint again: what happens from now on. Replay what failed before."""
    row = _locked(actor, webhook_endpoint_id, None)
    row.apply({"disabled_at": None, "disabled_reason": "", "failing_since": None})
    row.listen()
    return row


def find_endpoint(actor: Actor, pk: UUID) -> WebhookEndpoint:
    """The endpoint with that id that `actor` may see. Raises NotFound."""
    found = WebhookEndpoint.objects.visible_to(actor).filter(pk=pk).first()
    if found is None:
        raise not_found(WebhookEndpoint, pk)
    return found


def _locked(actor: Actor, pk: UUID, expected_version: int | None) -> WebhookEndpoint:
    return WebhookEndpoint.locked(WebhookEndpoint.objects.visible_to(actor), pk, expected_version)


def _require_room(place: UUID | None) -> None:
    theirs: dict[str, Any] = {"organization_id": place}
    if WebhookEndpoint.objects.filter(**theirs).count() >= MOST:
        whose = "This tenant itself" if place is None else "This organization"
        raise TooManyWebhookEndpoints(f"{whose} has {MOST} endpoints. {TooManyWebhookEndpoints.advice}")

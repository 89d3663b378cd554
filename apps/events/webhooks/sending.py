"""Deciding who is told of an event, in the transaction in which it is written, and having a worker do so."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from apps.core import clock
from apps.core.actor import PrincipalKind
from apps.core.ids import encode
from apps.core.strictjson import dumps
from apps.events import serializers as forms
from apps.events.models import Event
from apps.events.webhooks.delivering import deliver
from apps.events.webhooks.models import Delivery, DeliveryState, Ear, WebhookEndpoint
from apps.tenancy.walls import whole_tenant


def fan_out(events: Sequence[Event], ears: Sequence[Ear]) -> None:
    """Have each of `events` sent to every endpoint that hears it; needs the transaction in which they are written.

    Nothing is asked where none does. Where one does four statements are made, and one after the commit, which wakes the
    endpoints' turns; so it is however many there are.
    """
    heard = [(ear, event) for event in events for ear in ears if ear.hears(event)]
    if not heard:
        return
    with whole_tenant():
        there = set(_still_there({ear.endpoint for ear, _ in heard}))
        told = [(ear, event) for ear, event in heard if ear.endpoint in there]
        if told:
            bodies = {event.pk: body_of(event) for _, event in told}
            send([_delivery(ear, event, bodies[event.pk]) for ear, event in told])


def _still_there(pks: Collection[UUID]) -> Iterable[UUID]:
    """An ear may outlive its endpoint by a moment, as when its organization is deleted."""
    return WebhookEndpoint.objects.enabled().filter(pk__in=pks).values_list("pk", flat=True)


def _delivery(ear: Ear, event: Event, body: str) -> Delivery:
    return Delivery(
        endpoint_id=ear.endpoint,
        organization_id=ear.organization_id,
        event=event.pk,
        event_type=event.type,
        body=body,
    )


def test_of(endpoint: WebhookEndpoint) -> Delivery:
    """A delivery, not written yet, of an event that never happened: for trying an endpoint."""
    data = {"endpoint": endpoint.public_id}
    event = Event(
        at=clock.now(),
        type="webhook_endpoint.test",
        subject=endpoint.public_id,
        organization_id=endpoint.organization_id,
        actor={"kind": PrincipalKind.SYSTEM.value, "id": None, "name": "system"},
        data=data,
    )
    made = _delivery(
        Ear(endpoint=endpoint.pk, organization_id=endpoint.organization_id), event, body_of(event)
    )
    made.test = True
    return made


def body_of(event: Event) -> str:
    """What is sent of an event: the document that the API answers, with Standard Webhooks' name for its time too."""
    document = forms.EventOutput.render(event)
    return dumps({**document, "timestamp": document["at"]}).decode()


def send(deliveries: Sequence[Delivery]) -> None:
    """Write new deliveries, each with a job that sends it."""
    _enqueue(deliveries)
    Delivery.objects.bulk_create(deliveries)


def send_again(deliveries: Sequence[Delivery]) -> None:
    """Have deliveries sent once more from the first attempt on. A job that is about one of them does nothing then."""
    for one in deliveries:
        one.state, one.attempt, one.next_at, one.finished_at = DeliveryState.PENDING, 0, None, None
    with whole_tenant():
        _enqueue(deliveries)
        Delivery.objects.bulk_update(deliveries, ["state", "attempt", "next_at", "finished_at", "job"])


def _enqueue(deliveries: Sequence[Delivery]) -> None:
    wishes: list[tuple[dict[str, Any], UUID | None]] = [
        (
            {"delivery": one.public_id, "endpoint": encode(WebhookEndpoint.id_prefix, one.endpoint_id)},
            one.organization_id,
        )
        for one in deliveries
    ]
    for one, job in zip(deliveries, deliver.enqueue_many(None, list(wishes)), strict=True):
        one.job = job.pk

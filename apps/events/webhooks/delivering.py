"""Sending one delivery, and what follows from the answer: done, tried again later, given up, or the endpoint disabled.

Nothing is locked and no transaction is open while the receiver takes its time. A worker that dies in between sends the
same message once more, under the same id.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from apps.core import clock
from apps.core.happenings import Happening, tell, told_as
from apps.core.ids import decode
from apps.core.posting import Reply, post
from apps.core.sealing import SealError
from apps.core.strictjson import timestamp
from apps.core.webhook_signing import signed_headers
from apps.events.webhooks import upkeep
from apps.events.webhooks.models import Delivery, DeliveryState, WebhookEndpoint
from apps.jobs.tasks import AgainLater, NeverAgain, Run, task
from apps.tenancy.walls import whole_tenant

QUEUE: Final = "packmule.webhooks"
_DISABLED = told_as(
    "webhook_endpoint.disabled",
    "an endpoint is disabled: `because` it is `failing`, `gone`, or somebody `asked`",
)
#: Seconds after each attempt: three days in all.
WAITS: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: After so long of nothing but failures an endpoint is disabled.
FAILING_FOR: Final = timedelta(days=5)
#: What a receiver gets to answer, and what is read of it.
SECONDS, MOST_BYTES = 10.0, 256 * 1024
#: How many are on their way to one endpoint at a time, and to all endpoints of a tenant.
PER_ENDPOINT, PER_TENANT = 2, 4
_KEPT_ATTEMPTS, _JITTER = 30, 0.1
_CHANCE = secrets.SystemRandom()
#: How long the job waits by itself where it failed before anything was sent.
_RETRY = {"initial_seconds": 1.0, "factor": 4.0, "max_seconds": 3600.0, "jitter": 0.1}


def _endpoint_of(payload: Mapping[str, Any]) -> UUID:
    return decode(payload["endpoint"], WebhookEndpoint.id_prefix)


@task(
    "webhooks.deliver",
    queue=QUEUE,
    max_attempts=len(WAITS) + 1,
    retry=_RETRY,
    timeout_seconds=60,
    share=_endpoint_of,
    most_per_share=PER_ENDPOINT,
    most_at_once=PER_TENANT,
    outgoing=True,
    mended_by=upkeep.DUTY,
)
def deliver(run: Run) -> dict[str, Any]:
    """Send the delivery that the job names. Raises AgainLater and NeverAgain."""
    with whole_tenant():
        delivery = _found(run)
        if delivery is None:
            return {"skipped": "the delivery is gone, over, or sent by another job"}
        if not (delivery.endpoint.enabled or delivery.test):
            _give_up(delivery, Reply(0, 0, code="endpoint_disabled", said="The endpoint is disabled."))
        reply = _sent(delivery)
        if reply.is_good:
            return _succeeded(delivery, reply)
        return _failed(run, delivery, reply)


def _found(run: Run) -> Delivery | None:
    pk = decode(run.payload["delivery"], Delivery.id_prefix)
    found = Delivery.objects.select_related("endpoint").filter(pk=pk, job=run.job.pk).first()
    return None if found is None or found.is_over else found


def _sent(delivery: Delivery) -> Reply:
    body = delivery.body.encode()
    try:
        signed = signed_headers(delivery.endpoint.signing(), delivery.message_id, body)
    except SealError as failure:
        return Reply(0, 0, code="secret_unreadable", said=str(failure))
    headers = {**delivery.own_headers, **signed}
    return post(delivery.endpoint.url, body, headers, seconds=SECONDS, max_bytes=MOST_BYTES)


def _succeeded(delivery: Delivery, reply: Reply) -> dict[str, Any]:
    with transaction.atomic():
        if not delivery.test:
            # Whatever was read of it before: another delivery may have failed meanwhile.
            failing = WebhookEndpoint.objects.filter(pk=delivery.endpoint_id, failing_since__isnull=False)
            failing.update(failing_since=None)
        _note(delivery, reply, state=DeliveryState.SUCCEEDED, finished_at=clock.now())
    return {"status": reply.status}


def _failed(run: Run, delivery: Delivery, reply: Reply) -> dict[str, Any]:
    _, said = reply.error()
    if reply.status == 410 and not delivery.test:
        _give_up(delivery, reply, "The receiver answered 410: it is gone.")
    if delivery.test or run.attempt > len(WAITS):
        _give_up(delivery, reply)
    wait = max(_wait(run.attempt), reply.retry_after)
    with transaction.atomic():
        endpoint = _locked(delivery)
        _note(delivery, reply, next_at=clock.now() + timedelta(seconds=wait))
        _count_failure(endpoint)
    raise AgainLater(said, wait)


def _wait(attempt: int) -> float:
    return WAITS[attempt - 1] * (1 + _JITTER * _CHANCE.random())


def _give_up(delivery: Delivery, reply: Reply, disabled: str = "") -> None:
    """End a delivery without success, and with `disabled` as the reason its endpoint too. Raises NeverAgain."""
    with transaction.atomic():
        endpoint = _locked(delivery)
        _note(delivery, reply, state=DeliveryState.FAILED, finished_at=clock.now(), next_at=None)
        if disabled:
            _disable(endpoint, "gone", disabled)
        elif delivery.endpoint.enabled and not delivery.test:
            _count_failure(endpoint)
    raise NeverAgain(reply.error()[1])


def _note(delivery: Delivery, reply: Reply, **changes: Any) -> None:
    """Write an attempt down, unless another job has taken the delivery over."""
    attempt = _attempt(delivery, reply)
    changes["attempts"] = [*delivery.attempts, attempt][-_KEPT_ATTEMPTS:]
    changes["attempt"] = attempt["number"]
    Delivery.objects.filter(pk=delivery.pk, job=delivery.job).update(**changes)


def _attempt(delivery: Delivery, reply: Reply) -> dict[str, Any]:
    code, said = ("", "") if reply.is_good else reply.error()
    return {
        "number": delivery.attempt + 1,
        "at": timestamp(clock.now()),
        "url": delivery.endpoint.url,
        "seconds": round(reply.seconds, 3),
        "error": {"code": code, "message": said} if code else None,
        "response": {
            "status": reply.status,
            "headers": reply.kept_headers(),
            "body": reply.kept_body(),
        }
        if reply.status
        else None,
    }


def _locked(delivery: Delivery) -> WebhookEndpoint | None:
    """The endpoint as it is now, locked: before its deliveries, as by whoever deletes it. None when it is gone.

    Another delivery may have got through while this one was on its way.
    """
    return WebhookEndpoint.objects.select_for_update(of=("self",)).filter(pk=delivery.endpoint_id).first()


def _count_failure(row: WebhookEndpoint | None) -> None:
    """Remember since when the endpoint fails, and disable it when that is too long ago."""
    now = clock.now()
    if row is None:
        return
    if row.failing_since is None:
        WebhookEndpoint.objects.filter(pk=row.pk).update(failing_since=now)
    elif now - row.failing_since >= FAILING_FOR:
        _disable(row, "failing", f"Nothing but failures for {(now - row.failing_since).days} days.")


def _disable(row: WebhookEndpoint | None, because: str, reason: str) -> None:
    if row is not None and row.enabled:
        row.apply({"disabled_at": clock.now(), "disabled_reason": reason})
        row.listen()
        tell(None, disabled_happening(row, because))


def disabled_happening(row: WebhookEndpoint, because: str) -> Happening:
    """What the log is told of an endpoint that is disabled `because` it is `failing`, `gone`, or somebody `asked`.

    The reason itself may have been typed by somebody; the endpoint says it to those who may read it.
    """
    data = {"because": because, "failing_since": row.failing_since and timestamp(row.failing_since)}
    return Happening(_DISABLED, row.public_id, row.organization_id, data)

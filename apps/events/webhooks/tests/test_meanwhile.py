"""What happens to a delivery or its endpoint while something else is under way with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from apps.core import clock
from apps.core.clock import FrozenClock
from apps.core.ids import decode, uuid7
from apps.core.posting import post
from apps.core.strictjson import timestamp
from apps.events.webhooks import delivering, sending, upkeep
from apps.events.webhooks.models import Delivery, DeliveryState, WebhookEndpoint
from apps.events.webhooks.tests.test_failing import FAILS, frozen, state_of
from apps.events.webhooks.tests.test_sending import agent, subscribe
from apps.jobs.models import Job
from apps.jobs.registry import Dispatch, Lane, Share
from apps.tenancy.walls import enter, registry
from tests.client import Api
from tests.receiving import Receiver, work
from tests.scratch import Scratch, begun, scratch_tenant, wait_until_somebody_waits
from tests.standins.outside import Page, answer
from tests.world import World

__all__ = ["frozen"]


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        yield made
        with registry():
            for model in (Dispatch, Lane, Share):
                model.objects.filter(schema_name=made.ref.schema_name).delete()


def delivery(scratch: Scratch, **said: Any) -> Delivery:
    """One whose job has ended."""
    with enter(scratch.ref):
        endpoint = WebhookEndpoint.objects.create(url="https://example.com/", event_types=["*"], secrets="x")
        job = Job.objects.create(
            queue="packmule.webhooks",
            kind="webhooks.deliver",
            state="dead",
            system=True,
            finished_at=clock.now(),
        )
        return Delivery.objects.create(
            endpoint=endpoint, event=uuid7(), event_type="agent.created", body="{}", job=job.pk, **said
        )


@pytest.mark.parametrize("page", [FAILS, answer(b"")])
def test_what_came_while_a_delivery_was_on_its_way_counts(
    world: World,
    root: Api,
    receiver: Receiver,
    frozen: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
    page: Page,
) -> None:
    """A failure after another delivery's success, and a success after another's failure."""
    made = subscribe(root, receiver, "agent.*")
    endpoints = WebhookEndpoint.objects.filter(pk=decode(made["id"], "whe"))
    before = clock.now() - timedelta(days=6)
    receiver.page = page
    fails = page is FAILS

    def meanwhile(*args: Any, **more: Any) -> Any:
        endpoints.update(failing_since=None if fails else before)
        return post(*args, **more)

    monkeypatch.setattr(delivering, "post", meanwhile)
    with enter(world.acorn.ref):
        endpoints.update(failing_since=before if fails else None)
    agent(root)
    work()
    shown = state_of(root, made)
    since = timestamp(clock.now()) if fails else None
    assert (shown["enabled"], shown["failing_since"]) == (True, since)


def test_a_forsaken_delivery_that_is_sent_again_meanwhile_is_left_to_its_new_job(scratch: Scratch) -> None:
    one, done = delivery(scratch, state=DeliveryState.PENDING), list[int]()
    with enter(scratch.ref):
        with transaction.atomic():
            again(one)
            thread = begun(lambda: done.append(looked_after(scratch)))
            wait_until_somebody_waits()
        thread.join(20)
        now = Delivery.objects.get(pk=one.pk)
    assert (done, now.state) == ([0], DeliveryState.PENDING)


def test_an_old_delivery_that_is_sent_again_is_not_forgotten(scratch: Scratch) -> None:
    before = clock.now() - upkeep.KEPT_FOR - timedelta(days=1)
    one, done = delivery(scratch, state=DeliveryState.FAILED, finished_at=before), list[int]()
    with enter(scratch.ref):
        with transaction.atomic():
            again(one)
            thread = begun(lambda: done.append(looked_after(scratch)))
            thread.join(5)
            assert done == [0]
        thread.join(20)
        assert Delivery.objects.get(pk=one.pk).state == DeliveryState.PENDING
        assert looked_after(scratch) == 0


def again(one: Delivery) -> None:
    """Send it again, in a transaction that is not over."""
    sending.send_again([Delivery.objects.select_for_update(of=("self",)).get(pk=one.pk)])


def looked_after(scratch: Scratch) -> int:
    with enter(scratch.ref):
        return upkeep.look_after()

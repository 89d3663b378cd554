"""A receiver that fails, and what follows: waiting, Retry-After, giving up, disabling, and sending again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from apps.core import clock
from apps.core.clock import FrozenClock
from apps.core.strictjson import timestamp
from apps.events import log
from apps.events.webhooks import delivering, upkeep
from apps.events.webhooks.models import Delivery, DeliveryState, WebhookEndpoint
from apps.events.webhooks.tests.test_sending import agent, subscribe
from apps.jobs.inside import performing
from apps.jobs.models import Job
from apps.jobs.sweeping import sweep
from apps.tenancy.models import Errand
from apps.tenancy.patrol import Patrol
from apps.tenancy.walls import enter, outside
from tests.client import Answer, Api
from tests.receiving import Receiver, work
from tests.refusals import check_refusal
from tests.standins.outside import Page, answer, dripping
from tests.world import World

FAILS = answer(b"no soup today", "500 Internal Server Error")


@pytest.fixture
def frozen() -> Iterator[FrozenClock]:
    with clock.frozen(datetime.now(UTC)) as held:
        yield held


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give receivers half a second and 4,000 bytes."""
    monkeypatch.setattr(delivering, "SECONDS", 0.5)
    monkeypatch.setattr(delivering, "MOST_BYTES", 4000)


def only_delivery(me: Api, endpoint: Answer) -> dict[str, Any]:
    (found,) = me.get(f"/v1/webhook-endpoints/{endpoint['id']}/deliveries")["data"]
    return dict(found)


def state_of(me: Api, endpoint: Answer) -> Any:
    return me.get(f"/v1/webhook-endpoints/{endpoint['id']}").body


def test_it_is_tried_again_for_three_days_and_then_given_up(
    root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    made = subscribe(root, receiver, "agent.*")
    receiver.page = FAILS
    agent(root)
    begin = clock.now()
    for number, wait in enumerate(delivering.WAITS, 1):
        assert work() == 1
        delivery = only_delivery(root, made)
        assert (delivery["state"], delivery["attempt"]) == ("pending", number)
        left = datetime.fromisoformat(delivery["next_at"]) - clock.now()
        assert wait <= left.total_seconds() <= wait * 1.1
        frozen.move(timedelta(seconds=wait - 1))
        assert work() == 0
        frozen.move(left - timedelta(seconds=wait - 1))
    assert work() == 1
    assert timedelta(days=3) < clock.now() - begin < timedelta(days=4)
    delivery = only_delivery(root, made)
    assert (delivery["state"], delivery["attempt"], delivery["next_at"]) == ("failed", 10, None)
    assert errands() == [], "it said so itself"
    last = delivery["attempts"][-1]
    assert (last["error"]["code"], last["response"]["body"]) == ("status_500", "no soup today")
    frozen.move(timedelta(days=1))
    assert (work(), len(receiver.got)) == (0, 10)
    assert {asked.headers["webhook-id"] for asked in receiver.got} == {delivery["event"]}
    assert len({asked.body for asked in receiver.got}) == 1
    for asked in receiver.got:
        at = datetime.fromtimestamp(int(asked.headers["webhook-timestamp"]), UTC)
        signed = Webhook(made["secret"]).sign(delivery["event"], at, asked.body.decode())
        assert asked.headers["webhook-signature"] == signed
    assert len({asked.headers["webhook-timestamp"] for asked in receiver.got}) == 10


@pytest.mark.parametrize("said", ["1000", "date", "9999999999", "nonsense", "-5"])
def test_a_receiver_says_when_to_come_again(
    root: Api, receiver: Receiver, frozen: FrozenClock, said: str
) -> None:
    text = format_datetime(clock.now() + timedelta(seconds=1000), usegmt=True) if said == "date" else said
    made = subscribe(root, receiver, "agent.*")
    receiver.page = answer(b"", "503 Service Unavailable", Retry_After=text)
    agent(root)
    work()
    left = datetime.fromisoformat(only_delivery(root, made)["next_at"]) - clock.now()
    wanted = {"1000": 1000, "date": 1000, "9999999999": 86_400}.get(said, 5)
    assert wanted - 1 <= left.total_seconds() <= wanted + 1
    receiver.page = answer(b"")
    frozen.move(left)
    work()
    assert only_delivery(root, made)["state"] == "succeeded"


def test_410_disables_the_endpoint_at_once_and_the_others_hear_of_it(
    root: Api, north: Api, receiver: Receiver
) -> None:
    gone = subscribe(north, receiver, "agent.*", path="/gone")
    subscribe(north, receiver, "webhook_endpoint.disabled", path="/other")
    subscribe(root, receiver, "webhook_endpoint.disabled", path="/root")
    receiver.pages["/gone"] = answer(b"", "410 Gone")
    agent(north)
    assert (work(), work()) == (1, 2)
    shown = state_of(north, gone)
    assert (shown["enabled"], "410" in shown["disabled_reason"]) == (False, True)
    assert only_delivery(north, gone)["state"] == "failed"
    told = [
        body for asked, body in zip(receiver.got, receiver.events, strict=True) if asked.target != "/gone"
    ]
    assert [(body["type"], body["subject"]) for body in told] == [
        ("webhook_endpoint.disabled", gone["id"])
    ] * 2
    (event,) = root.get("/v1/events?types=webhook_endpoint.disabled")["data"]
    assert (event["actor"]["kind"], event["data"]["because"]) == ("system", "gone")
    agent(north, "second")
    assert work() == 0


def test_days_of_nothing_but_failures_disable_an_endpoint_and_one_success_begins_anew(
    root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    made = subscribe(root, receiver, "agent.*")
    receiver.page = FAILS
    agent(root, "first")
    work()
    since = state_of(root, made)["failing_since"]
    assert since == timestamp(clock.now())
    frozen.move(timedelta(days=4))
    receiver.page = answer(b"")
    work()
    assert state_of(root, made)["failing_since"] is None
    receiver.page = FAILS
    agent(root, "second")
    work()
    frozen.move(timedelta(days=4, hours=23))
    work()
    assert state_of(root, made)["enabled"]
    frozen.move(timedelta(hours=25))
    agent(root, "third")
    work()
    shown = state_of(root, made)
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "Nothing but failures for 6 days.")


def test_what_is_due_at_a_disabled_endpoint_fails_and_is_replayed(
    root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    made = subscribe(root, receiver, "agent.*")
    path = f"/v1/webhook-endpoints/{made['id']}"
    agent(root)
    shown = root.post(f"{path}/disable", {"reason": "we move house"})
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "we move house")
    (told,) = root.get("/v1/events?types=webhook_endpoint.disabled")["data"]
    assert told["data"] == {"because": "asked", "failing_since": None}, "never what somebody typed"
    assert root.post(f"{path}/disable", {"reason": "again"})["disabled_reason"] == "we move house"
    work()
    delivery = only_delivery(root, made)
    assert (delivery["state"], delivery["attempts"][0]["error"]["code"]) == ("failed", "endpoint_disabled")
    assert receiver.got == []
    refused = root.post(f"/v1/deliveries/{delivery['id']}/replay")
    remedy = check_refusal(refused, 409, "webhook_endpoint_disabled")["remedy"]
    assert root.post(remedy["api"]["path"], remedy["api"]["body"])["enabled"] is True
    assert root.post(f"/v1/deliveries/{delivery['id']}/replay")["state"] == "pending"
    work()
    assert only_delivery(root, made)["state"] == "succeeded"
    assert receiver.got[0].headers["webhook-id"] == delivery["event"]
    types = [event["type"] for event in root.get("/v1/events?types=webhook_endpoint.*")["data"]]
    assert types == [f"webhook_endpoint.{verb}" for verb in ("created", "disabled", "enabled")]


def test_all_failures_since_a_time_are_replayed_and_nothing_else(
    root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    made = subscribe(root, receiver, "agent.*")
    path = f"/v1/webhook-endpoints/{made['id']}"
    for name in ("good", "early"):
        agent(root, name)
        work()
        receiver.page = answer(b"", "410 Gone")
    root.post(f"{path}/enable")
    frozen.move(timedelta(hours=1))
    since = timestamp(clock.now())
    for name in ("a", "b", "c"):
        agent(root, name)
        work()
        root.post(f"{path}/enable")
    receiver.page = answer(b"")
    before = len(receiver.got)
    answered = root.post(f"{path}/replay", {"since": since, "limit": 2})
    assert answered.body == {"replayed": 2, "left": 1}
    assert root.post(f"{path}/replay", {"since": since}).body == {"replayed": 1, "left": 0}
    work()
    names = [body["subject"] for body in receiver.events[before:]]
    assert len(set(names)) == len(names) == 3
    states = [row["state"] for row in root.get(f"{path}/deliveries")["data"]]
    assert states == ["succeeded"] * 3 + ["failed", "succeeded"]
    only = root.get(f"{path}/deliveries?state=failed")["data"]
    assert len(only) == 1


def test_a_replay_takes_over_from_the_attempts_that_were_planned(
    root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    made = subscribe(root, receiver, "agent.*")
    receiver.page = FAILS
    agent(root)
    work()
    receiver.page = answer(b"")
    delivery = only_delivery(root, made)
    root.post(f"/v1/deliveries/{delivery['id']}/replay")
    work()
    assert only_delivery(root, made)["state"] == "succeeded"
    frozen.move(timedelta(days=1))
    assert work() == 1
    assert len(receiver.got) == 2
    assert len(only_delivery(root, made)["attempts"]) == 2


PAGES: dict[str, tuple[Page, str]] = {
    "redirect": (answer(b"", "302 Found", Location="http://127.0.0.1:1/"), "redirect"),
    "permanent": (answer(b"", "308 Permanent Redirect", Location="https://elsewhere.test/"), "redirect"),
    "huge": (answer(b"x" * 5000), "answer_too_large"),
    "endless": (dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000, every=0.0), "answer_too_large"),
    "slow": (dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), "answer_too_slow"),
    "slow head": (dripping(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"), "answer_too_slow"),
    "garbage": (lambda _asked, say: say(b"220 mail.example.com ESMTP\r\n"), "unreachable"),
    "zipped": (answer(b"\x1f\x8b", Content_Encoding="gzip"), "answer_encoded"),
    "refused": (answer(b"", "404 Not Found"), "status_404"),
    "continued": (answer(b"", "304 Not Modified"), "redirect"),
}


@pytest.mark.parametrize("name", PAGES)
def test_whatever_comes_back_is_no_success_and_is_said(
    root: Api, receiver: Receiver, soon: None, name: str
) -> None:
    made = subscribe(root, receiver, "agent.*")
    receiver.page, code = PAGES[name]
    agent(root)
    assert work() == 1
    delivery = only_delivery(root, made)
    assert (delivery["state"], delivery["attempts"][0]["error"]["code"]) == ("pending", code)
    assert len(receiver.got) == 1


def test_what_is_kept_of_an_answer_is_cut_and_clean(root: Api, receiver: Receiver) -> None:
    made = subscribe(root, receiver, "agent.*")
    body = b"\x00\x1b[31m<script>\xff\xe2\x80\xae" + b"y" * 9000
    receiver.page = answer(body, Set_Cookie="a=secret", X_Long="z" * 4000, X_Odd="a\x01b")
    agent(root)
    work()
    response = only_delivery(root, made)["attempts"][0]["response"]
    assert len(response["body"]) == 2000
    assert not {"\x00", "\x1b", "\u202e"} & set(response["body"])
    assert "set-cookie" not in response["headers"]
    assert len(response["headers"]["x-long"]) == 300


def test_a_name_that_leads_inside_later_is_not_called(
    root: Api, receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: public when the endpoint is made, loopback when something is sent."""
    settings.PACKMULE_OUTBOUND_LOOPBACK = False
    answers = [["93.184.215.14"], ["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"]]

    def getaddrinfo(_host: str, port: int, **_: Any) -> list[Any]:
        found = answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    url = f"https://rebinding.example.com:{receiver.server.port}/"
    made = root.post("/v1/webhook-endpoints", {"url": url, "event_types": ["agent.*"]})
    assert made.status == 201, made
    agent(root)
    work()
    attempt = only_delivery(root, made)["attempts"][0]
    assert (attempt["error"]["code"], attempt["response"]) == ("address_refused", None)
    assert receiver.got == []


def test_one_slow_endpoint_holds_up_neither_the_others_nor_other_tenants(
    world: World, api: Api, root: Api, receiver: Receiver
) -> None:
    """Turns are taken by endpoint: behind fifty for one of them, that of another is among the first."""
    other = api.using(world.birch.root_key)
    subscribe(root, receiver, "agent.*", path="/flooded")
    with enter(world.acorn.ref):
        log.append([log.make(None, "agent.made", None, None, {}) for _ in range(50)])
    subscribe(root, receiver, "agent.created", path="/calm")
    subscribe(other, receiver, "agent.created", path="/far")
    agent(root)
    agent(other)
    work(rounds=0)
    order = _claimed_order()
    places = {url: order.index(url) for url in ("/calm", "/far")}
    assert max(places.values()) <= 6, order[:10]


def _claimed_order() -> list[str]:
    """The paths of the endpoints whose deliveries are claimed, one after the other, while nothing ends."""
    order: list[str] = []
    for _ in range(40):
        held, there = performing.take(1, "test")
        for each in held:
            with enter(each.tenant):
                delivery = Delivery.objects.select_related("endpoint").get(job=each.job.pk)
            order.append(f"/{delivery.endpoint.url.rpartition('/')[2]}")
        if not there:
            break
    return order


def test_no_more_than_two_are_on_their_way_to_one_endpoint(
    world: World, root: Api, receiver: Receiver
) -> None:
    subscribe(root, receiver, "agent.*", path="/one")
    for number in range(6):
        agent(root, f"cook {number}")
    work(rounds=0)
    assert _claimed_order() == ["/one"] * delivering.PER_ENDPOINT


def test_a_test_is_sent_once_also_to_a_disabled_endpoint_and_counts_for_nothing(
    root: Api, receiver: Receiver
) -> None:
    made = subscribe(root, receiver, "agent.*")
    path = f"/v1/webhook-endpoints/{made['id']}"
    root.post(f"{path}/disable")
    receiver.page = answer(b"", "410 Gone")
    sent = root.post(f"{path}/test")
    assert (sent.status, sent["state"], sent["test"]) == (201, "pending", True)
    work()
    found = root.get(f"/v1/deliveries/{sent['id']}")
    assert (found["state"], found["attempt"]) == ("failed", 1)
    assert receiver.events[0]["type"] == "webhook_endpoint.test"
    assert state_of(root, made)["failing_since"] is None
    assert root.get(f"/v1/events/{found['event']}").status == 404
    root.post(f"{path}/enable")
    assert root.post(f"{path}/replay", {"since": "2020-01-01T00:00:00Z"}).body == {"replayed": 0, "left": 0}


def test_a_deleted_endpoint_is_not_sent_to(root: Api, receiver: Receiver) -> None:
    made = subscribe(root, receiver, "agent.*")
    agent(root)
    assert root.delete(f"/v1/webhook-endpoints/{made['id']}").status == 204
    assert (work(), receiver.got) == (1, [])


def test_a_delivery_whose_job_ended_without_it_has_failed_and_old_ones_go(
    world: World, root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    made = subscribe(root, receiver, "agent.*")
    agent(root)
    with enter(world.acorn.ref):
        assert upkeep.look_after() == 0
        Job.objects.filter(kind="webhooks.deliver").update(state="dead")
        assert upkeep.look_after() == 1
        assert Delivery.objects.get().state == DeliveryState.FAILED
        frozen.move(upkeep.KEPT_FOR + timedelta(seconds=1))
        assert upkeep.look_after() == 1
    assert root.get(f"/v1/webhook-endpoints/{made['id']}/deliveries")["data"] == []


def test_a_delivery_whose_last_attempt_is_lost_has_failed_within_seconds(
    world: World,
    root: Api,
    receiver: Receiver,
    frozen: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subscribe(root, receiver, "agent.*")
    agent(root)
    with enter(world.acorn.ref):
        Job.objects.filter(kind="webhooks.deliver").update(max_attempts=1)
    monkeypatch.setattr(performing, "perform", lambda _: None)
    assert (work(), receiver.got) == (1, [])
    frozen.move(timedelta(minutes=2))
    sweep()
    assert errands() == [upkeep.DUTY]
    Patrol().step()
    with enter(world.acorn.ref):
        assert Delivery.objects.get().state == DeliveryState.FAILED


def errands() -> list[str]:
    with outside():
        return list(Errand.objects.values_list("duty", flat=True))


def test_a_secret_that_opens_no_more_is_said_and_mended_by_a_rotation(
    world: World, root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    """As after a move without the tenant's keys."""
    made = subscribe(root, receiver, "agent.*")
    with enter(world.acorn.ref):
        WebhookEndpoint.objects.update(secrets="pms1.1." + "A" * 80)
    agent(root)
    work()
    delivery = only_delivery(root, made)
    assert (delivery["state"], delivery["attempts"][0]["error"]["code"]) == ("pending", "secret_unreadable")
    assert receiver.got == []
    fresh = root.post(f"/v1/webhook-endpoints/{made['id']}/rotate", {"overlap_seconds": 60})
    frozen.move(timedelta(seconds=6))
    work()
    assert only_delivery(root, made)["state"] == "succeeded"
    assert len(receiver.got[0].headers["webhook-signature"].split(" ")) == 1
    assert fresh["secret"] != made["secret"]

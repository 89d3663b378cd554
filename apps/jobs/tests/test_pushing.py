"""A queue that sends its jobs to the product's URL, with a receiver that answers in every way that counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from apps.core import clock
from apps.core.clock import FrozenClock
from apps.jobs import pushing
from tests.client import Answer, Api
from tests.receiving import Receiver, receiving, verified, work
from tests.refusals import check_refusal
from tests.standins.outside import Page, answer, dripping
from tests.world import World


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.PACKMULE_OUTBOUND_LOOPBACK = True
    with receiving() as made:
        made.page = answer(b'{"dishes": 3}')
        yield made


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


@pytest.fixture
def frozen() -> Iterator[FrozenClock]:
    with clock.frozen(datetime.now(UTC)) as held:
        yield held


def pushed(me: Api, receiver: Receiver, **rules: Any) -> Answer:
    made = me.post("/v1/queues", {"name": "menus", "push_url": receiver.url(), **rules})
    assert made.status == 201, made
    return made


def enqueued(me: Api, **said: Any) -> str:
    made = me.post("/v1/jobs", {"queue": "menus", "kind": "menu.read", "payload": {"photo": 1}, **said})
    assert made.status == 201, made
    return str(made["id"])


def job(me: Api, shown: str) -> Any:
    return me.get(f"/v1/jobs/{shown}").body


def attempts(me: Api, shown: str) -> list[str]:
    """The ids of the attempts at a job, the first one first."""
    return [one["id"] for one in reversed(me.get(f"/v1/jobs/{shown}/attempts")["data"])]


def sent_as(receiver: Receiver) -> list[str]:
    """By which ids the receiver knows what came."""
    return [asked.headers["webhook-id"] for asked in receiver.got]


def test_a_job_is_sent_signed_and_its_answer_is_the_result(
    world: World, api: Api, root: Api, receiver: Receiver
) -> None:
    queue = pushed(root, receiver)
    assert queue["secret"].startswith("whsec_")
    assert queue["push_url"] == receiver.url()
    shown = enqueued(api.using(world.acorn.parties["north"].service_key))
    assert work() == 1
    body = verified(queue["secret"], receiver.got[0])
    assert (body["job"]["id"], body["job"]["payload"], body["job"]["attempt"]) == (shown, {"photo": 1}, 1)
    assert body["job"]["state"] == "running"
    assert body["lease"]["token"].startswith("lse_")
    assert sent_as(receiver) == attempts(root, shown)
    assert (job(root, shown)["state"], job(root, shown)["result"]) == ("succeeded", {"dishes": 3})
    assert root.post("/v1/queues/menus/claims", {}).code == "queue_pushes"


def test_202_leaves_the_job_to_the_receiver(root: Api, receiver: Receiver) -> None:
    pushed(root, receiver)
    receiver.page = answer(b"", "202 Accepted")
    shown = enqueued(root)
    work()
    token = receiver.events[0]["lease"]["token"]
    assert job(root, shown)["state"] == "running"
    path = f"/v1/jobs/{shown}"
    beat = root.post(f"{path}/heartbeat", {"lease_token": token, "progress": 0.5})
    assert (beat.status, job(root, shown)["progress"]) == (200, 0.5)
    done = root.post(f"{path}/complete", {"lease_token": token, "result": "soup"})
    assert (done["state"], done["result"]) == ("succeeded", "soup")
    assert root.post(f"{path}/complete", {"lease_token": token}).code == "lease_lost"
    assert len(receiver.got) == 1


def test_a_receiver_that_said_202_and_is_silent_gets_the_job_again(
    root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    pushed(root, receiver, lease_seconds=30, retry={"initial_seconds": 1, "jitter": 0})
    receiver.page = answer(b"", "202 Accepted")
    shown = enqueued(root)
    work()
    frozen.move(timedelta(seconds=31))
    work()
    frozen.move(timedelta(seconds=2))
    work()
    assert [body["job"]["attempt"] for body in receiver.events] == [1, 2]
    assert sent_as(receiver) == attempts(root, shown)


def redriven(root: Api, shown: str) -> None:
    assert root.post(f"/v1/jobs/{shown}/retry").status == 200


def redriven_with_others(root: Api, _shown: str) -> None:
    assert root.post("/v1/jobs/redrive", {"queue": "menus"})["redriven"] == 1


@pytest.mark.parametrize("again", [redriven, redriven_with_others])
def test_a_receiver_that_remembers_what_it_saw_works_on_a_job_that_is_run_anew(
    root: Api, receiver: Receiver, again: Callable[[Api, str], None]
) -> None:
    pushed(root, receiver)
    receiver.page = answer(b"", "410 Gone")
    shown = enqueued(root)
    work()
    again(root, shown)
    receiver.page = answer(b"")
    work()
    assert job(root, shown)["state"] == "succeeded"
    assert [body["job"]["attempt"] for body in receiver.events] == [1, 1]
    assert sent_as(receiver) == attempts(root, shown)
    assert len(set(sent_as(receiver))) == 2


def test_a_job_that_waited_is_sent_as_something_new(
    root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    pushed(root, receiver)
    receiver.page = answer(b"", "202 Accepted")
    shown = enqueued(root)
    work()
    lease = {"lease_token": receiver.events[0]["lease"]["token"]}
    assert root.post(f"/v1/jobs/{shown}/wait", {**lease, "name": "nap", "seconds": 5}).status == 200
    frozen.move(timedelta(seconds=6))
    work()
    assert [body["job"]["attempt"] for body in receiver.events] == [1, 1]
    assert sent_as(receiver) == attempts(root, shown)
    assert len(set(sent_as(receiver))) == 2


@pytest.mark.parametrize(
    ("page", "error"),
    [
        (answer(b"no", "500 Internal Server Error"), "status_500"),
        (answer(b"", "302 Found", Location="http://127.0.0.1/"), "redirect"),
        (answer(b"soup"), "answer_no_json"),
        (dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), "answer_too_slow"),
        (answer(b"x" * 300_000), "answer_too_large"),
    ],
)
def test_a_failure_is_tried_again_by_the_queues_rules(
    root: Api,
    receiver: Receiver,
    frozen: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
    page: Page,
    error: str,
) -> None:
    monkeypatch.setattr(pushing, "SECONDS", 1.0)
    pushed(root, receiver, retry={"initial_seconds": 10, "jitter": 0}, max_attempts=2)
    receiver.page = page
    shown = enqueued(root)
    work()
    first = job(root, shown)
    assert (first["state"], first["error"]["type"]) == ("retry_wait", error)
    frozen.move(timedelta(seconds=9))
    assert work() == 0
    frozen.move(timedelta(seconds=2))
    assert work() == 1
    assert job(root, shown)["state"] == "dead"


def test_410_is_final_and_a_busy_receiver_says_when(
    root: Api, receiver: Receiver, frozen: FrozenClock
) -> None:
    pushed(root, receiver)
    receiver.page = answer(b'{"why": "closed"}', "410 Gone")
    gone = enqueued(root)
    work()
    found = job(root, gone)
    assert (found["state"], found["attempt"], found["error"]["type"]) == ("dead", 1, "status_410")
    assert found["error"]["details"]["body"] == '{"why": "closed"}'
    for status in ("429 Too Many Requests", "503 Service Unavailable"):
        receiver.page = answer(b"", status, Retry_After="600")
        busy = enqueued(root)
        work()
        left = datetime.fromisoformat(job(root, busy)["run_at"]) - clock.now()
        assert 599 <= left.total_seconds() <= 601


def test_a_receiver_that_needs_longer_than_the_job_may_take_is_cut_off(root: Api, receiver: Receiver) -> None:
    pushed(root, receiver)
    receiver.page = dripping(b"HTTP/1.1 200 OK\r\n\r\n", b" ")
    shown = enqueued(root, timeout_seconds=1)
    work()
    assert job(root, shown)["error"]["type"] == "answer_too_slow"


def test_the_secret_is_rotated_with_an_overlap(root: Api, receiver: Receiver) -> None:
    first = pushed(root, receiver)["secret"]
    second = root.post("/v1/queues/menus/rotate", {"overlap_seconds": 60})["secret"]
    enqueued(root)
    work()
    assert verified(first, receiver.got[0]) == verified(second, receiver.got[0])
    third = root.post("/v1/queues/menus/rotate", {"overlap_seconds": 0})["secret"]
    enqueued(root)
    work()
    assert verified(third, receiver.got[1])
    with pytest.raises(WebhookVerificationError):
        verified(second, receiver.got[1])


def test_a_queue_becomes_one_that_pushes_and_back(root: Api, receiver: Receiver) -> None:
    assert root.post("/v1/queues", {"name": "menus"})["secret"] is None
    refused = root.post("/v1/queues/menus/rotate")
    check_refusal(refused, 409, "queue_not_pushed")
    shown = enqueued(root)
    made = root.patch("/v1/queues/menus", {"push_url": receiver.url()})
    assert made["secret"].startswith("whsec_")
    assert root.patch("/v1/queues/menus", {"description": "soups"})["secret"] is None
    assert "secret" not in root.get("/v1/queues/menus").body
    work()
    assert verified(made["secret"], receiver.got[0])["job"]["id"] == shown
    root.patch("/v1/queues/menus", {"push_url": ""})
    enqueued(root)
    assert work() == 0
    assert len(root.post("/v1/queues/menus/claims", {})["data"]) == 1


@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/", "https://10.0.0.1/", "https://[::ffff:10.0.0.1]/", "soup"]
)
def test_jobs_are_sent_nowhere_inside(root: Api, url: str) -> None:
    refused = root.post("/v1/queues", {"name": "menus", "push_url": url})
    assert check_refusal(refused, 422, "receiver_url_refused")["errors"][0]["field"] == "push_url"
    root.post("/v1/queues", {"name": "menus"})
    assert root.patch("/v1/queues/menus", {"push_url": url}).status == 422


def test_who_cancels_while_the_receiver_works_has_the_last_word(root: Api, receiver: Receiver) -> None:
    pushed(root, receiver)
    receiver.page = answer(b"", "202 Accepted")
    path = f"/v1/jobs/{enqueued(root)}"
    work()
    assert root.post(f"{path}/cancel")["state"] == "cancelling"
    token = receiver.events[0]["lease"]["token"]
    assert root.post(f"{path}/heartbeat", {"lease_token": token})["cancel"] is True
    assert root.post(f"{path}/complete", {"lease_token": token})["state"] == "cancelled"


def test_so_many_are_in_flight_and_no_more_unless_the_queue_says_so(root: Api, receiver: Receiver) -> None:
    """A receiver that hangs must not hold all of the platform's threads."""
    pushed(root, receiver)
    receiver.page = answer(b"", "202 Accepted")
    for _ in range(6):
        enqueued(root)
    assert work() == 4
    root.patch("/v1/queues/menus", {"max_in_flight": 5})
    assert work() == 1

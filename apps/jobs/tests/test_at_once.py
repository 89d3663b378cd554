"""Many at once, in threads that commit: nobody loses a job, and none is there twice."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connections

from apps.core import clock
from apps.jobs import enqueuing, leases, sweeping
from apps.jobs.models import Attempt, Job, Step
from apps.jobs.registry import Dispatch, Lane, Share
from apps.jobs.states import ENDED, JobState, StepKind
from apps.jobs.tests.workers import Held, claim, describe, make, rows, state, take
from apps.jobs.turns import Wish, claim_from
from apps.tenancy.walls import enter, outside, registry
from tests.client import Answer, Api
from tests.scratch import Scratch, at_once, begun, scratch_tenant, wait_until_somebody_waits
from tests.world import World

_DEEDS, _SECONDS, _THREADS = 40, 25.0, 8


@pytest.fixture
def scratch(committing: World, settings: Any) -> Iterator[Scratch]:
    settings.PACKMULE_RATE_LIMIT = "1000000/60"
    with scratch_tenant() as made:
        yield made
        with registry():
            for model in (Dispatch, Lane, Share):
                model.objects.filter(schema_name=made.ref.schema_name).delete()


def test_twenty_who_enqueue_one_key_at_once_get_one_job(scratch: Scratch) -> None:
    me = Api(scratch.key)
    for key in ("a", "b"):
        body = {"queue": "menus", "kind": "x", "key": key}
        answers = at_once([partial(me.post, "/v1/jobs", body)] * 20)
        assert {answer.status for answer in answers} == {201}
        assert len({answer["id"] for answer in answers}) == 1
    assert len(claim(me, limit=9)) == 2


def test_twenty_batches_of_the_same_keys_do_not_wait_in_a_circle(scratch: Scratch) -> None:
    me = Api(scratch.key)
    wishes = [{"queue": "menus", "kind": "x", "key": f"{n}"} for n in range(30)]
    batches = [random.Random(seed).sample(wishes, len(wishes)) for seed in range(20)]
    answers = at_once([partial(me.post, "/v1/jobs/batch", {"jobs": batch}) for batch in batches])
    assert {answer.status for answer in answers} == {201}
    assert len(claim(me, limit=100)) == 30


def test_twenty_who_claim_at_once_get_each_job_once(scratch: Scratch) -> None:
    me = Api(scratch.key)
    made = [make(me) for _ in range(15)]
    found = at_once([lambda: [held.id for held in claim(me)]] * 20)
    assert sorted(job for each in found for job in each) == sorted(made)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"max_in_flight": 2}, {}),
        ({"max_in_flight_per_organization": 2}, {}),
        ({"max_in_flight_per_key": 2}, {"concurrency_key": "oven"}),
    ],
)
def test_of_eight_who_claim_at_once_no_more_get_one_than_may(
    scratch: Scratch, rules: dict[str, Any], said: dict[str, Any]
) -> None:
    me = Api(scratch.key)
    for number in range(10):
        queue = f"kitchen.{number}"
        describe(me, queue, **rules)
        jobs = [make(me, queue=queue, **said) for _ in range(6)]
        wish = Wish(scratch.ref.schema_name, queue)
        found = [lease for each in at_once([lambda: claim_from(wish, 1)] * 8) for lease in each]  # noqa: B023
        assert len(found) <= 2, number
        assert sum(stands == "leased" for stands in rows(*jobs).values()) == len(found)
        with enter(scratch.ref):
            leases.end((lease.job_id, lease.token) for lease in found)
        assert len(claim(me, queue, limit=9)) == 2, "and those that end let the next ones in"


def test_what_is_set_aside_while_its_key_gets_free_goes_on(scratch: Scratch) -> None:
    me = Api(scratch.key)
    for _ in range(2):
        make(me, concurrency_key="oven")
    first = take(me)
    wish = Wish(scratch.ref.schema_name, "menus")
    with registry():
        Lane.objects.select_for_update().get(schema_name=scratch.ref.schema_name, queue="menus")
        found: list[Any] = []
        claiming = begun(lambda: found.extend(claim_from(wish, 1)))
        wait_until_somebody_waits()
        ending = begun(first.complete)
        time.sleep(0.3)
    claiming.join()
    ending.join()
    assert len(found) + len(claim(me)) == 1


def test_a_job_that_begins_to_wait_for_one_that_ends_is_not_forgotten(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, step = Api(scratch.key), enqueuing._step
    first = make(me)
    held = take(me)
    completing: list[Thread] = []

    def meanwhile(*args: Any) -> Step:
        completing.append(begun(held.complete))
        wait_until_somebody_waits()
        return step(*args)

    monkeypatch.setattr(enqueuing, "_step", meanwhile)
    second = make(me, after=[first])
    completing[0].join()
    assert [state(me, first), state(me, second), rows(second)] == ["succeeded", "ready", {second: "ready"}]


def test_who_cancels_while_an_attempt_fails_waits_for_it(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, give_back = Api(scratch.key), leases.give_back
    job = make(me)
    held = take(me)
    cancelling: list[Thread] = []

    def meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(leases, "give_back", give_back)
        cancelling.append(begun(lambda: me.post(f"/v1/jobs/{job}/cancel")))
        wait_until_somebody_waits()
        return give_back(*args)

    monkeypatch.setattr(leases, "give_back", meanwhile)
    assert held.fail()["state"] == "retry_wait"
    cancelling[0].join()
    assert (state(me, job), rows(job)) == ("cancelled", {})


class Storm:
    """Clients and workers of two queues who do whatever comes to their mind."""

    def __init__(self, me: Api, seed: int) -> None:
        self.me, self.chance = me, random.Random(seed)
        self.made: list[str] = []
        self.held: list[Held] = []
        self.odd: list[Answer] = []

    def run(self) -> None:
        self.enqueue()
        ends = time.monotonic() + _SECONDS
        deeds: list[Callable[[], None]] = [
            self.enqueue,
            self.work,
            self.work,
            self.end,
            self.end,
            self.meddle,
        ]
        for _ in range(_DEEDS):
            if time.monotonic() < ends:
                self.chance.choice(deeds)()

    def note(self, answer: Answer) -> Answer:
        if answer.status not in (200, 201, 404, 409, 422):
            self.odd.append(answer)
        return answer

    def enqueue(self) -> None:
        said: dict[str, Any] = {"queue": self.queue(), "kind": "x", "retry": {"initial_seconds": 0}}
        said |= self.chance.choice([{}, {"key": "k"}, {"concurrency_key": "c"}, {"max_attempts": 1}])
        if self.made and self.chance.random() < 0.4:
            said["after"] = self.chance.sample(self.made[-5:], min(2, len(self.made)))
        answer = self.note(self.me.post("/v1/jobs", said))
        if answer.status == 201:
            self.made.append(answer["id"])

    def queue(self) -> str:
        return self.chance.choice(["left", "right"])

    def work(self) -> None:
        body = {"limit": self.chance.choice([1, 3]), "lease_seconds": self.chance.choice([1, 60])}
        answer = self.note(self.me.post(f"/v1/queues/{self.queue()}/claims", body))
        if answer.status == 200:
            self.held += [Held(self.me, each) for each in answer["data"]]

    def end(self) -> None:
        if not self.held:
            return
        held = self.held.pop(self.chance.randrange(len(self.held)))
        ways: list[Callable[[], Answer]] = [
            held.complete,
            held.complete,
            held.fail,
            lambda: held.fail(retryable=False),
            lambda: held.wait("nap", seconds=0.2),
            lambda: held.step("note"),
            held.beat,
        ]
        self.note(self.chance.choice(ways)())

    def meddle(self) -> None:
        if self.made:
            job = self.chance.choice(self.made)
            self.note(self.me.post(f"/v1/jobs/{job}/{self.chance.choice(['cancel', 'cancel', 'retry'])}"))


def sweeping_until(over: Event) -> None:
    try:
        while not over.wait(0.1):
            sweeping.sweep()
    finally:
        connections.close_all()


@pytest.mark.slow
def test_nothing_is_stuck_after_a_storm(scratch: Scratch) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - whoever looks at a failure needs it
    me = Api(scratch.key)
    storms = [Storm(me, seed + number) for number in range(_THREADS)]
    over = Event()
    sweeper = Thread(target=sweeping_until, args=(over,))
    sweeper.start()
    works: list[Callable[[], None]] = [storm.run for storm in storms]
    at_once(works)
    over.set()
    sweeper.join()
    assert [answer.body for storm in storms for answer in storm.odd] == []
    assert sum(len(storm.made) for storm in storms) >= _THREADS
    require_whole(scratch)
    drain(me, scratch)
    with enter(scratch.ref):
        assert not Job.objects.unfinished().exists()
        assert not Attempt.objects.filter(state="running").exists()
    with outside():
        assert not Dispatch.objects.filter(schema_name=scratch.ref.schema_name).exists()


def require_whole(scratch: Scratch) -> None:
    """Every job is over, or has a dispatch row, or waits for one that is not over; and no row is without its job."""
    with outside():
        known = Dispatch.objects.filter(schema_name=scratch.ref.schema_name)
        found = dict(known.values_list("pk", "state"))
    with enter(scratch.ref):
        jobs = {job.pk: job for job in Job.objects.all()}
        waits = Step.objects.filter(kind=StepKind.JOB, done_at__isnull=True).values_list("job_id", "on_job")
        waiting = {job for job, other in waits if other and not jobs[other].is_over}
    for pk, job in jobs.items():
        where = (pk, job.state, found.get(pk))
        if job.state in ENDED:
            assert pk not in found or found[pk] == "leased", where
        else:
            assert pk in found or (job.state == JobState.WAITING and pk in waiting), where
    assert set(found) <= set(jobs)


def drain(me: Api, scratch: Scratch) -> None:
    """Work on, as one worker does, until there is nothing left; leases of workers that are gone run out."""
    with registry():
        Dispatch.objects.filter(schema_name=scratch.ref.schema_name, state="leased").update(
            leased_until=clock.now() - timedelta(hours=1)
        )
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        sweeping.sweep()
        sweeping.repair()
        found = [held for queue in ("left", "right") for held in claim(me, queue, limit=50)]
        for held in found:
            held.complete()
        with enter(scratch.ref):
            left = Job.objects.unfinished().exists()
        if not found and not left:
            return
    raise AssertionError("there is still something")

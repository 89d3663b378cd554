"""What the tests of this room share: short ways to enqueue, to claim, and to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from apps.core import clock
from apps.core.clock import FrozenClock
from apps.core.ids import decode
from apps.jobs import sweeping, turns
from apps.jobs.hearing import connected
from apps.jobs.models import Job
from apps.jobs.registry import Dispatch, Lane, Share
from apps.tenancy.walls import enter, outside, registry
from tests.client import Answer, Api
from tests.scratch import Scratch
from tests.world import Space


class Held:
    """A job that a worker has claimed."""

    def __init__(self, me: Api, claimed: dict[str, Any]) -> None:
        self.me, self.job, self.lease = me, claimed["job"], claimed["lease"]
        self.id, self.token = str(self.job["id"]), self.lease["token"]

    def call(self, verb: str, **said: Any) -> Answer:
        return self.me.post(f"/v1/jobs/{self.id}/{verb}", {"lease_token": self.token, **said})

    def beat(self, **said: Any) -> Answer:
        return self.call("heartbeat", **said)

    def complete(self, result: Any = None) -> Answer:
        return self.call("complete", result=result)

    def fail(self, kind: str = "Broken", **said: Any) -> Answer:
        return self.call("fail", error={"type": kind, "message": "it broke"}, **said)

    def wait(self, name: str, **said: Any) -> Answer:
        return self.call("wait", name=name, **said)

    def step(self, name: str, result: Any = None) -> Answer:
        body = {"lease_token": self.token, "result": result}
        return self.me.call("PUT", f"/v1/jobs/{self.id}/steps/{name}", body)


def make(me: Api, kind: str = "menu.read", **said: Any) -> str:
    """Enqueue a job; its id."""
    made = me.post("/v1/jobs", {"queue": "menus", "kind": kind, **said})
    assert made.status == 201, made.body
    return str(made["id"])


def claim(me: Api, queue: str = "menus", **said: Any) -> list[Held]:
    answer = me.post(f"/v1/queues/{queue}/claims", said)
    assert answer.status == 200, answer.body
    return [Held(me, each) for each in answer["data"]]


def take(me: Api, queue: str = "menus", **said: Any) -> Held:
    """Claim a job that has to be there."""
    (held,) = claim(me, queue, **said)
    return held


def describe(me: Api, name: str = "menus", **rules: Any) -> Answer:
    made = me.post("/v1/queues", {"name": name, **rules})
    assert made.status == 201, made.body
    return made


def state(me: Api, job: str) -> str:
    return str(me.get(f"/v1/jobs/{job}")["state"])


def states(me: Api, *jobs: str) -> list[str]:
    return [state(me, job) for job in jobs]


def rows(*jobs: str) -> dict[str, str]:
    """The state of the dispatch row of each of `jobs` that has one."""
    by_id = {decode(job, "job"): job for job in jobs}
    with outside():
        found = Dispatch.objects.filter(pk__in=by_id).values_list("pk", "state")
        return {by_id[pk]: stands for pk, stands in found}


def kept(space: Space, job: str) -> Job:
    """The job as it is kept."""
    with enter(space.ref):
        return Job.objects.get(pk=decode(job, "job"))


@contextmanager
def clockwork() -> Iterator[FrozenClock]:
    """A clock that stands still."""
    with clock.frozen(clock.now()) as held:
        yield held


def later(held: FrozenClock, seconds: float) -> None:
    """Move on, and have the sweep do what is due."""
    held.move(timedelta(seconds=seconds))
    sweeping.sweep()


def lane(space: Space, queue: str = "menus") -> Lane:
    """What the registry knows of a queue."""
    with outside():
        return Lane.objects.get(schema_name=space.ref.schema_name, queue=queue)


@contextmanager
def listening() -> Iterator[Callable[[], list[str]]]:
    """Yields what tells what was said since it was called last."""
    with connected() as ear:
        ear.execute(f"listen {turns.CHANNEL}")
        yield lambda: [notice.payload for notice in ear.notifies(timeout=0.5)]


def forget(scratch: Scratch) -> None:
    """Take away what the registry knows of its queues and jobs."""
    with registry():
        for model in (Dispatch, Lane, Share):
            model.objects.filter(schema_name=scratch.ref.schema_name).delete()

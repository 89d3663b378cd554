"""dramatiq's brokers. With the worker, which runs its threads, the one place that knows dramatiq.

The rows in Postgres are the truth, whatever the broker. The embedded one hands out leases straight from the lanes.
RabbitMQ and Redis carry doorbells: each makes a worker claim the job whose turn it is, whichever rang, so that a
doorbell that is lost, late or rung twice costs time at most, and the sweep rings again.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from threading import Event, Lock
from typing import Any
from uuid import UUID

import dramatiq
from django.conf import settings
from django.db import connections
from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.middleware import AgeLimit, Middleware

from apps.jobs.inside.performing import Held

logger = logging.getLogger("packmule.jobs")
QUEUE = "packmule"
ACTOR = "perform"
#: Seconds after which an idle worker asks although neither the listener nor the sweep told it to.
_ASK_AGAIN = 10.0
#: Jobs that are claimed ahead of free threads while jobs are short, and what is short, in seconds.
_AHEAD, _SHORT = 64, 0.005
#: How many short jobs a thread is given with one message: dramatiq's way of one costs more than such a job.
_TOGETHER = 8
_MOST_KINDS = 200
#: The most doorbells that one transaction rings.
_MOST_RINGS = 200

Take = Callable[[int], tuple[list[Held], bool]]


class Leases:
    """The jobs that this process holds, between being claimed and being done."""

    def __init__(self) -> None:
        self._held: dict[UUID, Held] = {}
        self._lock = Lock()

    def add(self, held: Iterable[Held]) -> None:
        """Hold these."""
        with self._lock:
            self._held |= {each.job.pk: each for each in held}

    def pop(self, job_id: UUID) -> Held | None:
        """Give one out, once."""
        with self._lock:
            return self._held.pop(job_id, None)

    def drain(self) -> list[Held]:
        """Give out all that are left."""
        with self._lock:
            left, self._held = list(self._held.values()), {}
        return left


class EmbeddedBroker(Broker):
    """Hands out leases of the platform's lanes as messages. There is one consumer; nothing is ever enqueued here."""

    def __init__(self, take: Take, leases: Leases, heard: Event, threads: int) -> None:
        super().__init__(middleware=_middleware())
        self.take, self.leases, self.heard, self.threads = take, leases, heard, threads
        self.outstanding = 0
        self.lock = Lock()
        #: How long jobs of a kind take, in seconds, the last ones counting most.
        self.typical: dict[str, float] = {}

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30000) -> Consumer:  # noqa: ARG002
        """The consumer of leases."""
        return _LeaseConsumer(self, timeout / 1000)

    def declare_queue(self, queue_name: str) -> None:
        """Make dramatiq consume; there is one queue."""
        if queue_name not in self.queues:
            self.queues[queue_name] = True
            self.emit_after("declare_queue", queue_name)

    def room(self) -> int:
        """How many more may be claimed now: as many as threads are free, and some ahead while jobs are short."""
        with self.lock:
            ahead = _AHEAD if self.typical and max(self.typical.values()) < _SHORT else 0
            return max(0, self.threads + ahead - self.outstanding)

    def count(self, change: int) -> None:
        """Count messages that are out."""
        with self.lock:
            self.outstanding += change

    def together(self, kind: str) -> int:
        """How many jobs one thread is given at a time: one, unless jobs of that kind are over at once."""
        return _TOGETHER if self.typical.get(kind, 1.0) < _SHORT else 1

    def took(self, kind: str, seconds: float) -> None:
        """Learn how long a job took. A kind that was not done for long is forgotten with the others, now and then."""
        with self.lock:
            if len(self.typical) > _MOST_KINDS:
                self.typical.clear()
            before = self.typical.get(kind, seconds)
            self.typical[kind] = before + (seconds - before) * 0.1


class _LeaseConsumer(Consumer):
    def __init__(self, broker: EmbeddedBroker, timeout: float) -> None:
        self.broker, self.timeout = broker, timeout
        self.buffer: deque[Held] = deque()

    def __next__(self) -> MessageProxy | None:
        """The next lease; None after a while in which there was none."""
        if not self.buffer and not self._filled():
            return None
        together = self.broker.together(self.buffer[0].job.kind)
        ids = [str(self.buffer.popleft().job.pk) for _ in range(min(together, len(self.buffer)))]
        return MessageProxy(
            dramatiq.Message(queue_name=QUEUE, actor_name=ACTOR, args=tuple(ids), kwargs={}, options={})
        )

    def _filled(self) -> bool:
        room = self.broker.room()
        if not room:
            time.sleep(0.001)
            return False
        self.broker.heard.clear()
        found, there = self.broker.take(room)
        if not found:
            # A lane that was there and gave nothing may be held by another worker, or has just been put to rest.
            self.broker.heard.wait(0.005 if there else _ASK_AGAIN)
            return False
        self.broker.leases.add(found)
        self.broker.count(len(found))
        self.buffer.extend(found)
        return True

    def ack(self, message: MessageProxy) -> None:
        """Nothing is kept of messages; how the jobs ended is written elsewhere."""
        self.broker.count(-len(message.args))

    nack = ack

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Leave what was not begun to the worker's end, which gives it back."""


def doorbells() -> Broker | None:
    """The broker that PACKMULE_BROKER_URL names, for ringing; None for the embedded one, where nobody has to."""
    url = str(settings.PACKMULE_BROKER_URL)
    return _named(url) if url else None


@cache
def _named(url: str) -> Broker:
    broker = _rabbitmq(url) if url.startswith("amqp") else _redis(url)
    broker.declare_queue(QUEUE)
    return broker


def _rabbitmq(url: str) -> Broker:
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

    return RabbitmqBroker(url=url, middleware=_middleware(), confirm_delivery=True)


def _redis(url: str) -> Broker:
    from dramatiq.brokers.redis import RedisBroker

    # The rows say what is to be done: a doorbell of a worker that died need not be heard again soon.
    return RedisBroker(  # type: ignore[no-untyped-call]
        url=url, middleware=_middleware(), namespace=f"{settings.PACKMULE_ROLE_PREFIX}-doorbells"
    )


def _middleware() -> list[Middleware]:
    """Retries, time limits and results are the rows' business."""
    return [AgeLimit(max_age=3_600_000), _Tidy()]


class _Tidy(Middleware):
    """Closes the database connections of threads that end."""

    def before_worker_thread_shutdown(self, broker: Broker, thread: Any) -> None:  # noqa: ARG002 - their signature
        """Called in the thread itself."""
        connections.close_all()

    def before_consumer_thread_shutdown(self, broker: Broker, thread: Any) -> None:  # noqa: ARG002 - their signature
        """Called in the thread itself."""
        connections.close_all()


def ring(times: int) -> None:
    """Ring for so many jobs, where a broker carries doorbells. When it is away, the sweep rings later."""
    broker = doorbells()
    if broker is None:
        return
    try:
        for _ in range(min(times, _MOST_RINGS)):
            broker.enqueue(
                dramatiq.Message(queue_name=QUEUE, actor_name=ACTOR, args=(), kwargs={}, options={})
            )
    except Exception as failure:  # noqa: BLE001 - whatever a broker says, what is to be done stands in the rows
        logger.warning("no doorbell was rung (%s: %s)", type(failure).__name__, failure)

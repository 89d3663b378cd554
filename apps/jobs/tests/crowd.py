"""A tenant in which a lot goes on: hundreds of jobs in all states, some of them in trouble."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.ids import uuid7
from apps.jobs import lanes
from apps.jobs.models import Attempt, Firing, Job, Queue, Schedule, Step
from apps.jobs.registry import NOBODY, Dispatch, Lane, Share
from apps.jobs.states import AttemptState, StepKind
from apps.tenancy.walls import enter, registry

ADA = {"kind": "user", "id": "usr_1", "name": "Ada Lovelace", "credential": "key_01jada"}
ERRORS = (
    (
        "menu.read",
        "UnreadableImage",
        "The photograph is too dark: the mean brightness is 0.04, and 0.15 is needed.",
    ),
    (
        "menu.read",
        "HTTPError",
        "503 from https://ocr.example.com/v2/read after 30.0 s: upstream connect error",
    ),
    ("mail.send", "MailboxFull", "552 5.2.2 the mailbox of guest@example.com is over its quota"),
    ("report.build", "TimeoutError", "canceling statement due to statement timeout"),
)
_KINDS = ("menu.read", "mail.send", "image.resize", "report.build", "invoice.export")
_QUEUES: dict[str, dict[str, Any]] = {
    "mails": {"description": "What is sent to guests", "rate": {"count": 100, "seconds": 60}},
    "menus": {"description": "Menus that are read from photographs", "max_in_flight_per_organization": 5},
    "images": {"description": "Pictures of dishes", "max_in_flight": 3},
    "exports": {"description": "Invoices for the bookkeeper", "rate": {"count": 10, "seconds": 3600}},
}
_QUEUE_OF = dict(zip(_KINDS, ("menus", "mails", "images", "reports", "exports"), strict=True))
_ERROR_AGE = 3


class Crowd:
    """What fills one tenant. `ids` are the shown ids of the things that a story is told about.

    The lease of one job ends `late` seconds from now.
    """

    def __init__(self, ref: TenantRef, organizations: Sequence[UUID], *, late: int = 11) -> None:
        self.ref, self.places = ref, [*organizations, None]
        self.dice, self.now, self.late = random.Random(7), clock.now(), late
        self.jobs: list[Job] = []
        self.attempts: list[Attempt] = []
        self.steps: list[Step] = []
        self.rows: list[Dispatch] = []
        self.ids: dict[str, str] = {}

    def ago(self, **past: float) -> datetime:
        return self.now - timedelta(**past)

    def job(self, kind: str, state: str, created_at: datetime, **more: Any) -> Job:
        """A job of `kind` in the queue of its kind, with its dispatch row while it is not over."""
        place = {"organization_id": self.dice.choice(self.places), "queue": _QUEUE_OF[kind], **more}
        number = len(self.jobs)
        job = Job(
            id=uuid7(),
            kind=kind,
            state=state,
            payload={"number": number, "photo": f"file_{number:04}"},
            enqueued_by=ADA,
            request_id=f"req_{number:026}",
            created_at=created_at,
            **place,
        )
        self.jobs.append(job)
        standing = {"ready": "ready", "running": "leased", "cancelling": "leased"}.get(state)
        if state in ("scheduled", "retry_wait"):
            standing = "scheduled"
        if standing:
            self.rows.append(self._row(job, standing))
        return job

    def _row(self, job: Job, state: str) -> Dispatch:
        leased = state == "leased"
        return Dispatch(
            id=job.pk,
            schema_name=self.ref.schema_name,
            queue=job.queue,
            share=job.organization_id or NOBODY,
            runner="client",
            state=state,
            run_at=job.run_at,
            token=job.lease_token if leased else None,
            leased_until=self.now + timedelta(minutes=4) if leased else None,
            touched_at=self.ago(minutes=1) if leased else None,
        )

    def attempt(
        self, job: Job, number: int, state: str, started_at: datetime, seconds: float, **more: Any
    ) -> None:
        over = state != AttemptState.RUNNING
        self.attempts.append(
            Attempt(
                job=job,
                organization_id=job.organization_id,
                number=number,
                state=state,
                token=uuid7() if over or job.lease_token is None else job.lease_token,
                worker=more.pop("worker", f"worker-{number}"),
                started_at=started_at,
                ended_at=started_at + timedelta(seconds=seconds) if over else None,
                **more,
            )
        )

    def fill(self) -> dict[str, str]:
        """Make all of it, committed or in the transaction that stands. Returns the ids."""
        self._ended()
        self._failed()
        self._ready()
        self._at_work()
        self._waiting()
        self._story()
        with transaction.atomic(), enter(self.ref):
            queues = self._described()
            Job.objects.bulk_create(self.jobs)
            Attempt.objects.bulk_create(self.attempts)
            Step.objects.bulk_create(self.steps)
            self._scheduled()
            self._turns(queues)
        return self.ids

    def _ended(self) -> None:
        for number in range(240):
            kind = self.dice.choice(_KINDS)
            took = self.dice.lognormvariate(1.2 + _KINDS.index(kind) * 0.7, 0.8)
            end = self.ago(hours=23.5 * self.dice.random() ** 1.4)
            start = end - timedelta(seconds=took)
            tries = 2 if self.dice.random() < 0.07 else 1
            job = self.job(
                kind,
                "succeeded" if number % 40 else "cancelled",
                start - timedelta(seconds=self.dice.random() * 20),
                started_at=start,
                finished_at=end,
                attempt=tries,
                result={"dishes": number},
            )
            self.attempt(job, tries, "succeeded", start, took)
            self.ids["succeeded"] = job.public_id

    def _failed(self) -> None:
        for number in range(34):
            kind, named, message = ERRORS[min(number // 10, _ERROR_AGE)]
            end = self.ago(hours=number % 10 * 1.7 + 0.3, minutes=number)
            error = {"type": named, "message": message, "status": 503}
            again = number % 10 > 6
            job = self.job(
                kind,
                "retry_wait" if again else "dead",
                end - timedelta(minutes=9),
                started_at=end - timedelta(minutes=8),
                finished_at=None if again else end,
                run_at=self.now + timedelta(minutes=number) if again else None,
                attempt=3 if again else 5,
                error=error,
            )
            self.attempt(job, job.attempt, "failed", end - timedelta(seconds=4), 4, error=error)
            if number == 0:
                self.ids["dead"] = job.public_id
        self.job("mail.send", "expired", self.ago(hours=5), finished_at=self.ago(hours=3))

    def _ready(self) -> None:
        for kind, count, minutes in (("mail.send", 45, 150), ("menu.read", 61, 38), ("image.resize", 22, 7)):
            for number in range(count):
                self.job(kind, "ready", self.ago(minutes=minutes * (1 - number / count)))
        self.job("report.build", "ready", self.ago(seconds=4))
        for number in range(14):
            self.job("invoice.export", "ready", self.ago(minutes=11 + number))
            self.job(
                "report.build", "scheduled", self.ago(hours=2), run_at=self.now + timedelta(hours=number + 1)
            )

    def _at_work(self) -> None:
        for number in range(3):
            self._running("image.resize", number)
        late = self._running("report.build", 3)
        row = next(row for row in self.rows if row.pk == late.pk)
        row.leased_until, row.touched_at = self.now + timedelta(seconds=self.late), self.ago(minutes=2)
        self.ids["late"] = late.public_id
        self._running("report.build", 4, state="cancelling")

    def _running(self, kind: str, number: int, state: str = "running") -> Job:
        started = self.ago(minutes=number + 1)
        job = self.job(
            kind,
            state,
            self.ago(minutes=9),
            started_at=started,
            attempt=1,
            lease_token=uuid7(),
            worker=f"gpu-{number}.menugen",
            progress=0.2 + number / 10,
            message="resizing",
        )
        self.attempt(job, 1, "running", started, 0, worker=job.worker)
        return job

    def _waiting(self) -> None:
        for number in range(5):
            job = self.job("invoice.export", "waiting", self.ago(hours=number + 0.5))
            self._step(job, "paid", StepKind.EVENT, event_type="order.paid", event_subject=f"order_{number}")

    def _step(self, job: Job, name: str, kind: str, **more: Any) -> None:
        self.steps.append(
            Step(
                job=job,
                organization_id=job.organization_id,
                name=name,
                kind=kind,
                created_at=more.pop("created_at", job.created_at),
                **more,
            )
        )

    def _story(self) -> None:
        """A job with all that one can have: it failed twice, remembers steps, has a parent, a child and a dependent."""
        mine = {"organization_id": self.places[0]}
        parent = self.job(
            "report.build",
            "succeeded",
            self.ago(hours=2),
            started_at=self.ago(hours=2),
            finished_at=self.ago(hours=1),
            attempt=1,
            **mine,
        )
        job = self.job(
            "menu.read", "running", self.ago(minutes=50), parent=parent.pk, started_at=self.ago(minutes=49),
            attempt=3, max_attempts=5, lease_token=uuid7(), worker="gpu-7.menugen", progress=0.64,
            message="page 7 of 11", priority=5, key="menu-4711", concurrency_key="restaurant-12",
            deadline_at=self.now + timedelta(hours=3), **mine,
        )  # fmt: skip
        job.payload = {
            "photo": "file_0042",
            "note": "<script>alert('menu')</script>",
            "languages": ["en", "fr", "ja"],
        }
        job.error = {"type": ERRORS[1][1], "message": ERRORS[1][2], "status": 503}
        lines = [{"at": self.ago(minutes=48).isoformat(), "progress": 0.1, "message": "page 1 of 11"}]
        self.attempt(job, 1, "failed", self.ago(minutes=49), 31, error=job.error, messages=lines)
        self.attempt(job, 2, "lost", self.ago(minutes=30), 60)
        lines = [
            {"at": self.ago(minutes=8 - n).isoformat(), "progress": n / 11, "message": f"page {n} of 11"}
            for n in range(1, 8)
        ]
        self.attempt(job, 3, "running", self.ago(minutes=8), 0, messages=lines, worker=job.worker)
        self._step(job, "ocr", StepKind.RESULT, done_at=self.ago(minutes=47), result={"words": 812})
        self._step(
            job, "cool-down", StepKind.SLEEP, created_at=self.ago(minutes=29), done_at=self.ago(minutes=9)
        )
        self.job(
            "image.resize",
            "succeeded",
            self.ago(minutes=46),
            parent=job.pk,
            attempt=1,
            started_at=self.ago(minutes=46),
            finished_at=self.ago(minutes=45),
            **mine,
        )
        after = self.job("mail.send", "waiting", self.ago(minutes=50), **mine)
        self._step(after, job.public_id, StepKind.JOB, on_job=job.pk)
        self.ids |= {"story": job.public_id, "waiting": after.public_id}

    def _described(self) -> list[Queue]:
        made = []
        for name, rules in _QUEUES.items():
            paused = self.ago(hours=2) if name == "mails" else None
            made.append(Queue.objects.create(name=name, paused_at=paused, **rules))
            self.ids[name] = made[-1].public_id
        return made

    def _scheduled(self) -> None:
        for number, (name, clock_) in enumerate(_clocks(self.now)):
            made = Schedule.objects.create(
                name=name, queue="reports", kind="report.build", payload={"of": "yesterday"}, acts_as=ADA,
                created_at=self.ago(days=20), **clock_,
            )  # fmt: skip
            for hour in range(6):
                bad = number == 0 and hour == 2
                Firing.objects.create(
                    schedule=made, at=self.ago(hours=hour * 24 + 3), outcome="refused" if bad else "fired",
                    reason="Ada Lovelace may not enqueue jobs any more." if bad else "",
                )  # fmt: skip
            self.ids[name] = made.public_id

    def _turns(self, queues: Sequence[Queue]) -> None:
        for queue in queues:
            lanes.set_rules(self.ref, queue)
        known: dict[str, Any] = {"schema_name": self.ref.schema_name}
        with registry():
            Lane.objects.get_or_create(queue="reports", runner="client", **known)
            Lane.objects.filter(queue="exports", **known).update(
                blocked_until=self.now + timedelta(minutes=17)
            )
            Dispatch.objects.bulk_create(self.rows)
            places = {(row.queue, row.share) for row in self.rows}
            Share.objects.bulk_create(
                [
                    Share(queue=queue, share=share, virtual_time=self.dice.random() * 90, **known)
                    for queue, share in sorted(places, key=str)
                ],
                ignore_conflicts=True,
            )


def _clocks(now: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
    yield (
        "nightly report",
        {"cron": "30 3 * * *", "timezone": "Europe/Zurich", "next_at": now + timedelta(hours=7)},
    )
    yield "every quarter", {"every_seconds": 900, "next_at": now + timedelta(minutes=4)}
    yield "paused one", {"cron": "0 8 * * mon", "paused_at": now - timedelta(days=2)}

"""Jobs of a tenant: the work itself, each attempt at it, its steps, the queues it waits in, and schedules."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar, Final

from django.db import models
from django.db.models.functions import Now

from apps.core import clock
from apps.core.ids import Identified, encode, uuid7
from apps.core.models import Versioned
from apps.core.walls import unwalled, walled
from apps.jobs.querysets import JobQuerySet, QueueQuerySet, ScheduleQuerySet
from apps.jobs.registry import Dispatch, KeyTurn, Lane, Share
from apps.jobs.states import ENDED, AttemptState, CatchUp, FiringOutcome, JobState, StepKind

__all__ = [
    "Attempt", "Dispatch", "Firing", "Job", "KeyTurn", "Lane", "Queue", "Schedule", "Share", "Step",
]  # fmt: skip

MAX_ATTEMPTS = 5
LEASE_SECONDS = 60
#: How long a job that ended is kept, where its queue says nothing else.
RETENTION_DAYS = 30
#: What a schedule may say about its jobs, and what counts where it says nothing.
JOB_OPTIONS: Final[Mapping[str, Any]] = {
    "priority": 0,
    "max_attempts": None,
    "retry": None,
    "key": "",
    "concurrency_key": "",
    "timeout_seconds": None,
    "expires_after_seconds": None,
    "deadline_after_seconds": None,
}


@unwalled(
    "definitions of the tenant: everybody in it may know its queues, and only who decides for the whole tenant changes"
    " them, which accounts.configuring and the columns kept here enforce",
    kept=(
        "id", "version", "name", "description", "kinds", "push_url", "push_secret", "paused_at", "weight",
        "max_in_flight", "max_in_flight_per_organization", "max_in_flight_per_key", "rate", "rate_per_organization",
        "rate_per_key", "max_attempts", "retry", "lease_seconds", "timeout_seconds", "retention_days", "created_at",
    ),
)  # fmt: skip
class Queue(Identified, Versioned):
    """How jobs of one name are run. A queue that nobody described has what is said here."""

    id_prefix = "que"

    name = models.CharField(max_length=60)
    description = models.CharField(max_length=500, blank=True)
    kinds = models.JSONField(default=list, help_text="Kinds of job that it takes; empty: any")
    push_url = models.CharField(
        max_length=2000, blank=True, help_text="Jobs are sent there instead of claimed"
    )
    push_secret = models.TextField(blank=True, help_text="Sealed; signs what is sent")
    paused_at = models.DateTimeField(null=True)
    weight = models.PositiveIntegerField(default=1)
    max_in_flight = models.PositiveIntegerField(null=True)
    max_in_flight_per_organization = models.PositiveIntegerField(null=True)
    max_in_flight_per_key = models.PositiveIntegerField(default=1)
    rate = models.JSONField(null=True, help_text='{"count": 100, "seconds": 60}')
    rate_per_organization = models.JSONField(null=True)
    rate_per_key = models.JSONField(null=True)
    max_attempts = models.PositiveIntegerField(default=MAX_ATTEMPTS)
    retry = models.JSONField(
        default=dict, help_text="Backoff: initial_seconds, factor, max_seconds, jitter, never_on"
    )
    lease_seconds = models.PositiveIntegerField(default=LEASE_SECONDS)
    timeout_seconds = models.PositiveIntegerField(null=True, help_text="Of one attempt")
    retention_days = models.PositiveIntegerField(
        default=RETENTION_DAYS, help_text="How long jobs that ended are kept"
    )
    created_at = models.DateTimeField(db_default=Now())

    #: How many unfinished jobs are in which state, where it was asked.
    jobs: Mapping[str, int]
    #: What signs what is sent, where it was made just now.
    secret: str | None = None

    objects: ClassVar[QueueQuerySet] = QueueQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name"], name="jobs_queue_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def paused(self) -> bool:
        """True while nobody gets a job out of it."""
        return self.paused_at is not None


@walled("organization")
class Job(Identified):
    """Work that is done once, however often it has to be tried."""

    id_prefix = "job"

    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    queue = models.CharField(max_length=60)
    kind = models.CharField(max_length=100)
    state = models.CharField(max_length=12, choices=JobState, default=JobState.READY)
    payload = models.JSONField(default=dict)
    result = models.JSONField(null=True)
    error = models.JSONField(null=True, help_text="Of the last attempt that failed: type, message, details")
    priority = models.SmallIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=0, help_text="The number of the last attempt")
    max_attempts = models.PositiveIntegerField(null=True, help_text="Null: as its queue says")
    retry = models.JSONField(null=True, help_text="Backoff of this job where it is not its queue's")
    key = models.CharField(max_length=200, blank=True, help_text="One unfinished job of a queue has it")
    fingerprint = models.BinaryField(
        max_length=32, null=True, help_text="Of what a job with a key was asked to do"
    )
    concurrency_key = models.CharField(max_length=100, blank=True)
    run_at = models.DateTimeField(
        null=True, help_text="Not before; of one that waits for a retry, when that is"
    )
    expires_at = models.DateTimeField(null=True, help_text="When it is over unless an attempt has begun")
    deadline_at = models.DateTimeField(null=True, help_text="When it is over, whatever it does")
    timeout_seconds = models.PositiveIntegerField(null=True, help_text="Of one attempt")
    lease_token = models.UUIDField(null=True)
    worker = models.CharField(max_length=100, blank=True)
    progress = models.FloatField(null=True)
    message = models.CharField(max_length=500, blank=True)
    parent = models.UUIDField(null=True, help_text="The job in whose attempt it was enqueued")
    schedule = models.ForeignKey("Schedule", null=True, on_delete=models.SET_NULL, related_name="jobs")
    system = models.BooleanField(default=False, help_text="The platform's own work")
    enqueued_by = models.JSONField(null=True, help_text="Snapshot of the actor")
    standing = models.JSONField(
        null=True, help_text="By which the actor is found again in whose name the platform's own work is done"
    )
    request_id = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    #: Whether another job waits for it, where it was asked.
    awaited: bool
    #: How many seconds one attempt may take, by the job or else by its queue, where it was asked; None is no limit.
    attempt_seconds: int | None

    objects: ClassVar[JobQuerySet] = JobQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["queue", "key", "organization"],
                condition=~models.Q(key="") & ~models.Q(state__in=sorted(ENDED)),
                nulls_distinct=False,
                name="jobs_job_key",
            )
        ]
        indexes = [
            models.Index(fields=["organization", "id"], name="jobs_job_organization"),
            models.Index(fields=["queue", "state", "id"], name="jobs_job_queue"),
            models.Index(
                fields=["finished_at"],
                name="jobs_job_finished",
                condition=models.Q(finished_at__isnull=False),
            ),
            models.Index(fields=["parent"], name="jobs_job_parent", condition=models.Q(parent__isnull=False)),
            models.Index(
                fields=["id"],
                name="jobs_job_standing",
                condition=models.Q(standing__isnull=False, finished_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.kind

    @property
    def shown_state(self) -> str:
        """The state as it is at this moment: what waited for its time is ready when that has come."""
        waits = self.state in (JobState.SCHEDULED, JobState.RETRY_WAIT)
        due = waits and self.run_at is not None and self.run_at <= clock.now()
        return JobState.READY.value if due else str(self.state)

    @property
    def is_over(self) -> bool:
        """True for a job that ended."""
        return self.state in ENDED


@walled("organization")
class Attempt(Identified):
    """One try at a job, from the claim to its end."""

    id_prefix = "att"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=AttemptState, default=AttemptState.RUNNING)
    token = models.UUIDField()
    worker = models.CharField(max_length=100, blank=True)
    error = models.JSONField(null=True)
    messages = models.JSONField(default=list, help_text="What the worker said while it ran, the last hundred")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "token"], name="jobs_attempt_once")]

    def __str__(self) -> str:
        return f"attempt {self.number}"

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at else None


@walled("organization")
class Step(models.Model):
    """Something that a job did and remembers by name, or something that it waits for."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="steps", db_index=False)
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=8, choices=StepKind)
    done_at = models.DateTimeField(null=True, help_text="Null while the job waits for it")
    result = models.JSONField(null=True)
    on_job = models.UUIDField(null=True, help_text="The job that is waited for")
    event_type = models.CharField(max_length=120, blank=True)
    event_subject = models.CharField(max_length=200, blank=True)
    until = models.DateTimeField(null=True, help_text="When a sleep, or the patience for an event, is over")
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="jobs_step_once")]
        indexes = [
            models.Index(
                fields=["on_job"],
                name="jobs_step_on_job",
                condition=models.Q(on_job__isnull=False),
            ),
            models.Index(
                fields=["event_type", "event_subject"],
                name="jobs_step_waiting",
                condition=models.Q(kind="event", done_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def done(self) -> bool:
        """True when it is remembered, and waited for no more."""
        return self.done_at is not None


@walled("organization")
class Schedule(Identified, Versioned):
    """What enqueues a job by the clock: at the times of a cron expression, at an interval, or once."""

    id_prefix = "sch"

    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    name = models.CharField(max_length=100)
    cron = models.CharField(max_length=200, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    every_seconds = models.PositiveIntegerField(null=True)
    at = models.DateTimeField(null=True)
    queue = models.CharField(max_length=60)
    kind = models.CharField(max_length=100)
    payload = models.JSONField(default=dict)
    options = models.JSONField(default=dict, help_text="Of the jobs: priority, max_attempts, and so on")
    catch_up = models.CharField(max_length=4, choices=CatchUp, default=CatchUp.ONE)
    paused_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True, help_text="The next firing; null when there is none")
    last_at = models.DateTimeField(null=True, help_text="The firing before")
    stopped_because = models.CharField(
        max_length=500, blank=True, help_text="Why it fires no more, where nobody paused it"
    )
    acts_as = models.JSONField(null=True, help_text="Snapshot of the actor in whose name it fires")
    standing = models.JSONField(null=True, help_text="By which that one is found again")
    lineage = models.JSONField(default=list, help_text="The marks of everybody through whom it was made")
    ends_at = models.DateTimeField(
        null=True, help_text="When the key or delegation ends by which it was made, and it with that"
    )
    created_by = models.JSONField(null=True)
    created_at = models.DateTimeField(default=clock.now)

    objects: ClassVar[ScheduleQuerySet] = ScheduleQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"], nulls_distinct=False, name="jobs_schedule_name"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def paused(self) -> bool:
        """True while it does not fire, whoever or whatever decided so."""
        return self.paused_at is not None

    @property
    def expression(self) -> str | None:
        """The cron expression; None where it fires by another clock."""
        return self.cron or None

    @property
    def job(self) -> SimpleNamespace:
        """The options of its jobs, those that were not said with what they are then."""
        return SimpleNamespace(**{**JOB_OPTIONS, **self.options})


@walled("organization")
class Firing(models.Model):
    """A time at which a schedule fired, or was to; and what came of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schedule = models.ForeignKey(Schedule, on_delete=models.CASCADE, related_name="firings", db_index=False)
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    at = models.DateTimeField(help_text="The time for which it was due")
    outcome = models.CharField(max_length=8, choices=FiringOutcome)
    job = models.ForeignKey(Job, null=True, on_delete=models.SET_NULL, related_name="+")
    times = models.PositiveIntegerField(default=1, help_text="For how many times it stands, itself included")
    reason = models.CharField(max_length=500, blank=True)
    by_hand = models.BooleanField(default=False)
    done_at = models.DateTimeField(default=clock.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "at"], condition=models.Q(by_hand=False), name="jobs_firing_once"
            )
        ]
        indexes = [models.Index(fields=["schedule", "at"], name="jobs_firing_schedule")]

    def __str__(self) -> str:
        return f"{self.outcome} at {self.at:%Y-%m-%dT%H:%M:%SZ}"


def job_id(job: Job) -> str:
    """The id of a job as it is shown."""
    return encode(Job.id_prefix, job.pk)


def snapshot(job: Job) -> dict[str, Any]:
    """What an event says of a job."""
    return {"queue": job.queue, "kind": job.kind, "state": str(job.state), "attempt": job.attempt}

"""What goes in and out about jobs and queues."""

from __future__ import annotations

from apps.core.longpoll import MOST_SECONDS
from apps.core.parameters import ListParameters, Parameters
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    DictField,
    FloatField,
    IdField,
    IntegerField,
    JSONField,
    ListField,
    Output,
    StrictSerializer,
    TimestampField,
)
from apps.jobs.fields import KindField, QueueField, RateInput, RetryInput
from apps.jobs.models import LEASE_SECONDS, MAX_ATTEMPTS, RETENTION_DAYS
from apps.jobs.states import AttemptState, JobState, StepKind

MOST_AT_ONCE = 500
_LONGEST_LEASE = 24 * 3600
_YEAR = 365 * 86_400
_LEASE = "How long the lease is good without a heartbeat; without a word, as the queue says."
_TOKEN = "The token of the lease, as the claim answered it."  # noqa: S105 - a sentence
_PUSH_URL = "Its jobs are sent there, signed, instead of being claimed; empty: they are claimed."
_RETRY = "Backoff; what it leaves out is the queue's."
_RATE_PER_KEY = "How many with one concurrency_key are begun in what time; the others wait, and stay ready."


class JobInput(StrictSerializer):
    """A new job."""

    queue = QueueField(
        default="default", help_text="Any name; one that nobody described has the usual rules."
    )
    kind = KindField(help_text="What is to be done, in words of the product.")
    payload = JSONField(default=dict, help_text="What the worker gets to know; up to 256 KiB.")
    priority = IntegerField(
        min_value=-100, max_value=100, default=0, help_text="Higher ones are claimed first."
    )
    max_attempts = IntegerField(
        min_value=1, max_value=1000, default=None, allow_null=True, help_text="Null: as the queue says."
    )
    retry = RetryInput(default=None, allow_null=True, help_text=_RETRY)
    key = CharField(
        max_length=200,
        default="",
        allow_blank=True,
        help_text="One unfinished job of the queue has it; that one is answered.",
    )
    concurrency_key = CharField(
        max_length=100,
        default="",
        allow_blank=True,
        help_text="Jobs with the same one run one after the other.",
    )
    run_at = TimestampField(default=None, allow_null=True, help_text="Not before.")
    delay_seconds = FloatField(min_value=0, max_value=_YEAR, required=False, help_text="Instead of run_at.")
    expires_at = TimestampField(
        default=None, allow_null=True, help_text="It is given up when no attempt has begun by then."
    )
    deadline_at = TimestampField(
        default=None, allow_null=True, help_text="It is over then, whatever it does."
    )
    timeout_seconds = IntegerField(
        min_value=1,
        max_value=_YEAR,
        default=None,
        allow_null=True,
        help_text="Of one attempt; null: as the queue says.",
    )
    after = ListField(child=IdField("job"), required=False, help_text="It waits until these have succeeded.")
    parent = IdField(  # type: ignore[assignment]
        "job", required=False, help_text="The job that enqueues it, for whoever reads its story."
    )
    organization = IdField("org", required=False, allow_null=True, help_text="Whose it is.")


class JobsInput(StrictSerializer):
    """Several new jobs: all of them, or none."""

    jobs = ListField(child=JobInput(), min_length=1, max_length=MOST_AT_ONCE)


class JobOutput(Output):
    """A job and where it stands."""

    id = CharField(source="public_id")
    queue = CharField()
    kind = CharField()
    state = ChoiceField(choices=JobState.choices, source="shown_state")
    payload = JSONField()
    result = JSONField()
    error = JSONField()
    progress = FloatField(allow_null=True)
    message = CharField()
    priority = IntegerField()
    attempt = IntegerField()
    max_attempts = IntegerField(allow_null=True)
    retry = JSONField()
    key = CharField()
    concurrency_key = CharField()
    run_at = TimestampField(allow_null=True)
    expires_at = TimestampField(allow_null=True)
    deadline_at = TimestampField(allow_null=True)
    timeout_seconds = IntegerField(allow_null=True)
    worker = CharField()
    organization = IdField("org", source="organization_id", allow_null=True)
    parent = IdField("job", allow_null=True)  # type: ignore[assignment]
    schedule = IdField("sch", source="schedule_id", allow_null=True)
    enqueued_by = JSONField()
    created_at = TimestampField()
    started_at = TimestampField(allow_null=True)
    finished_at = TimestampField(allow_null=True)


class JobsOutput(Output):
    """Jobs, in the order in which they were asked for."""

    data = ListField(child=JobOutput())  # type: ignore[assignment]


class JobParameters(ListParameters):
    """Filters of jobs."""

    queue = CharField(max_length=60, required=False, help_text="Only of this queue.")
    kind = CharField(max_length=100, required=False, help_text="Only of this kind.")
    state = ChoiceField(choices=JobState.choices, required=False, help_text="Only those that stand there.")
    key = CharField(
        max_length=200, required=False, help_text="Only the one with this key, and those that had it."
    )
    organization = IdField("org", required=False, help_text="Only those of this organization.")
    parent = IdField("job", required=False, help_text="Only those that this job enqueued.")  # type: ignore[assignment]
    schedule = IdField("sch", required=False, help_text="Only those that this schedule enqueued.")


class JobGetParameters(Parameters):
    """Whether to wait for news."""

    wait_seconds = IntegerField(
        min_value=0,
        max_value=MOST_SECONDS,
        default=0,
        help_text="How long to wait until it changes or is over; less where many wait.",
    )


class ClaimInput(StrictSerializer):
    """What a worker asks for."""

    limit = IntegerField(min_value=1, max_value=100, default=1)
    lease_seconds = IntegerField(min_value=1, max_value=_LONGEST_LEASE, required=False, help_text=_LEASE)
    wait_seconds = FloatField(
        min_value=0,
        max_value=60,
        default=0,
        help_text="How long the call may wait for a job: 20 at most, and less where many wait.",
    )
    worker = CharField(
        max_length=100, default="", allow_blank=True, help_text="What the worker calls itself."
    )


class LeaseOutput(Output):
    """The right to work on a job for a while."""

    token = CharField()
    expires_at = TimestampField(source="lease.until")


class ClaimOutput(Output):
    """A job, and the lease with which it may be worked on."""

    job = JobOutput()
    lease = LeaseOutput(source="*")


class ClaimsOutput(Output):
    """What was claimed; nothing when there is nothing to do."""

    data = ListField(child=ClaimOutput())  # type: ignore[assignment]


class HeartbeatInput(StrictSerializer):
    """A worker is still there, and says how far it is."""

    lease_token = CharField(max_length=100, help_text=_TOKEN)
    lease_seconds = IntegerField(min_value=1, max_value=_LONGEST_LEASE, required=False, help_text=_LEASE)
    progress = FloatField(
        min_value=0, max_value=100, required=False, help_text="Of 1 or of 100, as you like."
    )
    message = CharField(max_length=500, required=False, allow_blank=True)


class HeartbeatOutput(Output):
    """Whether to go on, and until when the lease is good."""

    cancel = BooleanField()
    expires_at = TimestampField()


class JobCompleteInput(StrictSerializer):
    """A job is done."""

    lease_token = CharField(max_length=100, help_text=_TOKEN)
    result = JSONField(default=None, allow_null=True, help_text="What came of it; up to 256 KiB.")


class JobErrorInput(StrictSerializer):
    """What went wrong."""

    type = CharField(max_length=200, default="error", help_text="A word for its kind, such as TimeoutError.")
    message = CharField(max_length=10_000, default="", allow_blank=True)
    details = JSONField(required=False, help_text="Whatever helps; up to 32 KiB with the rest.")


class JobFailInput(StrictSerializer):
    """An attempt failed."""

    lease_token = CharField(max_length=100, help_text=_TOKEN)
    error = JobErrorInput()
    retryable = BooleanField(default=True, help_text="False: another attempt would fail just so.")
    retry_after_seconds = FloatField(min_value=0, max_value=_YEAR, default=0, help_text="Not before.")


class JobAttemptOutput(Output):
    """One attempt at a job."""

    id = CharField(source="public_id")
    number = IntegerField(
        help_text="It comes again after a wait and where a job is run anew; the id does not."
    )
    state = ChoiceField(choices=AttemptState.choices)
    worker = CharField()
    error = JSONField()
    messages = JSONField()
    started_at = TimestampField()
    ended_at = TimestampField(allow_null=True)
    seconds = FloatField(allow_null=True)


class JobStepOutput(Output):
    """A step of a job: what it remembers, or what it waits for."""

    name = CharField()
    kind = ChoiceField(choices=StepKind.choices)
    done = BooleanField()
    result = JSONField()
    until = TimestampField(allow_null=True)
    created_at = TimestampField()
    done_at = TimestampField(allow_null=True)


class JobStepInput(StrictSerializer):
    """What a step came to."""

    lease_token = CharField(max_length=100, help_text=_TOKEN)
    result = JSONField(default=None, allow_null=True)


class JobEventInput(StrictSerializer):
    """An event to wait for."""

    type = CharField(max_length=120, help_text="As order.paid, exactly.")
    subject = CharField(max_length=200, default="", allow_blank=True, help_text="Empty: any.")


class JobWaitInput(StrictSerializer):
    """What a job waits for without holding its slot: a time, or an event, or what comes first of both."""

    lease_token = CharField(max_length=100, help_text=_TOKEN)
    name = CharField(
        max_length=200, help_text="The step's name; when it is done already, nothing is waited for."
    )
    seconds = FloatField(min_value=0, max_value=_YEAR, required=False)
    until = TimestampField(required=False)
    event = JobEventInput(required=False)


class JobWaitOutput(Output):
    """The step, and whether the job waits for it now: then its lease is gone, and the worker is free."""

    waiting = BooleanField()
    step = JobStepOutput()


class QueueInput(StrictSerializer):
    """How the jobs of a queue are run."""

    name = QueueField(help_text="It stays.")
    description = CharField(max_length=500, default="", allow_blank=True)
    kinds = ListField(child=KindField(), default=list, help_text="Kinds of job that it takes; empty: any.")
    push_url = CharField(max_length=2000, default="", allow_blank=True, help_text=_PUSH_URL)
    weight = IntegerField(
        min_value=1, max_value=1000, default=1, help_text="Among the tenant's and others' queues."
    )
    max_in_flight = IntegerField(min_value=1, max_value=100_000, default=None, allow_null=True)
    max_in_flight_per_organization = IntegerField(
        min_value=1, max_value=100_000, default=None, allow_null=True
    )
    max_in_flight_per_key = IntegerField(min_value=1, max_value=1000, default=1)
    rate = RateInput(default=None, allow_null=True, help_text="How many are begun in what time.")
    rate_per_organization = RateInput(default=None, allow_null=True)
    rate_per_key = RateInput(default=None, allow_null=True, help_text=_RATE_PER_KEY)
    max_attempts = IntegerField(min_value=1, max_value=1000, default=MAX_ATTEMPTS)
    retry = RetryInput(default=dict, help_text=_RETRY)
    lease_seconds = IntegerField(min_value=1, max_value=_LONGEST_LEASE, default=LEASE_SECONDS)
    timeout_seconds = IntegerField(min_value=1, max_value=_YEAR, default=None, allow_null=True)
    retention_days = IntegerField(min_value=1, max_value=3650, default=RETENTION_DAYS)


class QueuePatch(StrictSerializer):
    """What may be changed about a queue."""

    description = CharField(max_length=500, allow_blank=True)
    kinds = ListField(child=KindField())
    push_url = CharField(max_length=2000, allow_blank=True, help_text=_PUSH_URL)
    weight = IntegerField(min_value=1, max_value=1000)
    max_in_flight = IntegerField(min_value=1, max_value=100_000, allow_null=True)
    max_in_flight_per_organization = IntegerField(min_value=1, max_value=100_000, allow_null=True)
    max_in_flight_per_key = IntegerField(min_value=1, max_value=1000)
    rate = RateInput(allow_null=True)
    rate_per_organization = RateInput(allow_null=True)
    rate_per_key = RateInput(allow_null=True, help_text=_RATE_PER_KEY)
    max_attempts = IntegerField(min_value=1, max_value=1000)
    retry = RetryInput()
    lease_seconds = IntegerField(min_value=1, max_value=_LONGEST_LEASE)
    timeout_seconds = IntegerField(min_value=1, max_value=_YEAR, allow_null=True)
    retention_days = IntegerField(min_value=1, max_value=3650)


class QueueOutput(Output):
    """A queue, its rules, and how it stands."""

    id = CharField(source="public_id")
    name = CharField()
    description = CharField()
    kinds = ListField(child=CharField())
    push_url = CharField()
    paused = BooleanField()
    weight = IntegerField()
    max_in_flight = IntegerField(allow_null=True)
    max_in_flight_per_organization = IntegerField(allow_null=True)
    max_in_flight_per_key = IntegerField()
    rate = JSONField()
    rate_per_organization = JSONField()
    rate_per_key = JSONField()
    max_attempts = IntegerField()
    retry = JSONField()
    lease_seconds = IntegerField()
    timeout_seconds = IntegerField(allow_null=True)
    retention_days = IntegerField()
    jobs = DictField(
        child=IntegerField(), help_text="How many jobs are in which state, of those that are not over."
    )
    version = IntegerField()
    created_at = TimestampField()


class QueueWithSecretOutput(QueueOutput):
    """A queue, and the secret that signs what is sent to its `push_url`, where it was made just now."""

    secret = CharField(allow_null=True)


class QueueRotateInput(StrictSerializer):
    """How long the previous secret signs too."""

    overlap_seconds = IntegerField(
        min_value=0, max_value=7 * 86_400, default=86_400, help_text="0 ends the previous secret at once."
    )

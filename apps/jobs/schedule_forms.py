"""What goes in and out about schedules."""

from __future__ import annotations

from apps.core.parameters import ListParameters, Parameters
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    IdField,
    IntegerField,
    JSONField,
    ListField,
    NameField,
    Output,
    StrictSerializer,
    TimestampField,
)
from apps.jobs.fields import KindField, QueueField, RetryInput
from apps.jobs.states import CatchUp, FiringOutcome

_YEAR = 365 * 86_400
_CRON = "Minute, hour, day of month, month, day of week, such as 30 2 * * 1-5; or @daily and the like."
_TIMEZONE = "By whose clock cron is read, such as Europe/Berlin."
_EVERY = "So many seconds from one time to the next, counted from when it was made."
_AT = "Once, then."
_CATCH_UP = "Of times that were missed: none is made up for, one job for all of them, or a job for each."
_KEY = "A time is skipped while a job with it is unfinished in the queue."
_CONCURRENCY = "Its jobs, and others with the same one, run one after the other."
_EXPIRES = "A job is given up when no attempt has begun so many seconds after it was enqueued."
_DEADLINE = "A job is over so many seconds after it was enqueued, whatever it does."


class ScheduleInput(StrictSerializer):
    """A new schedule: exactly one of cron, every_seconds and at."""

    name = NameField(max_length=100)
    cron = CharField(max_length=200, default=None, allow_null=True, help_text=_CRON)
    timezone = CharField(max_length=64, default="UTC", help_text=_TIMEZONE)
    every_seconds = IntegerField(
        min_value=1, max_value=_YEAR, default=None, allow_null=True, help_text=_EVERY
    )
    at = TimestampField(default=None, allow_null=True, help_text=_AT)
    queue = QueueField(default="default")
    kind = KindField()
    payload = JSONField(default=dict, help_text="Of each job; up to 256 KiB.")
    catch_up = ChoiceField(choices=CatchUp.choices, default=CatchUp.ONE.value, help_text=_CATCH_UP)
    priority = IntegerField(min_value=-100, max_value=100, required=False)
    max_attempts = IntegerField(min_value=1, max_value=1000, required=False, allow_null=True)
    retry = RetryInput(
        required=False, allow_null=True, help_text="Backoff; what it leaves out is the queue's."
    )
    key = CharField(max_length=200, required=False, allow_blank=True, help_text=_KEY)
    concurrency_key = CharField(max_length=100, required=False, allow_blank=True, help_text=_CONCURRENCY)
    timeout_seconds = IntegerField(
        min_value=1, max_value=_YEAR, required=False, allow_null=True, help_text="Of one attempt."
    )
    expires_after_seconds = IntegerField(
        min_value=1, max_value=_YEAR, required=False, allow_null=True, help_text=_EXPIRES
    )
    deadline_after_seconds = IntegerField(
        min_value=1, max_value=_YEAR, required=False, allow_null=True, help_text=_DEADLINE
    )
    organization = IdField("org", required=False, allow_null=True, help_text="Whose it is, and its jobs.")


class SchedulePatch(StrictSerializer):
    """What may be changed about a schedule. One of cron, every_seconds and at takes the place of the others."""

    name = NameField(max_length=100)
    cron = CharField(max_length=200, help_text=_CRON)
    timezone = CharField(max_length=64, help_text=_TIMEZONE)
    every_seconds = IntegerField(min_value=1, max_value=_YEAR, help_text=_EVERY)
    at = TimestampField(help_text=_AT)
    queue = QueueField()
    kind = KindField()
    payload = JSONField()
    catch_up = ChoiceField(choices=CatchUp.choices, help_text=_CATCH_UP)
    priority = IntegerField(min_value=-100, max_value=100)
    max_attempts = IntegerField(min_value=1, max_value=1000, allow_null=True)
    retry = RetryInput(allow_null=True)
    key = CharField(max_length=200, allow_blank=True, help_text=_KEY)
    concurrency_key = CharField(max_length=100, allow_blank=True, help_text=_CONCURRENCY)
    timeout_seconds = IntegerField(min_value=1, max_value=_YEAR, allow_null=True)
    expires_after_seconds = IntegerField(min_value=1, max_value=_YEAR, allow_null=True, help_text=_EXPIRES)
    deadline_after_seconds = IntegerField(min_value=1, max_value=_YEAR, allow_null=True, help_text=_DEADLINE)


class ScheduleOutput(Output):
    """A schedule, when it fires next, and in whose name."""

    id = CharField(source="public_id")
    name = CharField()
    cron = CharField(source="expression", allow_null=True)
    timezone = CharField()
    every_seconds = IntegerField(allow_null=True)
    at = TimestampField(allow_null=True)
    queue = CharField()
    kind = CharField()
    payload = JSONField()
    catch_up = ChoiceField(choices=CatchUp.choices)
    priority = IntegerField(source="job.priority")
    max_attempts = IntegerField(source="job.max_attempts", allow_null=True)
    retry = JSONField(source="job.retry")
    key = CharField(source="job.key")
    concurrency_key = CharField(source="job.concurrency_key")
    timeout_seconds = IntegerField(source="job.timeout_seconds", allow_null=True)
    expires_after_seconds = IntegerField(source="job.expires_after_seconds", allow_null=True)
    deadline_after_seconds = IntegerField(source="job.deadline_after_seconds", allow_null=True)
    paused = BooleanField()
    stopped_because = CharField(
        help_text="Why it fires no more, where nobody paused it; resuming takes it over."
    )
    next_at = TimestampField(allow_null=True)
    last_at = TimestampField(allow_null=True)
    ends_at = TimestampField(
        allow_null=True,
        help_text="When the key or delegation ends in whose name it fires; it stops then, unless somebody resumes it.",
    )
    organization = IdField("org", source="organization_id", allow_null=True)
    created_by = JSONField()
    acts_as = JSONField(
        help_text="Who made, or last changed or resumed it: its jobs are enqueued in that name."
    )
    version = IntegerField()
    created_at = TimestampField()


class ScheduleParameters(ListParameters):
    """Filters of schedules."""

    queue = CharField(max_length=60, required=False, help_text="Only those that fill this queue.")
    kind = CharField(max_length=100, required=False, help_text="Only those of this kind of job.")
    paused = BooleanField(required=False, help_text="Only those that are paused or stopped, or that are not.")
    organization = IdField("org", required=False, help_text="Only those of this organization.")


class FiringParameters(Parameters):
    """How much to list."""

    limit = IntegerField(min_value=1, max_value=100, default=10, help_text="How many, ahead and behind.")


class FiringOutput(Output):
    """A time at which it fired or was to fire, and what came of it."""

    at = TimestampField()
    outcome = ChoiceField(choices=FiringOutcome.choices)
    job = IdField("job", source="job_id", allow_null=True)
    times = IntegerField(
        help_text="How many it stands for: those that one job made up for, or that were skipped."
    )
    reason = CharField()
    by_hand = BooleanField()
    done_at = TimestampField()


class FiringsOutput(Output):
    """The times that come, the next one first, and those that were, the last one first. Kept for 30 days."""

    next = ListField(child=TimestampField())
    past = ListField(child=FiringOutput())

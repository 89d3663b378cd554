"""Where a job and its attempts can stand, and what leads from one to the other."""

from __future__ import annotations

from typing import Final

from django.db import models


class JobState(models.TextChoices):
    """Where a job stands; the last four are ends."""

    SCHEDULED = "scheduled", "Scheduled"
    READY = "ready", "Ready"
    RUNNING = "running", "Running"
    RETRY_WAIT = "retry_wait", "Waits for its next attempt"
    WAITING = "waiting", "Waits for something else"
    CANCELLING = "cancelling", "Being cancelled"
    SUCCEEDED = "succeeded", "Succeeded"
    DEAD = "dead", "Dead"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


#: The ends: nothing happens to such a job by itself any more.
ENDED: Final = frozenset({JobState.SUCCEEDED, JobState.DEAD, JobState.CANCELLED, JobState.EXPIRED})
#: Those of which a worker holds the lease.
HELD: Final = frozenset({JobState.RUNNING, JobState.CANCELLING})
#: What can be sent on its way again.
REDRIVABLE: Final = frozenset({JobState.DEAD, JobState.CANCELLED, JobState.EXPIRED})


class AttemptState(models.TextChoices):
    """How an attempt ended. One that `waits` gave its slot back, and goes on in a later one that is not counted."""

    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    LOST = "lost", "Lost by its worker"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"
    WAITS = "waits", "Gave its slot back"


class StepKind(models.TextChoices):
    """What a step is: a result that is remembered, or what the job waits for."""

    RESULT = "result", "Result"
    SLEEP = "sleep", "Sleep"
    EVENT = "event", "Event"
    JOB = "job", "Another job"


class CatchUp(models.TextChoices):
    """What a schedule does about firings that were missed."""

    NONE = "none", "None"
    ONE = "one", "One for all of them"
    ALL = "all", "All of them"


class FiringOutcome(models.TextChoices):
    """What came of a time at which a schedule was to fire."""

    FIRED = "fired", "Fired"
    SKIPPED = "skipped", "Skipped"
    REFUSED = "refused", "Refused"

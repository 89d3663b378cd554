"""The registry's side of jobs: what waits or runs anywhere, without its payload, and whose turn it is.

A tenant puts its own dispatch rows here and can do nothing else; turns are kept by the registry's role alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID

from django.db import models

from apps.core.ids import uuid7
from apps.core.walls import filled_by_tenants

#: The share of what belongs to no organization: a value and no null, so that an index finds it.
NOBODY: Final = UUID(int=0)


class DispatchState(models.TextChoices):
    """Where a dispatch row stands.

    One that is held waits until another job with its concurrency key ends, or until the rate of its key lets it in.
    """

    SCHEDULED = "scheduled", "Scheduled"
    READY = "ready", "Ready"
    HELD = "held", "Held"
    LEASED = "leased", "Leased"


class Runner(models.TextChoices):
    """Who takes jobs out of a queue: the product's own workers, or those of the platform."""

    CLIENT = "client", "The product's workers"
    PLATFORM = "platform", "The platform's workers"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job waits: the tenant's schema, the queue, and the share (see NOBODY)."""

    schema_name: str
    queue: str
    share: UUID


@filled_by_tenants("schema_name")
class Dispatch(models.Model):
    """One job that is not over, under the job's id. It is gone when the job ends."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schema_name = models.CharField(max_length=63)
    queue = models.CharField(max_length=60)
    share = models.UUIDField(default=NOBODY, help_text="The organization; all zeros for the tenant itself")
    runner = models.CharField(max_length=10, choices=Runner)
    state = models.CharField(max_length=10, choices=DispatchState, default=DispatchState.READY)
    rank = models.SmallIntegerField(
        default=0, help_text="Lower ones first: the priority with its sign changed"
    )
    concurrency_key = models.CharField(max_length=100, blank=True)
    run_at = models.DateTimeField(null=True, help_text="When a scheduled one becomes ready")
    ends_at = models.DateTimeField(null=True, help_text="When the job is over, whatever it does then")
    token = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    touched_at = models.DateTimeField(null=True, help_text="When its worker last said something")
    outgoing = models.BooleanField(
        default=False, db_default=False, help_text="Leased to be sent to a receiver of the tenant's choice"
    )

    class Meta:
        db_table = '"public"."jobs_dispatch"'
        indexes: ClassVar = [
            models.Index(
                fields=["schema_name", "queue", "share", "rank", "id"],
                name="jobs_dispatch_ready",
                condition=models.Q(state="ready"),
            ),
            models.Index(
                fields=["schema_name", "queue", "share", "concurrency_key"],
                name="jobs_dispatch_leased",
                condition=models.Q(state="leased"),
            ),
            models.Index(
                fields=["schema_name", "queue", "share", "concurrency_key", "rank", "id"],
                name="jobs_dispatch_held",
                condition=models.Q(state="held"),
            ),
            models.Index(fields=["run_at"], name="jobs_dispatch_due", condition=models.Q(state="scheduled")),
            models.Index(
                fields=["leased_until"], name="jobs_dispatch_lost", condition=models.Q(state="leased")
            ),
            models.Index(
                fields=["ends_at"], name="jobs_dispatch_ends", condition=models.Q(ends_at__isnull=False)
            ),
            # The same by tenant, so that none has to wait until all of another one's are done.
            models.Index(
                fields=["schema_name", "run_at"],
                name="jobs_dispatch_due_of",
                condition=models.Q(state="scheduled", run_at__isnull=False),
            ),
            models.Index(
                fields=["schema_name", "ends_at"],
                name="jobs_dispatch_ends_of",
                condition=models.Q(ends_at__isnull=False),
            ),
            models.Index(
                fields=["schema_name"],
                name="jobs_dispatch_outgoing",
                condition=models.Q(state="leased", outgoing=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.queue} {self.id}"


class _Turn(models.Model):
    """What a lane and a share have in common: how much it had, and how much more it may have now.

    `tat` is the theoretical arrival time of the next job under the rate limit (GCRA, ITU-T I.371), and `blocked_until`
    when the limit next lets one through.
    """

    active = models.BooleanField(default=True, help_text="Something may be claimed here")
    virtual_time = models.FloatField(default=0)
    tat = models.DateTimeField(null=True)
    blocked_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class Lane(_Turn):
    """A queue of one tenant, among those of all others: the one that had least for its weight is next.

    The limits are copies of what the tenant's queue says; null is none.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schema_name = models.CharField(max_length=63)
    queue = models.CharField(max_length=60)
    runner = models.CharField(max_length=10, choices=Runner)
    paused = models.BooleanField(default=False)
    outgoing = models.BooleanField(
        default=False, db_default=False, help_text="Its jobs wait for receivers of the tenant's choice"
    )
    weight = models.PositiveIntegerField(default=1)
    lease_seconds = models.PositiveIntegerField(default=60)
    max_in_flight = models.PositiveIntegerField(null=True)
    share_max_in_flight = models.PositiveIntegerField(null=True)
    key_max_in_flight = models.PositiveIntegerField(default=1)
    rate = models.FloatField(null=True, help_text="Seconds between two jobs, in the long run")
    burst = models.PositiveIntegerField(default=1)
    share_rate = models.FloatField(null=True)
    share_burst = models.PositiveIntegerField(default=1)
    key_rate = models.FloatField(null=True)
    key_burst = models.PositiveIntegerField(default=1, db_default=1)

    class Meta:
        db_table = '"public"."jobs_lane"'
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["schema_name", "queue"], name="jobs_lane_once")
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["runner", "virtual_time"],
                name="jobs_lane_turn",
                condition=models.Q(active=True, paused=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.schema_name}/{self.queue}"


class Share(_Turn):
    """What one organization has of a lane."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schema_name = models.CharField(max_length=63)
    queue = models.CharField(max_length=60)
    share = models.UUIDField(default=NOBODY)

    class Meta:
        db_table = '"public"."jobs_share"'
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["schema_name", "queue", "share"], name="jobs_share_once")
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["schema_name", "queue", "virtual_time"],
                name="jobs_share_turn",
                condition=models.Q(active=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.schema_name}/{self.queue}/{self.share}"


class KeyTurn(models.Model):
    """What one concurrency key had of a share, where the lane has a rate for each key. No row is: nothing lately.

    Whoever writes one has locked the lane, but for what forgets those whose `tat` is over.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schema_name = models.CharField(max_length=63)
    queue = models.CharField(max_length=60)
    share = models.UUIDField(default=NOBODY)
    concurrency_key = models.CharField(max_length=100)
    tat = models.DateTimeField()
    blocked_until = models.DateTimeField(
        null=True, help_text="When held ones are looked at; null while none waits for the rate"
    )

    class Meta:
        db_table = '"public"."jobs_key_turn"'
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["schema_name", "queue", "share", "concurrency_key"], name="jobs_key_turn_once"
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["blocked_until"],
                name="jobs_key_turn_due",
                condition=models.Q(blocked_until__isnull=False),
            ),
            # The same by lane, so that none has to wait until all of another one's are done.
            models.Index(
                fields=["schema_name", "queue", "blocked_until"],
                name="jobs_key_turn_due_of",
                condition=models.Q(blocked_until__isnull=False),
            ),
            models.Index(
                fields=["tat"], name="jobs_key_turn_over", condition=models.Q(blocked_until__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schema_name}/{self.queue}/{self.share}/{self.concurrency_key}"

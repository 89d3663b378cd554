"""Finding jobs, queues and schedules, in the words of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Count, Exists, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

from apps.core import clock
from apps.core.actor import Actor
from apps.jobs.states import ENDED, JobState

if TYPE_CHECKING:
    from apps.jobs.models import Job, Queue, Schedule  # noqa: F401 - named in the classes' bases

_LATER = (JobState.SCHEDULED, JobState.RETRY_WAIT)


class QueueQuerySet(models.QuerySet["Queue"]):
    """Queues that somebody described."""

    def counted_for(self, actor: Actor) -> QueueQuerySet:
        """With `jobs`: how many unfinished ones `actor` sees in which state."""
        from apps.jobs.models import Job

        rows = Job.objects.visible_to(actor).unfinished().filter(queue=OuterRef("name"))
        counts = rows.values("state").annotate(found=Count("pk")).order_by()
        nothing = Value({}, models.JSONField())
        document = Coalesce(_AsDocument(counts.values("state", "found")), nothing)
        return self.annotate(jobs=document)  # type: ignore[no-redef]


class _AsDocument(Subquery):
    """The two columns of a query as one JSON object."""

    template = "(select jsonb_object_agg(state, found) from (%(subquery)s) counted)"
    output_field = models.JSONField()


class JobQuerySet(models.QuerySet["Job"]):
    """Jobs of a tenant."""

    def visible_to(self, actor: Actor) -> JobQuerySet:
        """Those that `actor` may see: all for the tenant's own, for others those of their organization.

        The platform's own jobs are shown where they are asked for by id, and in no list.
        """
        if actor.is_tenant_wide:
            return self
        if actor.organization is None:
            return self.none()
        return self.filter(organization_id=actor.organization.id)

    def light(self) -> JobQuerySet:
        """Without what may be large: for many at a time, and for whoever does not look at it."""
        return self.defer("payload", "result")

    def timed(self) -> JobQuerySet:
        """With `attempt_seconds`: how long one attempt may take, by the job itself or else by its queue."""
        from apps.jobs.models import Queue

        rule = Queue.objects.filter(name=OuterRef("queue")).values("timeout_seconds")
        named = {"attempt_seconds": Coalesce("timeout_seconds", Subquery(rule))}
        return self.annotate(**named)

    def with_awaited(self) -> JobQuerySet:
        """With `awaited`: whether another job waits for it, as far as where one stands lets one see."""
        from apps.jobs.models import Step

        named = {"awaited": Exists(Step.objects.filter(on_job=OuterRef("pk"), done_at__isnull=True))}
        return self.annotate(**named)

    def with_free_key(self) -> JobQuerySet:
        """Without those whose key is an unfinished job's now."""
        from apps.jobs.models import Job

        holders = Job.objects.unfinished().filter(queue=OuterRef("queue"), key=OuterRef("key"))
        within = Exists(holders.filter(organization_id=OuterRef("organization_id")))
        of_nobody = Q(organization__isnull=True) & Exists(holders.filter(organization__isnull=True))
        return self.filter(Q(key="") | ~(within | of_nobody))

    def of_the_product(self) -> JobQuerySet:
        """Without the platform's own work."""
        return self.filter(system=False)

    def unfinished(self) -> JobQuerySet:
        """Those that have not ended."""
        return self.exclude(state__in=sorted(ENDED))

    def in_state(self, state: str) -> JobQuerySet:
        """Those in `state` at this moment: what waited for a time that has come is ready."""
        due = Q(state__in=_LATER, run_at__lte=clock.now())
        if state == JobState.READY:
            return self.filter(Q(state=state) | due)
        return self.filter(state=state).exclude(due) if state in _LATER else self.filter(state=state)


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    """Schedules of a tenant."""

    def visible_to(self, actor: Actor) -> ScheduleQuerySet:
        """Those that `actor` may see: all for the tenant's own, for others those of their organization."""
        if actor.is_tenant_wide:
            return self
        if actor.organization is None:
            return self.none()
        return self.filter(organization_id=actor.organization.id)

"""Bringing back what is dead because a job was that runs again: it waits once more, as it did at first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from django.db.models import Q

from apps.core.actor import Actor
from apps.jobs import ending
from apps.jobs.models import Job, Step
from apps.jobs.states import ENDED, JobState, StepKind

#: How many come back with one call. Those that are left stay dead, and can be run again by themselves alone.
MOST = 1000


def find_dependents(actor: Actor, ids: Collection[UUID]) -> list[Job]:
    """Up to MOST jobs that `actor` may see and that are dead because of jobs with `ids`, or of one another; locked.

    Not one that waits for yet another job without a chance, nor one whose key is another job's by now.
    """
    found: list[Job] = []
    while ids and len(found) < MOST:
        dead = _dead_of(actor, ids, MOST - len(found))
        hopeless = _hopeless(dead, {*ids, *(job.pk for job in found)})
        back = [job for job in dead if job.pk not in hopeless]
        found += back
        ids = [job.pk for job in back]
    return found


def wait_again(jobs: Sequence[Job]) -> None:
    """Have `jobs` wait for all of what they waited for that is not over; what is forgotten by now is over."""
    unfinished = Job.objects.unfinished().values("pk")
    waits = Step.objects.filter(job__in=jobs, kind=StepKind.JOB, on_job__in=unfinished)
    waits.update(done_at=None, result=None)


def _dead_of(actor: Actor, ids: Collection[UUID], most: int) -> list[Job]:
    waiting = Step.objects.filter(on_job__in=ids).values("job_id")
    dead = Job.objects.visible_to(actor).of_the_product().with_free_key()
    dead = dead.filter(state=JobState.DEAD, error__type=ending.DEPENDENCY_FAILED)
    chosen = list(dead.filter(pk__in=waiting).order_by("id").values_list("pk", flat=True)[:most])
    # With what they wait for, which else might end unseen before they wait again.
    others = Step.objects.filter(job__in=chosen, kind=StepKind.JOB).values_list("on_job", flat=True)
    ending.lock({*chosen, *(other for other in others if other is not None)})
    return list(dead.light().filter(pk__in=chosen).order_by("id"))


def _hopeless(jobs: Sequence[Job], back: Collection[UUID]) -> set[UUID]:
    """Those that wait for a job that is over without success, and is not among those that come `back`.

    Of one that is forgotten by now, the step itself says how it ended.
    """
    waits = Step.objects.filter(job__in=jobs, kind=StepKind.JOB).exclude(on_job__in=back)
    lost = Q(on_job__in=Job.objects.filter(state__in=ENDED - {JobState.SUCCEEDED}).values("pk"))
    forgotten = ~Q(on_job__in=Job.objects.values("pk")) & ~Q(result__state=JobState.SUCCEEDED)
    return set(waits.filter(lost | forgotten).values_list("job_id", flat=True))

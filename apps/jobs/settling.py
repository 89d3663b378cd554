"""How attempts end: what follows from a failed one, and writing many ends down with all that comes of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.core import clock
from apps.core.actor import Actor
from apps.jobs import backoff, ending, leases, running
from apps.jobs.models import MAX_ATTEMPTS, Job, Queue
from apps.jobs.running import Outcome
from apps.jobs.states import AttemptState, JobState


def failure(
    job: Job,
    token: UUID,
    error: dict[str, Any],
    retryable: bool = True,
    retry_after: float = 0,
    lost_at: datetime | None = None,
) -> Outcome:
    """What follows from a failed attempt: another one at a time, or the end.

    One that was lost, at the end of its lease, has waited long enough: the next is due from then on, whatever this
    machine's clock says.
    """
    queue = Queue.objects.filter(name=job.queue).first()
    policies = (job.retry, queue.retry if queue else None)
    most = job.max_attempts or (queue.max_attempts if queue else MAX_ATTEMPTS)
    final = not retryable or backoff.is_final(error["type"], *policies)
    attempt = AttemptState.LOST if lost_at else AttemptState.FAILED
    dead = Outcome(job.pk, token, JobState.DEAD, attempt, error=error, forsaken=retryable)
    if job.state == JobState.CANCELLING or final or job.attempt >= most:
        return dead
    run_at = lost_at or backoff.time_after(job.attempt, *policies, at_least=retry_after)
    if job.deadline_at is not None and run_at >= job.deadline_at:
        return dead
    return Outcome(job.pk, token, JobState.RETRY_WAIT, attempt, error=error, run_at=run_at)


def settle(actor: Actor | None, outcomes: list[Outcome]) -> set[UUID]:
    """Write how attempts ended, in one transaction with all that follows. Returns the jobs whose lease was held."""
    with transaction.atomic():
        # Both have to find the same jobs late.
        now = clock.now()
        held = _let_go(outcomes, now)
        if not held:
            return set()
        settled = running.end([outcome for outcome in outcomes if outcome.job_id in held], now)
        if settled.told:
            ending.follow(actor, settled.told)
        ending.look_after(settled.forsaken)
        if unbegun := held - settled.states.keys():
            ending.put_right(unbegun)
    return set(settled.states)


def _let_go(outcomes: list[Outcome], now: datetime) -> set[UUID]:
    """Give the dispatch rows up, or back for another attempt, which those get that are not over."""
    retried = [outcome.job_id for outcome in outcomes if outcome.run_at]
    gone = _ending(retried, now) if retried else set()
    again = [(o.job_id, o.token, o.run_at) for o in outcomes if o.run_at and o.job_id not in gone]
    over = [(o.job_id, o.token) for o in outcomes if not o.run_at or o.job_id in gone]
    held = leases.give_back(again) if again else set()
    return held | (leases.end(over) if over else set())


def _ending(ids: list[UUID], now: datetime) -> set[UUID]:
    """Those that are being cancelled, or late. Whoever cancels one later waits until this transaction ends."""
    leases.lock(ids)
    over = Q(state=JobState.CANCELLING) | Q(deadline_at__lte=now)
    return set(Job.objects.filter(over, pk__in=ids).values_list("pk", flat=True))

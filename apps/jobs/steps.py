"""Operations on steps: what a job remembers by name, so that another attempt goes on where the last one was."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.core import clock
from apps.core.actor import Actor
from apps.core.operations import Risk, operation
from apps.core.problems import FieldError, ValidationFailed
from apps.jobs import leases
from apps.jobs import serializers as forms
from apps.jobs.enqueuing import require_small
from apps.jobs.errors import LeaseLost, StepTaken
from apps.jobs.jobs import find_job
from apps.jobs.models import Job, Step, job_id
from apps.jobs.running import Outcome
from apps.jobs.settling import settle
from apps.jobs.states import AttemptState, JobState, StepKind
from apps.jobs.working import Late, refusing_late, require_time, token_of

#: One that nobody meant to end, but that would keep its job for ever.
_LONGEST_WAIT = timedelta(days=365)
_LONGEST_NAME = 200
_UNTOLD = "steps are a job's own notes"


@operation("jobs.steps", scope="jobs:read", risk=Risk.READ, output=forms.JobStepOutput, lists=True)
def list_steps(actor: Actor, *, job_id: UUID) -> Any:
    """List the steps of a job, the newest first: what it remembers, and what it waits for."""
    return Step.objects.filter(job=find_job(actor, job_id))


@operation(
    "jobs.save-step",
    scope="jobs:work",
    risk=Risk.WRITE,
    input=forms.JobStepInput,
    output=forms.JobStepOutput,
    prepare=refusing_late,
    records_itself=True,
    untold=_UNTOLD,
)
def save_step(
    actor: Actor, *, job_id: UUID, name: str, lease_token: str, prepared: Late, result: Any = None
) -> Step:
    """Remember what a step came to. The first answer counts: a step that is done is answered as it is.

    A worker asks for the steps of a job that it claims, and skips what is done: two calls resume a workflow.
    """
    require_small("result", result)
    _require_short(name)
    job = _held(actor, job_id, lease_token, prepared)
    made, _ = Step.objects.get_or_create(
        job=job,
        name=name,
        defaults={
            "organization_id": job.organization_id,
            "kind": StepKind.RESULT,
            "result": result,
            "done_at": clock.now(),
        },
    )
    if made.kind != StepKind.RESULT:
        raise StepTaken(f"{name} is a step of the kind {made.kind}. {StepTaken.advice}")
    return made


@operation(
    "jobs.wait",
    scope="jobs:work",
    risk=Risk.WRITE,
    input=forms.JobWaitInput,
    output=forms.JobWaitOutput,
    prepare=refusing_late,
    records_itself=True,
    untold=_UNTOLD,
)
def wait(
    actor: Actor,
    *,
    job_id: UUID,
    lease_token: str,
    name: str,
    prepared: Late,
    seconds: float | None = None,
    until: datetime | None = None,
    event: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Let a job wait for a time or an event without holding its slot. The lease ends; the attempt is not counted.

    When it has come, the job is ready again, and this very call answers the step as done: for an event with what it
    said, or with null when the time came first.
    """
    job = _held(actor, job_id, lease_token, prepared)
    step = Step.objects.filter(job=job, name=name).first()
    if step is not None and step.kind == StepKind.RESULT:
        raise StepTaken(f"{name} is a step of the kind {step.kind}. {StepTaken.advice}")
    step = step or _waiting_step(job, name, _until(seconds, until, event), event)
    if step.done_at is None and step.until is not None and step.until <= clock.now():
        step.done_at = clock.now()
    step.save()
    if step.done_at is not None:
        return {"waiting": False, "step": step}
    _give_slot_back(actor, job, step)
    return {"waiting": True, "step": step}


def _held(actor: Actor, pk: UUID, lease_token: str, late: Late) -> Job:
    """The job, locked, for whoever holds its lease. Raises NotFound, and LeaseLost, also once its deadline has come."""
    found = find_job(actor, pk)
    require_time(found, late)
    if not leases.hold(found.pk, token_of(lease_token)):
        raise LeaseLost(f"{job_id(found)} is {found.shown_state}. {LeaseLost.advice}")
    return Job.objects.light().select_for_update(of=("self",)).get(pk=pk)


def _require_short(name: str) -> None:
    """Raise ValidationFailed for the name of a step, out of a URL, that could not be kept."""
    if len(name) > _LONGEST_NAME or "\0" in name:
        said = f"The name of a step has up to {_LONGEST_NAME} characters, and no NUL."
        raise ValidationFailed(f"name: {said}", errors=[FieldError("name", "invalid", said)])


def _until(seconds: float | None, until: datetime | None, event: dict[str, str] | None) -> datetime:
    """When the wait is over. Raises ValidationFailed when nothing says what is waited for, or too much does."""
    if (seconds is not None) == (until is not None) and (until is not None or event is None):
        said = "Say either `seconds` or `until`, or an `event`, with one of them as the longest that it may take."
        raise ValidationFailed(said, errors=[FieldError("seconds", "required", said)])
    latest = clock.now() + _LONGEST_WAIT
    if seconds is not None:
        return clock.now() + timedelta(seconds=seconds)
    return min(until or latest, latest)


def _waiting_step(job: Job, name: str, until: datetime, event: dict[str, str] | None) -> Step:
    step = Step(job=job, organization_id=job.organization_id, name=name, kind=StepKind.SLEEP, until=until)
    if event is not None:
        step.kind, step.event_type, step.event_subject = StepKind.EVENT, event["type"], event["subject"]
    return step


def _give_slot_back(actor: Actor, job: Job, step: Step) -> None:
    """End the attempt; a job that is being cancelled ends with it."""
    token = job.lease_token
    assert token is not None  # noqa: S101 - its lease is held
    settle(
        actor,
        [Outcome(job.pk, token, JobState.WAITING, AttemptState.WAITS, run_at=step.until, counted=False)],
    )

"""A job as a story: what happened to it, moment by moment, and the sentence that sums it up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.actor import Actor
from apps.core.admin_story import code, timeline_of, when
from apps.jobs.actors import is_platforms
from apps.jobs.admin_words import attempt_badge, awaited, document, span, state_badge, step_words, tone
from apps.jobs.models import Attempt, Job, Step
from apps.jobs.states import JobState, StepKind

_MOST_ATTEMPTS, _MOST_STEPS, _MOST_LINES = 50, 50, 20
#: Entries of the trail that the job's own first moment says better.
_ENQUEUING = ("jobs.enqueue", "jobs.enqueue-batch")


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a job. `lines` are sentences, `messages` what its worker said, each with its time.

    `entry` is what the trail has about it; the page shows that as everywhere.
    """

    at: datetime
    tone: str
    title: Any
    lines: Sequence[Any] = ()
    messages: Sequence[tuple[str, str]] = ()
    details: Any = None
    details_called: str = "What else it said"
    entry: Any = None


def moments(actor: Actor, job: Job) -> list[Moment]:
    """What is known to have happened to the job, the newest first."""
    found = [
        _enqueued(job),
        *(_tried(one) for one in _attempts(job)),
        *_stepped(job),
        *_ended(job),
        *_told(actor, job),
    ]
    return sorted(found, key=lambda moment: moment.at, reverse=True)


def _attempts(job: Job) -> Sequence[Attempt]:
    return list(Attempt.objects.filter(job=job).order_by("-id")[:_MOST_ATTEMPTS])


def _enqueued(job: Job) -> Moment:
    return Moment(
        job.created_at,
        "plain",
        format_html("Enqueued in {}", code(job.queue)),
        [format_html("by {}", enqueued_by(job))],
    )


def enqueued_by(job: Job) -> Any:
    """Who enqueued the job, for whom, and through which credential."""
    who = job.enqueued_by
    if not who:
        return "nobody"
    if is_platforms(who):
        return "the platform"
    for_whom = f" for {who['on_behalf_of'].get('name')}" if who.get("on_behalf_of") else ""
    kind = str(who.get("kind") or "").replace("_", " ")
    said = format_html("<strong>{}</strong> ({}){}", who.get("name") or kind, kind, for_whom)
    through = who.get("credential")
    return format_html("{}, through {}", said, code(through)) if through else said


def _tried(attempt: Attempt) -> Moment:
    title = format_html("Attempt {} {}", attempt.number, attempt_badge(attempt.state))
    worker = format_html("{}", code(attempt.worker)) if attempt.worker else "a worker without a name"
    took = f"took {span(attempt.seconds)}" if attempt.ended_at else "not over yet"
    error = attempt.error or {}
    extra = {name: value for name, value in error.items() if name not in ("type", "message")}
    lines = [format_html("by {}, {}", worker, took)]
    if error:
        lines.append(format_html("{} {}", code(error.get("type") or "error"), error.get("message") or ""))
    return Moment(
        attempt.started_at,
        tone(attempt.state),
        title,
        lines,
        [_message(line) for line in attempt.messages[-_MOST_LINES:]],
        document(extra, 4000) if extra else None,
    )


def _message(line: dict[str, Any]) -> tuple[str, str]:
    far = f"{line['progress']:.0%} " if isinstance(line.get("progress"), int | float) else ""
    return str(line.get("at", ""))[11:19], f"{far}{line.get('message', '')}".strip()


def _stepped(job: Job) -> Iterator[Moment]:
    for step in Step.objects.filter(job=job).order_by("-id")[:_MOST_STEPS]:
        if step.kind != StepKind.RESULT:
            yield Moment(step.created_at, "warn", _waited(step, "Fell asleep", "Began to wait for"))
        if step.done_at is not None:
            yield Moment(
                step.done_at, "plain", _step_title(step), details=_result(step), details_called="Result"
            )


def _step_title(step: Step) -> SafeString:
    if step.kind == StepKind.RESULT:
        return format_html("Remembered the step {}", code(step.name))
    return _waited(step, "Woke up", "Stopped waiting for")


def _waited(step: Step, asleep: str, awaiting: str) -> SafeString:
    if step.kind == StepKind.SLEEP:
        return format_html("{}: {}", asleep, code(step.name))
    return format_html("{} {}", awaiting, step_words(step))


def _result(step: Step) -> Any:
    return None if step.result is None else document(step.result, 2000)


def _ended(job: Job) -> Iterator[Moment]:
    if job.finished_at is None:
        return
    # A cancelled attempt says the error of an earlier one; only what died tells why it did.
    why = [job.error["message"]] if job.error and job.state == JobState.DEAD else []
    whole = format_html("{} {} after it was enqueued", state_badge(job.state), span(_age(job)))
    yield Moment(job.finished_at, tone(job.state), whole, why)


def _age(job: Job) -> float:
    return ((job.finished_at or job.created_at) - job.created_at).total_seconds()


def _told(actor: Actor, job: Job) -> Iterator[Moment]:
    for entry in timeline_of(actor, job.public_id):
        if entry.operation not in _ENQUEUING:
            yield Moment(entry.at, "plain", entry.operation, entry=entry)


def sentence(job: Job, attempts_left: int | None, open_steps: Sequence[Step], leased_until: Any) -> Any:
    """Where the job stands, why, and what comes next: in one sentence."""
    state = job.shown_state
    if state == JobState.READY:
        return format_html(
            "It is ready and waits for a worker, since {}.", when(job.run_at or job.created_at)
        )
    if state == JobState.SCHEDULED:
        return format_html("It runs {}, not before.", when(job.run_at))
    if state == JobState.RETRY_WAIT:
        why, left = _why(job), "" if attempts_left is None else f" {attempts_left} are left."
        return format_html(
            "Attempt {} failed{} It is tried again {}.{}", job.attempt, why, when(job.run_at), left
        )
    if state == JobState.WAITING:
        return format_html("It waits for {}, and holds no worker meanwhile.", awaited(open_steps))
    if state in (JobState.RUNNING, JobState.CANCELLING):
        return _running(job, leased_until)
    return _over(job)


def _running(job: Job, leased_until: Any) -> SafeString:
    far = f" at {job.progress:.0%}" if job.progress is not None else ""
    said = f": {job.message}" if job.message else ""
    lead = "It runs" if job.state == JobState.RUNNING else "It is being cancelled; its worker still runs it"
    held = format_html(" The lease ends {}.", when(leased_until)) if leased_until else ""
    return format_html("{}{}{}{}.{}", lead, _on(job), far, said, held)


def _on(job: Job) -> SafeString | str:
    return format_html(" on {}", code(job.worker)) if job.worker else ""


def _over(job: Job) -> SafeString:
    took = span(
        (job.finished_at - job.started_at).total_seconds() if job.finished_at and job.started_at else None
    )
    if job.state == JobState.SUCCEEDED:
        tries = "at the first attempt" if job.attempt <= 1 else f"at attempt {job.attempt}"
        return format_html("It succeeded {} {}, and took {}.", when(job.finished_at), tries, took)
    if job.state == JobState.DEAD:
        return format_html("It died {} after {}{}", when(job.finished_at), _tries(job), _why(job))
    verb = "was cancelled" if job.state == JobState.CANCELLED else "expired"
    return format_html("It {} {}, after {}.", verb, when(job.finished_at), _tries(job))


def _tries(job: Job) -> str:
    return {0: "no attempt", 1: "one attempt"}.get(job.attempt, f"{job.attempt} attempts")


def _why(job: Job) -> SafeString:
    message = str((job.error or {}).get("message") or (job.error or {}).get("type") or "")
    if not message:
        return format_html("{}", ".")
    return format_html(": {}{}", message[:300], "" if message.endswith((".", "!", "?")) else ".")

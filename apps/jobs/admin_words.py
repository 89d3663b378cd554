"""How jobs are said on the pages of the admin: states, errors, documents, and how long something took."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.core.admin_story import badge, code, when
from apps.core.ids import encode
from apps.jobs.models import Job, Step
from apps.jobs.states import AttemptState, JobState, StepKind

#: Characters of a document that a page shows; a payload may have 256 KiB.
MOST_CHARACTERS: Final = 20_000
_TONES: Final[Mapping[str, str]] = {
    JobState.READY: "info",
    JobState.RUNNING: "info",
    JobState.RETRY_WAIT: "warn",
    JobState.CANCELLING: "warn",
    JobState.SUCCEEDED: "good",
    JobState.DEAD: "bad",
    JobState.EXPIRED: "bad",
    AttemptState.FAILED: "bad",
    AttemptState.LOST: "bad",
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_UNITS = ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s"))


def tone(state: str) -> str:
    """How a state of a job or of an attempt is coloured."""
    return _TONES.get(state, "plain")


def state_badge(state: str) -> SafeString:
    """The state of a job as the domain says it."""
    return badge(JobState(state).label, tone(state))


def attempt_badge(state: str) -> SafeString:
    """How an attempt ended, as the domain says it."""
    return badge(AttemptState(state).label, tone(state))


def span(seconds: float | None) -> str:
    """How long something took, in the two largest units: `2 h 5 min`; a dash for None."""
    if seconds is None:
        return "—"
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    size, name, part, part_name = next(unit for unit in _UNITS if seconds >= unit[0])
    rest = int(seconds % size) // part
    return f"{int(seconds) // size} {name}" + (f" {rest} {part_name}" if rest else "")


def document(value: Any, most: int = MOST_CHARACTERS) -> SafeString:
    """JSON that can be read, cut after `most` characters. Whatever it holds is text."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    cut = format_html(
        '<p class="pm-soft">{} more characters. The API answers the whole.</p>', len(text) - most
    )
    shown = format_html('<pre class="pm-json" tabindex="0">{}</pre>', text[:most])
    return shown + cut if len(text) > most else shown


def error_line(error: Mapping[str, Any] | None, most: int = 160) -> SafeString | str:
    """An error in a line: its type, and the beginning of its message."""
    if not error:
        return ""
    message = short(error.get("message"), most)
    kind = str(error.get("type") or "")
    return format_html("{} {}", code(kind), message) if kind else message


def short(text: object, most: int) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(str(text or "").split())
    return line if len(line) <= most else line[: most - 1] + "…"


def jobs_url(**filters: str) -> str:
    """The list of jobs with these filters: state, queue, kind, failed."""
    return reverse("admin:jobs_job_changelist") + (f"?{urlencode(filters)}" if filters else "")


def page_link(url: str, text: object) -> SafeString:
    """A link to a page of the admin."""
    return format_html('<a class="pm-link" href="{}">{}</a>', url, text)


def number(count: int, most: int | None = None) -> str:
    """A count as people read it; one that was asked up to `most` says that there are more."""
    return f"{most:,}+" if most is not None and count > most else f"{count:,}"


def awaited(steps: Sequence[Step]) -> Any:
    """What a job waits for, in words."""
    if not steps:
        return "Nothing that is known any more"
    said = format_html_join(", ", "{}", ((step_words(step),) for step in steps[:3]))
    return format_html("{} and {} more", said, len(steps) - 3) if len(steps) > 3 else said


def step_words(step: Step) -> Any:
    """What one step waits for, or waited."""
    if step.kind == StepKind.JOB and step.on_job is not None:
        shown = encode(Job.id_prefix, step.on_job)
        return page_link(reverse("admin:jobs_job_change", args=[shown]), code(shown))
    about = f" about {step.event_subject}" if step.event_subject else ""
    event = (
        f"the event {step.event_type}{about}" if step.kind == StepKind.EVENT else f"the time of {step.name}"
    )
    until = step.until if step.until and not step.done else None
    return format_html_join("", "{}{}{}", [(event, " until " if until else "", when(until) if until else "")])

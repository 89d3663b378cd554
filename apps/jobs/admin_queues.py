"""Queues in the admin: how they stand, their rules, who is being served, and holding them still."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, Related, badge, code, link, relate, when, words
from apps.core.endpoints import acting
from apps.jobs import admin_overview, admin_turns, jobs, queues
from apps.jobs.admin_figures import MOST_COUNTED, yesterday
from apps.jobs.admin_overview import Line
from apps.jobs.admin_words import error_line, jobs_url, number, page_link, span
from apps.jobs.models import Job, Queue
from apps.jobs.states import ENDED, JobState
from apps.orgs.models import Organization

_MOST_SHOWN = 20
#: What a form can hold; rates and backoff are written by the API.
_RULES = (
    "description", "weight", "max_in_flight", "max_in_flight_per_organization", "max_in_flight_per_key",
    "max_attempts", "lease_seconds", "timeout_seconds", "retention_days",
)  # fmt: skip
_REDRIVEN = ("queue", "kind", "state", "limit")


@admin.register(Queue, site=site)
class QueueAdmin(StoryAdmin):
    """Queues that somebody described."""

    reads, reads_one = queues.list_queues, queues.get_queue
    headline = "Queues"
    intro = (
        "How jobs are run: how often they are tried, how many at a time, how fast. A queue that nobody described has "
        "the usual rules, and is on the overview as long as it has jobs."
    )
    empty = "No queue has been described. Jobs run without that, by the usual rules."
    story_template = "admin/jobs_queue.html"
    list_display = ("name", "stands_shown", "ready_shown", "running_shown", "limits_shown", "runner_shown")
    search_fields = ("name", "description")
    ordering = ("name",)

    def rows(self, actor: Actor) -> QuerySet[Queue]:
        """All of them: everybody in the tenant may know its queues."""
        self.reads.require(actor, {})
        return Queue.objects.defer("push_secret").order_by("name")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with how each queue stands."""
        listed = super().get_changelist_instance(request)
        known = {line.name: line for line in admin_overview.lines(acting(request))}
        for row in listed.result_list:
            row.line = known.get(row.name)
        return listed

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The story of a queue: first how it stands."""
        row = self.found(request, object_id)
        line = _line(acting(request), row)
        mine = {"line": line, "standing": _standing(line)}
        return super().change_view(request, object_id, form_url, {**mine, **(extra_context or {})})

    @admin.display(description="Stands")
    def stands_shown(self, row: Queue) -> Any:
        """What holds it."""
        return row.line.badges if row.line else "—"  # type: ignore[attr-defined]

    @admin.display(description="Ready")
    def ready_shown(self, row: Queue) -> Any:
        """How many wait for a worker, and for how long."""
        return _ready(row.line) if row.line else "0"  # type: ignore[attr-defined]

    @admin.display(description="Running")
    def running_shown(self, row: Queue) -> str:
        """How many run."""
        return number(row.line.standing.count(JobState.RUNNING), MOST_COUNTED) if row.line else "0"  # type: ignore[attr-defined]

    @admin.display(description="Limits")
    def limits_shown(self, row: Queue) -> str:
        """How many at a time, and how fast."""
        return "; ".join(_limits(row)) or "none"

    @admin.display(description="Run by")
    def runner_shown(self, row: Queue) -> str:
        """Who takes its jobs."""
        return "its URL" if row.push_url else "workers that claim"

    def state(self, row: Queue) -> Any:
        """Whether it is held still."""
        return badge("Paused", "warn") if row.paused else ""

    def facts(self, row: Queue) -> Sequence[Fact]:
        """Its rules."""
        timeout = [Fact("An attempt may take", span(row.timeout_seconds))] if row.timeout_seconds else []
        paused = [Fact("Paused", when(row.paused_at))] if row.paused else []
        return [
            *paused,
            Fact("For", row.description or "—"),
            Fact("Takes", words(row.kinds) if row.kinds else "jobs of any kind"),
            Fact("Run by", code(row.push_url) if row.push_url else "workers that claim them"),
            Fact("Limits", "; ".join(_limits(row)) or "none"),
            Fact("With one key", "; ".join(_limits_of_key(row))),
            Fact("Weight", row.weight),
            Fact("Tried", f"{row.max_attempts} times at most"),
            Fact("Backoff", _backoff(row)),
            Fact("A lease is good for", span(row.lease_seconds)),
            *timeout,
            Fact("Keeps what ended for", f"{row.retention_days} days"),
            Fact("Id", code(row.public_id)),
        ]

    def target(self, row: Queue) -> dict[str, Any]:
        """Its name."""
        return _named(None, row)


def _ready(line: Line) -> Any:
    count = line.standing.count(JobState.READY)
    if not count:
        return "0"
    shown = page_link(jobs_url(queue=line.name, state=JobState.READY), number(count, MOST_COUNTED))
    return format_html("{} for up to {}", shown, span(line.waits.total_seconds()))


def _limits(row: Queue) -> Iterator[str]:
    if row.max_in_flight:
        yield f"{row.max_in_flight} at a time"
    if row.max_in_flight_per_organization:
        yield f"{row.max_in_flight_per_organization} of each organization at a time"
    if row.rate:
        yield _rate(row.rate)
    if row.rate_per_organization:
        yield f"{_rate(row.rate_per_organization)} of each organization"
    if row.rate_per_key:
        yield f"{_rate(row.rate_per_key)} with each key"


def _limits_of_key(row: Queue) -> Iterator[str]:
    yield f"{row.max_in_flight_per_key} at a time"
    if row.rate_per_key:
        yield _rate(row.rate_per_key)


def _rate(said: Mapping[str, Any]) -> str:
    return f"{said['count']:g} in {span(float(said['seconds']))}"


def _backoff(row: Queue) -> Any:
    return words(f"{name} {value}" for name, value in row.retry.items()) if row.retry else "as usual"


def _named(_actor: Actor | None, row: Queue) -> dict[str, Any]:
    return {"queue": row.name}


def _line(actor: Actor, row: Queue) -> Line:
    return next(one for one in admin_overview.lines(actor) if one.name == row.name)


def _standing(line: Line) -> list[tuple[str, str, str]]:
    """How many unfinished jobs are in which state, each with where they are listed."""
    return [
        (
            str(state.label),
            number(line.standing.count(state), MOST_COUNTED),
            jobs_url(queue=line.name, state=state),
        )
        for state in JobState
        if state not in ENDED and (line.standing.count(state) or state in (JobState.READY, JobState.RUNNING))
    ]


def _served(actor: Actor, row: Queue) -> list[list[Any]]:
    found = admin_turns.served(actor, row.name)
    named = Organization.objects.in_bulk([one.share for one in found if one.share])
    first = next((one for one in found if one.active and one.ready), None)
    return [
        [
            _whose(one.share, named),
            one.leased,
            number(one.ready, MOST_COUNTED),
            badge("Next", "good") if one is first else badge("Waits", "plain") if one.ready else "—",
            when(one.blocked_until) if row.rate_per_organization else "—",
        ]
        for one in found
    ]


def _whose(share: UUID | None, named: Mapping[Any, Organization]) -> Any:
    if share is None:
        return "The tenant itself"
    return link(named[share]) if share in named else "Somebody who is gone"


def _keys(actor: Actor, row: Queue) -> list[list[Any]]:
    if not row.rate_per_key:
        return []
    found = admin_turns.keys_out_of_rate(actor, row.name)
    named = Organization.objects.in_bulk([one.share for one in found if one.share])
    return [
        [code(one.key), _whose(one.share, named), number(one.held, MOST_COUNTED), when(one.until)]
        for one in found
    ]


def _dead(actor: Actor, row: Queue) -> list[list[Any]]:
    over = Job.objects.visible_to(actor).filter(queue=row.name, state=JobState.DEAD)
    newest = over.filter(finished_at__gt=yesterday()).defer("payload", "result").order_by("-finished_at")
    return [
        [link(job), error_line(job.error, 120) or "—", job.attempt, when(job.finished_at)]
        for job in newest[:_MOST_SHOWN]
    ]


def _rules(row: Queue) -> Mapping[str, Any]:
    return {name: getattr(row, name) for name in _RULES}


def _as_dead(row: Queue) -> Mapping[str, Any]:
    return {"queue": row.name, "state": JobState.DEAD.value}


def _is_paused(row: Queue) -> bool:
    return row.paused


def _goes_on(row: Queue) -> bool:
    return not row.paused


def _is_pushed(row: Queue) -> bool:
    return bool(row.push_url)


def _said(result: Mapping[str, int]) -> str:
    left = f", {number(result['left'])} are left" if result["left"] else ""
    return f"{number(result['redriven'])} {'job' if result['redriven'] == 1 else 'jobs'}{left}"


act_above(
    Queue,
    Action(
        queues.create_queue,
        "Describe a queue",
        "Its jobs are run by these rules from the next one on, those that are in it already, too.",
        fields=("name", *_RULES),
    ),
)
act_on(
    Queue,
    Action(
        queues.pause_queue,
        "Pause",
        "Nobody gets a job out of it. What runs goes on, and what is enqueued waits.",
        _named,
        applies=_goes_on,
    ),
    Action(queues.resume_queue, "Resume", "Its jobs are run again.", _named, applies=_is_paused),
    Action(
        jobs.redrive_jobs,
        "Redrive",
        "Jobs that are over go back into the queue, the oldest first, with as many attempts as they had at first.",
        initial=_as_dead,
        fields=_REDRIVEN,
        said=_said,
    ),
    Action(
        queues.update_queue,
        "Change",
        "It counts from the next claim on. Rates and backoff are changed by the API.",
        _named,
        initial=_rules,
        fields=_RULES,
    ),
    Action(
        queues.rotate_queue,
        "Rotate the secret",
        "What is sent is signed with another secret. The previous one signs too for as long as you say.",
        _named,
        applies=_is_pushed,
    ),
    Action(
        queues.delete_queue,
        "Forget",
        "Its jobs stay, and are run by the usual rules.",
        _named,
    ),
)
relate(
    Queue,
    Related(
        "Who is being served",
        ("Organization", "Running", "Ready", "Turn", "Its rate lets in"),
        _served,
        "Nobody has had a job in it yet.",
    ),
    Related(
        "Keys that have used up their rate",
        ("Key", "Organization", "Jobs held for it", "Its rate lets in"),
        _keys,
        "No key has used up its rate.",
    ),
    Related("Dead since yesterday", ("Job", "Why", "Attempts", "When"), _dead, "None died since yesterday."),
)

"""Jobs in the admin: the page that says what is stuck and what failed, the list, and the story of each job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, cast
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import act_on
from apps.core.admin_pages import page
from apps.core.admin_story import Fact, Related, badge, code, link, relate, watch, when
from apps.core.endpoints import acting
from apps.core.ids import decode, encode
from apps.jobs import admin_overview, admin_turns, jobs
from apps.jobs import admin_queues as _queues
from apps.jobs import admin_schedules as _schedules
from apps.jobs.admin_figures import open_steps
from apps.jobs.admin_filters import FAILED, FailedFilter, KindFilter, QueueFilter, StateFilter, UpTo
from apps.jobs.admin_many import CANCEL, RETRY, ManyPages
from apps.jobs.admin_moments import enqueued_by, moments, sentence
from apps.jobs.admin_words import (
    awaited,
    document,
    error_line,
    page_link,
    short,
    span,
    state_badge,
    step_words,
)
from apps.jobs.models import MAX_ATTEMPTS, Job, Queue, Schedule, Step
from apps.jobs.states import JobState, StepKind

__all__ = ["JobAdmin", "_queues", "_schedules"]

_MOST_SHOWN = 20
_HEAVY = ("payload", "result")


@admin.register(Job, site=site)
class JobAdmin(ManyPages, StoryAdmin):
    """Jobs of the product."""

    reads, reads_one = jobs.list_jobs, jobs.get_job
    headline = "Jobs"
    intro = "Work that is done once, however often it has to be tried. The newest first."
    empty = "No jobs yet. They are enqueued with POST /v1/jobs."
    story_template = "admin/jobs_story.html"
    list_display = (
        "kind", "state_shown", "tells_shown", "queue_shown", "attempt_shown", "whose_shown", "created_shown",
        "took_shown",
    )  # fmt: skip
    list_filter = (StateFilter, QueueFilter, KindFilter, FailedFilter)
    search_fields = ("kind", "key")
    list_disable_select_all = True
    search_help_text = "An id, a kind, or a key, whole"
    paginator = UpTo
    many: ClassVar = (CANCEL, RETRY)

    def rows(self, actor: Actor) -> QuerySet[Job]:
        """Those of the product that `actor` sees, without what may be large in them."""
        return jobs.list_jobs(actor).defer(*_HEAVY).select_related("organization")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with what those wait for that do."""
        listed = super().get_changelist_instance(request)
        waiting = {row.pk: row for row in listed.result_list if row.state == JobState.WAITING}
        for pk, steps in open_steps(waiting).items():
            waiting[pk].open_steps = steps
        return listed

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        """What was looked for, whole: parts would be looked for in every row."""
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            return queryset.filter(pk=decode(term, Job.id_prefix)), False
        except ValueError:
            return queryset.filter(Q(kind=term) | Q(key=term)), False

    def get_urls(self) -> list[URLPattern]:
        """The overview before the rest."""
        view = self.admin_site.admin_view(self.overview_view)
        return [path("overview/", view, name="jobs_job_overview"), *super().get_urls()]

    def overview_view(self, request: HttpRequest) -> HttpResponse:
        """What is stuck, what failed today and why, and how fast the work is done."""
        actor = acting(request)
        jobs.list_jobs.require(actor, {})
        context = {"title": "Jobs overview", "crumbs": [*self.crumbs(), ("Overview", "")]}
        return page(
            self.admin_site, request, "admin/jobs_overview.html", context | admin_overview.context(actor)
        )

    @admin.display(description="State")
    def state_shown(self, row: Job) -> Any:
        """Where it stands."""
        return self.state(row)

    @admin.display(description="Details")
    def tells_shown(self, row: Job) -> Any:
        """Why it failed, what it waits for, when it goes on, or how far it is."""
        steps = getattr(row, "open_steps", ())
        return awaited(steps) if steps else _tells(row)

    @admin.display(description="Queue")
    def queue_shown(self, row: Job) -> str:
        """Where it waits."""
        return row.queue

    @admin.display(description="Attempt")
    def attempt_shown(self, row: Job) -> str:
        """Which attempt it is at, and of how many where it says so itself."""
        return f"{row.attempt} of {row.max_attempts}" if row.max_attempts else str(row.attempt)

    @admin.display(description="Whose")
    def whose_shown(self, row: Job) -> str:
        """Whose work it is."""
        return str(row.organization) if row.organization else "The tenant's"

    @admin.display(description="Enqueued")
    def created_shown(self, row: Job) -> Any:
        """Since when."""
        return when(row.created_at)

    @admin.display(description="Took")
    def took_shown(self, row: Job) -> Any:
        """From its first attempt to its end."""
        return format_html('<span class="pm-time">{}</span>', _took(row))

    def state(self, row: Job) -> Any:
        """Where it stands."""
        return state_badge(row.shown_state)

    def facts(self, row: Job) -> Sequence[Fact]:
        """What it was asked to do, by whom, and by which rules."""
        queue = _described(row)
        return [
            Fact("Queue", link(queue) if queue else code(row.queue)),
            Fact("Whose", link(row.organization) if row.organization else "The tenant's"),
            Fact("Enqueued", when(row.created_at)),
            Fact("Enqueued by", enqueued_by(row)),
            Fact("Attempts", f"{row.attempt} of {_most_attempts(row, queue)}"),
            *_rules(row),
            *_times(row),
            *_relatives(row),
            Fact("Request", code(row.request_id) if row.request_id else "—"),
            Fact("Id", code(row.public_id)),
        ]

    def target(self, row: Job) -> dict[str, Any]:
        """Its id."""
        return {"job_id": row.pk}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The story of a job."""
        actor, job = acting(request), self.found(request, object_id)
        left = max(_most_attempts(job, _described(job)) - job.attempt, 0)
        held = admin_turns.lease_end(job) if job.lease_token else None
        mine = {
            "sentence": sentence(job, left, open_steps([job.pk]).get(job.pk, ()), held),
            "moments": moments(actor, job),
            "documents": list(_documents(job)),
        }
        return super().change_view(request, object_id, form_url, {**mine, **(extra_context or {})})

    def _one(self, request: HttpRequest, identity: object) -> Any:
        """One by its id: the platform's own, too, as the API shows it."""
        self.reads.require(acting(request), {})
        rows = Job.objects.visible_to(acting(request)).select_related("organization", "schedule")
        return rows.filter(pk=cast("UUID", identity)).first()


def _tells(row: Job) -> Any:
    state = row.shown_state
    if state in (JobState.SCHEDULED, JobState.RETRY_WAIT):
        return (
            when(row.run_at) if state == JobState.SCHEDULED else error_line(row.error, 70) or when(row.run_at)
        )
    if state in (JobState.RUNNING, JobState.CANCELLING):
        far = f"{row.progress:.0%}" if row.progress is not None else ""
        return (
            " ".join(filter(None, (far, short(row.message, 80)))) or (row.worker and code(row.worker)) or "—"
        )
    if state == JobState.READY:
        return badge("Tried before", "plain") if row.attempt else "—"
    return error_line(row.error, 90) or "—" if state in FAILED else "—"


def _took(row: Job) -> str:
    if row.started_at is None or row.finished_at is None:
        return "—"
    return span((row.finished_at - row.started_at).total_seconds())


def _described(row: Job) -> Queue | None:
    return Queue.objects.filter(name=row.queue).only("name", "max_attempts").first()


def _most_attempts(row: Job, queue: Queue | None) -> int:
    return row.max_attempts or (queue.max_attempts if queue else MAX_ATTEMPTS)


def _rules(row: Job) -> Iterator[Fact]:
    if row.priority:
        yield Fact("Priority", row.priority)
    if row.key:
        yield Fact("Key", code(row.key))
    if row.concurrency_key:
        yield Fact("Runs alone within", code(row.concurrency_key))
    if row.timeout_seconds:
        yield Fact("An attempt may take", span(row.timeout_seconds))


def _times(row: Job) -> Iterator[Fact]:
    told = (
        ("Not before", row.run_at),
        ("Expires unless begun", row.expires_at),
        ("Over in any case", row.deadline_at),
        ("First attempt", row.started_at),
        ("Ended", row.finished_at),
    )
    yield from (Fact(label, when(moment)) for label, moment in told if moment is not None)


def _relatives(row: Job) -> Iterator[Fact]:
    if row.parent:
        shown = encode(Job.id_prefix, row.parent)
        yield Fact("Enqueued within", _job_link(shown))
    if row.schedule:
        yield Fact("Schedule", link(row.schedule))


def _job_link(shown: str) -> Any:
    return page_link(reverse("admin:jobs_job_change", args=[shown]), code(shown))


def _documents(row: Job) -> Iterator[tuple[str, Any]]:
    if row.error:
        yield "Error" if row.is_over else "Last error", document(row.error)
    if row.state == JobState.SUCCEEDED:
        yield "Result", document(row.result)
    yield "Payload", document(row.payload)


def _steps(_actor: Actor, row: Job) -> list[list[Any]]:
    found = Step.objects.filter(job=row).defer("result").order_by("-id")[:_MOST_SHOWN]
    return [
        [
            code(step.name) if step.kind != StepKind.JOB else step_words(step),
            step.get_kind_display(),
            badge("Done", "good") if step.done else badge("Waits", "warn"),
            when(step.done_at or step.until),
        ]
        for step in found
    ]


def _children(actor: Actor, row: Job) -> list[list[Any]]:
    found = Job.objects.visible_to(actor).filter(parent=row.pk).defer(*_HEAVY).order_by("-id")
    return [_brief(job) for job in found[:_MOST_SHOWN]]


def _dependents(actor: Actor, row: Job) -> list[list[Any]]:
    waiting = Step.objects.filter(on_job=row.pk, done_at__isnull=True).values("job_id")
    found = Job.objects.visible_to(actor).filter(pk__in=waiting).defer(*_HEAVY).order_by("-id")
    return [_brief(job) for job in found[:_MOST_SHOWN]]


def _jobs_of(actor: Actor, row: Schedule) -> list[list[Any]]:
    found = Job.objects.visible_to(actor).filter(schedule=row).defer(*_HEAVY).order_by("-id")
    return [_brief(job) for job in found[:_MOST_SHOWN]]


def _brief(job: Job) -> list[Any]:
    return [link(job), state_badge(job.shown_state), _tells(job), job.queue, when(job.created_at)]


_COLUMNS = ("Job", "State", "Details", "Queue", "Enqueued")
act_on(Job, RETRY, CANCEL)
relate(
    Job,
    Related("Steps and what it waits for", ("Name", "Kind", "", "When"), _steps, "It has no steps."),
    Related("Enqueued by it", _COLUMNS, _children, "It has enqueued no other jobs."),
    Related("Wait for it", _COLUMNS, _dependents, "No job waits for it."),
)
watch(Job, admin_overview.needs)

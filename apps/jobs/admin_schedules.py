"""Schedules in the admin: when they fire next, what came of it the last times, and holding them still."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_on
from apps.core.admin_story import Fact, Related, badge, code, link, relate, when, words
from apps.jobs import schedules
from apps.jobs.admin_words import document, jobs_url, page_link, short, span
from apps.jobs.models import Firing, Schedule
from apps.jobs.states import FiringOutcome

_MOST_SHOWN = 20
_MOST_COMING = 10
_TONES = {FiringOutcome.FIRED: "good", FiringOutcome.SKIPPED: "plain", FiringOutcome.REFUSED: "bad"}


@admin.register(Schedule, site=site)
class ScheduleAdmin(StoryAdmin):
    """What enqueues jobs by the clock."""

    reads, reads_one = schedules.list_schedules, schedules.get_schedule
    headline = "Schedules"
    intro = "What enqueues jobs by the clock: at the times of a cron expression, at an interval, or once."
    empty = "No schedules yet. They are made with POST /v1/schedules."
    list_display = (
        "name",
        "state_shown",
        "fires_shown",
        "kind_shown",
        "next_shown",
        "last_shown",
        "whose_shown",
    )
    search_fields = ("name", "kind")

    def rows(self, actor: Actor) -> QuerySet[Schedule]:
        """Those that `actor` sees."""
        return schedules.list_schedules(actor).select_related("organization")

    @admin.display(description="State")
    def state_shown(self, row: Schedule) -> Any:
        """Whether it fires."""
        return self.state(row)

    @admin.display(description="Fires")
    def fires_shown(self, row: Schedule) -> Any:
        """By which clock."""
        return _fires(row)

    @admin.display(description="Enqueues")
    def kind_shown(self, row: Schedule) -> str:
        """What it enqueues, and where."""
        return f"{row.kind} in {row.queue}"

    @admin.display(description="Next")
    def next_shown(self, row: Schedule) -> Any:
        """When it fires next."""
        return when(row.next_at)

    @admin.display(description="Last")
    def last_shown(self, row: Schedule) -> Any:
        """When it fired last."""
        return when(row.last_at)

    @admin.display(description="Whose")
    def whose_shown(self, row: Schedule) -> str:
        """Whose jobs they are."""
        return str(row.organization) if row.organization else "The tenant's"

    def state(self, row: Schedule) -> Any:
        """Whether it fires, and if not, who or what decided so."""
        if row.stopped_because:
            return badge("Stopped", "bad")
        if row.paused:
            return badge("Paused", "warn")
        return badge("Fires", "good") if row.next_at else badge("Over", "plain")

    def facts(self, row: Schedule) -> Sequence[Fact]:
        """When it fires, what it enqueues, and in whose name."""
        stopped = [Fact("Stopped because", row.stopped_because)] if row.stopped_because else []
        ends = [Fact("Ends", when(row.ends_at))] if row.ends_at else []
        return [
            *stopped,
            Fact("Fires", _fires(row)),
            Fact("Next", when(row.next_at)),
            Fact("Last", when(row.last_at)),
            Fact("Missed times", row.get_catch_up_display()),
            Fact(
                "Enqueues", page_link(jobs_url(kind=row.kind, queue=row.queue), f"{row.kind} in {row.queue}")
            ),
            Fact("With", words(f"{name} {value}" for name, value in row.options.items())),
            Fact("Payload", document(row.payload, 4000)),
            Fact("In the name of", (row.acts_as or {}).get("name") or "—"),
            Fact("Whose", link(row.organization) if row.organization else "The tenant's"),
            *ends,
            Fact("Id", code(row.public_id)),
        ]

    def target(self, row: Schedule) -> dict[str, Any]:
        """Its id."""
        return _schedule(None, row)


def _fires(row: Schedule) -> Any:
    if row.cron:
        return code(f"{row.cron} {row.timezone}")
    return f"every {span(row.every_seconds)}" if row.every_seconds else when(row.at)


def _schedule(_actor: Actor | None, row: Schedule) -> dict[str, Any]:
    return {"schedule_id": row.pk}


def _coming(actor: Actor, row: Schedule) -> list[list[Any]]:
    times = schedules.list_firings(actor, schedule_id=row.pk, limit=_MOST_COMING)["next"]
    return [[when(time), f"{time:%a %Y-%m-%d %H:%M:%S} UTC"] for time in times]


def _fired(_actor: Actor, row: Schedule) -> list[list[Any]]:
    found = Firing.objects.filter(schedule=row).select_related("job").defer("job__payload", "job__result")
    return [
        [
            when(one.at),
            badge(one.get_outcome_display(), _TONES[FiringOutcome(one.outcome)]),
            one.times,
            link(one.job) if one.job else "—",
            "by hand" if one.by_hand else short(one.reason, 160) or "—",
        ]
        for one in found.order_by("-at", "-id")[:_MOST_SHOWN]
    ]


def _is_paused(row: Schedule) -> bool:
    return row.paused


def _goes_on(row: Schedule) -> bool:
    return not row.paused


act_on(
    Schedule,
    Action(
        schedules.run_schedule,
        "Run now",
        "A job is enqueued at once, in your name. The times to come stay as they are.",
        _schedule,
    ),
    Action(
        schedules.pause_schedule,
        "Pause",
        "It does not fire until it is resumed. Times that pass meanwhile are not made up for.",
        _schedule,
        applies=_goes_on,
    ),
    Action(
        schedules.resume_schedule,
        "Resume",
        "It fires again, at its next time and in your name.",
        _schedule,
        applies=_is_paused,
    ),
    Action(
        schedules.delete_schedule,
        "Delete",
        "It is gone, with the list of its firings. Jobs that it has enqueued stay.",
        _schedule,
    ),
)
relate(
    Schedule,
    Related("Fires next", ("In", "At"), _coming, "It does not fire."),
    Related("Has fired", ("When", "Outcome", "Times", "Job", "Why"), _fired, "It has not fired yet."),
)

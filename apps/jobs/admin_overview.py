"""The page that answers at a glance: what is stuck, what failed today and why, and how fast the work is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from apps.core import clock
from apps.core.actor import Actor
from apps.core.admin_story import Need, badge, code, link, story_url, when
from apps.core.ids import encode
from apps.core.operations import decide
from apps.jobs import admin_figures as figures
from apps.jobs import admin_turns, jobs
from apps.jobs.admin_figures import MOST_COUNTED, Day, Done, Failure, Standing
from apps.jobs.admin_turns import Lapsing, Turn
from apps.jobs.admin_words import awaited, jobs_url, number, page_link, short, span
from apps.jobs.models import Job, Queue
from apps.jobs.states import JobState

#: A queue is stuck when a job has been ready for longer than this.
STUCK_AFTER: Final = timedelta(minutes=1)
#: A job waits long for something else when it was enqueued earlier than this ago.
LONG_WAIT: Final = timedelta(hours=1)
_MOST_WAITING, _MOST_STUCK, _MOST_NAMED = 10, 8, 3
_HOURS = 24
_COLUMNS = (JobState.READY, JobState.RUNNING, JobState.SCHEDULED, JobState.RETRY_WAIT, JobState.WAITING)


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that holds a queue: in a word or two, as the end of a sentence, and how bad it is."""

    short: str
    phrase: str
    tone: str


@dataclass(frozen=True, slots=True)
class Line:
    """A queue on the page: how it stands, what its rules say, and what claims make of it."""

    name: str
    standing: Standing
    queue: Queue | None
    turn: Turn

    @property
    def url(self) -> str:
        """Where there is more: the page of the queue, or its jobs where nobody described it."""
        return story_url(self.queue) if self.queue else jobs_url(queue=self.name)

    @property
    def waits(self) -> timedelta:
        """How long the oldest job has been ready."""
        since = self.standing.ready_since
        return clock.now() - since if since else timedelta()

    @property
    def is_stuck(self) -> bool:
        """True when a job has been ready for too long."""
        return self.waits > STUCK_AFTER

    def holds(self) -> list[Hold]:
        """What holds it, what matters most first; nothing where it goes on."""
        leased, most, held = self.turn.leased, self.turn.most, self.turn.held
        found = [
            (self.queue is not None and self.queue.paused, Hold("Paused", "is paused", "warn")),
            (
                self.turn.is_full,
                Hold(f"Full, {leased} of {most} run", f"is full, {leased} of {most} run", "warn"),
            ),
            (self.turn.is_limited, Hold("Rate used up", "has used up its rate", "warn")),
        ]
        said = [hold for holds, hold in found if holds]
        if self.is_stuck and not said:
            said = [self._worked_on()]
        keyed = (
            [Hold(f"{number(held)} held for their key", "holds jobs for their key", "plain")] if held else []
        )
        return [*said, *keyed]

    def _worked_on(self) -> Hold:
        running = self.standing.count(JobState.RUNNING)
        if not running:
            return Hold("No worker", "has no worker that takes its jobs", "bad")
        said = f"{number(running)} {'job runs' if running == 1 else 'jobs run'}"
        return Hold(f"Falls behind, {said}", f"falls behind, {said}", "warn")

    @property
    def badges(self) -> SafeString:
        """What holds it."""
        held = ((badge(hold.short, hold.tone),) for hold in self.holds())
        return format_html_join(" ", "{}", held) or badge("Goes on", "good")

    @property
    def ready(self) -> str:
        """How many jobs are ready, and for how long the oldest is."""
        count = self.standing.count(JobState.READY)
        if not count:
            return "no job is ready"
        waits = self.waits.total_seconds()
        shown = span(waits // 60 * 60 if waits > 60 else waits)
        return (
            f"{number(count, MOST_COUNTED)} {'job' if count == 1 else 'jobs'} ready, the oldest for {shown}"
        )

    @property
    def cells(self) -> list[Any]:
        """How many jobs are in the states that the table has columns for, each leading to them."""
        return [self._cell(state) for state in _COLUMNS]

    def _cell(self, state: JobState) -> Any:
        count = self.standing.count(state)
        return (
            page_link(jobs_url(queue=self.name, state=state), number(count, MOST_COUNTED)) if count else "0"
        )


def lines(actor: Actor) -> list[Line]:
    """The queues that `actor` sees: those that were described and those that have jobs, whoever waits longest first."""
    described = {queue.name: queue for queue in Queue.objects.defer("push_secret").order_by("name")}
    standing, turns = figures.standing(), admin_turns.turns(actor)
    made = [
        Line(name, standing.get(name, Standing(name)), described.get(name), turns.get(name, Turn()))
        for name in sorted({*described, *standing})
    ]
    return sorted(made, key=lambda line: -line.waits.total_seconds())


def needs(actor: Actor) -> list[Need]:
    """What waits for a person: queues that are stuck, and that jobs failed. Why is said on the overview."""
    if decide(actor, jobs.list_jobs, {}).decision != "allow":
        return []
    return [*_stuck_queues(), *_failed_jobs()]


def _stuck_queues() -> Iterator[Need]:
    late = clock.now() - STUCK_AFTER
    found = [(one.ready_since, name) for name, one in figures.standing().items() if one.ready_since]
    names = [name for since, name in sorted(found) if since < late]
    if names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        said = f"{', '.join(names[:_MOST_NAMED])}{more}: jobs have been ready for too long"
        yield Need(said, overview_url())


def _failed_jobs() -> Iterator[Need]:
    ended = figures.failed_since_yesterday()
    if ended:
        said = f"{number(ended, MOST_COUNTED)} {'job is' if ended == 1 else 'jobs are'} dead or expired since yesterday"
        yield Need(said, f"{overview_url()}#failed", "bad")


def _need(line: Line) -> Need:
    hold = line.holds()[0]
    return Need(f"{line.name} {hold.phrase}: {line.ready}", line.url, hold.tone)


def overview_url() -> str:
    """Where the page is."""
    return reverse("admin:jobs_job_overview")


def context(actor: Actor) -> dict[str, Any]:
    """All that the page shows."""
    seen, day, failed = lines(actor), figures.day(), figures.failures()
    return {
        "stuck": [_need(line) for line in seen if line.is_stuck][:_MOST_STUCK],
        "figures": _totals(seen, day),
        "lapsing": [_lapsing_row(one) for one in admin_turns.lapsing(actor)],
        "waiting": _waiting_rows(),
        "failures": [_failure_row(one) for one in failed],
        "kinds": [_kind_row(kind, done) for kind, done in day.kinds.items()],
        "plot": _plot(day),
        "day": day,
        "lines": seen,
        "columns": [state.label for state in _COLUMNS],
        "most_measured": figures.MOST_MEASURED,
    }


def _totals(seen: Iterable[Line], day: Day) -> list[tuple[str, str, str, str]]:
    counted = [line.standing for line in seen]

    def total(state: JobState) -> str:
        counts = [one.count(state) for one in counted]
        more = any(count > MOST_COUNTED for count in counts)
        return f"{sum(counts):,}{'+' if more else ''}"

    shown = (JobState.READY, JobState.RUNNING, JobState.RETRY_WAIT, JobState.WAITING)
    now = [(state.label, total(state), jobs_url(state=state), "") for state in shown]
    failed = ("Failed in 24 h", number(day.failed), jobs_url(failed="today"), "bad" if day.failed else "")
    return [*now, failed, ("Succeeded in 24 h", number(day.succeeded), jobs_url(state="succeeded"), "")]


def _lapsing_row(one: Lapsing) -> list[Any]:
    left = (one.until - clock.now()).total_seconds()
    ends = badge(f"in {span(left)}", "warn") if left > 0 else badge(f"{span(-left)} ago", "bad")
    return [link(one.job), one.job.queue, code(one.job.worker or "—"), ends, when(one.heard_at)]


def _waiting_rows() -> list[list[Any]]:
    found = figures.waiting_since_before(clock.now() - LONG_WAIT, _MOST_WAITING)
    steps = figures.open_steps([job.pk for job in found])
    return [[link(job), job.queue, awaited(steps.get(job.pk, ())), when(job.created_at)] for job in found]


def _failure_row(one: Failure) -> dict[str, Any]:
    parts = (
        (one.dead, "dead", "bad"),
        (one.expired, "expired", "bad"),
        (one.retried, "will be tried again", "warn"),
    )
    return {
        "kind": one.kind,
        "type": one.type or ("expired" if one.expired else "unknown"),
        "counts": [badge(f"{number(count)} {said}", tone) for count, said, tone in parts if count],
        "url": _failed_url(one),
        "last": when(one.last_at),
        "message": short(one.message, 220) or _without_words(one),
        "sample": reverse("admin:jobs_job_change", args=[encode(Job.id_prefix, one.sample)]),
    }


def _without_words(one: Failure) -> str:
    return "It was not begun in time." if one.expired else "No message was given."


def _failed_url(one: Failure) -> str:
    over = one.dead + one.expired
    return jobs_url(kind=one.kind, failed="today") if over else jobs_url(kind=one.kind, state="retry_wait")


def _kind_row(kind: str, done: Done) -> list[Any]:
    median, slow = done.seconds
    shown = page_link(jobs_url(kind=kind), code(kind))
    failed = badge(number(done.failed), "bad") if done.failed else "0"
    return [shown, number(done.jobs), failed, number(done.after_retries), span(median), span(slow)]


def _plot(day: Day) -> dict[str, Any] | None:
    """The bars of the last 24 hours, the oldest first, in a field of 480 by 72."""
    if not day.jobs:
        return None
    most = max(one.jobs for one in day.hours.values())
    return {"bars": [_bar(hour, day.hours, most) for hour in reversed(range(_HOURS))], "most": number(most)}


def _bar(hour: int, hours: Mapping[int, Done], most: int) -> dict[str, Any]:
    done = hours.get(hour)
    good = done.jobs - done.failed if done else 0
    bad = done.failed if done else 0
    # What failed can be seen, however little it is.
    high, low = 68 * good / most, max(68 * bad / most, 2 if bad else 0)
    ago = f"{hour + 1} to {hour} hours ago" if hour else "In the last hour"
    return {
        "x": (_HOURS - 1 - hour) * 20 + 2,
        "good_y": round(72 - low - high, 1), "good": round(high, 1),
        "bad_y": round(72 - low, 1), "bad": round(low, 1),
        "said": f"{ago}: {number(good)} ended well, {number(bad)} failed",
    }  # fmt: skip

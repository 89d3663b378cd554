"""The pages about jobs: what is stuck, what failed and why, the story of a job; what they cost, and who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.console.handoff.tests.support import Browser, environment_of, text_of
from apps.core import clock
from apps.jobs import admin_figures, admin_overview
from apps.jobs.admin_words import MOST_CHARACTERS, document, span
from apps.jobs.models import Job, Queue
from apps.jobs.registry import NOBODY, Dispatch, KeyTurn
from apps.jobs.tests.crowd import Crowd
from apps.jobs.tests.workers import clockwork
from apps.tenancy.walls import enter, registry
from tests.world import World

JOBS = "/admin/jobs/job/"
OVERVIEW = f"{JOBS}overview/"


class Visit:
    """Somebody in acorn's admin, where a lot goes on."""

    def __init__(self, world: World, browser: Browser, ids: dict[str, str]) -> None:
        self.world, self.browser, self.ids = world, browser, ids
        self.base = f"http://{world.acorn.host}"

    def see(self, path: str) -> str:
        answer = self.browser.get(self.base + path.format(**self.ids))
        assert answer.status_code == 200, (path, text_of(answer)[:2000])
        return text_of(answer)

    def send(self, path: str, **fields: str) -> Any:
        return self.browser.post(self.base + path.format(**self.ids), **fields)

    def within(self, slug: str) -> None:
        self.send("/admin/switch/", organization=self.world.acorn.parties[slug].id)

    def cost(self, path: str) -> int:
        self.see(path)
        with CaptureQueriesContext(connection) as asked:
            self.see(path)
        return len(asked)

    def job(self, name: str) -> Job:
        with enter(self.world.acorn.ref):
            return Job.objects.get(
                pk=next(one.pk for one in Job.objects.all() if one.public_id == self.ids[name])
            )


def crowd(world: World) -> dict[str, str]:
    places = [party.uuid for party in world.acorn.parties.values()]
    return Crowd(world.acorn.ref, places).fill()


@pytest.fixture
def quiet(world: World) -> Iterator[Visit]:
    """Acorn's admin, in which nobody has enqueued anything, at a moment that lasts."""
    browser = Browser(world.builders.email)
    assert browser.open(world.acorn, environment_of(world, world.acorn)).status_code == 200
    with clockwork():
        yield Visit(world, browser, {})


@pytest.fixture
def visit(quiet: Visit) -> Visit:
    """The same with hundreds of jobs in all states."""
    quiet.ids = crowd(quiet.world)
    return quiet


def part(page: str, label: str) -> str:
    """The section of a page with that label."""
    start = page.index(f'aria-label="{label}"')
    return page[start : page.index("</section>", start)]


def test_a_quiet_place_says_so(quiet: Visit) -> None:
    page = quiet.see(OVERVIEW)
    for said in ("Nothing is stuck", "Nothing failed.", "No queue has a job", "Nothing ended."):
        assert said in page
    assert "No jobs yet" in quiet.see(JOBS)
    assert "ready" not in part(quiet.see("/admin/"), "Needs you")


def test_the_overview_says_what_is_stuck_and_why(visit: Visit) -> None:
    stuck = part(visit.see(OVERVIEW), "Stuck")
    assert "mails is paused: 45 jobs ready, the oldest for 2 h 30 min" in stuck
    assert "menus falls behind, 1 job runs: 61 jobs ready, the oldest for 38 min" in stuck
    assert "images is full, 3 of 3 run: 22 jobs ready, the oldest for 7 min" in stuck
    assert "exports has used up its rate: 14 jobs ready, the oldest for 24 min" in stuck
    assert "reports" not in stuck
    assert stuck.index("mails ") < stuck.index("menus ") < stuck.index("exports ") < stuck.index("images ")


def test_a_queue_without_a_worker_is_told_from_a_slow_one(visit: Visit) -> None:
    with enter(visit.world.acorn.ref):
        Job.objects.filter(queue="menus", state="running").update(state="succeeded")
    assert "menus has no worker that takes its jobs: 61 jobs ready" in part(visit.see(OVERVIEW), "Stuck")


def test_it_says_what_failed_and_why_the_newest_first(visit: Visit) -> None:
    failed = part(visit.see(OVERVIEW), "What failed")
    assert failed.index("UnreadableImage") < failed.index("HTTPError") < failed.index("MailboxFull")
    first = failed[: failed.index("HTTPError")]
    assert "7 dead" in first
    assert "3 will be tried again" in first
    assert "the mean brightness is 0.04" in first
    assert visit.ids["dead"] in first
    assert "1 expired" in failed


def test_what_failed_earlier_than_yesterday_is_over(visit: Visit) -> None:
    with enter(visit.world.acorn.ref):
        old = Job.objects.filter(error__type="MailboxFull")
        old.filter(state="dead").update(finished_at=admin_figures.yesterday())
        old.filter(state="retry_wait").update(state="ready")
    assert "MailboxFull" not in part(visit.see(OVERVIEW), "What failed")


def test_leases_that_run_out_and_long_waits_are_shown(visit: Visit) -> None:
    page = visit.see(OVERVIEW)
    late = part(page, "Leases about to lapse")
    assert visit.ids["late"] in late
    assert late.count("<tr>") == 2
    waiting = part(page, "Waiting long")
    assert "the event order.paid about order_4" in waiting
    assert "order_0" not in waiting


def test_what_waited_for_its_time_counts_as_ready(visit: Visit) -> None:
    with enter(visit.world.acorn.ref):
        since = admin_figures.yesterday()
        Job.objects.filter(queue="reports", state="scheduled").update(run_at=since)
        found = admin_figures.standing()["reports"]
    assert found.count("ready") == 15
    assert found.count("scheduled") == 0
    assert found.ready_since == since


def test_durations_and_hours_are_those_of_what_ended(visit: Visit) -> None:
    with enter(visit.world.acorn.ref):
        day = admin_figures.day()
        ended = Job.objects.filter(finished_at__gt=admin_figures.yesterday())
        counts = ended.count(), ended.filter(state="succeeded").count()
        failed = ended.filter(state__in=("dead", "expired")).count()
    assert (day.jobs, day.succeeded, day.failed) == (*counts, failed)
    assert sum(one.jobs for one in day.kinds.values()) == day.jobs
    median, slow = day.kinds["mail.send"].seconds
    assert median is not None
    assert slow is not None
    assert 0 < median < slow
    assert day.since is None


def test_counts_stop_where_they_say(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (admin_figures, admin_overview):
        monkeypatch.setattr(module, "MOST_COUNTED", 40)
    monkeypatch.setattr(admin_figures, "MOST_MEASURED", 100)
    page = visit.see(OVERVIEW)
    assert "mails is paused: 40+ jobs ready" in page
    assert "The newest 100 jobs, back to" in page


PAGES = {
    OVERVIEW: 18,
    JOBS: 16,
    f"{JOBS}?state=ready&queue=menus&kind=menu.read": 16,
    JOBS + "{story}/change/": 26,
    "/admin/jobs/queue/": 18,
    "/admin/jobs/queue/{menus}/change/": 26,
    "/admin/jobs/schedule/": 12,
    "/admin/jobs/schedule/{nightly report}/change/": 16,
    "/admin/": 24,
}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_takes_no_more_queries_for_more_jobs(visit: Visit, path: str) -> None:
    few = visit.cost(path)
    with enter(visit.world.acorn.ref):
        jobs = list(Job.objects.filter(state__in=("ready", "dead")))
        for job in jobs:
            job.pk, job.key = Job._meta.pk.get_default(), ""
        Job.objects.bulk_create(jobs)
    # Rows that wait for something take one more for all of them, where the page shows such.
    assert visit.cost(path) <= few <= PAGES[path]


def test_filters_narrow_the_list(visit: Visit) -> None:
    assert "45 " in visit.see(f"{JOBS}?state=ready&queue=mails")
    failed = visit.see(f"{JOBS}?failed=today&kind=report.build")
    assert "canceling statement" in failed
    assert "Succeeded</span>" not in failed[failed.index("result_list") :]
    found = visit.see(JOBS + "?q={story}")
    assert found.count("data-row") == 1
    assert visit.see(f"{JOBS}?q=menu-4711").count("data-row") == 1


def test_the_list_says_what_waits_for_what(visit: Visit) -> None:
    answer = visit.browser.get(f"{visit.base}{JOBS}?state=waiting")
    linked = f'href="{JOBS}{visit.ids["story"]}/change/"><code'
    assert linked in answer.content.decode()
    assert "the event order.paid about order_3" in text_of(answer)


def test_the_story_of_a_job(visit: Visit) -> None:
    page = visit.see(JOBS + "{story}/change/")
    for said in (
        "It runs on", "at 64%: page 7 of 11", "by <strong>Ada Lovelace</strong> (user), through", "key_01jada",
        "Attempt 1", "took 31.0 s", "503 from", "Lost by its worker", "7 messages", "page 6 of 11",
        "Remembered the step", "Woke up", "manage.py jobs get", visit.ids["waiting"],
    ):  # fmt: skip
        assert said in page, said
    assert part(page, "Enqueued by it").count("<tr>") == 2
    assert part(page, "Wait for it").count("<tr>") == 2
    timeline = part(page, "Timeline")
    assert timeline.index("Attempt 3") < timeline.index("Attempt 2") < timeline.index("Enqueued in")


def test_payloads_are_text_whatever_they_hold(visit: Visit) -> None:
    answer = visit.browser.get(visit.base + (JOBS + "{story}/change/").format(**visit.ids))
    assert b"<script>alert(" not in answer.content
    assert b"&lt;script&gt;alert(&#x27;menu&#x27;)&lt;/script&gt;" in answer.content


def test_large_documents_are_cut() -> None:
    shown = document({"text": "x" * 2 * MOST_CHARACTERS})
    assert len(shown) < MOST_CHARACTERS + 300
    assert "more characters" in shown


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "—"),
        (0.0421, "42 ms"),
        (3.26, "3.3 s"),
        (60, "1 min"),
        (3725, "1 h 2 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_how_long_something_took(seconds: float | None, said: str) -> None:
    assert span(seconds) == said


def test_a_dead_job_is_retried_with_a_reason(visit: Visit) -> None:
    page = visit.see(JOBS + "{dead}/change/")
    assert "It died" in page
    assert "jobs.cancel/" not in page
    assert visit.send(JOBS + "{dead}/do/jobs.retry/").status_code == 200
    assert visit.job("dead").state == "dead"
    assert visit.send(JOBS + "{dead}/do/jobs.retry/", reason="The lamp is new").status_code == 302
    assert visit.job("dead").state == "ready"
    assert "The lamp is new" in part(visit.see(JOBS + "{dead}/change/"), "Timeline")


def test_many_are_cancelled_by_the_operation_with_one_reason(visit: Visit) -> None:
    many = JOBS + "many/jobs.cancel/?id={story}&id={waiting}&id={dead}"
    chosen = visit.send(JOBS, action="jobs.cancel", _selected_action=str(visit.job("story").pk))
    assert chosen["Location"] == (JOBS + "many/jobs.cancel/?id={story}").format(**visit.ids)
    page = visit.see(many)
    assert "1 more was chosen" in page
    assert "Type “2 jobs” to confirm" in page
    said = {"reason": "Nobody waits any more", "shown_for": ""}
    assert visit.send(many, **said, confirmation="3 jobs").status_code == 200
    assert visit.job("waiting").state == "waiting"
    assert visit.send(many, **said, confirmation="2 jobs").status_code == 302
    assert [visit.job(name).state for name in ("story", "waiting", "dead")] == [
        "cancelling",
        "cancelled",
        "dead",
    ]
    assert "Nobody waits any more" in part(visit.see(JOBS + "{story}/change/"), "Timeline")


def test_many_that_nobody_sees_are_none(visit: Visit) -> None:
    for query in ("", "?id=job_x", "?id={story}&id=x"):
        found = visit.browser.get(visit.base + f"{JOBS}many/jobs.retry/" + query.format(**visit.ids))
        assert found.status_code == (302 if "story" in query else 404), query


def test_a_queue_is_paused_resumed_and_redriven(visit: Visit) -> None:
    menus = "/admin/jobs/queue/{menus}/"
    assert visit.send(menus + "do/queues.pause/", reason="Too many").status_code == 302
    assert "Paused</span>" in visit.see(menus + "change/")
    assert visit.send(menus + "do/queues.resume/", reason="It goes on").status_code == 302
    redriven = visit.send(menus + "do/jobs.redrive/", reason="Mended", queue="menus", state="dead", limit="5")
    assert redriven.status_code == 302
    page = visit.see(menus + "change/")
    assert "Redrive: 5 jobs, 9 are left. Done, and on record." in page
    assert "Too many" in page


def test_a_changed_queue_shows_no_secret_where_there_is_none(visit: Visit) -> None:
    shown = {
        "description": "",
        "weight": "1",
        "max_in_flight_per_key": "1",
        "max_attempts": "5",
        "lease_seconds": "60",
    }
    said = {**shown, "retention_days": "30", "max_in_flight": "2", "reason": "Fewer, but of anybody"}
    changed = visit.send("/admin/jobs/queue/{menus}/do/queues.update/", **said)
    assert changed.status_code == 302, text_of(changed)
    page = visit.see("/admin/jobs/queue/{menus}/change/")
    assert "2 at a time" in page
    assert "of each organization at a time" not in page


def test_who_is_being_served(visit: Visit) -> None:
    served = part(visit.see("/admin/jobs/queue/{menus}/change/"), "Who is being served")
    assert served.count("<tr>") == 4
    assert served.count("Next</span>") == 1
    assert "The tenant itself" in served


def test_keys_that_have_used_up_their_rate(visit: Visit) -> None:
    own: dict[str, Any] = {"schema_name": visit.world.acorn.ref.schema_name, "queue": "menus"}
    north = visit.world.acorn.parties["north"].uuid
    until = clock.now() + timedelta(minutes=7)
    with enter(visit.world.acorn.ref):
        Queue.objects.filter(name="menus").update(rate_per_key={"count": 2, "seconds": 60})
    with registry():
        for share, key in ((NOBODY, "room 9"), (north, "room 12")):
            KeyTurn.objects.create(share=share, concurrency_key=key, tat=until, blocked_until=until, **own)
        KeyTurn.objects.create(concurrency_key="room 30", tat=clock.now(), **own)
        for _ in range(3):
            Dispatch.objects.create(
                share=north, concurrency_key="room 12", state="held", runner="client", **own
            )
    page = visit.see("/admin/jobs/queue/{menus}/change/")
    assert "2 in 1 min with each key" in page
    waiting = part(page, "Keys that have used up their rate")
    assert waiting.count("<tr>") == 3
    assert "room 9" in waiting
    assert "room 30" not in waiting
    visit.within("north")
    waiting = part(visit.see("/admin/jobs/queue/{menus}/change/"), "Keys that have used up their rate")
    assert "room 12" in waiting
    assert "room 9" not in waiting
    assert "<td>3</td>" in waiting.replace("\n", "")


def test_a_schedule_is_run_paused_and_resumed(visit: Visit) -> None:
    nightly = "/admin/jobs/schedule/{every quarter}/"
    page = visit.see(nightly + "change/")
    assert part(page, "Fires next").count("UTC</td>") == 10
    for operation in ("run", "pause", "resume"):
        answer = visit.send(f"{nightly}do/schedules.{operation}/", reason=f"To {operation} it")
        assert answer.status_code == 302, text_of(answer)
    page = visit.see(nightly + "change/")
    assert "by hand" in part(page, "Has fired")
    assert "To resume it" in page


def test_within_an_organization_only_its_own_is_seen(visit: Visit) -> None:
    with enter(visit.world.acorn.ref):
        north = visit.world.acorn.parties["north"].uuid
        own = Job.objects.filter(organization_id=north)
        counts = {state: own.filter(queue="mails", state=state).count() for state in ("ready", "dead")}
        others = [job.public_id for job in Job.objects.exclude(organization_id=north)]
        total = Job.objects.filter(queue="mails", state="ready").count()
    visit.within("north")
    page = visit.see(OVERVIEW)
    assert 0 < counts["ready"] < total
    assert f"mails is paused: {counts['ready']} jobs ready" in page
    assert "3 of 3 run" not in page
    pages = [
        page,
        visit.see(JOBS),
        visit.see(f"{JOBS}?failed=today"),
        visit.see("/admin/jobs/queue/{menus}/change/"),
    ]
    for seen in pages:
        assert not [shown for shown in others if shown in seen]
    assert visit.browser.get(f"{visit.base}{JOBS}{others[0]}/change/").status_code == 404
    assert visit.browser.get(f"{visit.base}{JOBS}many/jobs.cancel/?id={others[0]}").status_code == 404
    served = part(pages[-1], "Who is being served")
    assert served.count("<tr>") <= 2
    assert "The tenant itself" not in served


def test_nobody_without_a_hand_off_sees_it(world: World) -> None:
    stranger = Browser(world.rivals.email)
    for path in (OVERVIEW, JOBS, f"{JOBS}many/jobs.cancel/"):
        answer = stranger.get(f"http://{world.acorn.host}{path}")
        assert answer.status_code == 403
        assert "Jobs overview" not in text_of(answer)


def test_the_console_has_the_same_pages(world: World) -> None:
    builder = Browser(world.builders.email)
    for path in (OVERVIEW, JOBS, "/admin/jobs/queue/", "/admin/jobs/schedule/"):
        assert builder.get(f"http://127.0.0.1{path}").status_code == 200, path

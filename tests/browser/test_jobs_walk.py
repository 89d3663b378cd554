"""What somebody does whose jobs are stuck or failed: finds out which and why, and puts it right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import call
from tests.browser.person import Person

pytestmark = pytest.mark.browser

_ROOT = Path(__file__).resolve().parents[2]
_FILL = """
import json
from apps.jobs.tests.crowd import Crowd
from apps.orgs.models import Organization
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside
with outside():
    ref = Tenant.objects.get(name="kitchen/development").ref
with enter(ref):
    named = {"north": "Trattoria Nord", "south": "Südblick"}
    places = [Organization.objects.create(slug=slug, name=name).pk for slug, name in named.items()]
print(json.dumps(Crowd(ref, places, late=28).fill()))
"""
PAGES = {
    "overview": "/admin/jobs/job/overview/",
    "list": "/admin/jobs/job/",
    "failed": "/admin/jobs/job/?failed=today",
    "story": "/admin/jobs/job/{story}/change/",
    "dead": "/admin/jobs/job/{dead}/change/",
    "waiting": "/admin/jobs/job/{waiting}/change/",
    "succeeded": "/admin/jobs/job/{succeeded}/change/",
    "many": "/admin/jobs/job/many/jobs.cancel/?id={story}&id={waiting}&id={dead}",
    "queues": "/admin/jobs/queue/",
    "queue": "/admin/jobs/queue/{menus}/change/",
    "paused-queue": "/admin/jobs/queue/{mails}/change/",
    "redrive": "/admin/jobs/queue/{menus}/do/jobs.redrive/",
    "change-queue": "/admin/jobs/queue/{menus}/do/queues.update/",
    "schedules": "/admin/jobs/schedule/",
    "schedule": "/admin/jobs/schedule/{nightly report}/change/",
}


@pytest.fixture(scope="module")
def crowded(installation: dict[str, Any]) -> dict[str, str]:
    """The shown ids of what is told about, in an environment in which a lot goes on."""
    key = installation["console_key"]
    made = call(installation, "/v1/applications", key, {"slug": "kitchen", "name": "Kitchen"})
    environment = next(one["id"] for one in made["environments"] if one["name"] == "development")
    clean = {**os.environ, "PACKMULE_DATA_DIR": installation["data_dir"]}
    filled = subprocess.run(
        [sys.executable, str(_ROOT / "manage.py"), "shell", "-v0", "-c", _FILL],
        capture_output=True, text=True, check=False, env=clean, cwd=_ROOT,
    )  # fmt: skip
    assert filled.returncode == 0, filled.stderr
    return {**json.loads(filled.stdout.splitlines()[-1]), "environment": environment}


@pytest.fixture
def inside(installation: dict[str, Any], admin: Person, crowded: dict[str, str]) -> Person:
    """The first person, in that environment."""
    return _gone_in(installation, admin, crowded["environment"])


@pytest.fixture(scope="module")
def looking_in(installation: dict[str, Any], onlooker: Person, crowded: dict[str, str]) -> Person:
    """The same for all that only look."""
    return _gone_in(installation, onlooker, crowded["environment"])


def _gone_in(installation: dict[str, Any], admin: Person, environment: str) -> Person:
    admin.open(f"/admin/open/{environment}/")
    port = installation["api_url"].rpartition(":")[2]
    person = Person(admin.driver, f"http://development--kitchen.localhost:{port}", admin.shots)
    person.wait_for(lambda: person.path == "/admin/")
    return person


@pytest.mark.parametrize("name", PAGES)
def test_every_page_looks_right(looking_in: Person, crowded: dict[str, str], name: str) -> None:
    assert looking_in.looks_wrong(f"jobs-{name}", PAGES[name].format(**crowded)) == []


def test_from_what_failed_to_a_queue_that_runs_again(inside: Person, crowded: dict[str, str]) -> None:
    inside.open("/admin/")
    inside.click_to_page("#nav-sidebar a[href='/admin/jobs/job/overview/']")
    assert "mails is paused: 45 jobs ready, the oldest for 2 h" in inside.read(".pm-needs")
    assert "the mean brightness is 0.04" in inside.read("#failed")

    inside.click_to_page("#failed a[href*='{dead}']".format(**crowded))
    assert "Dead" in inside.read("h1")
    assert "It died" in inside.read(".pm-sentence")
    inside.follow("Retry")
    inside.send(reason="The lamp was replaced")
    assert "Ready" in inside.read("h1")
    assert "The lamp was replaced" in inside.read(".pm-timeline")

    inside.open("/admin/jobs/queue/")
    inside.follow("mails")
    inside.follow("Resume")
    inside.send(reason="The mail server is back")
    assert "Paused" not in inside.read("h1")

    inside.follow("Redrive")
    inside.send(reason="Their mailboxes were emptied")
    assert "Redrive: 7 jobs. Done, and on record." in inside.read()


def test_several_jobs_are_cancelled_with_one_reason(inside: Person) -> None:
    inside.open("/admin/jobs/job/?state=ready&queue=images")
    for box in inside.find_all("input.action-select")[:2]:
        box.send_keys(" ")
    inside.do_with_chosen("Cancel")
    assert "images" in inside.read(".pm-many")
    inside.send(confirmation="2 jobs", reason="Nobody needs these pictures")
    assert "Cancel: 2 jobs. Done, and on record." in inside.read()

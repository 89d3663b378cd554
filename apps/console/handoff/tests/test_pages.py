"""The pages of an environment's admin: what they show, to whom, and how many queries they take."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Agent, ServiceAccount, User
from apps.console.handoff.tests.support import CONSOLE, WHY, Browser, environment_of, text_of
from apps.console.tests.support import people_and_places
from apps.core import admin as theme
from apps.core import clock
from apps.core.admin import environments
from apps.core.admin_actions import actions_above, actions_on
from apps.core.ids import uuid7
from apps.data.models import Collection, Record, SchemaVersion
from apps.events.models import EventType
from apps.events.webhooks.models import Delivery, WebhookEndpoint
from apps.jobs.models import Job, Queue, Schedule
from apps.orgs.models import Membership, Organization
from apps.storage.models import Bucket, File, Usage
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

LISTS = [f"{model._meta.app_label}/{model._meta.model_name}" for model in environments._registry]
MOST_FOR_A_LIST, MOST_FOR_A_STORY, MOST_FOR_THE_DASHBOARD = 14, 18, 18


def crowd(world: World, count: int) -> None:
    """Add `count` rows of everything to acorn's north."""
    organization = world.acorn.parties["north"].uuid
    with enter(world.acorn.ref):
        people_and_places(organization, count)
        for number in range(count):
            owned: dict[str, Any] = {"organization_id": organization, "name": f"m{count}-{number}"}
            Agent.objects.create(owner_kind="user", owner_name="x", **owned)
            ServiceAccount.objects.create(**owned)
            Organization.objects.create(slug=f"c{count}-{number}", name=f"Customer {count}-{number}")
        data_and_files(organization, count)
        work_and_webhooks(organization, count)


def work_and_webhooks(organization: UUID, count: int) -> None:
    """Add `count` queues with a job each, schedules, event types, and endpoints with a delivery each."""
    for number in range(count):
        name = f"w{count}-{number}"
        Queue.objects.create(name=name)
        Job.objects.create(organization_id=organization, queue=name, kind="look")
        Schedule.objects.create(
            organization_id=organization,
            name=name,
            every_seconds=60,
            queue=name,
            kind="look",
            paused_at=clock.now(),
        )
        EventType.objects.create(name=f"crowd.{name.replace('-', '_')}", schema={"type": "object"})
        endpoint = WebhookEndpoint.objects.create(organization_id=organization, url="https://93.184.215.14/")
        Delivery.objects.create(
            endpoint=endpoint,
            organization_id=organization,
            event=uuid7(),
            event_type="job.dead",
            body="{}",
            job=uuid7(),
        )


def data_and_files(organization: UUID, count: int) -> None:
    """Add `count` records in collections of their own, and files in buckets of their own."""
    at_most = Collection.objects.count()
    for number in range(count):
        name, now = f"m{count}-{number}", clock.now()
        collection = Collection.objects.create(
            number=at_most + number + 1, name=name, schema={"type": "object"}
        )
        SchemaVersion.objects.create(collection=collection, number=1, schema=collection.schema)
        Record.objects.create(
            collection=collection,
            organization_id=organization,
            data={"name": name},
            schema_version=1,
            created_at=now,
            updated_at=now,
        )
        bucket = Bucket.objects.create(name=name)
        Usage.objects.create(bucket=bucket, organization_id=organization, bytes=1, files=1)
        File.objects.create(
            bucket=bucket, organization_id=organization, name=name, content_type="text/plain", status="ready"
        )


def at(world: World, path: str) -> str:
    """The address of a page of acorn's admin."""
    return f"http://{world.acorn.host}/admin/{path}"


def cost(browser: Browser, address: str) -> int:
    """How many queries a page takes, asked for a second time."""
    assert browser.get(address).status_code == 200, address
    with CaptureQueriesContext(connection) as asked:
        browser.get(address)
    return len(asked)


def first_story(browser: Browser, world: World, where: str) -> str:
    """The address of the page of the list's first row."""
    page = text_of(browser.get(at(world, f"{where}/")))
    head = f'href="/admin/{where}/'
    start = page.index(head, page.index("result_list")) + len('href="')
    return f"http://{world.acorn.host}{page[start : page.index(chr(34), start)].partition('?')[0]}"


def costs(world: World, browser: Browser) -> dict[str, tuple[int, int]]:
    """By each list: how many queries it takes, and how many the page of its first row."""
    return {
        where: (cost(browser, at(world, f"{where}/")), cost(browser, first_story(browser, world, where)))
        for where in LISTS
    }


# All in one: a crowd takes longer to come than its pages to be read.
@pytest.mark.sweep
def test_no_page_takes_more_queries_for_thirty_rows_than_for_three(world: World, inside: Browser) -> None:
    crowd(world, 3)
    few = costs(world, inside)
    crowd(world, 30)
    many = costs(world, inside)
    grown = {where: (few[where], many[where]) for where in LISTS if many[where][0] != few[where][0]}
    assert not grown, "lists that take other queries for more rows, as (list, first row)"
    dear = {where: cost for where, cost in many.items() if cost[0] > MOST_FOR_A_LIST}
    assert not dear, f"lists that take more than {MOST_FOR_A_LIST} queries"
    grown = {
        where: (few[where], many[where])
        for where in LISTS
        if many[where][1] > max(few[where][1], MOST_FOR_A_STORY)
    }
    assert not grown, "stories that take more queries the more there is, as (list, first row)"


def test_the_dashboard_takes_few_queries(world: Any, inside: Browser) -> None:
    crowd(world, 3)
    few = cost(inside, at(world, ""))
    crowd(world, 30)
    assert cost(inside, at(world, "")) == few <= MOST_FOR_THE_DASHBOARD


def test_the_dashboard_says_where_one_is(world: Any, inside: Browser) -> None:
    page = text_of(inside.get(at(world, "")))
    for told in (
        "acorn/production",
        "Nothing waits",
        "environments.open",
        WHY,
        "Organizations",
        f"http://{CONSOLE}/admin/",
    ):
        assert told in page, told


def test_an_environment_has_no_applications_and_no_operators(world: Any, inside: Browser) -> None:
    page = text_of(inside.get(at(world, "")))
    assert "applications" not in page.lower()
    for path in ("applications/application/", "applications/environment/", "open/x/", "hand-off/"):
        assert inside.get(at(world, path)).status_code == 404, path
    assert inside.get(f"http://{world.acorn.host}/operator/").status_code == 404


def test_every_admin_is_built_on_the_themes_own_class() -> None:
    assert {"orgs/organization", "accounts/user", "apikeys/key", "audit/event", "apikeys/handoff"} <= set(
        LISTS
    )
    for model, admin in environments._registry.items():
        assert isinstance(admin, theme.StoryAdmin), model


@pytest.mark.sweep
@pytest.mark.parametrize("where", LISTS)
def test_what_is_not_there_is_a_page(world: Any, inside: Browser, where: str) -> None:
    for name in ("key_00000000000000000000000000", "nonsense"):
        answer = inside.get(at(world, f"{where}/{name}/change/"))
        assert answer.status_code == 404, name
        assert "pm-problem" in text_of(answer)


@pytest.mark.sweep
def test_every_action_has_a_page(world: Any, inside: Browser) -> None:
    crowd(world, 1)
    for customer in ("", world.acorn.parties["north"].id):
        inside.post(at(world, "switch/"), organization=customer)
        for model in environments._registry:
            where = f"{model._meta.app_label}/{model._meta.model_name}"
            for action in actions_above(model, "environment"):
                answer = inside.get(at(world, f"{where}/do/{action.operation.name}/"))
                assert answer.status_code == 200, (customer, action.operation.name)
            # Within a customer nobody sees the hand-offs, which are of the environment.
            if not actions_on(model, "environment") or (customer and where == "apikeys/handoff"):
                continue
            story = first_story(inside, world, where)
            for action in actions_on(model, "environment"):
                answer = inside.get(story.replace("/change/", f"/do/{action.operation.name}/"))
                assert answer.status_code == 200, (customer, action.operation.name)


# Acting.


def test_an_action_runs_as_the_builder_and_says_why(world: Any, inside: Browser) -> None:
    north = world.acorn.parties["north"]
    path = at(world, f"accounts/agent/{north.agent}/do/agents.suspend/")
    assert inside.post(path).status_code == 200, "without a reason it asks again"
    with enter(world.acorn.ref):
        assert Agent.objects.get(name="north's agent").is_active
    assert inside.post(path, reason="It sends too many mails").status_code == 302
    with enter(world.acorn.ref):
        assert not Agent.objects.get(name="north's agent").is_active
    page = text_of(inside.get(at(world, f"accounts/agent/{north.agent}/change/")))
    for told in ("It sends too many mails", "by <strong>owner</strong>", "agents.suspend", "hof_"):
        assert told in page, told


def test_acting_within_one_customer(world: Any, inside: Browser) -> None:
    north = world.acorn.parties["north"]
    assert "south" in text_of(inside.get(at(world, "accounts/agent/")))
    assert inside.post(at(world, "switch/"), organization=north.id).status_code == 302
    page = text_of(inside.get(at(world, "accounts/agent/")))
    assert ("north's agent" in page, "south's agent" in page) == (True, False)
    shown = at(world, f"accounts/agent/{world.acorn.parties['south'].agent}/change/")
    assert inside.get(shown).status_code == 404
    assert inside.post(at(world, "switch/"), organization="").status_code == 302
    assert inside.get(shown).status_code == 200


@pytest.mark.parametrize("asked", ["org_00000000000000000000000000", "nonsense", "\x00"])
def test_acting_within_nobody(world: Any, inside: Browser, asked: str) -> None:
    assert inside.post(at(world, "switch/"), organization=asked).status_code == 404


def test_a_customer_that_is_gone_is_let_go_of(world: Any, inside: Browser) -> None:
    with enter(world.acorn.ref):
        gone = Organization.objects.create(slug="gone", name="Gone").public_id
    inside.post(at(world, "switch/"), organization=gone)
    assert Api(world.acorn.root_key).delete(f"/v1/organizations/{gone}").status == 204
    assert "All of this environment" in text_of(inside.get(at(world, "")))


def test_a_form_acts_where_it_was_shown(world: Any, inside: Browser) -> None:
    """Two tabs: one was opened across all customers, the other then chose north."""
    north, path = world.acorn.parties["north"], at(world, "accounts/agent/do/agents.create/")
    inside.post(at(world, "switch/"), organization=north.id)
    answer = inside.on(world.acorn.host).post(
        "/admin/accounts/agent/do/agents.create/",
        {"name": "Lost", "role": "viewer", "reason": "r", "shown_for": ""},
    )
    assert (answer.status_code, "opened in another organization" in text_of(answer)) == (409, True)
    assert inside.post(path, name="Found", role="viewer", reason="r").status_code == 302
    with enter(world.acorn.ref):
        assert Agent.objects.get(name="Found").organization_id == north.uuid
        assert not Agent.objects.filter(name="Lost").exists()


def test_two_environments_in_two_tabs(world: Any, inside: Browser) -> None:
    """Each form goes to the environment on whose host it was shown; the ids of both are the same."""
    with enter(world.console.ref):
        person = User.objects.get(email=world.builders.email)
        Membership.objects.create(organization_id=world.rivals.uuid, user=person, role="owner")
    assert inside.open(world.birch, environment_of(world, world.birch)).status_code == 200
    agent = world.acorn.parties["north"].agent
    shown = inside.get(at(world, f"accounts/agent/{agent}/do/agents.suspend/"))
    assert shown.status_code == 200
    path = f"http://{world.birch.host}/admin/accounts/agent/{agent}/do/agents.suspend/"
    assert inside.post(path, reason="Only there").status_code == 302
    for space, active in ((world.acorn, True), (world.birch, False)):
        with enter(space.ref):
            assert Agent.objects.get(name="north's agent").is_active is active


def test_forms_need_their_token(world: Any, inside: Browser) -> None:
    careful = inside.on(world.acorn.host)
    careful.handler.enforce_csrf_checks = True
    for path in ("leave/", "switch/", "accounts/agent/do/agents.create/"):
        assert careful.post(f"/admin/{path}", {"organization": ""}).status_code == 403, path
    assert inside.get(at(world, "")).status_code == 200

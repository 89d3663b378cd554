"""In whose name a job of the platform is done: whoever enqueued it, with what they may do when it runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import User
from apps.apikeys.resolver import Presented, admit, find, identify, within
from apps.core import clock
from apps.core.actor import Actor, Call, Edge, system_actor
from apps.core.ids import decode
from apps.jobs import tasks
from apps.jobs.jobs import enqueue_job
from apps.jobs.models import Job
from apps.jobs.tasks import Run, Task, task
from apps.orgs.models import Membership
from apps.tenancy.walls import enter, outside
from tests.client import Answer, Api
from tests.oauth import give as give_token
from tests.receiving import work
from tests.world import Party, World

REQUEST = "req_of_the_call_that_enqueued"


@pytest.fixture
def seen() -> list[tuple[Actor, str | None]]:
    """Who acted in each run, and within which organization it stood."""
    return []


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch, seen: list[tuple[Actor, str | None]]) -> Task:
    """A task that enqueues a job of the product."""
    monkeypatch.setattr(tasks, "_tasks", dict(tasks._tasks))

    def function(run: Run) -> dict[str, Any]:
        seen.append((run.actor, connection.wall.organization))  # type: ignore[attr-defined]
        made = enqueue_job(run.actor, queue="menus", kind="made", payload={})
        return {"made": made.public_id}

    return task("tests.acts", queue="packmule.tests", max_attempts=2)(function)


@pytest.fixture
def north(world: World) -> Party:
    return world.acorn.parties["north"]


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


def actor_by(key: str, whom: str = "") -> Actor:
    presented = Presented(key, Call(REQUEST, Edge.API), on_behalf_of=whom)
    found = find(presented)
    return identify(found, admit(found, presented), presented)


def enqueue(actor: Actor, declared: Task) -> Job:
    with enter(actor.tenant, within(actor)), transaction.atomic():
        return declared.enqueue(actor, {})


def ended(world: World, job: Job) -> Job:
    with enter(world.acorn.ref):
        return Job.objects.get(pk=job.pk)


def told_in_the_trail(root: Api) -> Answer:
    (entry,) = root.get(f"/v1/audit?request={REQUEST}&operation=jobs.enqueue")["data"]
    return entry  # type: ignore[no-any-return]


def test_it_is_done_as_whoever_enqueued_it(
    world: World, root: Api, north: Party, acts: Task, seen: list[tuple[Actor, str]]
) -> None:
    by = actor_by(north.service_key)
    job = enqueue(by, acts)
    work()
    ((actor, organization),) = seen
    assert (actor.principal, actor.organization, actor.credential.id) == (
        by.principal,
        by.organization,
        by.credential.id,
    )
    assert (organization, actor.call.edge) == (str(north.uuid), Edge.WORKER)
    done = ended(world, job)
    assert (done.state, done.organization_id) == ("succeeded", north.uuid)
    assert done.result is not None
    made = root.get(f"/v1/jobs/{done.result['made']}")
    assert (made["organization"], made["enqueued_by"]["id"]) == (north.id, north.service)
    entry = told_in_the_trail(root)
    assert (entry["actor"]["id"], entry["edge"]) == (north.service, "worker")


def test_nobody_stands_behind_a_job_without_an_actor(world: World, acts: Task, seen: list[Any]) -> None:
    with enter(world.acorn.ref), transaction.atomic():
        nobodys, platforms = acts.enqueue(None, {}), acts.enqueue(None, {})
        Job.objects.filter(pk=nobodys.pk).update(enqueued_by=None)
    work()
    assert [actor.is_system for actor, _ in seen] == [True], "the platform's alone"
    assert ended(world, platforms).state == "succeeded"
    left = ended(world, nobodys)
    assert (left.state, left.enqueued_by) == ("dead", None)


def test_an_agent_is_an_agent_and_stands_in_the_trail_with_its_chain(
    root: Api, north: Party, acts: Task, seen: list[tuple[Actor, str]]
) -> None:
    by = actor_by(north.agent_key)
    enqueue(by, acts)
    work()
    ((actor, _),) = seen
    assert (actor.kind, actor.owner, actor.involves_agent) == (by.kind, by.owner, True)
    assert actor.credential.chain == by.credential.chain
    assert told_in_the_trail(root)["actor"]["id"] == north.agent


def test_a_delegation_is_used_when_it_runs(
    world: World, api: Api, root: Api, north: Party, acts: Task
) -> None:
    body = {"actor": north.agent, "scopes": ["jobs:write"], "expires_at": later()}
    person = api.using(north.person_key)
    given = person.post("/v1/delegations", body)
    by = actor_by(north.agent_key, north.person)
    first, second = enqueue(by, acts), None
    work()
    entry = told_in_the_trail(root)
    assert (entry["actor"]["id"], entry["on_behalf_of"]["id"]) == (north.agent, north.person)
    assert ended(world, first).state == "succeeded"
    second = enqueue(by, acts)
    assert person.delete(f"/v1/delegations/{given['id']}").status == 204
    work()
    assert ended(world, second).state == "dead"


def later() -> str:
    return (clock.now() + timedelta(hours=1)).isoformat()


def test_a_key_that_was_revoked_meanwhile_does_nothing_and_is_not_tried_again(
    world: World, root: Api, north: Party, acts: Task, seen: list[tuple[Actor, str]]
) -> None:
    by = actor_by(north.service_key)
    job = enqueue(by, acts)
    assert root.delete(f"/v1/keys/{by.credential.public_id}").status == 204
    work()
    done = ended(world, job)
    assert (seen, done.state, done.attempt) == ([], "dead", 1)
    assert f"{by.credential.public_id}, by which it was made, was revoked" in done.error["message"]  # type: ignore[index]


def test_what_a_role_allows_no_more_is_refused_when_it_runs(
    world: World, north: Party, acts: Task, seen: list[tuple[Actor, str]]
) -> None:
    job = enqueue(actor_by(north.person_key), acts)
    with enter(world.acorn.ref):
        Membership.objects.filter(pk=decode(north.membership, "mem")).update(role="viewer")
    work()
    assert [actor.role for actor, _ in seen] == ["viewer"]
    done = ended(world, job)
    assert (done.state, "the role viewer" in done.error["message"]) == ("retry_wait", True)  # type: ignore[index]


def test_a_suspension_stops_it_for_now(world: World, north: Party, acts: Task) -> None:
    job = enqueue(actor_by(north.person_key), acts)
    with enter(world.acorn.ref):
        User.objects.filter(pk=decode(north.person, "usr")).update(status="suspended")
    work()
    done = ended(world, job)
    assert (done.state, done.error["type"]) == ("scheduled", "NotNow")  # type: ignore[index]


def test_a_suspension_uses_up_no_attempt_however_long_it_lasts(
    world: World, north: Party, acts: Task, seen: list[tuple[Actor, str]]
) -> None:
    with clock.frozen(clock.now()) as held:
        job = enqueue(actor_by(north.person_key), acts)
        with enter(world.acorn.ref):
            people = User.objects.filter(pk=decode(north.person, "usr"))
            people.update(status="suspended")
        tries = 0
        for _ in range(24 * 60):
            tries += work()
            held.move(timedelta(minutes=1))
        assert (ended(world, job).state, seen) == ("scheduled", [])
        assert 20 < tries < 80, "it looks less often the longer it lasts"
        with enter(world.acorn.ref):
            people.update(status="active")
        held.move(timedelta(hours=1))
        work()
        done = ended(world, job)
        assert (done.state, done.attempt) == ("succeeded", 1)


def test_nobody_stands_behind_jobs_that_are_locked_in_the_order_of_all(
    world: World, north: Party, acts: Task
) -> None:
    job = enqueue(actor_by(north.service_key), acts)
    with enter(world.acorn.ref), transaction.atomic(), CaptureQueriesContext(connection) as seen:
        mark = Job.objects.get(pk=job.pk).standing["marks"][0]  # type: ignore[index]
        tasks.end_those_through([UUID(mark)], Q())
    locking = [query["sql"] for query in seen.captured_queries if "FOR UPDATE" in query["sql"]]
    assert ["jobs_dispatch" in sql for sql in locking] == [True, False], locking
    assert ended(world, job).standing == {}


def test_nothing_is_enqueued_in_the_name_of_somebody_of_another_organization(
    world: World, north: Party, acts: Task
) -> None:
    actor, south = actor_by(north.service_key), decode(world.acorn.parties["south"].id, "org")
    with enter(actor.tenant), transaction.atomic():
        with pytest.raises(ValueError, match=f"enqueues nothing in {south}"):
            acts.enqueue(actor, {}, organization_id=south)
        assert acts.enqueue(actor, {}, organization_id=decode(north.id, "org")).organization_id


def test_a_task_is_enqueued_in_a_tenant_alone(world: World, acts: Task) -> None:
    for actor in (None, system_actor(world.acorn.ref, Call(REQUEST, Edge.WORKER))):
        with outside(), pytest.raises(RuntimeError, match="needs a tenant"):
            acts.enqueue(actor, {})


def test_whoever_takes_back_what_they_let_a_program_do_ends_what_it_enqueued(
    world: World, api: Api, north: Party, acts: Task, seen: list[tuple[Actor, str]]
) -> None:
    token = give_token(world.acorn, ["*"], user=north.person)
    job = enqueue(actor_by(token), acts)
    person = api.using(north.person_key)
    (grant,) = person.get("/v1/oauth-grants")["data"]
    assert person.delete(f"/v1/oauth-grants/{grant['id']}").status == 204
    work()
    done = ended(world, job)
    assert (seen, done.state) == ([], "dead")
    assert "is gone" in done.error["message"]  # type: ignore[index]


def test_a_job_that_names_somebody_of_whom_nothing_is_kept_is_refused(
    world: World, north: Party, acts: Task, seen: list[tuple[Actor, str]]
) -> None:
    job = enqueue(actor_by(north.service_key), acts)
    with enter(world.acorn.ref):
        Job.objects.filter(pk=job.pk).update(standing=None)
    work()
    assert (seen, ended(world, job).state) == ([], "dead")


def test_the_platform_itself_acts_in_the_organization_of_the_job(
    world: World, north: Party, acts: Task, seen: list[tuple[Actor, str]]
) -> None:
    by = system_actor(world.acorn.ref, Call(REQUEST, Edge.COMMAND))
    with enter(world.acorn.ref), transaction.atomic():
        jobs = [acts.enqueue(by, {}, organization_id=north.uuid), acts.enqueue(None, {})]
    work()
    assert {ended(world, job).state for job in jobs} == {"succeeded"}
    assert {(actor.is_system, actor.organization and actor.organization.id) for actor, _ in seen} == {
        (True, north.uuid),
        (True, None),
    }


def test_nothing_that_is_kept_opens_anything_or_is_shown(
    world: World, root: Api, north: Party, acts: Task
) -> None:
    job = enqueue(actor_by(north.service_key), acts)
    kept = ended(world, job)
    assert kept.standing is not None
    assert north.service_key.rpartition("_")[2] not in str(vars(kept))
    assert "standing" not in root.get(f"/v1/jobs/{kept.public_id}").body

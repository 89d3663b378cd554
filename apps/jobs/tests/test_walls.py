"""Jobs of two tenants with the same ids, of two organizations, and of nobody's."""

from __future__ import annotations

import pytest

from apps.core.ids import decode, encode, uuid7
from apps.jobs import ending
from apps.jobs.leases import put, put_again, withdraw
from apps.jobs.models import Job
from apps.jobs.registry import Dispatch
from apps.jobs.tests.workers import claim, make, rows, state, take
from apps.tenancy.walls import enter, outside
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import World


def test_a_worker_of_an_organization_gets_its_jobs_alone(world: World, api: Api) -> None:
    north, south = world.acorn.parties.values()
    mine, theirs = make(api.using(north.person_key)), make(api.using(south.person_key))
    tenants = make(api.using(world.acorn.root_key))
    assert [held.id for held in claim(api.using(north.service_key), limit=9)] == [mine]
    assert [held.id for held in claim(api.using(north.agent_key), limit=9)] == []
    assert rows(theirs, tenants) == {theirs: "ready", tenants: "ready"}
    root = api.using(world.acorn.root_key)
    assert {held.id for _ in range(2) for held in claim(root, limit=9)} == {theirs, tenants}


def test_nobody_outside_sees_or_touches_a_job(world: World, api: Api) -> None:
    north, south = world.acorn.parties.values()
    job = make(api.using(north.person_key))
    for key in (
        south.person_key,
        south.service_key,
        world.birch.root_key,
        world.birch.parties["north"].person_key,
    ):
        me = api.using(key)
        assert me.get("/v1/jobs")["data"] == []
        for answer in (
            me.get(f"/v1/jobs/{job}"),
            me.get(f"/v1/jobs/{job}/attempts"),
            me.get(f"/v1/jobs/{job}/steps"),
            me.post(f"/v1/jobs/{job}/cancel"),
            me.post(f"/v1/jobs/{job}/retry"),
        ):
            check_refusal(answer, 404, "not_found")
    assert rows(job) == {job: "ready"}


def test_claims_are_the_tenants_own(world: World, api: Api) -> None:
    make(api.using(world.acorn.root_key))
    assert claim(api.using(world.birch.root_key)) == []
    assert take(api.using(world.acorn.root_key)).token


def test_an_id_that_another_tenant_has_too_reaches_nothing_of_its(world: World, api: Api) -> None:
    """As after an import of rows that somebody made up."""
    me, job = api.using(world.acorn.root_key), make(api.using(world.acorn.root_key))
    with enter(world.birch.ref):
        twin = Job.objects.create(id=decode(job, "job"), queue="menus", kind="x")
        assert withdraw(twin.pk) is True
    birch = api.using(world.birch.root_key)
    assert birch.post(f"/v1/jobs/{job}/cancel")["state"] == "cancelled"
    assert rows(job) == {job: "ready"}
    assert (state(me, job), take(me).id) == ("ready", job)


def test_an_organizations_role_may_put_rows_and_no_more(world: World) -> None:
    north = world.acorn.parties["north"]
    with enter(world.acorn.ref, north.uuid):
        job = Job.objects.create(organization_id=north.uuid, queue="menus", kind="x")
        put([ending.dispatch_of(job)])
        put_again([ending.dispatch_of(job)])
    with outside():
        assert Dispatch.objects.get(pk=job.pk).share == north.uuid


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_a_job_that_is_nowhere_is_not_found(world: World, api: Api, verb: str) -> None:
    me = api.using(world.acorn.root_key)
    check_refusal(me.post(f"/v1/jobs/{encode('job', uuid7())}/{verb}"), 404, "not_found")

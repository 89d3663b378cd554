"""Jobs of a tenant that moves, and of an organization that goes."""

from __future__ import annotations

import pytest

from apps.core.ids import decode
from apps.jobs.registry import Dispatch, KeyTurn, Lane, Share
from apps.jobs.tests.workers import claim, clockwork, describe, later, make, rows, state, states, take
from apps.orgs.models import Organization
from apps.tenancy.models import Tenant
from apps.tenancy.transfer import contents
from apps.tenancy.transfer.errors import RegistryTaken
from apps.tenancy.walls import enter, outside, registry
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import World


def moved(world: World) -> None:
    """As in another installation, whose registry knows nothing of jobs."""
    with registry():
        for model in (Dispatch, Lane, Share):
            model.objects.filter(schema_name=world.acorn.ref.schema_name).delete()
    with outside():
        tenant = Tenant.objects.get(pk=world.acorn.ref.id)
    contents.arrived(tenant)


def test_jobs_go_on_where_their_tenant_arrives(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with clockwork() as now:
        describe(me, max_in_flight=9, max_attempts=3)
        done, runs, naps, cancelling = (make(me, key=name) for name in ("done", "runs", "naps", "cancelling"))
        held = {each.id: each for each in claim(me, limit=9)}
        held[done].complete()
        held[naps].wait("nap", seconds=60)
        me.post(f"/v1/jobs/{cancelling}/cancel")
        ready, later_on = make(me, priority=7), make(me, delay_seconds=30)
        waits = make(me, after=[ready])
        timed = make(me, after=[ready], deadline_at="2027-08-01T00:00:00Z")
        everything = (done, runs, naps, cancelling, ready, later_on, waits, timed)
        before = rows(*everything)

        moved(world)

        assert rows(*everything) == before
        later(now, 1)
        assert states(me, runs, cancelling) == ["ready", "cancelled"]
        assert take(me).complete()["id"] == ready
        assert states(me, waits, timed, later_on, naps) == ["ready", "ready", "scheduled", "waiting"]
        later(now, 61)
        assert {each.complete()["id"] for _ in range(2) for each in claim(me, limit=9)} == {
            runs, naps, later_on, waits, timed,
        }  # fmt: skip


def test_what_a_tenant_left_here_before_does_not_stand_in_its_way(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    job = make(me)
    with registry():
        Dispatch.objects.filter(pk=decode(job, "job")).update(queue="left_behind")
    with outside():
        tenant = Tenant.objects.get(pk=world.acorn.ref.id)
    contents.arrived(tenant)
    assert take(me).id == job


def test_nor_does_what_its_keys_had_here(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, rate_per_key={"count": 1, "seconds": 3600}, max_in_flight_per_key=9)
    first, second = (make(me, concurrency_key="k") for _ in range(2))
    assert (take(me).id, claim(me)) == (first, [])
    with outside():
        tenant = Tenant.objects.get(pk=world.acorn.ref.id)
    contents.arrived(tenant)
    assert take(me).id == second
    with outside():
        assert KeyTurn.objects.filter(schema_name=world.acorn.ref.schema_name).count() == 1


def test_jobs_with_the_ids_of_another_tenants_are_refused(world: World, api: Api) -> None:
    job = make(api.using(world.acorn.root_key))
    with registry():
        Dispatch.objects.filter(pk=decode(job, "job")).update(schema_name=world.birch.ref.schema_name)
    with outside():
        tenant = Tenant.objects.get(pk=world.acorn.ref.id)
    with pytest.raises(RegistryTaken, match=job):
        contents.arrived(tenant)


def test_a_paused_queue_is_paused_where_it_arrives(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me)
    me.post("/v1/queues/menus/pause")
    make(me)
    moved(world)
    assert claim(me) == []
    me.post("/v1/queues/menus/resume")
    assert len(claim(me)) == 1


def test_an_organization_with_unfinished_jobs_stays(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    made = root.post("/v1/organizations", {"name": "West", "slug": "west"})
    job = make(root, organization=made["id"])
    refused = root.delete(f"/v1/organizations/{made['id']}")
    assert (refused.status, "1 unfinished job in the queue menus" in refused["detail"]) == (409, True)
    root.post(f"/v1/jobs/{job}/cancel")
    assert root.delete(f"/v1/organizations/{made['id']}").status == 204
    check_refusal(root.get(f"/v1/jobs/{job}"), 404, "not_found")


def test_the_registry_forgets_an_organization_that_goes(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    made = root.post("/v1/organizations", {"name": "West", "slug": "west"})
    make(root, organization=made["id"])
    take(root).complete()
    with enter(world.acorn.ref):
        share = Organization.objects.get(slug="west").pk
    with outside():
        assert Share.objects.filter(share=share).exists()
    root.delete(f"/v1/organizations/{made['id']}")
    with outside():
        assert not Share.objects.filter(share=share).exists()
        assert state(root, make(root)) == "ready"

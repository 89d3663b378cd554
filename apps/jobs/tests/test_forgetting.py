"""Jobs that ended are kept as long as their queue says."""

from __future__ import annotations

from datetime import timedelta

from django.db import connection

from apps.core import clock
from apps.core.ids import decode
from apps.jobs import forgetting
from apps.jobs.forgetting import forget_old
from apps.jobs.models import RETENTION_DAYS, Attempt, Job, Step
from apps.jobs.tests.workers import describe, kept, make, take
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import World


def test_what_ended_is_kept_as_long_as_its_queue_says(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, retention_days=2)
    ended, unfinished = make(me), make(me)
    held = take(me)
    assert held.step("ocr", 1).status == 200
    assert held.complete().status == 200
    with enter(world.acorn.ref), clock.frozen(clock.now()) as now:
        now.move(timedelta(days=1, hours=23))
        assert forget_old() == 0
        now.move(timedelta(hours=2))
        assert forget_old() == 1
        gone = decode(ended, "job")
        assert not Attempt.objects.filter(job=gone).exists()
        assert not Step.objects.filter(job=gone).exists()
    check_refusal(me.get(f"/v1/jobs/{ended}"), 404, "not_found")
    assert kept(world.acorn, unfinished).state == "ready"


def seems_due(world: World) -> bool:
    with outside():
        tenant = Tenant.objects.get(name=world.acorn.name)
    with enter(world.acorn.ref), connection.cursor() as cursor:
        ((sql, params),) = forgetting.due(tenant)
        cursor.execute(f"select exists ({sql})", params)
        return bool(cursor.fetchone()[0])


def test_a_queue_that_keeps_its_jobs_shortly_makes_no_other_ones_due(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    describe(me, retention_days=2)
    describe(me, "short", retention_days=1)
    make(me)
    take(me).complete()
    with clock.frozen(clock.now()) as now:
        now.move(timedelta(days=1, hours=2))
        assert not seems_due(world)
        now.move(timedelta(days=1))
        assert seems_due(world)


def test_the_platforms_own_jobs_are_forgotten_too_and_end_by_themselves_alone(world: World, api: Api) -> None:
    me = api.using(world.acorn.root_key)
    with enter(world.acorn.ref):
        over = clock.now() - timedelta(days=RETENTION_DAYS, seconds=1)
        own = Job.objects.create(queue="packmule.x", kind="x", system=True, state="ready")
        Job.objects.create(queue="packmule.x", kind="x", system=True, state="succeeded", finished_at=over)
        assert forget_old() == 1
    for verb in ("cancel", "retry"):
        check_refusal(me.post(f"/v1/jobs/{own.public_id}/{verb}"), 404, "not_found")

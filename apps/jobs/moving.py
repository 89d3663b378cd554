"""What of jobs comes with a tenant that moves: its rows, out of which the registry learns again what it has to know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from apps.core import clock
from apps.jobs import ending, lanes, leases
from apps.jobs.firing import MENDING
from apps.jobs.models import Job, Queue, Step
from apps.jobs.registry import Dispatch, DispatchState, KeyTurn, Lane, Share
from apps.jobs.states import HELD, JobState, StepKind
from apps.tenancy.models import Tenant
from apps.tenancy.patrol import ask_for
from apps.tenancy.transfer import contents
from apps.tenancy.transfer.errors import RegistryTaken
from apps.tenancy.walls import enter, outside, registry

_AT_ONCE = 1000


def arrive(tenant: Tenant) -> None:
    """Let the jobs of a tenant go on that was imported; needs the transaction that puts it in service.

    What ran when the archive was made has lost its worker: it is tried again as after any lease that is over. What the
    registry has left of a tenant that was dropped here before goes. Raises RegistryTaken for jobs with the ids of
    another tenant's, which no archive has that was made by an export.
    """
    _forget(tenant)
    with enter(tenant.ref):
        for queue in Queue.objects.all():
            lanes.set_rules(tenant.ref, queue)
        for jobs in _unfinished():
            _require_new(jobs)
            leases.put(list(_rows(jobs)))
        ask_for(MENDING)


def _forget(tenant: Tenant) -> None:
    with registry(savepoint=False):
        for model in (Dispatch, KeyTurn, Share, Lane):
            model.objects.filter(schema_name=tenant.schema_name).delete()


def _require_new(jobs: Sequence[Job]) -> None:
    with outside():
        taken = Dispatch.objects.filter(pk__in=[job.pk for job in jobs]).first()
    if taken is not None:
        raise RegistryTaken(f"{ending.shown(taken.pk)} waits in another tenant. {RegistryTaken.advice}")


def _unfinished() -> Iterator[list[Job]]:
    """The jobs that are not over, some at a time."""
    rows = Job.objects.unfinished().order_by("id").defer("result")
    jobs = list(rows[:_AT_ONCE])
    while jobs:
        yield jobs
        jobs = list(rows.filter(pk__gt=jobs[-1].pk)[:_AT_ONCE])


def _rows(jobs: Sequence[Job]) -> Iterator[Dispatch]:
    waits = Step.objects.filter(job__in=jobs, kind=StepKind.JOB, done_at__isnull=True)
    waiting = set(waits.values_list("job_id", flat=True))
    for job in jobs:
        if job.state == JobState.WAITING and job.pk in waiting:
            row = ending.parked(job)
            if row.ends_at is None:
                continue
        else:
            row = ending.dispatch_of(job)
        if job.state in HELD and job.lease_token is not None:
            row.state, row.token, row.leased_until = DispatchState.LEASED, job.lease_token, clock.now()
        yield row


def register() -> None:
    """Have imports tell of tenants that arrived."""
    contents.after_import(arrive)

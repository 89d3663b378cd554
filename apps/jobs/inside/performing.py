"""Taking leases for the platform's workers, and doing what a job says inside the walls of its tenant."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from apps.apikeys.resolver import within
from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.posting import cleaned
from apps.jobs import leases, pushing, turns
from apps.jobs.models import Job
from apps.jobs.running import Outcome
from apps.jobs.settling import failure
from apps.jobs.states import AttemptState, JobState
from apps.jobs.tasks import AgainLater, NeverAgain, NotNow, Run, actor_of, find_task
from apps.jobs.working import begun
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside

logger = logging.getLogger("packmule.jobs")
#: When the jobs of a tenant that is deleted, and may be restored, are looked at again.
_DORMANT = timedelta(minutes=10)
_SAID = 2000


@dataclass(frozen=True, slots=True)
class Held:
    """A job of which this process holds the lease, and the tenant in which it is."""

    job: Job
    lease: turns.Lease
    tenant: TenantRef


def take(limit: int, worker: str, senders: int = turns.ANY) -> tuple[list[Held], bool]:
    """Lease and begin up to `limit` jobs of the lane whose turn it is; the second value says that there was a lane.

    At most `senders` of them go to receivers of the tenants' choice.
    """
    found, there = turns.claim(limit, senders)
    if not found:
        return [], there
    tenant = _active(found[0].place.schema_name)
    if tenant is None:
        _lay_by(found)
        return [], there
    with enter(tenant):
        jobs = begun(found, worker)
    by_id = {lease.job_id: lease for lease in found}
    return [Held(job, by_id[job.pk], tenant) for job in jobs], there


def _active(schema_name: str) -> TenantRef | None:
    with outside():
        tenant = Tenant.objects.active().filter(schema_name=schema_name).first()
    return tenant.ref if tenant else None


def _lay_by(found: Sequence[turns.Lease]) -> None:
    """Put off the jobs of a tenant that serves nobody now; of one that is gone nothing is left to be done."""
    with outside():
        is_there = Tenant.objects.filter(schema_name=found[0].place.schema_name).exists()
    if not is_there:
        leases.end((lease.job_id, lease.token) for lease in found)
        return
    later = clock.now() + _DORMANT
    leases.give_back([(lease.job_id, lease.token, later) for lease in found])


def perform(held: Held) -> Outcome | None:
    """Do the job, and return how the attempt ended; None when somebody else goes on with it under the same lease."""
    with enter(held.tenant, held.job.organization_id):
        try:
            if not held.job.system:
                return pushing.push(held.job, held.lease)
            return _succeeded(held, _result(held))
        except NeverAgain as final:
            return _failed(held, final, retryable=False)
        except AgainLater as later:
            return _failed(held, later, seconds=later.seconds)
        except NotNow as waits:
            return _put_off(held, waits)
        except Exception as problem:
            logger.exception("%s %s failed", held.job.kind, held.job.pk)
            return _failed(held, problem)


def _result(held: Held) -> Any:
    task = find_task(held.job.kind)
    if task is None:
        raise NeverAgain(f"Nothing does jobs of the kind {held.job.kind}.")
    actor = actor_of(held.job, held.tenant)
    with enter(actor.tenant, within(actor)):
        return task.function(Run(held.job, actor))


def _succeeded(held: Held, result: Any) -> Outcome:
    return Outcome(held.job.pk, held.lease.token, JobState.SUCCEEDED, AttemptState.SUCCEEDED, result=result)


def _put_off(held: Held, waits: NotNow) -> Outcome:
    """As if it had not begun: it goes on later. `error` says why, for whoever looks."""
    return Outcome(
        held.job.pk,
        held.lease.token,
        JobState.SCHEDULED,
        AttemptState.WAITS,
        error=_said(waits),
        run_at=clock.now() + timedelta(seconds=waits.seconds),
        counted=False,
    )


def _failed(held: Held, problem: Exception, *, retryable: bool = True, seconds: float = 0) -> Outcome:
    return failure(held.job, held.lease.token, _said(problem), retryable, seconds)


def _said(problem: Exception) -> dict[str, Any]:
    return {"type": type(problem).__name__, "message": cleaned(str(problem), _SAID)}

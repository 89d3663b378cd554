"""What the end of an organization means for its jobs: unfinished ones keep it, and the registry forgets it."""

from __future__ import annotations

from django.db.models import Count

from apps.jobs import leases
from apps.jobs.models import Job
from apps.jobs.registry import Dispatch, KeyTurn, Share
from apps.orgs.models import Organization
from apps.tenancy.walls import current_schema, registry


def names_of_jobs(organization: Organization) -> list[str]:
    """What keeps `organization` from being deleted, in words: how many jobs it has that are not over, by queue."""
    found = Job.objects.unfinished().of_the_product().filter(organization=organization)
    counted = found.values_list("queue").annotate(jobs=Count("pk")).order_by("queue")
    return [f"{jobs} unfinished job{'s' if jobs > 1 else ''} in the queue {queue}" for queue, jobs in counted]


def forget(organization: Organization) -> None:
    """Drop what the registry knows of `organization`, whose last jobs, the platform's own, go with it."""
    own = {"schema_name": current_schema(), "share": organization.pk}
    with registry(savepoint=False):
        gone = list(Dispatch.objects.filter(**own).values_list("id", flat=True))
    leases.drop(gone)
    with registry(savepoint=False):
        for model in (Share, KeyTurn):
            model.objects.filter(**own).delete()

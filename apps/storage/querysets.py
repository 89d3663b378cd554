"""Finding buckets and files, in the words of the domain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import models
from django.db.models import F, Q

from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import decode

if TYPE_CHECKING:
    from apps.orgs.models import Organization
    from apps.storage.models import Bucket, File, FileVersion, Usage  # noqa: F401 - named in the classes' bases

#: Roles that answer for everybody in their organization.
_ANSWERS = frozenset({"owner", "admin"})


def answers_for_others(actor: Actor) -> bool:
    """True for who sees private files of others, and makes files for them.

    Those are the tenant, its builders, and admins of the organization.
    """
    return actor.is_of_tenant or actor.role in _ANSWERS


def names_of_files(organization: Organization) -> list[str]:
    """What keeps `organization` from being deleted, in words: how many files it has in which bucket."""
    from apps.storage.models import File

    counted = (
        File.objects.filter(organization=organization)
        .values_list("bucket__name")
        .annotate(found=models.Count("pk"))
        .order_by("bucket__name")
    )
    return [f"{found} files in the bucket {bucket}" for bucket, found in counted]


def bucket_key(named: str) -> dict[str, Any]:
    """The condition on buckets that picks the one of that name or id."""
    try:
        return {"pk": decode(named, "bkt")}
    except ValueError:
        return {"name": named}


class BucketQuerySet(models.QuerySet["Bucket"]):
    """Buckets of a tenant."""

    def called(self, named: str) -> BucketQuerySet:
        """The one of that name or id, if there is one."""
        return self.filter(**bucket_key(named))


class FileQuerySet(models.QuerySet["File"]):
    """Files of a tenant."""

    def visible_to(self, actor: Actor) -> FileQuerySet:
        """The files that `actor` may see and, with the scope, change.

        All for an actor of the tenant. For an actor of one organization that organization's: in a private bucket only
        those that are its own, unless it is an admin. What anybody may read besides, `open_to_all` says.
        """
        if actor.is_tenant_wide:
            return self
        if actor.organization is None:
            return self.none()
        ours = self.filter(organization_id=actor.organization.id)
        if answers_for_others(actor):
            return ours
        whom = actor.stands_for
        return ours.filter(~Q(bucket__visibility="private") | Q(owner_id=whom.id if whom else None))

    def alive(self) -> FileQuerySet:
        """Those that nobody deleted, and whose time has not come."""
        return self.filter(deleted_at__isnull=True).exclude(_expired() | _outlived())

    def open_to_all(self) -> FileQuerySet:
        """What is there for everybody, whoever they are: finished files of public buckets."""
        return self.alive().filter(bucket__visibility="public", status="ready")

    def expired(self) -> FileQuerySet:
        """Those whose own time has come and that are not deleted yet."""
        return self.filter(_expired(), deleted_at__isnull=True)

    def outlived(self) -> FileQuerySet:
        """Those that are in their bucket for longer than it keeps files, and are not deleted yet."""
        return self.filter(_outlived(), deleted_at__isnull=True)

    def in_bucket(self, named: str) -> FileQuerySet:
        """Those in the bucket of that name or id."""
        return self.filter(**{f"bucket__{name}": value for name, value in bucket_key(named).items()})

    def tagged(self, tags: Mapping[str, str]) -> FileQuerySet:
        """Those that carry all of `tags`."""
        return self.filter(tags__contains=dict(tags)) if tags else self


def _expired() -> Q:
    return Q(expires_at__isnull=False, expires_at__lte=clock.now())


def _outlived() -> Q:
    days = F("bucket__retention_days") * timedelta(days=1)
    kept = models.ExpressionWrapper(days, output_field=models.DurationField())
    return Q(bucket__retention_days__isnull=False, created_at__lte=clock.now() - kept)


class FileVersionQuerySet(models.QuerySet["FileVersion"]):
    """Versions of files."""

    def stored(self) -> FileVersionQuerySet:
        """Those whose bytes are there and count."""
        return self.filter(status__in=("ready", "quarantined"))

    def clean(self) -> FileVersionQuerySet:
        """Those whose bytes may be handed out: see FileVersion.is_open."""
        return self.filter(status="ready").exclude(scan="pending")

    def newest_open(self, file_id: UUID) -> FileVersion | None:
        """The newest version of a file that is still to be uploaded."""
        return self.filter(file_id=file_id, status="pending").order_by("-number").first()


class UsageQuerySet(models.QuerySet["Usage"]):
    """Counts of what is stored."""

    def in_bucket(self, named: str) -> UsageQuerySet:
        """Those of the bucket of that name or id."""
        return self.filter(**{f"bucket__{name}": value for name, value in bucket_key(named).items()})

    def in_order(self) -> UsageQuerySet:
        """In the order in which everybody locks them who changes several."""
        return self.order_by("bucket_id", F("organization_id").asc(nulls_first=True))

    def visible_to(self, actor: Actor) -> UsageQuerySet:
        """All for an actor of the tenant, its own organization's for an actor of one."""
        if actor.organization is not None:
            return self.filter(organization_id=actor.organization.id)
        return self if actor.is_tenant_wide else self.none()

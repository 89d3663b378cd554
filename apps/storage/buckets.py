"""Operations on buckets: definitions of the tenant, which everybody in it may read."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from apps.accounts.configuring import require_configurer
from apps.core.actor import Actor
from apps.core.etags import check_version
from apps.core.operations import Risk, operation
from apps.core.problems import missing, show
from apps.storage import blobs, deriving, presets
from apps.storage import serializers as forms
from apps.storage.errors import BucketNameTaken, BucketNotEmpty
from apps.storage.models import Bucket, File
from apps.storage.querysets import BucketQuerySet
from apps.tenancy import walls

#: How many files one call purges, with so many versions as `blobs.few` says: it is one transaction, which locks all.
EMPTIED_AT_ONCE = 1000


@operation("buckets.list", scope="buckets:read", risk=Risk.READ, output=forms.BucketOutput, lists=True)
def list_buckets(actor: Actor) -> BucketQuerySet:  # noqa: ARG001 - everybody in the tenant may
    """List the tenant's buckets with their rules."""
    return Bucket.objects.all()


@operation("buckets.get", scope="buckets:read", risk=Risk.READ, output=forms.BucketOutput)
def get_bucket(actor: Actor, *, bucket: str) -> Bucket:  # noqa: ARG001 - everybody in the tenant may
    """Read one bucket, by its name or id."""
    return find_bucket(bucket)


@operation(
    "buckets.create",
    scope="buckets:write",
    risk=Risk.WRITE,
    input=forms.BucketInput,
    output=forms.BucketOutput,
)
def create_bucket(actor: Actor, /, *, name: str, **rules: Any) -> Bucket:
    """Make a bucket. It takes a credential that decides for the whole tenant.

    `visibility` says who reads its files: in a `private` one their owner, the admins of the owner's organization and
    the tenant; in an `organization` one everybody in the file's organization; in a `public` one everybody.
    """
    require_configurer(actor)
    try:
        with transaction.atomic(), walls.whole_tenant():
            return Bucket.objects.create(name=name, **rules)
    except IntegrityError:
        raise BucketNameTaken(f"{show(name)} is taken in this tenant. {BucketNameTaken.advice}") from None


@operation(
    "buckets.update",
    scope="buckets:write",
    risk=Risk.WRITE,
    input=forms.BucketPatch,
    output=forms.BucketOutput,
    versioned=True,
)
def update_bucket(
    actor: Actor, /, *, bucket: str, expected_version: int | None = None, **changes: Any
) -> Bucket:
    """Change the rules of a bucket. Who may read, and how long files are kept, counts at once for all files.

    `presets` replaces all of them. What was made by one that is changed or gone is deleted, and made anew when it is
    asked for.
    """
    require_configurer(actor)
    with walls.whole_tenant():
        row = _locked(bucket, expected_version)
        if "presets" in changes:
            deriving.forget(row, presets.changed(row.presets, changes["presets"]))
        return row.apply(changes)


@operation("buckets.empty", scope="buckets:write", risk=Risk.DESTRUCTIVE, output=forms.EmptiedOutput)
def empty_bucket(actor: Actor, *, bucket: str) -> Bucket:
    """Purge the files in a bucket, of all organizations, up to 1000 with 5000 versions in a call. None can be restored.

    `purged` says how many went, `left` how many are still there: call it again until that is 0.
    """
    require_configurer(actor)
    with walls.whole_tenant():
        # Uploads that are being completed are waited for, and so is who announces one to a count that is purged from.
        row = _locked(bucket, None)
        files = File.objects.filter(bucket=row)
        chosen = list(files.order_by("id").values_list("pk", flat=True)[:EMPTIED_AT_ONCE])
        row.purged = blobs.purge(files.filter(pk__in=blobs.few(chosen)))
        row.left = files.count()
    return row


@operation("buckets.delete", scope="buckets:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_bucket(actor: Actor, *, bucket: str, expected_version: int | None = None) -> Bucket:
    """Delete an empty bucket. Deleted files that can still be restored keep it; `buckets.empty` purges them."""
    require_configurer(actor)
    with walls.whole_tenant():
        row = _locked(bucket, expected_version)
        # Whoever announces a file holds one of them, or the key of the bucket, where it is the first one that counts.
        list(row.usage.in_order().select_for_update(of=("self",)))
        list(Bucket.objects.select_for_update().filter(pk=row.pk))
        _require_empty(row)
        Bucket.objects.filter(pk=row.pk).delete()
    return row


def find_bucket(named: str) -> Bucket:
    """The bucket with that name or id in the tenant that stands. Raises NotFound."""
    found = Bucket.objects.called(named).first()
    if found is None:
        raise missing("bucket", named)
    return found


def _locked(named: str, expected_version: int | None) -> Bucket:
    # No more than its rules: who announced a file, and holds a count, looks at the key once more when they commit.
    row = Bucket.objects.select_for_update(no_key=True).called(named).first()
    if row is None:
        raise missing("bucket", named)
    check_version(expected_version, row.version)
    return row


def _require_empty(row: Bucket) -> None:
    """Raise BucketNotEmpty with how many files there are."""
    held = File.objects.filter(bucket=row).count()
    if held:
        raise BucketNotEmpty(
            f"{row} holds {held} files, deleted ones included. {BucketNotEmpty.advice}", extra={"files": held}
        )

"""Operations on the storage as a whole: what is used, what its schedule does, and whether the counts are right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.accounts.configuring import require_configurer
from apps.core.actor import Actor
from apps.core.operations import Risk, operation
from apps.core.problems import NotFound
from apps.storage import blobs, lifecycle
from apps.storage import serializers as forms
from apps.storage.completing import judge
from apps.storage.models import Bucket, FileVersion, Scan, Usage
from apps.storage.querysets import UsageQuerySet
from apps.tenancy.walls import whole_tenant


@operation(
    "storage.usage",
    scope="files:read",
    risk=Risk.READ,
    input=forms.UsageParameters,
    output=forms.UsageOutput,
    lists=True,
)
def list_usage(actor: Actor, *, bucket: str | None = None) -> UsageQuerySet:
    """List how much lies in each bucket, by organization. Deleted files count until they are purged."""
    usage = Usage.objects.visible_to(actor).select_related("bucket")
    return usage.in_bucket(bucket) if bucket is not None else usage


@dataclass(frozen=True, slots=True)
class _Before:
    """What was done before the lifecycle's own transaction: blobs deleted, and verdicts heard."""

    cleared: int = 0
    scanned: int = 0


_NOTHING = _Before()


@contextmanager
def _before(actor: Actor) -> Iterator[_Before]:
    """Ask store and scanner while nothing is locked. Each verdict has a transaction and an entry of the trail."""
    require_configurer(actor)

    def judged(version: FileVersion, found: Scan) -> bool:
        try:
            with transaction.atomic(), run_lifecycle.recorded(actor) as about:
                about(judge(version, found))  # type: ignore[arg-type] # the entry is about the file, no report
        except NotFound:
            return False
        return True

    with whole_tenant():
        done = _Before(blobs.clear_quietly(), lifecycle.scan_again(judged))
    yield done


@operation(
    "storage.run-lifecycle",
    scope="buckets:write",
    risk=Risk.DESTRUCTIVE,
    output=forms.LifecycleOutput,
    prepare=_before,
)
def run_lifecycle(actor: Actor, *, prepared: _Before = _NOTHING) -> lifecycle.Report:
    """Do now what the worker does when it comes by, and say what was done.

    Files whose time is over are deleted, uploads that are a day old given up, files that were deleted 30 days ago
    purged, and their bytes deleted. The trail names each file.
    """
    require_configurer(actor)
    with whole_tenant():
        return lifecycle.run(cleared=prepared.cleared, scanned=prepared.scanned)


@contextmanager
def _corrected(actor: Actor) -> Iterator[list[lifecycle.Correction]]:
    """Count one bucket after the other anew, so that nobody waits for the counts of another one.

    Each that was wrong is set right in a transaction and with an entry of the trail of its own.
    """
    require_configurer(actor)
    done = list[lifecycle.Correction]()
    with whole_tenant():
        for pk in Bucket.objects.order_by("id").values_list("pk", flat=True):
            with transaction.atomic():
                done += _set_right(actor, pk)
    yield done


def _set_right(actor: Actor, pk: UUID) -> list[lifecycle.Correction]:
    bucket = Bucket.objects.select_for_update(no_key=True).filter(pk=pk).first()
    wrong = lifecycle.miscounted(bucket) if bucket else []
    if not bucket or not wrong:
        return []
    with reconcile_usage.recorded(actor) as about:
        done = lifecycle.corrected(bucket, wrong)
        about(bucket)  # type: ignore[arg-type] # the entry is about the bucket, no list
    return done


@operation(
    "storage.reconcile",
    scope="buckets:write",
    risk=Risk.WRITE,
    output=forms.ReconciledOutput,
    prepare=_corrected,
    untold="it counts anew, and changes nothing of anybody's",
)
def reconcile_usage(actor: Actor, *, prepared: list[lifecycle.Correction]) -> dict[str, Any]:
    """Count anew what lies in every bucket, correct counts that do not agree, and list those: there should be none."""
    require_configurer(actor)
    return {"data": prepared, "next_cursor": None}

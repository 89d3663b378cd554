"""One order of locks for all: the bucket, files, versions, counts. Told with threads that really wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connections, transaction

from apps.core import clock
from apps.core.ids import encode
from apps.storage import accounting, lifecycle
from apps.storage.models import Bucket, FileVersion, Scan, Usage
from apps.storage.tests.parcels import PNG, announce, arrive
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.scratch import Scratch, begun, scratch_tenant, wait_until_somebody_waits
from tests.world import World


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        assert Api(made.key).post("/v1/buckets", {"name": "photos"}).status == 201
        yield made


class Call:
    """A call in a thread of its own, which `begin` starts and `answer` waits for."""

    def __init__(self, make: Callable[[], Answer]) -> None:
        self._make = make
        self._answers = list[Answer]()
        self._thread = Thread(target=self._run)
        self.begin = self._thread.start

    def answer(self) -> Answer:
        self._thread.join(20)
        (found,) = self._answers
        return found

    def _run(self) -> None:
        self._answers.append(self._make())
        connections.close_all()


def ready(scratch: Scratch, **fields: Any) -> str:
    """A file that is complete; returns its path."""
    made = announce(Api(scratch.key), **fields)
    arrive(scratch, made["id"], PNG)  # type: ignore[arg-type] # all that it needs is `ref`
    assert Api(scratch.key).post(f"/v1/files/{made['id']}/complete").status == 200
    return f"/v1/files/{made['id']}"


def test_the_lifecycle_locks_all_counts_in_one_order(scratch: Scratch) -> None:
    """It gives up an upload of an organization, and purges a file of the tenant, whose count comes first."""
    api = Api(scratch.key)
    api.delete(ready(scratch))
    organization = encode("org", scratch.organization.pk)
    assert announce(api, organization=organization).status == 201
    lifecycle = Call(lambda: Api(scratch.key).post("/v1/storage/lifecycle"))
    with clock.frozen(clock.now() + timedelta(days=31)):
        with enter(scratch.ref), transaction.atomic():
            Usage.objects.select_for_update().get(organization=None)
            lifecycle.begin()
            wait_until_somebody_waits()
            # NOWAIT would raise, had the lifecycle locked this one before it waits for the other.
            Usage.objects.select_for_update(nowait=True).get(organization=scratch.organization)
        answer = lifecycle.answer()
    assert (answer["abandoned"], answer["purged"]) == (1, 1)


def test_a_scanner_that_is_away_has_nobody_wait_for_a_version(
    scratch: Scratch, settings: LazySettings
) -> None:
    """Whoever holds one may wait for another that was put off before."""
    paths = [ready(scratch) for _ in range(3)]
    with enter(scratch.ref):
        FileVersion.objects.update(scan=Scan.PENDING)
        held, *_ = FileVersion.objects.order_by("due_at").reverse()
        settings.PACKMULE_SCANNER = "clamav://127.0.0.1:1"
        lifecycle = Call(lambda: Api(scratch.key).post("/v1/storage/lifecycle"))
        with transaction.atomic():
            FileVersion.objects.select_for_update().get(pk=held.pk)
            lifecycle.begin()
            assert lifecycle.answer().status == 200
        late = FileVersion.objects.filter(due_at__gt=clock.now())
        assert (late.count(), late.filter(pk=held.pk).exists()) == (len(paths) - 1, False)


def announced_meanwhile(monkeypatch: pytest.MonkeyPatch, scratch: Scratch, call: Call) -> Answer:
    """The answer to `call`, which begins while somebody announces a file, and holds its count until it waits."""
    reserve = accounting.reserve

    def slow(*args: Any) -> None:
        reserve(*args)
        call.begin()
        wait_until_somebody_waits()

    monkeypatch.setattr(accounting, "reserve", slow)
    assert announce(Api(scratch.key)).status == 201
    return call.answer()


@pytest.mark.parametrize("path", ["/v1/buckets/photos/empty", "/v1/storage/reconcile"])
def test_who_decides_about_a_bucket_and_who_announces_do_not_wait_in_a_circle(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """PostgreSQL looks at the key of the bucket when who announces commits, and they hold the count by then."""
    ready(scratch)
    deciding = Call(lambda: Api(scratch.key).post(path))
    assert announced_meanwhile(monkeypatch, scratch, deciding).status == 200
    with enter(scratch.ref):
        assert Usage.objects.get().open_uploads == FileVersion.objects.filter(status="pending").count() == 1


def test_counting_anew_keeps_no_other_bucket_waiting(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(scratch)
    assert Api(scratch.key).post("/v1/buckets", {"name": "videos"}).status == 201
    ready(scratch, bucket="videos")
    miscounted, others = lifecycle.miscounted, list[str]()

    def lock_others(bucket: Bucket) -> None:
        with enter(scratch.ref), transaction.atomic():
            rows = Usage.objects.exclude(bucket=bucket).select_related("bucket")
            others.extend(row.bucket.name for row in rows.select_for_update(of=("self",), nowait=True))

    def counted(bucket: Bucket) -> Any:
        found = miscounted(bucket)
        begun(lambda: lock_others(bucket)).join(20)
        return found

    monkeypatch.setattr(lifecycle, "miscounted", counted)
    assert Api(scratch.key).post("/v1/storage/reconcile")["data"] == []
    assert others == ["videos", "photos"]


@pytest.mark.parametrize("counted", [False, True])
def test_a_bucket_for_which_a_file_is_announced_is_not_deleted(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, counted: bool
) -> None:
    """The very first file of a bucket has no count yet of whose lock who deletes would wait."""
    if counted:
        Api(scratch.key).post(f"{ready(scratch)}/purge")
    deleting = Call(lambda: Api(scratch.key).delete("/v1/buckets/photos"))
    assert announced_meanwhile(monkeypatch, scratch, deleting).code == "bucket_not_empty"


@pytest.mark.parametrize("counted", [False, True])
def test_a_file_for_a_bucket_that_is_deleted_meanwhile_is_for_none(scratch: Scratch, counted: bool) -> None:
    """Whoever announces waits for the count that is deleted; where there is none yet, for the bucket at the end."""
    if counted:
        Api(scratch.key).post(f"{ready(scratch)}/purge")
    announcing = Call(lambda: announce(Api(scratch.key)))
    with enter(scratch.ref), transaction.atomic():
        Usage.objects.all().delete()
        Bucket.objects.all().delete()
        announcing.begin()
        wait_until_somebody_waits()
    answer = announcing.answer()
    assert (answer.status, answer.code) == (404, "not_found")
    assert "photos" in answer["detail"]

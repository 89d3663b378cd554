"""Several at once, in threads that commit: each upload counts once, and the quota holds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from threading import Thread
from typing import Any

import pytest
from django.db import connections, transaction

from apps.storage import blobs, turns
from apps.storage.models import File, Usage
from apps.storage.tests.parcels import PNG, announce, arrive, sha256
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.scratch import Scratch, at_once, scratch_tenant, wait_until_somebody_waits
from tests.world import World


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        yield made


def ready(scratch: Scratch, **fields: Any) -> str:
    """A file whose bytes arrived and that is not complete; returns its path."""
    made = announce(Api(scratch.key), **fields)
    arrive(scratch, made["id"], PNG)  # type: ignore[arg-type] # all that it needs is `ref`
    return f"/v1/files/{made['id']}"


def counted(scratch: Scratch) -> list[tuple[int, int]]:
    with enter(scratch.ref):
        return list(Usage.objects.values_list("bytes", "files"))


def test_one_upload_that_is_completed_by_many_counts_once(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than there are places, on a machine that may be busy.
    monkeypatch.setattr(turns, "_PATIENCE_FOR_PLACE", 30.0)
    monkeypatch.setattr(turns, "_PATIENCE", 30.0)
    Api(scratch.key).post("/v1/buckets", {"name": "photos"})
    path = ready(scratch)

    def complete() -> Answer:
        return Api(scratch.key).post(f"{path}/complete")

    answers = at_once([complete] * 6)
    assert {(answer.status, answer["sha256"]) for answer in answers} == {(200, sha256(PNG))}
    assert counted(scratch) == [(len(PNG), 1)]


def test_many_that_do_not_all_fit_fill_the_quota_and_no_more(scratch: Scratch) -> None:
    Api(scratch.key).post("/v1/buckets", {"name": "photos", "quota_bytes": 3 * len(PNG)})
    answers = at_once([partial(announce, Api(scratch.key)) for _ in range(6)])
    assert sorted(answer.status for answer in answers) == [201] * 3 + [429] * 3
    made = [answer["id"] for answer in answers if answer.status == 201]
    for file in made:
        arrive(scratch, file, PNG)  # type: ignore[arg-type] # all that it needs is `ref`
    completed = at_once([partial(Api(scratch.key).post, f"/v1/files/{file}/complete") for file in made])
    assert {answer.status for answer in completed} == {200}
    assert counted(scratch) == [(3 * len(PNG), 3)]


def test_completed_and_purged_at_once_leaves_nothing_counted(scratch: Scratch) -> None:
    Api(scratch.key).post("/v1/buckets", {"name": "photos"})
    for _ in range(4):
        path = ready(scratch)
        complete, purge = (
            partial(Api(scratch.key).post, f"{path}/complete"),
            partial(Api(scratch.key).post, f"{path}/purge"),
        )
        answers = at_once([complete, purge])
        assert {answer.status for answer in answers} <= {200, 204, 404}
        assert Api(scratch.key).get(path).status == 404
        assert counted(scratch) in ([], [(0, 0)])


def test_a_file_that_is_restored_meanwhile_is_not_purged(scratch: Scratch) -> None:
    """Whoever purges picked the deleted ones; what they wanted is asked again under the lock."""
    Api(scratch.key).post("/v1/buckets", {"name": "photos"})
    path = ready(scratch)
    Api(scratch.key).delete(path)
    purged: list[int] = []

    def purge() -> None:
        with enter(scratch.ref), transaction.atomic():
            purged.append(blobs.purge(File.objects.filter(deleted_at__isnull=False)))
        connections.close_all()

    purging = Thread(target=purge)
    with enter(scratch.ref), transaction.atomic():
        File.objects.update(deleted_at=None)
        purging.start()
        wait_until_somebody_waits()
    purging.join(20)
    assert purged == [0]
    assert Api(scratch.key).get(path).status == 200

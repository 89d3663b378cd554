"""More versions than one statement or one transaction takes: they go, or wait, some at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection

from apps.core import clock
from apps.core.ids import decode
from apps.storage import blobs, lifecycle
from apps.storage.images.tests.pictures import corners, encoded
from apps.storage.models import File, FileVersion
from apps.storage.tests.parcels import PNG, announce, another_version, make_bucket, stored, uploaded
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

#: What PostgreSQL takes in one statement, where the server binds.
MOST_PARAMETERS = 65_535


@pytest.fixture
def me(world: World, api: Api) -> Api:
    make_bucket(world.acorn, presets={"wide": {"width": 12}})
    return api.using(world.acorn.parties["north"].person_key)


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


def with_uploads(me: Api, count: int) -> str:
    """A file with that many open uploads; returns its path."""
    path = f"/v1/files/{announce(me)['id']}"
    for _ in range(count - 1):
        assert me.post(f"{path}/versions", {"size": 5, "content_type": "image/png"}).status == 201
    return path


def test_more_versions_than_one_statement_names_wait_for_a_scanner(
    world: World, me: Api, root: Api, settings: LazySettings
) -> None:
    settings.PACKMULE_SCANNER = "clamav://127.0.0.1:1"
    path = uploaded(world.acorn, me)
    with enter(world.acorn.ref), connection.cursor() as cursor:
        cursor.execute(
            "insert into storage_fileversion (id, file_id, organization_id, number, blob, status, size, sha256,"
            " content_type, scan, upload_id, due_at, uploaded_by, created_at)"
            " select gen_random_uuid(), file_id, organization_id, number + step, blob || step, status, size, sha256,"
            " content_type, scan, upload_id, due_at, uploaded_by, created_at"
            " from storage_fileversion, generate_series(1, %s) step where file_id = %s",
            [MOST_PARAMETERS + 10, decode(path.rpartition("/")[2], "file")],
        )
    assert root.post("/v1/storage/lifecycle").status == 200
    with enter(world.acorn.ref):
        assert FileVersion.objects.filter(due_at__lte=clock.now()).count() == 0


def test_a_purge_names_a_batch_of_versions_at_a_time(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = uploaded(world.acorn, me, encoded(corners((40, 20))))
    assert me.get(f"{path}/derivatives/wide").status == 302
    for more in range(4):
        assert another_version(world.acorn, me, path, PNG + bytes([more])).status == 200
    monkeypatch.setattr(blobs, "BATCH", 2)
    named: list[int] = []

    def noted(execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
        if '."version_id" IN' in sql or sql.startswith('DELETE FROM "storage_fileversion"'):
            named.append(len(params))
        return execute(sql, params, *rest)

    with connection.execute_wrapper(noted):
        assert me.post(f"{path}/purge").status == 204
    assert named
    assert max(named) <= 3, "two versions, and a word of the condition"
    assert stored(me) == {"photos": (0, 0)}
    with enter(world.acorn.ref):
        assert not FileVersion.objects.exists()


def test_emptying_takes_as_many_files_as_have_few_versions(
    me: Api, root: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count in (2, 2, 1, 5):
        with_uploads(me, count)
    monkeypatch.setattr(blobs, "MOST_VERSIONS", 3)
    answers = [root.post("/v1/buckets/photos/empty") for _ in range(3)]
    assert [(answer["purged"], answer["left"]) for answer in answers] == [(1, 3), (2, 1), (1, 0)]


def test_the_lifecycle_takes_as_many_files_as_have_few_versions(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count in (2, 2, 1, 5):
        path = uploaded(world.acorn, me)
        for more in range(count - 1):
            assert another_version(world.acorn, me, path, PNG + bytes([more])).status == 200
        assert me.delete(path).status == 204
    with_uploads(me, 3)
    with_uploads(me, 2)
    monkeypatch.setattr(blobs, "MOST_VERSIONS", 3)
    with enter(world.acorn.ref), clock.frozen(clock.now() + timedelta(days=31)):
        reports = [lifecycle.run() for _ in range(3)]
        assert [(report.purged, report.abandoned) for report in reports] == [(1, 3), (2, 2), (1, 0)]
        assert not File.objects.exists()

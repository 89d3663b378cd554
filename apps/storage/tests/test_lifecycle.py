"""What happens to files by themselves, with the clock moved on; and what the trail says about it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core import clock
from apps.core.actor import Actor
from apps.core.strictjson import timestamp
from apps.storage import chores, lifecycle, reports, stores
from apps.storage.models import Bucket, Condemned, File, FileVersion, Usage
from apps.storage.stores.errors import StoreUnreachable
from apps.storage.tests.parcels import PNG, announce, arrive, lying, make_bucket, send, stored, uploaded
from apps.tenancy.walls import enter
from tests.client import Api
from tests.duties import in_every_tenant
from tests.world import World

Commits = Any


@pytest.fixture
def me(world: World, api: Api) -> Api:
    make_bucket(world.acorn)
    return api.using(world.acorn.parties["north"].person_key)


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


def test_the_life_of_a_file_that_expires(
    world: World, me: Api, root: Api, store_folder: Path, django_capture_on_commit_callbacks: Commits
) -> None:
    path = uploaded(world.acorn, me, expires_at=timestamp(clock.now() + timedelta(days=1)))
    with clock.frozen(clock.now()) as moved:
        assert root.post("/v1/storage/lifecycle")["expired"] == 0
        moved.move(timedelta(days=1, seconds=1))
        assert me.get(path).code == "not_found"
        assert root.post("/v1/storage/lifecycle")["expired"] == 1
        (row,) = me.get("/v1/files?status=deleted")["data"]
        assert row["purged_at"] > row["deleted_at"]
        moved.move(timedelta(days=29))
        assert root.post("/v1/storage/lifecycle")["purged"] == 0
        moved.move(timedelta(days=1))
        with django_capture_on_commit_callbacks(execute=True):
            assert root.post("/v1/storage/lifecycle")["purged"] == 1
        assert me.get("/v1/files?status=deleted")["data"] == []
    assert lying(store_folder, path) == 0
    assert stored(me) == {"photos": (0, 0)}
    told = [entry["operation"] for entry in root.get(f"/v1/audit?resource={row['id']}")["data"]]
    assert told.count("storage.run-lifecycle") == 2


def test_an_upload_that_nobody_completes_is_given_up(
    world: World, me: Api, root: Api, django_capture_on_commit_callbacks: Commits
) -> None:
    whole, parts = announce(me), announce(me, multipart=True)
    kept = uploaded(world.acorn, me)
    me.post(f"{kept}/versions", {"size": 5, "content_type": "image/png"})
    arrive(world.acorn, whole["id"], PNG)
    with clock.frozen(clock.now() + timedelta(hours=24, seconds=1)) as moved:
        assert me.post(f"/v1/files/{whole['id']}/complete").code == "upload_expired"
        assert me.get(f"/v1/files/{whole['id']}/upload").code == "upload_expired"
        with django_capture_on_commit_callbacks(execute=True):
            assert root.post("/v1/storage/lifecycle")["abandoned"] == 3
        assert [row["id"] for row in me.get("/v1/files")["data"]] == [kept.rpartition("/")[2]]
        assert me.get(f"/v1/files/{parts['id']}").code == "not_found"
        assert [row["number"] for row in me.get(f"{kept}/versions")["data"]] == [1]
        moved.move(timedelta(hours=1))
        assert root.post("/v1/storage/lifecycle")["cleared"] == 3
    assert stored(me) == {"photos": (len(PNG), 1)}


def test_bytes_that_the_store_does_not_delete_now_are_deleted_later(
    world: World,
    me: Api,
    root: Api,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Commits,
) -> None:
    path = uploaded(world.acorn, me)
    with monkeypatch.context() as broken, django_capture_on_commit_callbacks(execute=True):
        broken.setattr(stores, "store", _away)
        assert me.post(f"{path}/purge").status == 204
        assert root.post("/v1/storage/lifecycle")["cleared"] == 0
    with enter(world.acorn.ref):
        due = Condemned.objects.filter(due_at__lte=clock.now())
        assert due.count() == 1
    assert root.post("/v1/storage/lifecycle")["cleared"] == 1
    with enter(world.acorn.ref):
        assert not due.exists()


def test_an_upload_that_is_sent_again_after_a_purge_does_not_stay(
    world: World, me: Api, root: Api, store_folder: Path, django_capture_on_commit_callbacks: Commits
) -> None:
    """Its URL is good for a while yet, and the place is free again."""
    made = announce(me)
    assert send(made["upload"], PNG).status_code < 300
    path = f"/v1/files/{made['id']}"
    assert me.post(f"{path}/complete").status == 200
    with django_capture_on_commit_callbacks(execute=True):
        assert me.post(f"{path}/purge").status == 204
    assert lying(store_folder, path) == 0
    assert send(made["upload"], PNG).status_code < 300
    assert lying(store_folder, path) == 1
    with clock.frozen(clock.now() + timedelta(hours=2, seconds=1)):
        assert root.post("/v1/storage/lifecycle")["cleared"] == 1
    assert lying(store_folder, path) == 0


def _away() -> Any:
    raise StoreUnreachable


def test_a_store_that_is_away_costs_nothing(world: World, me: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    made = announce(me)
    arrive(world.acorn, made["id"], PNG)
    with monkeypatch.context() as broken:
        broken.setattr(stores, "store", _away)
        refused = me.post(f"/v1/files/{made['id']}/complete", idempotency_key="once")
        assert (refused.status, refused.code, refused["retryable"]) == (503, "store_unreachable", True)
        assert announce(me).code == "store_unreachable"
    assert me.post(f"/v1/files/{made['id']}/complete", idempotency_key="once")["status"] == "ready"
    assert len(me.get("/v1/files")["data"]) == 1


def test_the_worker_does_it_in_every_tenant(world: World, api: Api) -> None:
    for space in (world.acorn, world.birch):
        make_bucket(space)
        uploaded(space, api.using(space.root_key), expires_at=timestamp(clock.now() + timedelta(days=1)))
    assert in_every_tenant(chores.keep) == 0
    with clock.frozen(clock.now() + timedelta(days=2)):
        assert in_every_tenant(chores.keep) == 2
        assert in_every_tenant(chores.keep) == 0
    entry = api.using(world.acorn.root_key).get("/v1/audit?operation=storage.run-lifecycle")["data"][0]
    assert (entry["actor"]["kind"], entry["edge"]) == ("system", "worker")


def test_one_tenant_with_much_to_do_is_left_after_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scanner's backlog, say: every call hears about some versions, and there are always more."""
    moment, calls = [0.0], list[str]()
    monkeypatch.setattr("time.monotonic", lambda: moment[0])

    def run(actor: Actor) -> lifecycle.Report:
        moment[0] += 0.7
        calls.append(actor.tenant.name)
        return lifecycle.Report(scanned=3)

    monkeypatch.setattr(chores, "run_lifecycle", run)
    monkeypatch.setattr(lifecycle, "is_anything_due", lambda: True)
    with enter(world.acorn.ref):
        assert chores.keep() == 9
    monkeypatch.setattr(lifecycle, "is_anything_due", lambda: len(calls) < 4)
    with enter(world.acorn.ref):
        assert chores.keep() == 3


def test_a_tenant_in_which_it_fails_keeps_no_other_from_its_turn(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for space in (world.acorn, world.birch):
        make_bucket(space)
        uploaded(space, api.using(space.root_key), expires_at=timestamp(clock.now() + timedelta(days=1)))
    run = reports.run_lifecycle

    def fails_in_acorn(actor: Actor) -> Any:
        if actor.tenant.name == world.acorn.name:
            raise OSError("made up for this test")
        return run(actor)

    monkeypatch.setattr(chores, "run_lifecycle", fails_in_acorn)
    with clock.frozen(clock.now() + timedelta(days=2)):
        assert in_every_tenant(chores.keep) == 1


def test_a_version_that_was_added_meanwhile_goes_with_its_file(world: World, me: Api) -> None:
    path = uploaded(world.acorn, me)
    blob = me.post(f"{path}/versions", {"size": 5, "content_type": "image/png"})
    assert blob.status == 201
    me.delete(path)
    assert me.post(f"{path}/purge").status == 204
    with enter(world.acorn.ref):
        assert not FileVersion.objects.exists()
        assert Condemned.objects.count() >= 1


def test_what_a_killed_server_left_is_cleared(store_folder: Path) -> None:
    left = store_folder / ".incoming" / "half"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    assert chores.tidy() == 1
    assert not left.exists()


def test_counts_that_do_not_agree_are_found_and_set_right(world: World, me: Api, root: Api) -> None:
    uploaded(world.acorn, me)
    assert root.post("/v1/storage/reconcile")["data"] == []
    with enter(world.acorn.ref):
        Usage.objects.update(bytes=7, files=3)
    (wrong,) = root.post("/v1/storage/reconcile")["data"]
    assert (wrong["bucket"], wrong["bytes"], wrong["bytes_before"]) == ("photos", len(PNG), 7)
    entry = root.get(f"/v1/audit?resource={root.get('/v1/buckets/photos')['id']}")["data"][0]
    assert entry["operation"] == "storage.reconcile"
    assert stored(me) == {"photos": (len(PNG), 1)}
    with enter(world.acorn.ref):
        FileVersion.objects.all().delete()
        File.objects.all().delete()
    assert [row["bytes"] for row in root.post("/v1/storage/reconcile")["data"]] == [0]


def test_what_outlived_its_bucket_is_found_without_passing_what_is_deleted(world: World, root: Api) -> None:
    """For a month they are there, and with a short retention most of all files."""
    with enter(world.acorn.ref):
        kept, old = Bucket.objects.create(name="short", retention_days=7), clock.now() - timedelta(days=9)
        File.objects.bulk_create(
            File(bucket=kept, name="old", content_type="text/plain", created_at=old, deleted_at=old)
            for _ in range(3000)
        )
        assert not File.objects.outlived().exists()
        plan = File.objects.outlived().explain(analyze=True)
    assert "storage_file_outlives" in plan
    assert "Rows Removed by Filter: 3000" not in plan

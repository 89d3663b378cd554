"""Uploads that end without a content: their bytes go at once, and once more what a URL that was open still brings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core import clock
from apps.storage import turns
from apps.storage.models import Condemned, FileVersion
from apps.storage.stores.local import LocalStore
from apps.storage.tests.parcels import PNG, announce, arrive, lying, make_bucket, send, sha256, uploaded
from apps.tenancy.walls import enter
from tests.client import Api
from tests.world import World

Commits = Any
Ends = Callable[[Api, Api, str], None]


@pytest.fixture
def me(world: World, api: Api) -> Api:
    make_bucket(world.acorn)
    return api.using(world.acorn.parties["north"].person_key)


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


def give_up(me: Api, _root: Api, path: str) -> None:
    assert me.delete(f"{path}/upload").status == 204


def purge(me: Api, _root: Api, path: str) -> None:
    assert me.post(f"{path}/purge").status == 204


def empty(_me: Api, root: Api, _path: str) -> None:
    assert root.post("/v1/buckets/photos/empty").status == 200


@pytest.mark.parametrize("end", [give_up, purge, empty])
def test_bytes_of_an_upload_go_with_what_was_reserved_for_them(
    me: Api, root: Api, store_folder: Path, django_capture_on_commit_callbacks: Commits, end: Ends
) -> None:
    made = announce(me)
    path = f"/v1/files/{made['id']}"
    assert send(made["upload"], PNG).status_code < 300
    with django_capture_on_commit_callbacks(execute=True):
        end(me, root, path)
    assert lying(store_folder, path) == 0
    assert send(made["upload"], PNG).status_code < 300, "its URL is good for a while yet"
    assert lying(store_folder, path) == 1
    with clock.frozen(clock.now() + timedelta(hours=2, seconds=1)):
        assert root.post("/v1/storage/lifecycle")["cleared"] == 1
    assert lying(store_folder, path) == 0


def test_parts_of_an_upload_go_at_once(
    me: Api, store_folder: Path, django_capture_on_commit_callbacks: Commits
) -> None:
    made = announce(me, multipart=True)
    before = set(store_folder.glob(".uploads/*/00001"))
    assert send(made["upload"], PNG).status_code < 300
    assert len(set(store_folder.glob(".uploads/*/00001")) - before) == 1
    with django_capture_on_commit_callbacks(execute=True):
        give_up(me, me, f"/v1/files/{made['id']}")
    assert set(store_folder.glob(".uploads/*/00001")) - before == set()
    assert send(made["upload"], PNG).status_code == 404


def test_who_was_given_up_late_is_cleared_no_later_than_an_hour_after(
    world: World, me: Api, root: Api
) -> None:
    announce(me)
    with clock.frozen(clock.now() + timedelta(hours=24, minutes=30)) as moved:
        assert root.post("/v1/storage/lifecycle")["abandoned"] == 1
        with enter(world.acorn.ref):
            due = list(Condemned.objects.order_by("due_at").values_list("due_at", flat=True))
        assert due[0] == moved.at
        assert timedelta(0) < due[1] - moved.at <= timedelta(minutes=30)


def test_what_is_put_together_at_this_moment_is_deleted_afterwards(world: World, me: Api) -> None:
    made = announce(me)
    until = clock.now() + timedelta(hours=5)
    with enter(world.acorn.ref):
        FileVersion.objects.update(read_until=until)
    give_up(me, me, f"/v1/files/{made['id']}")
    with enter(world.acorn.ref):
        assert Condemned.objects.order_by("-due_at")[0].due_at == until


def test_an_upload_that_is_being_read_when_its_time_ends_is_completed(
    world: World, me: Api, root: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = announce(me)
    arrive(world.acorn, made["id"], PNG)
    read, abandoned = LocalStore.read, list[int]()
    with clock.frozen(clock.now() + timedelta(hours=23, minutes=59, seconds=50)) as moved:

        def slow(*args: Any, **kwargs: Any) -> Iterator[bytes]:
            moved.move(timedelta(seconds=12))
            abandoned.append(root.post("/v1/storage/lifecycle")["abandoned"])
            yield from read(*args, **kwargs)

        monkeypatch.setattr(LocalStore, "read", slow)
        done = me.post(f"/v1/files/{made['id']}/complete")
        assert (abandoned, done.status, done["sha256"]) == ([0], 200, sha256(PNG))


def test_a_reader_who_never_came_back_keeps_no_upload(world: World, me: Api, root: Api) -> None:
    announce(me)
    with clock.frozen(clock.now() + timedelta(hours=23, minutes=59, seconds=50)) as moved:
        with enter(world.acorn.ref):
            assert turns._taken(FileVersion.objects.get()) is not None
        moved.move(timedelta(seconds=12))
        assert root.post("/v1/storage/lifecycle")["abandoned"] == 0
        moved.move(turns.LASTS)
        assert root.post("/v1/storage/lifecycle")["abandoned"] == 1


def test_an_upload_of_a_file_that_is_given_up_while_it_is_read(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Commits
) -> None:
    path = uploaded(world.acorn, me)
    assert me.post(f"{path}/versions", {"size": len(PNG), "content_type": "image/png"}).status == 201
    arrive(world.acorn, path.rpartition("/")[2], PNG)
    read = LocalStore.read

    def slow(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        with django_capture_on_commit_callbacks(execute=True):
            assert me.delete(f"{path}/upload").status == 204
        yield from read(*args, **kwargs)

    monkeypatch.setattr(LocalStore, "read", slow)
    assert me.post(f"{path}/complete").code == "file_version_unknown"
    assert me.get(path)["current_version"] == 1

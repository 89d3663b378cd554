"""The folder of the files is away, as a disk that is not mounted: nothing looks deleted, and nothing is lost."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core import clock, serving
from apps.storage import beginning, blobs, chores
from apps.storage.models import Condemned
from apps.storage.stores.absence import Absence
from apps.storage.stores.errors import StoreUnreachable
from apps.storage.stores.local import MARK, LocalStore
from apps.storage.tests.parcels import PNG, announce, content_of, make_bucket, send, uploaded
from apps.tenancy.models import Tenant
from apps.tenancy.provisioning import soft_delete
from apps.tenancy.walls import enter, outside
from tests.client import Api
from tests.world import World

Commits = Callable[..., Any]


@pytest.fixture(autouse=True)
def _answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test before this one found that the store is away."""
    for module in (blobs, beginning):
        monkeypatch.setattr(module, "_absence", Absence())


@pytest.fixture
def root(world: World, api: Api) -> Api:
    make_bucket(world.acorn)
    return api.using(world.acorn.root_key)


@pytest.fixture
def disk(settings: Any, tmp_path: Path) -> Path:
    """The folder of an installation that has not served yet."""
    settings.PACKMULE_STORAGE_DIR = tmp_path / "disk" / "files"
    return tmp_path / "disk" / "files"


class Mount:
    """A disk that goes away, and leaves the empty folder to which it was mounted."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._elsewhere = folder, folder.with_name("elsewhere")

    def go(self) -> None:
        self._folder.rename(self._elsewhere)
        self._folder.mkdir()

    def come_back(self) -> None:
        assert list(self._folder.iterdir()) == [], "something was written where the disk is not"
        self._folder.rmdir()
        self._elsewhere.rename(self._folder)


@pytest.fixture
def mount(disk: Path) -> Mount:
    """The disk of that folder, begun."""
    LocalStore(disk).begin()
    return Mount(disk)


def test_what_is_away_is_said_to_be_away_and_comes_back(world: World, root: Api, mount: Mount) -> None:
    path, upload = uploaded(world.acorn, root), announce(root)["upload"]
    link = root.get(f"{path}/content").body
    mount.go()
    for refused in (send(link), send(upload, PNG)):
        problem = json.loads(refused.content)
        assert (refused.status_code, problem["code"], problem["retryable"]) == (
            503,
            "store_unreachable",
            True,
        )
    for refused_call in (announce(root), announce(root, multipart=True)):
        assert (refused_call.status, refused_call.code) == (503, "store_unreachable")
    mount.come_back()
    assert content_of(root, path) == PNG
    assert send(upload, PNG).status_code == 200
    assert announce(root).status == 201


def test_what_is_purged_meanwhile_is_deleted_when_it_is_back(
    world: World, root: Api, mount: Mount, disk: Path, django_capture_on_commit_callbacks: Commits
) -> None:
    path = uploaded(world.acorn, root)
    mount.go()
    with django_capture_on_commit_callbacks(execute=True):
        assert root.post(f"{path}/purge").status == 204
    assert root.post("/v1/storage/lifecycle")["cleared"] == 0
    with pytest.raises(StoreUnreachable):
        chores.tidy()
    with enter(world.acorn.ref):
        kept = Condemned.objects.values_list("blob", flat=True).distinct().get()
    mount.come_back()
    assert (disk / kept).read_bytes() == PNG
    with clock.frozen(clock.now() + blobs.AGAIN + timedelta(seconds=1)):
        assert root.post("/v1/storage/lifecycle")["cleared"] == 1
    assert not (disk / kept).exists()


def test_a_deleted_tenant_that_may_be_restored_has_its_files_there(
    world: World, root: Api, mount: Mount, disk: Path
) -> None:
    uploaded(world.acorn, root)
    with outside():
        soft_delete(Tenant.objects.get(pk=world.acorn.ref.id))
    mount.go()
    with pytest.raises(StoreUnreachable):
        beginning.begin()
    assert not (disk / MARK).exists()


def test_a_folder_is_begun_once_when_serving_begins(world: World, root: Api, disk: Path) -> None:
    assert serving.objections() == []
    assert [path.name for path in disk.iterdir()] == [MARK]
    path = uploaded(world.acorn, root)
    assert serving.objections() == []
    assert content_of(root, path) == PNG


def test_no_other_folder_is_begun_where_there_are_files(
    world: World, root: Api, mount: Mount, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uploaded(world.acorn, root)
    mount.go()
    with caplog.at_level(logging.WARNING, "packmule.storage"):
        assert serving.objections() == [], "what is no file is served"
    assert str(disk) in caplog.text
    assert "Mount its disk" in caplog.text
    with pytest.raises(StoreUnreachable, match=MARK):
        beginning.begin()
    assert list(disk.iterdir()) == []
    (disk / MARK).touch()
    beginning.begin()


def test_a_folder_that_cannot_be_made_stops_nothing_else(
    world: World, root: Api, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk.parent.parent.mkdir(exist_ok=True)
    disk.parent.write_bytes(b"no folder")
    with caplog.at_level(logging.WARNING, "packmule.storage"):
        assert serving.objections() == []
    assert "No file can be read or written" in caplog.text
    assert announce(root).code == "store_unreachable"

"""What is announced is set aside until it is complete or given up, and nobody announces without end."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.storage import accounting
from apps.storage.models import Usage
from apps.storage.stores.base import SignedRequest
from apps.storage.stores.local import LocalStore
from apps.storage.tests.parcels import PNG, announce, arrive, make_bucket, send, uploaded
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import World

SIZE = len(PNG)
Figures = tuple[int, int, int, int]


@pytest.fixture
def me(world: World, api: Api) -> Api:
    make_bucket(world.acorn)
    return api.using(world.acorn.parties["north"].person_key)


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


def usage(api: Api) -> Figures:
    """Stored bytes and files, reserved bytes and open uploads."""
    (row,) = api.get("/v1/storage/usage")["data"]
    return row["bytes"], row["files"], row["reserved_bytes"], row["open_uploads"]


def version(me: Api, path: str, size: int = SIZE) -> Answer:
    return me.post(f"{path}/versions", {"size": size, "content_type": "image/png"})


def test_an_upload_is_reserved_until_it_is_complete(world: World, me: Api) -> None:
    made = announce(me)
    assert usage(me) == (0, 0, SIZE, 1)
    arrive(world.acorn, made["id"], PNG)
    assert me.post(f"/v1/files/{made['id']}/complete").status == 200
    assert usage(me) == (SIZE, 1, 0, 0)


def test_the_quota_bounds_what_is_announced(world: World, me: Api, root: Api) -> None:
    root.patch("/v1/buckets/photos", {"quota_bytes": 2 * SIZE})
    path = uploaded(world.acorn, me)
    waiting = announce(me)
    for refused in (announce(me, b"1"), version(me, path, 1)):
        assert (refused.status, refused.code) == (429, "storage_quota_exceeded")
        assert (refused["limit"], refused["used"], refused["reserved"]) == (2 * SIZE, SIZE, SIZE)
    assert me.post(f"/v1/files/{waiting['id']}/purge").status == 204
    assert version(me, path).status == 201


def test_a_quota_that_was_lowered_meanwhile_holds(world: World, me: Api, root: Api) -> None:
    made = announce(me)
    arrive(world.acorn, made["id"], PNG)
    root.patch("/v1/buckets/photos", {"quota_bytes": SIZE - 1})
    assert me.post(f"/v1/files/{made['id']}/complete").code == "storage_quota_exceeded"
    assert usage(me) == (0, 0, SIZE, 1)


@pytest.mark.parametrize("how", ["purge", "empty", "abandoned", "given up"])
def test_what_ends_otherwise_is_reserved_no_more(me: Api, root: Api, how: str) -> None:
    path = f"/v1/files/{announce(me)['id']}"
    if how == "purge":
        assert me.post(f"{path}/purge").status == 204
    elif how == "empty":
        assert root.post("/v1/buckets/photos/empty").status == 200
    elif how == "given up":
        assert me.delete(f"{path}/upload").status == 204
    else:
        with clock.frozen(clock.now() + timedelta(hours=25)):
            assert root.post("/v1/storage/lifecycle")["abandoned"] == 1
    assert usage(me) == (0, 0, 0, 0)
    assert me.get(path).code == "not_found"


def test_a_file_with_a_content_stays_when_an_upload_of_it_is_given_up(world: World, me: Api) -> None:
    path = uploaded(world.acorn, me)
    for _ in range(2):
        version(me, path)
    assert me.delete(f"{path}/upload?version=2").status == 204
    assert [row["number"] for row in me.get(f"{path}/versions")["data"]] == [3, 1]
    assert me.delete(f"{path}/upload?version=1").code == "no_open_upload"
    assert me.delete(f"{path}/upload").status == 204
    assert me.delete(f"{path}/upload").code == "no_open_upload"
    assert usage(me) == (SIZE, 1, 0, 0)


def test_few_uploads_of_a_file_are_open(world: World, me: Api) -> None:
    path = uploaded(world.acorn, me)
    made = [version(me, path) for _ in range(accounting.MOST_OPEN_OF_FILE)]
    refused = version(me, path)
    assert (refused.status, refused.code, refused["limit"]) == (429, "too_many_open_uploads", 10)
    assert me.delete(f"{path}/upload?version={made[0]['upload']['number']}").status == 204
    assert version(me, path).status == 201


def test_an_organization_has_so_many_open_uploads_in_a_bucket(
    world: World, me: Api, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounting, "MOST_OPEN", 2)
    made = [announce(me) for _ in range(2)]
    for refused in (announce(me), version(me, f"/v1/files/{made[0]['id']}")):
        assert (refused.status, refused.code, refused["limit"]) == (429, "too_many_open_uploads", 2)
    assert announce(api.using(world.acorn.parties["south"].person_key)).status == 201
    me.delete(f"/v1/files/{made[0]['id']}/upload")
    assert announce(me).status == 201


def test_what_others_reserved_meanwhile_counts(
    world: World, me: Api, root: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look sets nothing aside: the last word has the statement that does."""
    monkeypatch.setattr("apps.storage.placing.require_room", lambda *_: None)
    root.patch("/v1/buckets/photos", {"quota_bytes": SIZE})
    assert announce(me).status == 201
    assert announce(me).code == "storage_quota_exceeded"
    assert usage(me) == (0, 0, SIZE, 1)


def test_reserved_counts_that_do_not_agree_are_set_right(world: World, me: Api, root: Api) -> None:
    announce(me)
    with enter(world.acorn.ref):
        Usage.objects.update(reserved_bytes=7, open_uploads=3)
    (wrong,) = root.post("/v1/storage/reconcile")["data"]
    assert (wrong["reserved_bytes"], wrong["reserved_bytes_before"]) == (SIZE, 7)
    assert (wrong["open_uploads"], wrong["open_uploads_before"]) == (1, 3)
    assert usage(me) == (0, 0, SIZE, 1)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes the disk has; the first one counts."""
    left = [10 * SIZE]
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(left[0], 0, left[0]))
    return left


def test_the_disk_keeps_a_reserve(me: Api, settings: Any, free: list[int]) -> None:
    settings.PACKMULE_STORAGE_RESERVE = free[0] - SIZE
    assert announce(me).status == 201
    settings.PACKMULE_STORAGE_RESERVE = free[0] - SIZE + 1
    refused = announce(me)
    assert (refused.status, refused.code, refused["left"]) == (503, "store_nearly_full", SIZE - 1)
    assert usage(me) == (0, 0, SIZE, 1)


def test_parts_need_their_size_twice(me: Api, settings: Any, free: list[int]) -> None:
    settings.PACKMULE_STORAGE_RESERVE = free[0] - 2 * SIZE + 1
    refused = announce(me, multipart=True)
    assert (refused.status, refused.code, refused["size"]) == (503, "store_nearly_full", 2 * SIZE)
    assert "multipart: false" in refused["detail"]
    assert announce(me, multipart=False).status == 201
    settings.PACKMULE_STORAGE_RESERVE = free[0] - 2 * SIZE
    assert announce(me, multipart=True).status == 201


def test_parts_wait_until_there_is_room_to_join_them(me: Api, settings: Any, free: list[int]) -> None:
    settings.PACKMULE_STORAGE_RESERVE = 0
    made = announce(me, multipart=True)
    path = f"/v1/files/{made['id']}"
    assert send(made["upload"], PNG).status_code < 300
    settings.PACKMULE_STORAGE_RESERVE = free[0] - SIZE + 1
    refused = me.post(f"{path}/complete", idempotency_key="once")
    assert (refused.status, refused.code, refused["retryable"]) == (503, "store_nearly_full", True)
    assert me.get(f"{path}/parts")["missing"] == []
    settings.PACKMULE_STORAGE_RESERVE = free[0] - SIZE
    assert me.post(f"{path}/complete", idempotency_key="once")["status"] == "ready"


def test_the_store_is_asked_before_anybody_waits_for_the_count(
    me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, reserve, sign = list[str](), accounting.reserve, LocalStore.upload_url

    def reserved(*args: Any) -> None:
        asked.append("count")
        reserve(*args)

    def signed(*args: Any, **kwargs: Any) -> SignedRequest:
        asked.append("store")
        return sign(*args, **kwargs)

    monkeypatch.setattr(accounting, "reserve", reserved)
    monkeypatch.setattr(LocalStore, "upload_url", signed)
    assert announce(me).status == 201
    assert asked == ["store", "count"]

"""The folder of the local store: what lies there is whole, private, and written once, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from apps.core.problem_codes import codes
from apps.storage.stores import disk
from apps.storage.stores.base import Part
from apps.storage.stores.errors import BlobExists, PartsDiffer, StoreFull, StoreUnreachable, UploadGone
from apps.storage.stores.local import MARK, LocalStore
from apps.storage.stores.signing import Grant
from apps.storage.stores.tests.sending import send

KEY = "t_01k0000000000000000000000a/file/1"


def files(store: LocalStore) -> list[Path]:
    return [path for path in store.root.rglob("*") if path.is_file() and path.name != MARK]


def test_what_lies_there_is_for_this_user_alone(local: LocalStore) -> None:
    local.put(KEY, BytesIO(b"private"))
    for path in [local.root, *local.root.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_of_many_writers_one_wins_and_its_bytes_are_whole(local: LocalStore) -> None:
    def write(number: int) -> int | None:
        try:
            return number if local.put(KEY, BytesIO(bytes([number]) * 700_000)) else None
        except BlobExists:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [number for number in pool.map(write, range(24)) if number is not None]
    assert len(won) == 1
    assert b"".join(local.read(KEY)) == bytes(won) * 700_000
    assert len(files(local)) == 1


def test_writers_and_deleters_do_not_trip_over_each_others_folders(local: LocalStore) -> None:
    def come_and_go(number: int) -> None:
        for _ in range(40):
            key = f"{KEY}-{number}"
            local.put(key, BytesIO(b"x"))
            local.delete([key])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(come_and_go, range(6)))
    assert files(local) == []


def test_empty_folders_are_cleared_away(local: LocalStore) -> None:
    local.put(KEY, BytesIO(b"x"))
    local.delete([KEY])
    assert {path.name for path in local.root.iterdir()} == {".incoming", MARK}


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk that is full after the first bytes."""

    def write_all(file: Any, chunk: bytes) -> None:
        file.write(chunk[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk, "_write_all", write_all)
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("full")
def test_a_full_disk_is_a_clear_refusal_that_leaves_nothing(local: LocalStore, key: str) -> None:
    answer = send(local.upload_url(key, size=1000, seconds=60), b"x" * 1000)
    assert (answer.status, answer.problem["code"], answer.problem["retryable"]) == (507, "store_full", True)
    assert files(local) == []
    with pytest.raises(StoreFull):
        local.put(key, BytesIO(b"x" * 1000))
    assert files(local) == []
    assert codes()["store_full"].advice


def test_a_folder_that_cannot_be_reached_is_a_refusal_that_may_be_tried_again(
    local: LocalStore, key: str
) -> None:
    upload = local.start_multipart(key)
    away = local.root.with_name("away")
    local.root.rename(away)
    local.root.write_bytes(b"no folder")
    answer = send(local.upload_url(key, size=1, seconds=60), b"x")
    assert (answer.status, answer.problem["code"], answer.problem["retryable"]) == (
        503,
        "store_unreachable",
        True,
    )
    for call in (
        lambda: local.put(key, BytesIO(b"x")),
        lambda: local.stat(key),
        lambda: list(local.read(key)),
        lambda: local.delete([key]),
        lambda: local.start_multipart(key),
        lambda: local.parts(key, upload),
    ):
        with pytest.raises(StoreUnreachable):
            call()
    local.root.unlink()
    away.rename(local.root)
    assert local.put(key, BytesIO(b"x")) == 1
    assert local.parts(key, upload) == []


def test_parts_stay_when_there_is_no_room_to_put_them_together(
    local: LocalStore, key: str, request: pytest.FixtureRequest
) -> None:
    upload = local.start_multipart(key)
    assert send(local.part_url(key, upload, 1, size=3, seconds=60), b"abc").status == 200
    parts = local.parts(key, upload)
    request.getfixturevalue("full")
    with pytest.raises(StoreFull):
        local.finish_multipart(key, upload, parts)
    assert local.stat(key) is None
    assert local.parts(key, upload) == parts


def test_an_upload_that_is_aborted_while_it_is_put_together_is_gone(
    local: LocalStore, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = local.start_multipart(key)
    for number, content in ((1, b"one"), (2, b"two")):
        assert send(local.part_url(key, upload, number, size=3, seconds=60), content).status == 200
    parts, write_all = local.parts(key, upload), disk._write_all

    def aborted(file: Any, chunk: bytes) -> None:
        local.abort_multipart(key, upload)
        write_all(file, chunk)

    monkeypatch.setattr(disk, "_write_all", aborted)
    with pytest.raises(UploadGone):
        local.finish_multipart(key, upload, parts)
    assert files(local) == []


def test_what_cannot_fit_is_refused_before_it_is_sent(local: LocalStore, key: str) -> None:
    read: list[int] = []

    def sent() -> Iterator[bytes]:
        read.append(1)
        yield b"x"

    with pytest.raises(StoreFull):
        local.receive(Grant("PUT", key, 0, size=2**60), sent())
    assert read == []


def test_another_fault_of_the_disk_is_logged_and_may_be_tried_again(
    local: LocalStore, key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(file: Any, chunk: bytes) -> None:
        raise OSError(errno.EIO, "made up")

    monkeypatch.setattr(disk, "_write_all", broken)
    answer = send(local.upload_url(key, size=3, seconds=60), b"abc")
    assert (answer.status, answer.problem["code"]) == (503, "store_unreachable")
    assert "made up" in caplog.text
    assert files(local) == []


def test_what_a_killed_server_left_is_tidied_away_and_nothing_else(local: LocalStore) -> None:
    local.put(KEY, BytesIO(b"kept"))
    upload = local.start_multipart(KEY + "-parts")
    left = local.root / ".incoming" / "left"
    left.write_bytes(b"half of it")
    os.utime(left, (0, 0))
    assert local.tidy(older_than=timedelta(days=1)) == 1
    assert not left.exists()
    assert b"".join(local.read(KEY)) == b"kept"
    assert local.parts(KEY + "-parts", upload) == []


def test_parts_are_taken_as_they_arrived(local: LocalStore, key: str) -> None:
    upload = local.start_multipart(key)
    for number, content in ((1, b"one"), (2, b"two")):
        assert send(local.part_url(key, upload, number, size=3, seconds=60), content).status == 200
    first, second = local.parts(key, upload)
    assert send(local.part_url(key, upload, 1, size=3, seconds=60), b"eno").status == 200
    for wrong in (
        [first, second],
        [second, second],
        [second, *local.parts(key, upload)[:1]],
        [Part(3, 3, "x")],
    ):
        with pytest.raises(PartsDiffer):
            local.finish_multipart(key, upload, wrong)
    local.finish_multipart(key, upload, local.parts(key, upload))
    assert b"".join(local.read(key)) == b"enotwo"

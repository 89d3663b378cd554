"""What every store does, told once and tried on each: the folder of this machine, and a real S3 server."""

from __future__ import annotations

import os
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import unquote

import pytest

from apps.core import clock
from apps.storage.stores import keys
from apps.storage.stores.base import MIN_PART_BYTES, Disposition, Part, Store
from apps.storage.stores.errors import BlobExists, BlobMissing, PartsDiffer, UploadGone
from apps.storage.stores.local import LocalStore
from apps.storage.stores.tests.sending import send
from tests.world import World

HELLO = b"Hello, bytes.\x00\xff"
SAVED = Disposition("notes.txt", "text/plain")


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, settings: Any, tmp_path: Any) -> Store:
    """Each store, as the settings choose it."""
    from apps.storage.stores import store as chosen

    if request.param == "s3":
        for name, value in request.getfixturevalue("s3_server").settings().items():
            setattr(settings, name, value)
    else:
        settings.PACKMULE_S3_BUCKET, settings.PACKMULE_STORAGE_DIR = "", tmp_path / "files"
        LocalStore(settings.PACKMULE_STORAGE_DIR).begin()
    return chosen()


def whole(store: Store, key: str, **which: Any) -> bytes:
    return b"".join(store.read(key, **which))


# Written from here.


def test_what_was_put_is_read(store: Store, key: str) -> None:
    assert store.put(key, BytesIO(HELLO)) == len(HELLO)
    found = store.stat(key)
    assert found is not None
    assert found.size == len(HELLO)
    assert whole(store, key) == HELLO


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 5, HELLO[:5]),
        (7, None, HELLO[7:]),
        (7, 3, HELLO[7:10]),
        (7, 900, HELLO[7:]),
        (3, 0, b""),
        (99, None, b""),
    ],
)
def test_a_range_is_read(store: Store, key: str, start: int, length: int | None, expected: bytes) -> None:
    store.put(key, BytesIO(HELLO))
    assert whole(store, key, start=start, length=length) == expected


def test_nothing_is_something_too(store: Store, key: str) -> None:
    assert store.put(key, BytesIO(b"")) == 0
    assert whole(store, key) == b""


def test_much_is_read_in_small_chunks(store: Store, key: str) -> None:
    content = os.urandom(9 * 1024 * 1024)
    assert store.put(key, BytesIO(content)) == len(content)
    chunks = list(store.read(key))
    assert max(map(len, chunks)) <= 256 * 1024
    assert b"".join(chunks) == content


def test_a_blob_is_written_once(store: Store, key: str) -> None:
    store.put(key, BytesIO(HELLO))
    for other in (b"other", os.urandom(9 * 1024 * 1024)):
        with pytest.raises(BlobExists):
            store.put(key, BytesIO(other))
    assert whole(store, key) == HELLO


def test_what_is_not_there(store: Store, key: str) -> None:
    assert store.stat(key) is None
    with pytest.raises(BlobMissing):
        whole(store, key)


def test_what_is_deleted_is_gone_and_deleting_again_is_no_error(store: Store, key: str) -> None:
    others = [f"{key}-{number}" for number in range(3)]
    for one in (key, *others):
        store.put(one, BytesIO(HELLO))
    store.delete([key, f"{key}-never", *others[:2]])
    store.delete([key])
    store.delete([])
    assert [store.stat(one) is None for one in (key, *others)] == [True, True, True, False]


class _Breaking(BytesIO):
    """A stream that ends in an error behind its content."""

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        if not chunk:
            raise OSError("the source broke")
        return chunk


def test_a_source_that_breaks_leaves_nothing(store: Store, key: str) -> None:
    for content in (HELLO, os.urandom(9 * 1024 * 1024)):
        with pytest.raises(OSError, match="the source broke"):
            store.put(key, _Breaking(content))
        assert store.stat(key) is None
    assert store.tidy(older_than=timedelta(0)) == 0


@pytest.mark.parametrize(
    "bad",
    ["", "/etc/passwd", "../x", "t_{id}/../x", "t_{id}/a//b", "t_{id}/.hidden", "t_{id}", "other/a", "t_{id}/a\0b",
     "t_{id}/a b", "t_{id}/" + "a" * 101, "t_{id}" + "/abcdefghij" * 9, "t_{id}/a\n", "T_{id}/a"],
)  # fmt: skip
def test_what_is_no_key_reaches_no_store(store: Store, world: World, bad: str) -> None:
    named = bad.replace("t_{id}", world.acorn.ref.schema_name)
    for call in (
        lambda: store.stat(named),
        lambda: whole(store, named),
        lambda: store.put(named, BytesIO(HELLO)),
        lambda: store.upload_url(named, size=1, seconds=60),
        lambda: store.download_url(named, SAVED, seconds=60),
        lambda: store.start_multipart(named),
        lambda: store.delete([named]),
    ):
        with pytest.raises(ValueError, match="no key of a blob"):
            call()


# Written by a client.


def test_a_client_uploads_and_downloads(store: Store, key: str) -> None:
    assert send(store.upload_url(key, size=len(HELLO), seconds=60), HELLO).status == 200
    assert whole(store, key) == HELLO
    answer = send(store.download_url(key, SAVED, seconds=60))
    assert (answer.status, answer.content) == (200, HELLO)
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="notes.txt"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"].startswith('"')


def test_an_upload_url_is_good_once(store: Store, key: str) -> None:
    signed = store.upload_url(key, size=len(HELLO), seconds=60)
    assert send(signed, HELLO).status == 200
    assert send(signed, HELLO[::-1]).status in (409, 412)
    assert whole(store, key) == HELLO


@pytest.mark.parametrize("content", [HELLO[:-1], HELLO + b"!", b""])
def test_another_size_is_refused(store: Store, key: str, content: bytes) -> None:
    answer = send(store.upload_url(key, size=len(HELLO), seconds=60), content)
    assert 400 <= answer.status < 500
    assert store.stat(key) is None


def test_a_wrong_checksum_is_refused(store: Store, key: str) -> None:
    signed = store.upload_url(key, size=len(HELLO), seconds=60)
    assert send(signed, HELLO, content_md5="1B2M2Y8AsgTpgAmY7PhCfg==").status == 400
    assert store.stat(key) is None
    assert send(signed, HELLO).status == 200


def test_an_altered_url_is_refused(store: Store, key: str) -> None:
    store.put(key, BytesIO(HELLO))
    free = keys.check(f"{key}-free")
    put, get = store.upload_url(free, size=3, seconds=60), store.download_url(key, SAVED, seconds=60)
    for signed in (put, get):
        other = "1" if signed.url.endswith("0") else "0"
        assert send(signed, b"abc", url=signed.url[:-1] + other).status == 403
    assert send(get, b"abc", method="PUT").status == 403
    assert send(put, method="GET").status == 403
    assert store.stat(free) is None


def test_an_expired_url_is_refused(store: Store, key: str) -> None:
    store.put(key, BytesIO(HELLO))
    put, get = _signed_two_minutes_ago(store, key)
    assert send(put, b"abc").status == 403
    assert send(get).status == 403
    assert store.stat(f"{key}-late") is None


def _signed_two_minutes_ago(store: Store, key: str) -> tuple[Any, Any]:
    """The S3 server has a clock of its own, so the signing is what is moved."""
    past = clock.now() - timedelta(minutes=2)
    with clock.frozen(past), pytest.MonkeyPatch.context() as patch:
        if not isinstance(store, LocalStore):
            patch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: past.replace(tzinfo=None))
        late = store.upload_url(f"{key}-late", size=3, seconds=60)
        return late, store.download_url(key, SAVED, seconds=60)


def test_a_url_opens_no_other_blob(store: Store, key: str) -> None:
    other = f"{key}-other"
    for one in (key, other):
        store.put(one, BytesIO(one.encode()))
    url = store.download_url(key, SAVED, seconds=60).url
    swapped = url.replace(key, other)
    assert send(store.download_url(key, SAVED, seconds=60), url=url).content == key.encode()
    assert swapped == url or send(store.download_url(key, SAVED, seconds=60), url=swapped).status == 403


@pytest.mark.parametrize(
    ("asked", "status", "said", "expected"),
    [
        ("bytes=0-4", 206, f"bytes 0-4/{len(HELLO)}", HELLO[:5]),
        ("bytes=7-", 206, f"bytes 7-14/{len(HELLO)}", HELLO[7:]),
        ("bytes=-3", 206, f"bytes 12-14/{len(HELLO)}", HELLO[-3:]),
        ("bytes=-900", 206, f"bytes 0-14/{len(HELLO)}", HELLO),
        ("bytes=7-900", 206, f"bytes 7-14/{len(HELLO)}", HELLO[7:]),
        ("bytes=99-", 416, f"bytes */{len(HELLO)}", None),
    ],
)
def test_a_range_is_downloaded(
    store: Store, key: str, asked: str, status: int, said: str, expected: bytes | None
) -> None:
    store.put(key, BytesIO(HELLO))
    answer = send(store.download_url(key, SAVED, seconds=60), range=asked)
    assert (answer.status, answer.headers["Content-Range"]) == (status, said)
    assert expected is None or answer.content == expected


@pytest.mark.parametrize(
    ("shown", "begins"),
    [
        (Disposition("cat.png", "image/png", inline=True), "inline; "),
        (Disposition("cat.png", "image/png"), "attachment; "),
        (Disposition("cat.svg", "image/svg+xml", inline=True), "attachment; "),
        (Disposition("cat.html", "text/html", inline=True), "attachment; "),
        (Disposition("cat.pdf", "application/pdf", inline=True), "attachment; "),
        (Disposition("cat", "TEXT/HTML; charset=utf-8", inline=True), "attachment; "),
    ],
)
def test_only_what_can_hold_no_script_is_shown(
    store: Store, key: str, shown: Disposition, begins: str
) -> None:
    store.put(key, BytesIO(HELLO))
    answer = send(store.download_url(key, shown, seconds=60))
    assert answer.headers["Content-Disposition"].startswith(begins)


def test_both_say_for_how_long_a_download_may_be_kept_and_how_long_it_is(store: Store, key: str) -> None:
    store.put(key, BytesIO(HELLO))
    signed = store.download_url(key, SAVED, seconds=90)
    answer, first = send(signed), send(signed, range="bytes=0-0")
    kept, _, seconds = answer.headers["Cache-Control"].rpartition("=")
    assert (kept, 80 < int(seconds) <= 90) == ("private, max-age", True)
    # By a GET, since an S3 signs for one method: HEAD is another one.
    assert (first.status, first.headers["Content-Range"]) == (206, f"bytes 0-0/{len(HELLO)}")
    assert answer.headers["ETag"] == first.headers["ETag"]


def test_a_name_in_any_writing_arrives(store: Store, key: str) -> None:
    store.put(key, BytesIO(HELLO))
    answer = send(
        store.download_url(key, Disposition('Füße & "Zähne"\r\nX: 1 日本.txt', "text/plain"), seconds=60)
    )
    said = answer.headers["Content-Disposition"]
    assert unquote(said.partition("filename*=UTF-8''")[2]) == "Füße & _Zähne_X_ 1 日本.txt"
    assert "X" not in answer.headers


# In parts.


def test_an_upload_in_parts_is_resumed_and_put_together(store: Store, key: str) -> None:
    first, last = os.urandom(MIN_PART_BYTES), b"the end"
    upload = store.start_multipart(key)
    sizes = {1: first, 2: last}
    signed = {
        number: store.part_url(key, upload, number, size=len(content), seconds=60)
        for number, content in sizes.items()
    }
    assert store.parts(key, upload) == []
    assert send(signed[2], last).status == 200
    assert [(part.number, part.size) for part in store.parts(key, upload)] == [(2, len(last))]
    assert send(signed[1], first[:-1]).status in (400, 403)
    assert send(signed[1], first).status == 200
    assert store.stat(key) is None
    arrived = store.parts(key, upload)
    assert [(part.number, part.size) for part in arrived] == [(1, len(first)), (2, len(last))]
    store.finish_multipart(key, upload, arrived)
    assert whole(store, key) == first + last
    with pytest.raises(UploadGone):
        store.parts(key, upload)
    with pytest.raises(BlobExists):
        store.finish_multipart(key, upload, arrived)
    assert send(signed[1], first).status == 404


def test_a_part_that_is_sent_again_replaces_itself(store: Store, key: str) -> None:
    upload = store.start_multipart(key)
    signed = store.part_url(key, upload, 1, size=3, seconds=60)
    for content in (b"old", b"new"):
        assert send(signed, content).status == 200
    store.finish_multipart(key, upload, store.parts(key, upload))
    assert whole(store, key) == b"new"


def test_parts_that_are_not_there_make_nothing(store: Store, key: str) -> None:
    upload = store.start_multipart(key)
    assert send(store.part_url(key, upload, 1, size=3, seconds=60), b"one").status == 200
    (part,) = store.parts(key, upload)
    for wrong in ([], [part, Part(2, 3, part.etag)], [Part(1, 3, '"0123456789abcdef0123456789abcdef"')]):
        with pytest.raises(PartsDiffer):
            store.finish_multipart(key, upload, wrong)
        assert store.stat(key) is None
    store.finish_multipart(key, upload, [part])
    assert whole(store, key) == b"one"


def test_parts_do_not_replace_a_blob(store: Store, key: str) -> None:
    upload = store.start_multipart(key)
    assert send(store.part_url(key, upload, 1, size=3, seconds=60), b"one").status == 200
    store.put(key, BytesIO(HELLO))
    with pytest.raises(BlobExists):
        store.finish_multipart(key, upload, store.parts(key, upload))
    assert whole(store, key) == HELLO


def test_an_aborted_upload_is_gone(store: Store, key: str) -> None:
    upload = store.start_multipart(key)
    signed = store.part_url(key, upload, 1, size=3, seconds=60)
    assert send(signed, b"one").status == 200
    for _ in range(2):
        store.abort_multipart(key, upload)
    with pytest.raises(UploadGone):
        store.parts(key, upload)
    assert send(signed, b"one").status == 404


def test_an_upload_belongs_to_its_key(store: Store, key: str) -> None:
    upload = store.start_multipart(key)
    assert send(store.part_url(f"{key}-other", upload, 1, size=3, seconds=60), b"one").status == 404
    with pytest.raises(UploadGone):
        store.parts(f"{key}-other", upload)


def test_old_uploads_are_tidied_away(store: Store, key: str) -> None:
    upload = store.start_multipart(key)
    assert send(store.part_url(key, upload, 1, size=3, seconds=60), b"one").status == 200
    assert store.tidy(older_than=timedelta(hours=1)) == 0
    assert store.parts(key, upload)
    assert store.tidy(older_than=timedelta(seconds=-5)) >= 1
    with pytest.raises(UploadGone):
        store.parts(key, upload)

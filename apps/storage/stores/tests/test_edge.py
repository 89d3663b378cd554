"""The edge where signed URLs of the local store lead: whom it serves, what it refuses, and what it never does."""

from __future__ import annotations

import hashlib
import logging
from base64 import b64encode
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core import clock
from apps.storage.stores import disk, transfers
from apps.storage.stores.base import Disposition, SignedRequest
from apps.storage.stores.errors import StoreBusy
from apps.storage.stores.local import MARK, LocalStore
from apps.storage.stores.tests.sending import send
from apps.tenancy.models import Tenant
from apps.tenancy.provisioning import soft_delete
from apps.tenancy.walls import registry
from tests.client import Answer, Api
from tests.refusals import check_refusal
from tests.world import World

HELLO = b"Hello, bytes.\x00\xff"
SAVED = Disposition("notes.txt", "text/plain")


def path_of(signed: SignedRequest) -> str:
    return signed.url.partition(":80")[2]


def refused(signed: SignedRequest, status: int, code: str, content: bytes = b"", **options: Any) -> Any:
    """The problem that the edge answers with."""
    method = options.pop("method", signed.method)
    headers = {name: value for name, value in options.items() if value is not None}
    answer = (
        Api().on(headers.pop("host", "127.0.0.1")).call(method, path_of(signed), raw=content, headers=headers)
    )
    return check_refusal(answer, status, code, sent=signed.url)


@pytest.fixture
def stored(local: LocalStore, key: str) -> SignedRequest:
    """A URL of acorn's that gives HELLO."""
    local.put(key, BytesIO(HELLO))
    return local.download_url(key, SAVED, seconds=60)


# Tenants and hosts.


def test_a_url_works_on_the_installation_and_on_its_tenants_own_host(
    world: World, local: LocalStore, key: str, stored: SignedRequest
) -> None:
    for host in ("127.0.0.1", world.acorn.host, f"{world.acorn.host}:8443"):
        assert send(stored, host=host).content == HELLO
    put = local.upload_url(f"{key}-2", size=3, seconds=60)
    assert send(put, b"abc", host=world.acorn.host).status == 200


def test_a_url_is_refused_on_another_tenants_host(
    world: World, local: LocalStore, key: str, stored: SignedRequest
) -> None:
    put = local.upload_url(f"{key}-2", size=3, seconds=60)
    for host in (world.birch.host, world.console.host):
        refused(stored, 401, "wrong_tenant", host=host)
        refused(put, 401, "wrong_tenant", b"abc", host=host)
    assert local.stat(f"{key}-2") is None


def test_a_host_that_nobody_has_is_refused(stored: SignedRequest) -> None:
    refused(stored, 400, "host_refused", host="nobody.example")


def test_a_deleted_tenants_url_opens_nothing(world: World, stored: SignedRequest) -> None:
    with registry():
        soft_delete(Tenant.objects.get(id=world.acorn.ref.id))
    refused(stored, 401, "tenant_deleted")


# What was signed.


@pytest.mark.parametrize("token", ["x", "AAAA", "é", "A" * 5000, "..", "%00", "a=b"])
def test_what_is_no_token_is_refused(world: World, api: Api, local: LocalStore, token: str) -> None:
    check_refusal(api.get(f"/storage/{token}"), 403, "signed_url_invalid")


def test_each_character_of_a_url_counts(stored: SignedRequest) -> None:
    token = stored.url.rpartition("/")[2]
    for at in range(0, len(token), 7):
        other = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        altered = SignedRequest("GET", stored.url.replace(token, other))
        refused(altered, 403, "signed_url_invalid")


def test_a_url_signed_before_the_secret_was_changed_goes_on(settings: Any, stored: SignedRequest) -> None:
    before, settings.SECRET_KEY = settings.SECRET_KEY, "another secret of more than thirty-two characters"
    refused(stored, 403, "signed_url_invalid")
    settings.SECRET_KEY_FALLBACKS = [before]
    assert send(stored).content == HELLO


def test_a_url_is_for_one_method(local: LocalStore, key: str, stored: SignedRequest) -> None:
    put = local.upload_url(f"{key}-2", size=3, seconds=60)
    refused(stored, 403, "signed_url_invalid", b"abc", method="PUT")
    for method in ("GET", "HEAD"):
        assert send(put, method=method).status == 403
    for method in ("POST", "DELETE", "PATCH"):
        assert "PUT" in refused(put, 405, "method_not_allowed", b"abc", method=method)["detail"]


def test_an_expired_url_says_until_when_it_was_good(
    local: LocalStore, key: str, stored: SignedRequest
) -> None:
    late = local.download_url(key, SAVED, seconds=-1)
    assert "It was good until" in refused(late, 403, "signed_url_expired")["detail"]


def test_a_url_of_a_blob_that_is_gone(local: LocalStore, key: str, stored: SignedRequest) -> None:
    local.delete([key])
    refused(stored, 404, "blob_missing")


def test_a_url_of_the_folder_opens_nothing_when_the_files_are_elsewhere(
    settings: Any, stored: SignedRequest
) -> None:
    settings.PACKMULE_S3_BUCKET, settings.PACKMULE_S3_ENDPOINT = "elsewhere", "http://127.0.0.1:9"
    settings.PACKMULE_S3_ACCESS_KEY = settings.PACKMULE_S3_SECRET_KEY = "made-up"
    refused(stored, 404, "not_found")


# Uploads.


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"abcd", 413, "payload_too_large"), (b"ab", 400, "size_differs")],
)
def test_another_size_is_refused_before_it_is_read(
    local: LocalStore, key: str, content: bytes, status: int, code: str
) -> None:
    refused(local.upload_url(key, size=3, seconds=60), status, code, content)
    assert [path.name for path in local.root.rglob("*")] == [MARK]


def test_chunks_of_no_known_length_are_refused(local: LocalStore, key: str) -> None:
    signed = local.upload_url(key, size=3, seconds=60)
    extra: dict[str, Any] = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}
    answer: Any = Client(raise_request_exception=False).generic(
        "PUT", path_of(signed), b"abc", headers={"Host": "127.0.0.1"}, **extra
    )
    check_refusal(Answer(answer), 411, "length_needed", sent=signed.url)


def test_an_upload_that_ends_too_early_leaves_nothing(local: LocalStore, key: str) -> None:
    signed = local.upload_url(key, size=100, seconds=60)
    answer: Any = Client(raise_request_exception=False).generic(
        "PUT", path_of(signed), b"", headers={"Host": "127.0.0.1"},
        **{"wsgi.input": BytesIO(b"only this"), "CONTENT_LENGTH": "100"},  # type: ignore[arg-type]
    )  # fmt: skip
    problem = check_refusal(Answer(answer), 400, "upload_interrupted", sent=signed.url)
    assert "9 of 100 bytes" in problem["detail"]
    assert local.stat(key) is None
    assert [path.name for path in local.root.rglob("*") if path.is_file()] == [MARK]
    assert send(signed, b"x" * 100).status == 200


def test_a_second_upload_is_refused(local: LocalStore, key: str) -> None:
    signed = local.upload_url(key, size=3, seconds=60)
    assert send(signed, b"abc").status == 200
    refused(signed, 409, "blob_exists", b"xyz")
    assert b"".join(local.read(key)) == b"abc"


def test_a_part_of_an_upload_that_is_over_is_refused(local: LocalStore, key: str) -> None:
    upload = local.start_multipart(key)
    signed = local.part_url(key, upload, 1, size=3, seconds=60)
    local.abort_multipart(key, upload)
    refused(signed, 404, "upload_gone", b"abc")


def test_checksums_that_come_along_have_to_fit(local: LocalStore, key: str) -> None:
    md5 = b64encode(hashlib.md5(HELLO).digest()).decode()
    sha = f"sha-256=:{b64encode(hashlib.sha256(HELLO).digest()).decode()}:"
    wrong_sha = f"sha-256=:{b64encode(hashlib.sha256(b'').digest()).decode()}:"
    signed = local.upload_url(key, size=len(HELLO), seconds=60)
    refused(signed, 400, "checksum_differs", HELLO, content_md5="1B2M2Y8AsgTpgAmY7PhCfg==")
    refused(signed, 400, "checksum_differs", HELLO, content_md5=md5, content_digest=wrong_sha)
    for bad in (
        {"content_md5": "nonsense"},
        {"content_digest": "md5=:abc=:"},
        {"content_digest": "sha-256=:YQ==:"},
    ):
        refused(signed, 400, "malformed_request", HELLO, **bad)
    assert local.stat(key) is None
    assert send(signed, HELLO, content_md5=md5, content_digest=f"md5=:{md5}:, {sha}").status == 200


def test_the_limit_of_bodies_is_for_calls_and_not_for_files(
    world: World, api: Api, local: LocalStore, key: str, settings: Any
) -> None:
    settings.PACKMULE_MAX_BODY_BYTES = settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    content = b"x" * 5_000_000
    assert send(local.upload_url(key, size=len(content), seconds=60), content).status == 200
    answer = api.using(world.acorn.root_key).call("POST", "/v1/agents", {"name": "x" * 2000})
    check_refusal(answer, 413, "payload_too_large")


def test_a_full_house_is_told_to_come_back(world: World, settings: Any, stored: SignedRequest) -> None:
    settings.PACKMULE_STORAGE_TRANSFERS = 1
    with transfers.place(world.birch.ref.id):
        problem = refused(stored, 503, "store_busy")
    assert problem["retryable"] is True
    for _ in range(3):
        assert send(stored).content == HELLO


def test_one_tenant_never_takes_all_places(world: World, settings: Any, stored: SignedRequest) -> None:
    settings.PACKMULE_STORAGE_TRANSFERS = 5
    acorn, birch = world.acorn.ref.id, world.birch.ref.id
    with ExitStack() as slow:
        for _ in range(3):
            slow.enter_context(transfers.place(acorn))
        refused(stored, 503, "store_busy")
        for _ in range(2):
            slow.enter_context(transfers.place(birch))
        with pytest.raises(StoreBusy):
            transfers.take_place(birch)
    assert send(stored).content == HELLO


def test_a_download_that_nobody_reads_gives_its_place_back(settings: Any, stored: SignedRequest) -> None:
    settings.PACKMULE_STORAGE_TRANSFERS = 1
    for _ in range(3):
        answer: Any = Client().get(path_of(stored), headers={"Host": "127.0.0.1"})
        assert answer.status_code == 200
        for close in answer._resource_closers:
            close()


# Downloads.


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("", 200, HELLO),
        ("bytes=0-0", 206, HELLO[:1]),
        ("bytes=14-14", 206, HELLO[-1:]),
        ("BYTES= 3-5 ", 206, HELLO[3:6]),
        ("bytes=-1", 206, HELLO[-1:]),
        ("bytes=-0", 416, None),
        ("bytes=15-", 416, None),
        ("bytes=15-20", 416, None),
        ("bytes=9999999999999999999-", 416, None),
        ("bytes=5-3", 200, HELLO),
        ("bytes=-", 200, HELLO),
        ("bytes=a-b", 200, HELLO),
        ("bytes=0-1,4-5", 200, HELLO),
        ("bytes=٣-٤", 200, HELLO),
        ("lines=0-1", 200, HELLO),
        ("bytes", 200, HELLO),
        ("bytes=1-2-3", 200, HELLO),
        ("bytes=99999999999999999999-", 200, HELLO),
    ],
)
def test_ranges(stored: SignedRequest, asked: str, status: int, expected: bytes | None) -> None:
    answer = send(stored, range=asked)
    assert answer.status == status
    if expected is None:
        assert answer.headers["Content-Range"] == "bytes */15"
        assert answer.problem["code"] == "range_refused"
    else:
        assert (answer.content, answer.headers["Content-Length"]) == (expected, str(len(expected)))
        assert ("Content-Range" in answer.headers) == (status == 206)


def test_nothing_has_no_ranges(local: LocalStore, key: str) -> None:
    local.put(key, BytesIO(b""))
    signed = local.download_url(key, SAVED, seconds=60)
    assert (send(signed).status, send(signed).content) == (200, b"")
    for asked in ("bytes=0-", "bytes=-5"):
        refused(signed, 416, "range_refused", range=asked)


def test_conditions(stored: SignedRequest) -> None:
    etag = send(stored).headers["ETag"]
    for fits in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        assert (send(stored, if_none_match=fits).status, send(stored, if_none_match=fits).content) == (
            304,
            b"",
        )
    assert send(stored, if_none_match='"other"').status == 200
    assert send(stored, if_match=etag).status == 200
    for other in ('"other"', f"W/{etag}"):
        refused(stored, 412, "version_mismatch", if_match=other)
    for if_range, status in (
        (etag, 206),
        ('"other"', 200),
        (f"W/{etag}", 200),
        ("Wed, 25 Nov 2026 12:00:00 GMT", 200),
    ):
        assert send(stored, range="bytes=0-1", if_range=if_range).status == status


def test_head_says_what_get_would_without_the_bytes(stored: SignedRequest) -> None:
    whole, head = send(stored), send(stored, method="HEAD", range="bytes=0-1")
    assert (head.status, head.content) == (200, b"")
    assert head.headers["Content-Length"] == "15"
    assert set(whole.headers) == set(head.headers)


def test_a_strangers_page_can_do_nothing(local: LocalStore, key: str) -> None:
    local.put(key, BytesIO(b"<script>alert(1)</script>"))
    for media in ("text/html", "image/svg+xml", "application/xhtml+xml", "nonsense\r\nX-Evil: 1"):
        signed = local.download_url(key, Disposition("page", media, inline=True), seconds=60)
        headers = send(signed).headers
        assert headers["Content-Disposition"].startswith("attachment")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert headers["X-Frame-Options"] == "DENY"
        assert "X-Evil" not in headers
        assert headers["Cache-Control"].startswith("private")


# Browsers.


def test_any_website_may_use_a_url_that_it_holds(local: LocalStore, key: str, stored: SignedRequest) -> None:
    put = local.upload_url(f"{key}-2", size=3, seconds=60)
    origin = "https://shop.example"
    answer = send(put, method="OPTIONS", origin=origin, access_control_request_method="PUT")
    assert answer.status == 204
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    for each in (answer, send(put, b"abc", origin=origin), send(stored), send(put, b"abc")):
        assert each.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in each.headers
        assert "Set-Cookie" not in each.headers


def test_a_cookie_and_a_key_change_nothing(world: World, stored: SignedRequest) -> None:
    answer = send(stored, cookie="packmule_session_0=x", authorization="Bearer nonsense")
    assert answer.content == HELLO


# Nothing held, nothing told.


def test_a_transfer_asks_one_thing_of_the_database(
    local: LocalStore, key: str, stored: SignedRequest
) -> None:
    put = local.upload_url(f"{key}-2", size=3, seconds=60)
    for signed, content in ((stored, b""), (put, b"abc")):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert send(signed, content).status == 200
        assert len(asked.captured_queries) == 1


def test_no_log_holds_a_url(
    stored: SignedRequest, local: LocalStore, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    put = local.upload_url(key, size=3, seconds=60)
    refused(put, 409, "blob_exists", b"abc")
    refused(stored, 401, "wrong_tenant", host="console.localhost")
    tokens = [signed.url.rpartition("/")[2] for signed in (put, stored)]
    assert not [token for token in tokens if token in caplog.text]


def test_bytes_that_come_too_late_are_not_kept(
    world: World, local: LocalStore, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies under a key that nothing names is cleared an hour after its URL has ended, and not again."""
    write, takes = disk.write, [timedelta(minutes=59), timedelta(minutes=62)]

    def slow(path: Path, chunks: Iterable[bytes]) -> int:
        moved.move(takes.pop())
        return write(path, chunks)

    with clock.frozen(clock.now()) as moved:
        monkeypatch.setattr(disk, "write", slow)
        refused(local.upload_url(key, size=len(HELLO), seconds=60), 403, "signed_url_expired", HELLO)
        assert local.stat(key) is None
        assert send(local.upload_url(key, size=len(HELLO), seconds=60), HELLO).status == 200

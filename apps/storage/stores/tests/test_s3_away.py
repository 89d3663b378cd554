"""An S3 that is away, broken, overloaded, or lets nobody in: a clear refusal that may be repeated, and nothing lost."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import httpx
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.core import serving
from apps.storage import stores
from apps.storage.stores import proof, store
from apps.storage.stores import s3 as s3_module
from apps.storage.stores.absence import Absence
from apps.storage.stores.base import Disposition, Store
from apps.storage.stores.errors import StoreOverwrites, StoreUnreachable
from apps.storage.stores.s3 import S3Store
from tests.standins.s3 import S3Server
from tests.world import World

KEY = "t_01k0000000000000000000000a/file/1"
SECRET = "made-up-secret-for-tests"


def s3(endpoint: str, secret: str = SECRET) -> S3Store:
    return S3Store("packmule-tests", endpoint, "us-east-1", "packmule-tests", secret, path_style=True)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up at the first refusal, where otherwise a second try waits first."""
    once = {"total_max_attempts": 1, "mode": "standard"}
    monkeypatch.setitem(s3_module._PATIENCE, "retries", once)


def calls(of: Store) -> list[Callable[[], Any]]:
    """Everything that asks the store."""
    return [
        lambda: of.put(KEY, BytesIO(b"abc")),
        lambda: of.stat(KEY),
        lambda: list(of.read(KEY)),
        lambda: of.delete([KEY]),
        lambda: of.start_multipart(KEY),
        lambda: of.parts(KEY, "upload"),
        lambda: of.abort_multipart(KEY, "upload"),
        lambda: of.tidy(older_than=timedelta(0)),
    ]


def require_refused(of: Store) -> None:
    for call in calls(of):
        with pytest.raises(StoreUnreachable) as refusal:
            call()
        assert (refusal.value.status, refusal.value.retryable) == (503, True)
        assert refusal.value.headers["Retry-After"]


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that answers everything alike; its address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815 - as http.server calls them

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as http.server calls it
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def refusal_of(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>made up</Message></Error>".encode()


def test_nobody_answers() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        require_refused(s3(f"http://127.0.0.1:{free.getsockname()[1]}"))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "InternalError"),
        (503, "SlowDown"),
        (429, "TooManyRequests"),
        (403, "AccessDenied"),
        (404, "NoSuchBucket"),
    ],
)
def test_it_refuses(status: int, code: str, caplog: pytest.LogCaptureFixture) -> None:
    with answering(status, refusal_of(code)) as endpoint:
        for call in calls(s3(endpoint)):
            _refused_or_absent(call, status)
    assert code in caplog.text
    assert SECRET not in caplog.text


def _refused_or_absent(call: Callable[[], Any], status: int) -> None:
    """HEAD has no body: a bucket that is not there looks like a blob that is not there."""
    try:
        answer = call()
    except StoreUnreachable:
        return
    assert (status, answer) == (404, None)


def test_it_answers_something_else() -> None:
    with answering(200, b"<html>a proxy's page</html>") as endpoint, pytest.raises(StoreUnreachable):
        s3(endpoint).start_multipart(KEY)


def test_it_takes_the_call_and_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(s3_module._PATIENCE, "read_timeout", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(StoreUnreachable):
            s3(f"http://127.0.0.1:{silent.getsockname()[1]}").stat(KEY)
    assert time.monotonic() - began < 20, "a web thread would wait for it"


def test_signing_asks_nobody_but_before_the_first_upload() -> None:
    away = s3("http://127.0.0.1:9")
    with pytest.raises(StoreUnreachable):
        away.upload_url(KEY, size=3, seconds=60)
    away._writes_once = True
    assert away.upload_url(KEY, size=3, seconds=60).url.startswith("http://127.0.0.1:9/packmule-tests/t_")
    assert away.part_url(KEY, "upload", 1, size=3, seconds=60).headers == {}
    assert away.download_url(KEY, Disposition("a", "text/plain"), seconds=60).method == "GET"


@pytest.fixture
def chosen(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have the settings name the S3 at an address."""

    def choose(endpoint: str) -> None:
        for name, value in S3Server(endpoint).settings().items():
            setattr(settings, name, value)

    monkeypatch.setattr(proof, "_absence", Absence())
    return choose


@pytest.mark.slow
def test_one_that_writes_over_blobs_is_not_used(world: World, chosen: Callable[[str], None]) -> None:
    with answering(200, b"<DeleteResult/>") as endpoint:
        chosen(endpoint)
        with pytest.raises(StoreOverwrites, match="packmule-tests wrote over a blob"):
            store().upload_url(KEY, size=3, seconds=60)
        assert any("wrote over a blob" in reason for reason in serving.objections())
        with pytest.raises(CommandError, match="wrote over a blob"):
            call_command("serve", port=0)


def test_one_that_is_away_keeps_nobody_from_serving_and_takes_no_upload(
    chosen: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen("http://127.0.0.1:9")
    assert proof.objection() is None
    with pytest.raises(StoreUnreachable):
        store().upload_url(KEY, size=3, seconds=60)
    monkeypatch.setattr(stores, "store", lambda: pytest.fail("asked again at once"))
    assert proof.objection() is None


@pytest.mark.slow
def test_one_that_writes_once_is_asked_once(
    s3_server: S3Server, chosen: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = s3(s3_server.endpoint)
    monkeypatch.setattr(stores, "store", lambda: asked)
    chosen(s3_server.endpoint)
    assert proof.objection() is None
    left = asked._client.list_objects_v2(Bucket="packmule-tests", Prefix=f"{s3_module._NOBODY}/")
    assert left["KeyCount"] == 0
    monkeypatch.setattr(asked, "put", lambda *_: pytest.fail("tried again"))
    assert asked.upload_url(KEY, size=3, seconds=60).method == "PUT"


@pytest.mark.slow
def test_keys_that_it_does_not_know(s3_server: S3Server, caplog: pytest.LogCaptureFixture) -> None:
    """The server verifies: the same calls under another secret are refused."""
    good, bad = s3(s3_server.endpoint), s3(s3_server.endpoint, "another made-up secret")
    assert good.stat(KEY) is None
    with pytest.raises(StoreUnreachable):
        bad.put(KEY, BytesIO(b"abc"))
    assert "SignatureDoesNotMatch" in caplog.text
    bad._writes_once = True
    signed = bad.upload_url(KEY, size=3, seconds=60)
    answer = httpx.put(signed.url, content=b"abc", headers=dict(signed.headers))
    assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)
    assert good.stat(KEY) is None


def test_the_setting_chooses(settings: Any) -> None:
    settings.PACKMULE_S3_BUCKET, settings.PACKMULE_S3_ENDPOINT = "one", "http://127.0.0.1:9"
    settings.PACKMULE_S3_ACCESS_KEY = settings.PACKMULE_S3_SECRET_KEY = "made-up"
    first = store()
    assert isinstance(first, S3Store)
    assert store() is first
    settings.PACKMULE_S3_BUCKET = "two"
    assert "/two/" in store().part_url(KEY, "upload", 1, size=1, seconds=1).url
    settings.PACKMULE_S3_BUCKET = ""
    assert "/storage/" in store().upload_url(KEY, size=1, seconds=1).url

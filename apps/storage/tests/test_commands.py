"""Files there and back by command, through signed requests over HTTP; and the twins of the API."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.conf import LazySettings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from apps.storage import transfer, uploads
from apps.storage.tests.parcels import PNG, make_bucket, sha256
from tests.client import Api
from tests.standins.smtp import free_port
from tests.world import World


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as it is called there
        """Say nothing."""


@pytest.fixture
def served(world: World, settings: LazySettings) -> Iterator[None]:
    """Signed requests are taken by a server on loopback."""
    with make_server("127.0.0.1", 0, WSGIHandler(), handler_class=_Quiet) as server:

        def serve() -> None:
            server.serve_forever(poll_interval=0.01)
            connections.close_all()

        thread = threading.Thread(target=serve)
        thread.start()
        settings.PACKMULE_STORAGE_URL = f"http://127.0.0.1:{server.server_port}"
        settings.PACKMULE_KEY = world.acorn.root_key
        yield
        server.shutdown()
        thread.join()


def run(*words: str, stderr: StringIO | None = None) -> Any:
    out = StringIO()
    call_command(*words, "--json", stdout=out, stderr=stderr or StringIO(), no_color=True)
    return json.loads(out.getvalue())


@pytest.mark.parametrize("cut", [False, True])
def test_a_file_there_and_back(
    world: World, served: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    if cut:
        in_parts(monkeypatch)
    make_bucket(world.acorn)
    source, target = tmp_path / "cat.png", tmp_path / "back.png"
    source.write_bytes(PNG)
    made = run("files", "upload", str(source), "--bucket", "photos")
    assert (made["status"], made["name"], made["sha256"]) == ("ready", "cat.png", sha256(PNG))
    found = run("files", "download", made["id"], str(target))
    assert found == Api(world.acorn.root_key).get(f"/v1/files/{made['id']}").body
    assert target.read_bytes() == PNG
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.png", "cat.png"]


@pytest.fixture
def broken_off(
    world: World, served: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], tuple[Path, str, list[int]]]:
    """Begin an upload that breaks off when so many requests were sent; the file here, its id, and what is sent then."""
    make_bucket(world.acorn)
    source, put, begun, broken = tmp_path / "cat 1.png", transfer._put, list[int](), list[bool]()
    source.write_bytes(PNG)

    def breaking(after: int) -> tuple[Path, str, list[int]]:
        def sending(signed: Any, path: Path, start: int, size: int) -> None:
            begun.append(start)
            put(signed, path, start, size)
            if len(begun) == after and not broken:
                broken.append(True)
                raise transfer.TransferFailed("made up for this test")

        monkeypatch.setattr(transfer, "_put", sending)
        with pytest.raises(CommandError) as failure:
            run("files", "upload", str(source), "--bucket", "photos")
        file = Api(world.acorn.root_key).get("/v1/files")["data"][0]["id"]
        again = f"manage.py files upload '{source}' --resume {file}"
        assert failure.value.document["remedy"]["command"] == again  # type: ignore[attr-defined]
        begun.clear()
        return source, file, begun

    return breaking


def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("IN_PARTS_ABOVE", 100), ("PART_SIZE", 100), ("MIB", 100)):
        monkeypatch.setattr(uploads, name, value)


@pytest.mark.parametrize(("after", "starts"), [(1, [100, 200]), (2, [200]), (3, [])])
def test_an_upload_in_parts_goes_on_where_it_broke_off(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    broken_off: Callable[[int], tuple[Path, str, list[int]]],
    after: int,
    starts: list[int],
) -> None:
    in_parts(monkeypatch)
    source, file, begun = broken_off(after)
    told = StringIO()
    made = run("files", "upload", str(source), "--resume", file, stderr=told)
    assert (made["id"], made["status"], made["sha256"], begun) == (file, "ready", sha256(PNG), starts)
    lines = [f"{file}: {done} of {len(starts)} parts sent" for done in range(1, len(starts) + 1)]
    assert told.getvalue().splitlines()[: len(lines)] == lines


def test_an_upload_in_one_piece_that_arrived_before_is_completed(
    broken_off: Callable[[int], tuple[Path, str, list[int]]],
) -> None:
    source, file, _ = broken_off(1)
    assert run("files", "upload", str(source), "--resume", file)["status"] == "ready"
    with pytest.raises(CommandError) as failure:
        run("files", "upload", str(source), "--resume", file)
    assert failure.value.document["code"] == "no_open_upload"  # type: ignore[attr-defined]


def test_only_the_same_bytes_go_on(
    monkeypatch: pytest.MonkeyPatch, broken_off: Callable[[int], tuple[Path, str, list[int]]]
) -> None:
    in_parts(monkeypatch)
    source, file, begun = broken_off(1)
    for content in (PNG[:-1], bytes(len(PNG))):
        source.write_bytes(content)
        with pytest.raises(CommandError) as failure:
            run("files", "upload", str(source), "--resume", file)
        assert (failure.value.returncode, begun) == (64, [])
    with pytest.raises(CommandError):
        run("files", "upload", str(source), "--resume", file, "--name", "dog.png")


def test_what_goes_wrong_is_said(world: World, served: None, tmp_path: Path) -> None:
    make_bucket(world.acorn)
    (tmp_path / "page.png").write_bytes(b"<html>")
    for words, code in (
        (("upload", str(tmp_path / "nothing"), "--bucket", "photos"), 64),
        (("upload", str(tmp_path / "page.png"), "--bucket", "nothing"), 3),
        (("upload", str(tmp_path / "page.png"), "--bucket", "photos"), 64),
        (("download", "file_none", str(tmp_path / "x")), 3),
        (("download", "file_none", str(tmp_path / "page.png")), 64),
    ):
        with pytest.raises(CommandError) as failure:
            run("files", *words)
        assert failure.value.returncode == code, words


def refused(*words: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(CommandError) as failure:
        run("files", *words)
    return failure.value.returncode, failure.value.document  # type: ignore[attr-defined]


@pytest.mark.parametrize("cut", [False, True])
def test_what_cannot_be_sent_is_given_up(
    world: World, settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    if cut:
        in_parts(monkeypatch)
    make_bucket(world.acorn)
    settings.PACKMULE_KEY = world.acorn.root_key
    settings.PACKMULE_STORAGE_URL = nobody = f"http://127.0.0.1:{free_port()}"
    source, api = tmp_path / "cat.png", Api(world.acorn.root_key)
    source.write_bytes(PNG)
    code, problem = refused("upload", str(source), "--bucket", "photos")
    assert (code, problem["code"]) == (1, "transfer_failed")
    assert nobody in problem["detail"]
    assert "Nothing is left of file_" in problem["detail"]
    assert api.get("/v1/files")["data"] == []
    assert [(row["reserved_bytes"], row["open_uploads"]) for row in api.get("/v1/storage/usage")["data"]] == [
        (0, 0)
    ]


def test_an_upload_that_goes_on_keeps_what_there_is_when_nobody_answers(
    monkeypatch: pytest.MonkeyPatch,
    settings: LazySettings,
    broken_off: Callable[[int], tuple[Path, str, list[int]]],
) -> None:
    in_parts(monkeypatch)
    source, file, _ = broken_off(1)
    served_at = settings.PACKMULE_STORAGE_URL
    settings.PACKMULE_STORAGE_URL = f"http://127.0.0.1:{free_port()}"
    code, problem = refused("upload", str(source), "--resume", file)
    assert (code, problem["remedy"]["command"][-len(file) :]) == (1, file)
    settings.PACKMULE_STORAGE_URL = served_at
    assert run("files", "upload", str(source), "--resume", file)["status"] == "ready"


def test_without_an_address_nothing_is_announced(
    world: World, settings: LazySettings, tmp_path: Path
) -> None:
    make_bucket(world.acorn)
    settings.PACKMULE_KEY, settings.PACKMULE_PORT = world.acorn.root_key, 0
    source = tmp_path / "cat.png"
    source.write_bytes(PNG)
    code, problem = refused("upload", str(source), "--bucket", "photos")
    assert (code, problem["code"], problem["retryable"]) == (1, "no_address", False)
    assert "manage.py up" in problem["detail"]
    assert Api(world.acorn.root_key).get("/v1/files")["data"] == []


def test_the_twins_of_the_api(world: World, settings: LazySettings) -> None:
    settings.PACKMULE_KEY = world.acorn.root_key
    made = run("buckets", "create", "--name", "photos", "--content-types", "image/*")
    assert made == Api(world.acorn.root_key).get("/v1/buckets/photos").body
    assert run("files", "list", "--tag", "color=red")["data"] == []
    assert run("storage", "usage")["data"] == []
    assert run("storage", "run-lifecycle")["expired"] == 0

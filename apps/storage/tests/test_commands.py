"""Files there and back by command, through signed requests over HTTP; and the twins of the API."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
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

from apps.storage import uploads
from apps.storage.tests.parcels import PNG, make_bucket, sha256
from tests.client import Api
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


def run(*words: str) -> Any:
    out = StringIO()
    call_command(*words, "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.mark.parametrize("cut", [False, True])
def test_a_file_there_and_back(
    world: World, served: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    if cut:
        for name, value in (("IN_PARTS_ABOVE", 100), ("PART_SIZE", 100), ("MIB", 100)):
            monkeypatch.setattr(uploads, name, value)
    make_bucket(world.acorn)
    source, target = tmp_path / "cat.png", tmp_path / "back.png"
    source.write_bytes(PNG)
    made = run("files", "upload", str(source), "--bucket", "photos")
    assert (made["status"], made["name"], made["sha256"]) == ("ready", "cat.png", sha256(PNG))
    found = run("files", "download", made["id"], str(target))
    assert found == Api(world.acorn.root_key).get(f"/v1/files/{made['id']}").body
    assert target.read_bytes() == PNG
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.png", "cat.png"]


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


def test_the_twins_of_the_api(world: World, settings: LazySettings) -> None:
    settings.PACKMULE_KEY = world.acorn.root_key
    made = run("buckets", "create", "--name", "photos", "--content-types", "image/*")
    assert made == Api(world.acorn.root_key).get("/v1/buckets/photos").body
    assert run("files", "list", "--tag", "color=red")["data"] == []
    assert run("storage", "usage")["data"] == []
    assert run("storage", "run-lifecycle")["expired"] == 0

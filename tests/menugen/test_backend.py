"""MenuGen's backend and web server against a real platform: declared again, keys that end, and who may talk to it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from menugen import backend, web
from menugen.api import Api
from menugen.settings import Settings, home, load

from bench.installation import folder
from tests.installed import running
from tests.menugen.test_api import signed

pytestmark = pytest.mark.slow
SITE = "http://127.0.0.1:8555"


@pytest.fixture(scope="module")
def console() -> Iterator[Api]:
    """A platform that has just begun."""
    with folder() as place, running(place / "data") as installation:
        api = Api(installation.url, {"Authorization": f"Bearer {installation.console_key}"})
        yield api
        api.close()


@pytest.fixture
def known(console: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What MenuGen knows after its backend was set up, in a folder of this test."""
    monkeypatch.setenv("MENUGEN_HOME", str(tmp_path))
    backend.set_up(console, Settings(url=console.url, site=SITE))
    return load()


@pytest.fixture
def inside(console: Api) -> Api:
    return console.acting(Packmule_Environment=backend.ENVIRONMENT)


def test_declared_again_it_changes_nothing(console: Api, known: Settings) -> None:
    assert backend.set_up(console, load()) == []
    assert load() == known


def test_what_somebody_changed_is_brought_back(console: Api, known: Settings, inside: Api) -> None:
    inside.patch("/v1/queues/dishes", {"max_attempts": 1})
    assert backend.set_up(console, known) == ["queue dishes"]
    assert inside.get("/v1/queues/dishes")["max_attempts"] == 6


def test_a_key_that_is_revoked_or_ends_soon_is_followed_by_another(
    console: Api, known: Settings, inside: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load()
    inside.delete(f"/v1/keys/{known.keys['worker_key']}")
    assert backend.set_up(console, known) == ["the key of the worker"]
    assert (known.worker_key, known.asking_key) != (before.worker_key, before.asking_key)
    assert known.asking_key == before.asking_key
    working = Api(console.url, {"Authorization": f"Bearer {known.worker_key}"})
    assert working.get("/v1/whoami")["actor"]["id"] == known.agent
    working.close()
    monkeypatch.setattr(backend, "_LEFT", backend._LEFT * 100)
    assert backend.set_up(console, known) == [
        f"the key of the {name}" for name in ("worker", "web server", "website")
    ]


def test_another_site_gets_a_key_of_its_own(console: Api, known: Settings) -> None:
    known.site = "http://127.0.0.1:8556"
    assert backend.set_up(console, known) == ["the key of the website", "the webhook's address"]


@contextmanager
def serving(known: Settings) -> Iterator[http.client.HTTPConnection]:
    """A connection to the product's web server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(web.Handler, web.Site(known)))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        yield connection
    finally:
        connection.close()
        server.shutdown()
        server.server_close()
        thread.join()


def said(connection: http.client.HTTPConnection) -> tuple[int, Any]:
    answer = connection.getresponse()
    body = answer.read()
    return answer.status, json.loads(body) if body else None


def test_the_web_server_believes_genuine_webhooks_alone(
    known: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = json.dumps({"id": "evt_1", "type": "menu.illustrated"}).encode()
    known.webhook_secret = "whsec_c2VjcmV0IG9mIHRoZSB3ZWJob29r"  # of test_api, made up
    with serving(known) as connection:
        for headers, status in ((signed(b"{}"), 401), ({}, 401), (signed(body), 204), (signed(body), 204)):
            connection.request("POST", "/packmule", body, headers)
            assert said(connection)[0] == status
    assert home().joinpath("illustrated.jsonl").read_text().count("evt_1") == 1


def test_the_artist_asks_nobody_who_is_not_signed_in(known: Settings) -> None:
    with serving(known) as connection:
        connection.request("POST", "/ask", headers={"X-Session-Token": "made-up"})
        status, answer = said(connection)
    assert (status, bool(answer["detail"])) == (401, True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": "many"}, 411),
        ({"Transfer-Encoding": "chunked"}, 411),
        ({"Content-Length": "300001"}, 413),
    ],
)
def test_bodies_of_unknown_or_too_great_length_are_not_read(
    known: Settings, headers: dict[str, str], status: int
) -> None:
    with serving(known) as connection:
        connection.putrequest("POST", "/packmule")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        found, answer = said(connection)
    assert (found, bool(answer["detail"])) == (status, True)


def test_the_page_is_told_what_it_needs_and_no_secret(known: Settings) -> None:
    with serving(known) as connection:
        connection.request("GET", "/config")
        status, answer = said(connection)
    assert (status, answer["artist"], urlsplit(answer["url"]).scheme) == (200, known.agent, "http")
    secrets = {known.worker_key, known.asking_key, known.webhook_secret}
    assert not secrets & set(answer.values())

"""MenuGen's web server: the page, and what a page may not do by itself.

    python -m menugen.web

The browser talks to Packmule directly. It comes here to have the artist ask for leave to act, which takes the artist's
key; Packmule comes here with webhooks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from menugen import settings
from menugen.api import Api, Refused
from menugen.backend import ON_BEHALF
from menugen.settings import Settings
from menugen.webhooks import is_genuine

_PAGE = Path(__file__).resolve().parent.parent / "page"
_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/app.js": ("app.js", "text/javascript; charset=utf-8"),
    "/packmule.js": ("packmule.js", "text/javascript; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
}
_LONGEST_BODY = 300_000
_PATIENCE = 10.0
_DAYS = 30


class Site:
    """What the web server knows: its settings, and which menus it was told of."""

    def __init__(self, known: Settings) -> None:
        self.known = known
        self.told = settings.home() / "illustrated.jsonl"
        self._lock = threading.Lock()

    def config(self) -> dict[str, Any]:
        """What the page needs to talk to Packmule."""
        return {"url": self.known.url, "key": self.known.publishable_key, "artist": self.known.agent}

    def ask(self, session: str) -> dict[str, Any]:
        """Have the artist ask a person to let it act for them; they answer in the page. Raises Refused."""
        person = {"Packmule-Key": self.known.publishable_key, "X-Session-Token": session}
        with closing(Api(self.known.url, person, patience=_PATIENCE)) as api:
            who = api.get("/v1/whoami")
        wish = {
            "of": who["actor"]["id"],
            "scopes": ON_BEHALF,
            "expires_at": (datetime.now(UTC) + timedelta(days=_DAYS)).isoformat(),
            "purpose": "Read your menus and paint their dishes.",
        }
        artist = {
            "Authorization": f"Bearer {self.known.asking_key}",
            "Packmule-Organization": who["organization"]["id"],
        }
        with closing(Api(self.known.url, artist, patience=_PATIENCE)) as api:
            return dict(api.post("/v1/delegations/requests", wish))

    def take(self, body: bytes) -> None:
        """Remember an event. The same one may come twice."""
        event = json.loads(body)
        with self._lock:
            before = self.told.read_text() if self.told.exists() else ""
            if event["id"] not in before:
                with self.told.open("a") as file:
                    file.write(json.dumps(event) + "\n")


class Handler(BaseHTTPRequestHandler):
    """One request: find out what is wanted, ask the site, answer."""

    protocol_version = "HTTP/1.1"

    def __init__(self, site: Site, *arguments: Any) -> None:
        self.site = site
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """The page and its settings."""
        path = urlsplit(self.path).path
        if path in _FILES:
            name, kind = _FILES[path]
            self._say(HTTPStatus.OK, (_PAGE / name).read_bytes(), kind)
        elif path == "/config":
            self._json(HTTPStatus.OK, self.site.config())
        else:
            self._json(HTTPStatus.NOT_FOUND, {"detail": "There is nothing here."})

    def do_POST(self) -> None:
        """Webhooks, and the artist's question."""
        body = self._body()
        if body is None:
            return
        if self.path == "/packmule":
            self._webhook(body)
        elif self.path == "/ask":
            self._asked(lambda: self.site.ask(self._session()))
        else:
            self._json(HTTPStatus.NOT_FOUND, {"detail": "There is nothing here."})

    def log_message(self, *_: Any) -> None:
        """Say nothing about every request."""

    def _body(self) -> bytes | None:
        """What was sent; None when it was refused, which ends the connection: the rest of it is not read."""
        length = self._length()
        if 0 <= length <= _LONGEST_BODY:
            return self.rfile.read(length)
        self.close_connection = True
        if length < 0:
            self._json(
                HTTPStatus.LENGTH_REQUIRED, {"detail": "Say in Content-Length how many bytes you send."}
            )
        else:
            said = f"At most {_LONGEST_BODY} bytes are taken, and these are {length}."
            self._json(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"detail": said})
        return None

    def _length(self) -> int:
        """How many bytes are sent; below 0 where that is not said in a way that counts."""
        said = self.headers.get("Content-Length", "0")
        counts = said.isascii() and said.isdigit() and "Transfer-Encoding" not in self.headers
        return int(said) if counts else -1

    def _webhook(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not is_genuine(self.site.known.webhook_secret, headers, body):
            self._json(HTTPStatus.UNAUTHORIZED, {"detail": "That signature is not Packmule's."})
            return
        self.site.take(body)
        self._say(HTTPStatus.NO_CONTENT, b"", "")

    def _asked(self, ask: Callable[[], Any]) -> None:
        """Answer with what Packmule says, refusals included."""
        try:
            self._json(HTTPStatus.OK, ask())
        except Refused as refusal:
            self._json(HTTPStatus(refusal.status), {"code": refusal.code, "detail": refusal.detail})
        except httpx.TransportError:
            self._json(
                HTTPStatus.BAD_GATEWAY, {"detail": "The kitchen does not answer. Try again in a moment."}
            )

    def _session(self) -> str:
        return str(self.headers.get("X-Session-Token", ""))

    def _json(self, status: HTTPStatus, answer: Any) -> None:
        self._say(status, json.dumps(answer).encode(), "application/json")

    def _say(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serve where `settings` says that the site is."""
    known = settings.load()
    place = urlsplit(known.site)
    server = ThreadingHTTPServer((str(place.hostname), int(place.port or 80)), partial(Handler, Site(known)))
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()

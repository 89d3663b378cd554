"""An account elsewhere: birch as the OpenID provider of acorn, and people with browsers who have accounts in both."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.test import Client, TestCase
from requests.adapters import BaseAdapter

from apps.accounts.models import User
from apps.tenancy.walls import enter, outside
from tests.client import Api
from tests.sessions import begin_session
from tests.world import Space

SLUG = "birch"
BEGIN, BACK = f"/accounts/3rdparty/{SLUG}/login/", f"/accounts/3rdparty/{SLUG}/callback/"
Answering = Callable[[requests.PreparedRequest], Any]


def address_of(space: Space, path: str = "") -> str:
    """The address of a page of the tenant."""
    return f"http://{space.host}{path}"


@dataclass
class Wire(BaseAdapter):
    """Carries the calls of one tenant to another within this process, and remembers them.

    `instead` answers for an address: with a document, a status, or an exception to raise.
    """

    calls: list[str] = field(default_factory=list)
    instead: dict[str, Answering | Any] = field(default_factory=dict)

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        """Make the call, or answer it."""
        url = str(request.url)
        self.calls.append(f"{request.method} {urlsplit(url).path}")
        if urlsplit(url).path in self.instead:
            return self._answered(request, self.instead[urlsplit(url).path])
        return self._carried(request)

    def close(self) -> None:
        """Nothing is kept open."""

    def really(self, request: requests.PreparedRequest) -> Any:
        """The document that the other side answers."""
        return self._carried(request).json()

    def session(self, **_: Any) -> requests.Session:
        """In the place of outbound.session."""
        made = requests.Session()
        made.trust_env = False
        for scheme in ("http://", "https://"):
            made.mount(scheme, self)
        return made

    def _answered(self, request: requests.PreparedRequest, what: Any) -> requests.Response:
        said = what(request) if callable(what) else what
        if isinstance(said, Exception):
            raise said
        status = said if isinstance(said, int) else 200
        return _response(request, status, {"Content-Type": "application/json"}, json.dumps(said).encode())

    def _carried(self, request: requests.PreparedRequest) -> requests.Response:
        split = urlsplit(str(request.url))
        body: Any = request.body or b""
        sent: Any = request.headers
        with outside():
            answer = Client().generic(
                str(request.method),
                f"{split.path}?{split.query}",
                body if isinstance(body, bytes) else body.encode(),
                content_type=sent.get("Content-Type", ""),
                headers={"host": split.netloc} | {k: v for k, v in sent.items() if k == "Authorization"},
            )
        return _response(request, answer.status_code, dict(answer.headers), answer.content)


def _response(
    request: requests.PreparedRequest, status: int, headers: dict[str, str], content: bytes
) -> requests.Response:
    made = requests.Response()
    made.status_code, made.request, made.url = status, request, str(request.url)
    made.headers.update(headers)
    made._content = content
    return made


@dataclass
class Surfer:
    """Somebody's browser, with cookies of its own for each tenant's host."""

    clients: dict[str, Client] = field(default_factory=dict)

    def signed_in(self, space: Space, token: str) -> Surfer:
        """The same browser, with a session in `space`."""
        self._client(space.host).cookies[settings.SESSION_COOKIE_NAME] = token
        return self

    def as_person(self, space: Space, person: User) -> Surfer:
        """The same browser, in which `person` of `space` is signed in."""
        return self.signed_in(space, begin_session(space, person))

    def token(self, space: Space) -> str:
        """The session's token in `space`, '' for none."""
        cookie = self._client(space.host).cookies.get(settings.SESSION_COOKIE_NAME)
        return cookie.value if cookie else ""

    def get(self, space: Space, path: str) -> Any:
        """Open a page of the tenant."""
        return self._send(space, "get", path, None)

    def post(self, space: Space, path: str, **fields: Any) -> Any:
        """Send a form."""
        return self._send(space, "post", path, fields)

    def whoami(self, space: Space) -> Any:
        """What the platform's API says of the session."""
        return Api(host=space.host, headers={"X-Session-Token": self.token(space)}).get("/v1/whoami")

    def consent(self, elsewhere: Space, sent_to: str) -> str:
        """Agree to what the address asks for, and return the address to which one is sent back."""
        split = urlsplit(sent_to)
        assert split.netloc == elsewhere.host, sent_to
        path = f"{split.path}?{split.query}"
        page = self.get(elsewhere, path)
        assert page.status_code == 200, (page.status_code, page.headers)
        scopes = re.findall(r'name="scopes" value="([^"]+)"', page.content.decode())
        answer = self.post(elsewhere, path, action="grant", scopes=scopes)
        assert answer.status_code == 302, answer.content.decode()
        return str(answer["Location"])

    def go(self, here: Space, elsewhere: Space, **query: str) -> str:
        """Begin here, agree there, and return the address of the callback."""
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        sent = self.post(here, f"{BEGIN}?{asked}")
        assert sent.status_code == 302, sent.content.decode()
        return self.consent(elsewhere, sent["Location"])

    def come_back(self, here: Space, callback: str) -> Any:
        """Follow the provider's redirect."""
        split = urlsplit(callback)
        return self.get(here, f"{split.path}?{split.query}")

    def _send(self, space: Space, method: str, path: str, fields: Any) -> Any:
        client = self._client(space.host)
        # Where a transaction ends in a call, its tenant still stands; here it ends after the call.
        with enter(space.ref), TestCase.captureOnCommitCallbacks(execute=True):
            send = getattr(client, method)
            return send(path, fields or {}, headers={"host": space.host})

    def _client(self, host: str) -> Client:
        return self.clients.setdefault(host, Client(raise_request_exception=True))

"""The one client for everything that leaves the platform towards an address that a tenant chose.

It resolves a name once and connects to what came out, so that no second answer can lead elsewhere; refuses what does
not lie on the public internet; follows no redirect; and bounds size and time. Host, SNI and certificate stay those of
the name.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast

import certifi
import requests
import urllib3
from django.conf import settings
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.models import PreparedRequest, Response
from urllib3.connection import HTTPConnection, HTTPSConnection

from apps.core.outbound_addresses import IPAddress, NameUnknown, is_loopback, is_public, resolve
from apps.core.problems import show

MAX_BYTES = 1024 * 1024
SECONDS = 10.0
#: What one address gets to answer a knock, so that a dead one leaves time for the next.
_CONNECT_SECONDS = 4.0
_CHUNK = 16 * 1024
_PORTS = {"http": 80, "https": 443}
#: What a broken answer, or a connection that is cut while it is read, raises.
_FAILURES = (OSError, ValueError, AttributeError, HTTPException, urllib3.exceptions.HTTPError)


class OutboundError(requests.RequestException):
    """A call to an outside address that was refused or failed. `code` says why, in a word."""

    code = "failed"


class UrlRefused(OutboundError):  # noqa: N818 - said as a sentence
    """It is no http or https URL with a host, or it carries a user name or password."""

    code = "url_refused"


class AddressRefused(OutboundError):  # noqa: N818 - said as a sentence
    """The host stands for an address that does not lie on the public internet."""

    code = "address_refused"


class Unreachable(OutboundError):  # noqa: N818 - said as a sentence
    """The name is unknown, nobody listens, the certificate is not good, or the answer is no HTTP."""

    code = "unreachable"


class AnswerTooLarge(OutboundError):  # noqa: N818 - said as a sentence
    """The answer is larger than is taken."""

    code = "answer_too_large"


class AnswerTooSlow(OutboundError):  # noqa: N818 - said as a sentence
    """The whole call took longer than it may, however it spent the time."""

    code = "answer_too_slow"


class AnswerEncoded(OutboundError):  # noqa: N818 - said as a sentence
    """The answer is compressed although that was not asked for; unpacking it could fill the memory."""

    code = "answer_encoded"


_loopback_rules: list[Callable[[], bool]] = []


def allow_loopback_when(rule: Callable[[], bool]) -> None:
    """Let calls reach this machine itself whenever `rule` says so, beside PACKMULE_OUTBOUND_LOOPBACK."""
    if rule not in _loopback_rules:
        _loopback_rules.append(rule)


def loopback_is_allowed() -> bool:
    """True where calls may reach this machine itself: by PACKMULE_OUTBOUND_LOOPBACK, or by one of the rules."""
    return bool(settings.PACKMULE_OUTBOUND_LOOPBACK) or any(rule() for rule in _loopback_rules)


def fetch(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    seconds: float = SECONDS,
    max_bytes: int = MAX_BYTES,
) -> Response:
    """Make one call and return the answer, whatever its status; a redirect is an answer too.

    Raises OutboundError: UrlRefused, AddressRefused, Unreachable, AnswerTooLarge, AnswerTooSlow or AnswerEncoded.
    """
    with session(seconds=seconds, max_bytes=max_bytes) as made:
        return made.request(method, url, headers=dict(headers or {}), data=body)


def require_allowed(url: str, *, seconds: float = 2.0) -> None:
    """Look where `url` leads now, without calling it. A name that nobody knows yet passes: each call looks anew.

    Raises UrlRefused and AddressRefused.
    """
    try:
        request = requests.Request("GET", url).prepare()
    except (requests.RequestException, ValueError, UnicodeError) as failure:
        raise UrlRefused(f"{show(url)} cannot be called: {failure}") from None
    with contextlib.suppress(Unreachable):
        _Exchange(request, seconds, 0, True).require_allowed()


def session(*, seconds: float = SECONDS, max_bytes: int = MAX_BYTES) -> requests.Session:
    """A session of requests that goes out by this client alone. `seconds` bound each call as a whole."""
    return _Session(_Adapter(seconds, max_bytes))


class _Session(requests.Session):
    """Reads neither proxies nor passwords from the environment, and follows no redirect."""

    def __init__(self, adapter: BaseAdapter) -> None:
        super().__init__()
        self.trust_env = False
        self.headers["Accept-Encoding"] = "identity"
        self.headers["User-Agent"] = "Packmule"
        self.adapters.clear()
        self.mount("", adapter)

    def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> Response:
        try:
            return super().request(method, url, *args, **{**kwargs, "allow_redirects": False})
        except OutboundError:
            raise
        except (requests.RequestException, ValueError, UnicodeError) as failure:
            raise UrlRefused(f"{show(str(url))} cannot be called: {failure}") from None

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        return super().send(request, **{**kwargs, "allow_redirects": False})


class _Adapter(BaseAdapter):
    """Carries out one prepared request on a connection of its own."""

    def __init__(self, seconds: float, max_bytes: int) -> None:
        super().__init__()
        self.seconds, self.max_bytes = seconds, max_bytes

    def send(self, request: PreparedRequest, *_args: Any, verify: Any = True, **_kwargs: Any) -> Response:
        """The whole answer. What requests says about timeouts, proxies and streaming does not count here."""
        if verify is False:
            raise ValueError("Certificates are always checked here.")
        return _Exchange(request, self.seconds, self.max_bytes, verify).answer()

    def close(self) -> None:
        """Nothing is kept open."""


class _Exchange:
    """One request and its answer, within one deadline."""

    def __init__(self, request: PreparedRequest, seconds: float, max_bytes: int, verify: Any) -> None:
        self.request, self.max_bytes = request, max_bytes
        self.deadline = time.monotonic() + seconds
        self.handle: socket.socket | None = None
        self.connection = _connection(request, self, None if verify is True else str(verify))

    def answer(self) -> Response:
        """Send, and read to the end. Raises OutboundError."""
        watch = threading.Timer(self.remaining(), self._cut)
        watch.daemon = True
        watch.start()
        try:
            return self._exchanged()
        except OutboundError:
            raise
        except _FAILURES as failure:
            self._require_time()
            raise Unreachable(f"{self.host} did not answer as it should: {_brief(failure)}") from None
        finally:
            watch.cancel()
            self.connection.close()
            if self.handle is not None:
                self.handle.close()

    @property
    def host(self) -> str:
        """The host as it was written."""
        return str(self.connection.host)

    def remaining(self) -> float:
        """Seconds until the deadline; at least a moment, because 0 would mean for ever."""
        return max(self.deadline - time.monotonic(), 0.01)

    def connect(self, host: str, port: int) -> socket.socket:
        """A connection to the address that `host` stands for now. Raises AddressRefused and Unreachable."""
        for address in self._allowed(host, port):
            self.handle = _connected(address, port, seconds=min(self.remaining(), _CONNECT_SECONDS))
            self._require_time()
            if self.handle is not None:
                self.handle.settimeout(self.remaining())
                # TLS and http.client let go of theirs at moments of their own; the handle stays, for cutting.
                return self.handle.dup()
        raise Unreachable(f"Nobody answers at {host}, port {port}.")

    def require_allowed(self) -> None:
        """Resolve the host. Raises AddressRefused and Unreachable."""
        self._allowed(self.host, int(self.connection.port or 0))

    def _allowed(self, host: str, port: int) -> list[IPAddress]:
        try:
            found = resolve(host, port, seconds=self.remaining())
        except NameUnknown as failure:
            self._require_time()
            raise Unreachable(str(failure)) from None
        for address in found:
            if not (is_public(address) or (is_loopback(address) and loopback_is_allowed())):
                raise AddressRefused(f"{show(host)} does not lie on the public internet.")
        return found

    def _exchanged(self) -> Response:
        headers = cast("dict[str, str]", dict(self.request.headers))
        body = cast("bytes | None", self.request.body)
        self.connection.timeout = self.remaining()
        self.connection.connect()
        self.connection.request(
            str(self.request.method),
            self.request.path_url,
            body,
            headers,
            preload_content=False,
            decode_content=False,
        )
        raw = self.connection.getresponse()
        response = HTTPAdapter().build_response(self.request, raw)
        response._content = self._read(raw)
        response._content_consumed = True
        return response

    def _read(self, raw: urllib3.HTTPResponse) -> bytes:
        encoding = raw.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise AnswerEncoded(f"{self.host} sent {show(encoding)}, which was not asked for.")
        self._require_size(
            int(length) if (length := raw.headers.get("Content-Length", "0")).isdecimal() else 0
        )
        parts, size = [], 0
        for chunk in raw.stream(_CHUNK, decode_content=False):
            size += len(chunk)
            self._require_size(size)
            self._require_time()
            parts.append(chunk)
        # A connection that was cut looks like one that ended.
        self._require_time()
        return b"".join(parts)

    def _require_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise AnswerTooLarge(f"{self.host} answers with more than {self.max_bytes} bytes.")

    def _require_time(self) -> None:
        if time.monotonic() >= self.deadline:
            raise AnswerTooSlow(f"{self.host} did not answer in time.")

    def _cut(self) -> None:
        """End the connection under whoever reads from it."""
        if self.handle is not None:
            with contextlib.suppress(OSError):
                self.handle.shutdown(socket.SHUT_RDWR)


class _Plain(HTTPConnection):
    """Connects where its exchange says."""

    exchange: _Exchange

    def _new_conn(self) -> socket.socket:
        return self.exchange.connect(self.host, self.port)


class _Secure(HTTPSConnection):
    """The same under TLS; host name and certificate are checked against the name that was asked for."""

    exchange: _Exchange

    def _new_conn(self) -> socket.socket:
        return self.exchange.connect(self.host, self.port)


def _connection(request: PreparedRequest, exchange: _Exchange, ca_file: str | None) -> HTTPConnection:
    url = str(request.url)
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        raise UrlRefused(f"{show(url)} is no URL.") from None
    if parts.scheme not in _PORTS or not parts.host:
        raise UrlRefused(f"{show(url)} is no http or https URL with a host.")
    if parts.auth is not None:
        raise UrlRefused("The URL carries a user name or password; it has to do without.")
    host, port = parts.host.strip("[]"), parts.port or _PORTS[parts.scheme]
    tls = _tls(ca_file) if parts.scheme == "https" else None
    made = _Secure(host, port, ssl_context=tls) if tls else _Plain(host, port)
    made.exchange = exchange
    return made


def _connected(address: IPAddress, port: int, *, seconds: float) -> socket.socket | None:
    """A connection to that very address, where nothing is resolved once more; None when nobody answers there."""
    made = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        made.settimeout(seconds)
        made.connect((str(address), port))
    except OSError:
        made.close()
        return None
    return made


@lru_cache(maxsize=8)
def _tls(ca_file: str | None) -> ssl.SSLContext:
    """Trusts the system's authorities and those of certifi, or those in `ca_file` alone."""
    if ca_file is not None:
        return ssl.create_default_context(cafile=str(Path(ca_file)))
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _brief(failure: Exception) -> str:
    text = " ".join(str(failure).split())[:200]
    return text or type(failure).__name__

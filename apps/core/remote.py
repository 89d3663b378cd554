"""Calling an installation over HTTP, as commands do that act where somebody signed in: here or on another machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from django.utils.datastructures import CaseInsensitiveMapping

from apps.core.addresses import is_this_machine
from apps.core.commands import BadUsage
from apps.core.local_api import LocalAnswer, LocalCall
from apps.core.problems import CONTENT_TYPE as PROBLEM
from apps.core.problems import Problem, show

FORM = "application/x-www-form-urlencoded"
_PATIENCE = 30.0
_PORTS = {"http": 80, "https": 443}


class InstallationUnreachable(Problem):
    """A command could not reach the installation on which somebody signed in, or something else answered there."""

    status, code, title, retryable = 503, "installation_unreachable", "The installation does not answer", True
    advice = "See that it runs and that the address is right, then try again."


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def document(self) -> dict[str, Any]:
        """The JSON object in it; an empty one where there is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def origin(address: str) -> str:
    """`address` as scheme://host[:port]. Raises BadUsage for one that is none.

    Over plain http only this machine is called: who listens on the way would have the tokens.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _no_address(address) from None
    if parts.scheme not in _PORTS or not host or parts.path not in ("", "/"):
        raise _no_address(address)
    if parts.query or parts.fragment or parts.username is not None:
        raise _no_address(address)
    if parts.scheme == "http" and not is_this_machine(host):
        raise BadUsage(f"{show(address)} is on another machine: tokens go there by https alone.")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in (None, _PORTS[parts.scheme]) else "")


def request(
    method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Reply:
    """Call `url` and return what was answered, refusals included; nobody is sent on to another address.

    Raises InstallationUnreachable.
    """
    target, host = _reachable(url)
    asked = Request(target, body, {"Host": host, **(headers or {})}, method=method)  # noqa: S310 - see `origin`
    try:
        with _opener(target).open(asked, timeout=_PATIENCE) as answer:
            return Reply(answer.status, CaseInsensitiveMapping(dict(answer.headers)), answer.read())
    except HTTPError as refusal:
        with refusal:
            return Reply(refusal.code, CaseInsensitiveMapping(dict(refusal.headers)), refusal.read())
    except (URLError, HTTPException, OSError) as failure:
        why = getattr(failure, "reason", failure)
        raise InstallationUnreachable(f"{_site(url)} was not reached: {why}.") from None


def post_form(url: str, fields: Mapping[str, str]) -> Reply:
    """Send a form. Raises InstallationUnreachable."""
    return request("POST", url, headers={"Content-Type": FORM}, body=urlencode(fields).encode())


def send(call: LocalCall, address: str, token: str) -> LocalAnswer:
    """Carry `call` out at the installation that is reached at `address`, with an access token.

    Raises InstallationUnreachable, also when what answers is not this platform.
    """
    body = call.content
    kind = {} if body is None else {"Content-Type": call.media_type}
    headers = {**call.headers, **kind, "Authorization": f"Bearer {token}"}
    query = f"?{urlencode(call.query)}" if call.query else ""
    answer = request(call.method, f"{address}{call.path}{query}", headers=headers, body=body)
    if answer.status >= 300 and answer.headers.get("Content-Type") != PROBLEM:
        raise InstallationUnreachable(f"{address} answered {answer.status}, and not as Packmule does.")
    return LocalAnswer(answer.status, answer.headers, answer.body)


class _StayHere(HTTPRedirectHandler):
    """Follows nobody: a redirect is an answer like another."""

    def redirect_request(
        self, _req: Request, _fp: IO[bytes], _code: int, _msg: str, _headers: HTTPMessage, _newurl: str
    ) -> None:
        """Offer no other address, which makes the redirect an HTTPError."""


def _opener(url: str) -> OpenerDirector:
    """What opens `url`: through the proxies that the environment names, but for this machine."""
    direct = [ProxyHandler({})] if is_this_machine(urlsplit(url).hostname or "") else []
    return build_opener(_StayHere, *direct)


def _reachable(url: str) -> tuple[str, str]:
    """`url` as it can be called from here, and the Host to send: names below localhost resolve in browsers alone."""
    parts = urlsplit(url)
    if not (parts.hostname or "").endswith(".localhost"):
        return url, parts.netloc
    near = "127.0.0.1" + (f":{parts.port}" if parts.port else "")
    return parts._replace(netloc=near).geturl(), parts.netloc


def _site(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _no_address(address: str) -> BadUsage:
    return BadUsage(f"{show(address)} is no address of an installation; write https://host, without a path.")

"""Where signed URLs of the local store lead: bytes in, bytes out, and nothing of a tenant held meanwhile.

The token is the whole credential. There is no session, no cookie and no other header that counts, so any website may
call: it can do no more than whoever holds the URL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import wraps

from django.db import Error
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.request import UnreadablePostError
from django.http.response import HttpResponseBase

from apps.apikeys.cors import is_preflight
from apps.apikeys.errors import TenantDeleted, WrongTenant
from apps.apikeys.lookup import find_home
from apps.apikeys.middleware import drop_dead_connection
from apps.apikeys.visits import host_of, unknown_host
from apps.core.dispatch import set_length
from apps.core.problem_handlers import problem_for, problem_response
from apps.core.problems import MethodNotAllowed, NotFound, PayloadTooLarge, Problem, show
from apps.storage import stores
from apps.storage.stores import disk, ranges, signing, transfers
from apps.storage.stores.checksums import Checksums
from apps.storage.stores.disposition import content_disposition, content_type
from apps.storage.stores.errors import LengthNeeded, SizeDiffers, UploadInterrupted
from apps.storage.stores.local import LocalStore
from apps.storage.stores.signing import Grant

View = Callable[[HttpRequest, str], HttpResponseBase]
_METHODS = ("GET", "HEAD", "PUT")
_WITHOUT_BODY = (204, 304)
_PREFLIGHT = {
    "Access-Control-Allow-Methods": ", ".join(_METHODS),
    "Access-Control-Allow-Headers": "Content-Type, Content-MD5, Content-Digest, Range, If-Range, If-Match, "
    "If-None-Match",
    "Access-Control-Max-Age": "600",
}
_READABLE = "ETag, Content-Length, Content-Range, Content-Disposition, Accept-Ranges, Request-Id, Retry-After"
#: A file is a stranger's. Whatever is in it: no script, no frame, no guessing at what it is.
_STERILE = {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def _answering(view: View) -> View:
    """Turn what `view` raises into problems, and let every website read the answer."""

    @wraps(view)
    def answer(request: HttpRequest, token: str) -> HttpResponseBase:
        try:
            response = view(request, token)
        except (Problem, Error, OSError) as refusal:
            response = problem_response(problem_for(refusal, request), request)
        if response.status_code not in _WITHOUT_BODY:
            set_length(response)
        response.headers.setdefault("Cache-Control", "no-store")
        # Django would write the path of a refused call into the log, and the path is the credential.
        response._has_been_logged = True  # type: ignore[attr-defined]
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Expose-Headers"] = _READABLE
        for name, value in _STERILE.items():
            response.headers[name] = value
        return response

    return answer


@_answering
def transfer(request: HttpRequest, token: str) -> HttpResponseBase:
    """PUT what the token is good for, or GET it."""
    if is_preflight(request):
        return _nothing(204, _PREFLIGHT)
    if request.method not in _METHODS:
        raise MethodNotAllowed(str(request.method), _METHODS)
    grant = signing.read(token, request.method)
    _require_place(request, grant)
    local = stores.store()
    if not isinstance(local, LocalStore):
        raise NotFound("The files of this installation lie in another store now. Ask for a new URL.")
    return _take(request, local, grant) if grant.method == "PUT" else _give(request, local, grant)


def _require_place(request: HttpRequest, grant: Grant) -> None:
    """Raise unless the tenant of the URL is there, and the host its own or the installation's. One query."""
    drop_dead_connection()
    host = host_of(request)
    home = find_home(grant.tenant_id, host=host, environment="")
    if home is None:
        raise TenantDeleted
    if host and home.host_tenant_id is None:
        raise unknown_host(host)
    if host and home.host_tenant_id != grant.tenant_id:
        raise WrongTenant(f"{show(host)} does not belong to the tenant whose file this URL is about.")


def _take(request: HttpRequest, local: LocalStore, grant: Grant) -> HttpResponse:
    _require_size(request, grant)
    checksums = Checksums(request.META)

    def require(size: int) -> None:
        if size != grant.size:
            raise UploadInterrupted(f"{size} of {grant.size} bytes came. {UploadInterrupted.advice}")
        checksums.require()
        signing.require_not_late(grant)

    with transfers.place(grant.tenant_id):
        local.receive(grant, checksums.over(_sent(request)), require)
    return _nothing(200, {})


def _require_size(request: HttpRequest, grant: Grant) -> None:
    said = str(request.META.get("CONTENT_LENGTH") or "")
    if not said.isdigit():
        raise LengthNeeded
    if int(said) > grant.size:
        raise PayloadTooLarge(f"{said} bytes come, and the URL was signed for {grant.size}.")
    if int(said) < grant.size:
        raise SizeDiffers(f"{said} bytes come, and the URL was signed for {grant.size}. {SizeDiffers.advice}")


def _sent(request: HttpRequest) -> Iterator[bytes]:
    """What the client sends, as it comes. Raises UploadInterrupted."""
    try:
        while chunk := request.read(disk.CHUNK):
            yield chunk
    except UnreadablePostError:
        raise UploadInterrupted from None


def _give(request: HttpRequest, local: LocalStore, grant: Grant) -> HttpResponseBase:
    etag = _etag(grant)
    with local.open(grant.key) as file:
        total = file.seek(0, 2)
    headers = _headers_of(grant, etag)
    if ranges.is_unchanged(request.META, etag):
        return HttpResponse(status=304, headers=headers)
    if request.method == "HEAD":
        return HttpResponse(headers={**headers, "Content-Length": str(total)})
    span = ranges.asked(request.META, etag, total)
    headers["Content-Length"] = str(span.length)
    if span.partial:
        headers["Content-Range"] = span.content_range
    file = local.open(grant.key)
    try:
        file.seek(span.start)
        outgoing = transfers.Outgoing(file, span.length, grant.tenant_id)
    except BaseException:
        file.close()
        raise
    return StreamingHttpResponse(outgoing, status=206 if span.partial else 200, headers=headers)


def _headers_of(grant: Grant, etag: str) -> dict[str, str]:
    return {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": f"private, max-age={max(0, grant.seconds_left)}",
        "Content-Type": content_type(grant.disposition),
        "Content-Disposition": content_disposition(grant.disposition),
    }


def _nothing(status: int, headers: Mapping[str, str]) -> HttpResponse:
    """An answer without a body, and so without a type of it."""
    response = HttpResponse(status=status, headers=headers)
    del response.headers["Content-Type"]
    return response


def _etag(grant: Grant) -> str:
    """What lies under a key never changes, so the key names the bytes."""
    return f'"{hashlib.sha256(grant.key.encode()).hexdigest()[:32]}"'

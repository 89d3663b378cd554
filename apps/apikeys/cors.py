"""CORS for publishable keys: which websites may read an answer. Exact origins, never with cookies.

A preflight carries no credential, so it is answered when some live publishable key allows the origin; on the call
itself the key's own list decides. Secret keys get no CORS headers: they have no place in a browser.
"""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from apps.apikeys.errors import OriginNotAllowed
from apps.apikeys.lookup import knows_origin
from apps.apikeys.network import read_origin
from apps.core.problems import show

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-Match, Packmule-Key, "
    "Packmule-Organization, Packmule-On-Behalf-Of, Packmule-Expect-Tenant, Packmule-Invitation, X-Session-Token, "
    "X-Email-Verification-Key, X-Password-Reset-Key",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = "Packmule-Tenant, Request-Id, RateLimit, RateLimit-Policy, Retry-After, ETag, Location, Idempotency-Replayed"


def origin_of(request: HttpRequest) -> str:
    """The Origin header as keys name it, '' without one; what is no origin (`null`) stays as it is and fits no key."""
    sent = str(request.META.get("HTTP_ORIGIN") or "")
    try:
        return read_origin(sent) if sent else ""
    except ValueError:
        return sent[:300]


def is_preflight(request: HttpRequest) -> bool:
    """True when a browser asks whether a script may make a call."""
    return (
        request.method == "OPTIONS"
        and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META
        and _has_origin(request)
    )


def answer_preflight(origin: str, tenant_id: UUID | None) -> HttpResponse:
    """The answer to a preflight. Raises OriginNotAllowed when no live publishable key (of that tenant) names it."""
    if not knows_origin(origin, tenant_id):
        raise OriginNotAllowed(f"No publishable key here allows {show(origin)}.")
    response = HttpResponse(status=204, headers=_PREFLIGHT)
    del response["Content-Type"]
    allow(response, origin)
    return response


def allow(response: HttpResponseBase, origin: str) -> None:
    """Let a page of `origin` read `response`."""
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers.setdefault("Access-Control-Expose-Headers", _EXPOSED)


def vary(response: HttpResponseBase) -> None:
    """Tell caches that the answer differs by website."""
    patch_vary_headers(response, ["Origin"])


def _has_origin(request: HttpRequest) -> bool:
    return bool(request.META.get("HTTP_ORIGIN"))

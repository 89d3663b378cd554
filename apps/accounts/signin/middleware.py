"""Around everything by which people sign in: headers that keep it private, and one step at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus

from allauth.core.internal.ratelimit import cache_lock
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.problem_handlers import problem_response
from apps.core.problems import RateLimited

GetResponse = Callable[[HttpRequest], HttpResponseBase]

PAGES = ("/accounts/", "/identity/")
PATHS = (*PAGES, "/_allauth/")
#: allauth's API for programs, which knows people by a token; everything else knows them by a cookie.
_PROGRAMS = "/_allauth/app/"
#: Headers in which a code or key is tried out.
_TRIES = ("HTTP_X_EMAIL_VERIFICATION_KEY", "HTTP_X_PASSWORD_RESET_KEY")
#: When to try again, in seconds, where a limit of signing in does not say.
_PATIENCE = "60"
#: Pages whose forms may end, by redirects, at another provider or at the product's own page.
_LEADING_AWAY = (
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/2fa/authenticate/",
    "/accounts/2fa/webauthn/",
    "/accounts/confirm-email/",
    "/accounts/reauthenticate/",
    "/accounts/2fa/reauthenticate/",
    "/accounts/3rdparty/",
    "/accounts/invitations/",
    "/accounts/logout/",
    "/identity/",
)
_LOOPBACK = "http://localhost:* http://*.localhost:* http://127.0.0.1:*"
#: Consent ends at programs on the person's machine, and a policy has no words for http://[::1].
_CONSENT = "/identity/o/authorize"
_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'{away}"
)
#: Addresses here hold keys and tokens, which no other website is to be told of.
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin"}


def private_middleware(get_response: GetResponse) -> GetResponse:
    """Keep these pages out of caches, frames and other websites' logs.

    Behind a proxy that ends TLS the call arrives as http; what people see, and what origins are held against, is the
    installation's public scheme.
    """

    def handle(request: HttpRequest) -> HttpResponseBase:
        if settings.PACKMULE_PUBLIC_URL.startswith("https:"):
            request.META["wsgi.url_scheme"] = "https"
        response = get_response(request)
        path = request.path_info
        if path.startswith(PATHS):
            for name, value in _HEADERS.items():
                response.headers[name] = value
            if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                response.headers.setdefault("Retry-After", _PATIENCE)
        if path.startswith(PAGES):
            home = "http:" if path == _CONSENT else _LOOPBACK
            away = f" https: {home}" if path.startswith(_LEADING_AWAY) else ""
            response.headers.setdefault("Content-Security-Policy", _POLICY.format(away=away))
        return response

    return handle


def one_at_a_time_middleware(get_response: GetResponse) -> GetResponse:
    """Let one session take one step at a time, over all workers.

    How often a code was tried is counted in the session: calls at the same moment would each count from the same
    number. Who sends several waits up to a second, and is then told to slow down.
    """

    def handle(request: HttpRequest) -> HttpResponseBase:
        token = _session_of(request)
        if not token or _only_looks(request):
            return get_response(request)
        with cache_lock(f"sign-in:{hashlib.sha256(token.encode()).hexdigest()}") as alone:
            if alone:
                return get_response(request)
        refusal = RateLimited("Another step of this sign-in is being taken at this moment.", retry_after=1)
        return problem_response(refusal, request)

    return handle


def _session_of(request: HttpRequest) -> str:
    """The session that the page or call will read, '' for none: a header that it does not read parts nothing."""
    path = request.path_info
    if path.startswith(_PROGRAMS):
        return str(request.META.get("HTTP_X_SESSION_TOKEN") or "")
    return str(request.COOKIES.get(settings.SESSION_COOKIE_NAME) or "") if path.startswith(PATHS) else ""


def _only_looks(request: HttpRequest) -> bool:
    """True for a call that takes no step; to ask whether a code is right is one, and it counts."""
    return request.method in ("GET", "HEAD", "OPTIONS") and not any(name in request.META for name in _TRIES)

"""The environment's side: asking the console to be let in, coming in with its code, and being turned away.

The browser that asks gets a secret as a cookie; the console sees its hash alone and binds the code to it. A code that
somebody else was given, or had themselves given, therefore opens nothing in this browser.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Literal, TypedDict
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from apps.apikeys import handoffs
from apps.apikeys.handoffs import Ending
from apps.apikeys.sessions import ADMIN_PATH, HAND_OFF, HAND_OFF_COOKIE
from apps.console.handoff.addresses import ENTRANCE, console_url, page_or_first
from apps.console.handoff.errors import CodeRefused
from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.problems import Problem

#: How long somebody may take to sign in to the console on the way.
_PATIENCE_SECONDS = 15 * 60
#: The session's entry with the address of the console by which the person came.
CONSOLE = "console"


class _Guard(TypedDict):
    """What a cookie of ours is set with."""

    path: str
    httponly: bool
    samesite: Literal["Lax"]
    secure: bool


@require_GET
def enter(request: HttpRequest) -> HttpResponseBase:
    """Ask the console to be let in, or come in with the code that it gave."""
    try:
        answer = _come_in(request) if "code" in request.GET else _ask(request)
    except Problem as refusal:
        answer = refused(request, refusal)
    return unshared(answer)


def closed(request: HttpRequest) -> HttpResponseBase:
    """The page for who has no session here, or none any more."""
    ended: Problem | None = getattr(request, "ended", None)
    wanted = request.get_full_path() if request.method == "GET" else ADMIN_PATH
    context = {"title": ended.title if ended else "Opened from the console", "ended": ended}
    return unshared(_turned_away(request, context, wanted))


def refused(request: HttpRequest, refusal: Problem) -> HttpResponse:
    """The page for a code that opens nothing."""
    context = {"title": refusal.title, "ended": refusal}
    return _turned_away(request, context, request.GET.get("next", ""))


def unshared(answer: HttpResponseBase) -> HttpResponseBase:
    """`answer`, which no cache keeps and whose address is told to no other page: it may hold a code."""
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _ask(request: HttpRequest) -> HttpResponseBase:
    nonce, tenant = secrets.token_urlsafe(32), _tenant(request)
    query = {
        "environment": tenant.name,
        "nonce": handoffs.digest(nonce).hex(),
        "next": page_or_first(request.GET.get("next", "")),
    }
    answer = redirect(console_url(f"/admin/hand-off/?{urlencode(query)}", _console_host(request)))
    name, path = _nonce_cookie(request)
    answer.set_cookie(name, nonce, _PATIENCE_SECONDS, **_guarded(request, path))
    return answer


def _come_in(request: HttpRequest) -> HttpResponseBase:
    name, path = _nonce_cookie(request)
    nonce, code = request.COOKIES.get(name), str(request.GET["code"])
    if not nonce:
        raise CodeRefused("This browser did not ask to be let in, or it keeps no cookies for this page.")
    session = _begin_session(_tenant(request), code, nonce)
    session[CONSOLE] = console_url(ADMIN_PATH, _console_host(request))
    session.save()
    _replace(request)
    rotate_token(request)
    answer = redirect(page_or_first(request.GET.get("next", "")))
    lasting = int(handoffs.LIFETIME.total_seconds())
    answer.set_cookie(HAND_OFF_COOKIE, str(session.session_key), lasting, **_guarded(request, ADMIN_PATH))
    answer.delete_cookie(name, path=path, samesite="Lax")
    return answer


def _begin_session(tenant: TenantRef, code: str, nonce: str) -> SessionStore:
    """A new session for the code's hand-off. Raises CodeRefused, and then there is none."""
    session = SessionStore()
    session.set_expiry(handoffs.LIFETIME)
    with transaction.atomic():
        session.create()
        if not handoffs.use_code(code, nonce, tenant.id, str(session.session_key)):
            raise CodeRefused(_why(tenant, code))
    begun = handoffs.find_by_code(code)
    session[HAND_OFF] = str(begun.pk) if begun else ""
    return session


def _why(tenant: TenantRef, code: str) -> str:
    """Why the code opens nothing here, for the person who came with it."""
    found = handoffs.find_by_code(code)
    if found is None or found.tenant_id != tenant.id:
        return f"This code was not made for {tenant.name}."
    if found.entered_at is not None:
        return "This code was used before, and each works once."
    if found.ended_at is not None:
        return "This way in was revoked before it was used."
    if found.code_expires_at <= clock.now():
        return "This code has expired: it works for one minute."
    return "This code was made for another browser, or for an earlier try in this one."


def _replace(request: HttpRequest) -> None:
    """End the hand-off that this browser held for this environment until now."""
    held = request.COOKIES.get(HAND_OFF_COOKIE)
    before = handoffs.find_by_session(held, _tenant(request).id) if held else None
    if before is not None:
        handoffs.end(before, Ending.REPLACED)
        request.session.flush()


def _turned_away(request: HttpRequest, context: Mapping[str, object], wanted: str) -> HttpResponse:
    query = {"next": page_or_first(wanted), "console": _console_host(request)}
    again = f"{ENTRANCE}?{urlencode(query)}"
    shown = {**context, "tenant": _tenant(request), "again": again}
    return render(request, "admin/hand_off_closed.html", shown, status=403)


def _tenant(request: HttpRequest) -> TenantRef:
    tenant: TenantRef = request.tenant  # type: ignore[attr-defined]
    return tenant


def _console_host(request: HttpRequest) -> str:
    """By which host the person reaches the console, as far as that is known; it is checked where it is used."""
    came_by = urlsplit(str(request.session.get(CONSOLE, ""))).netloc
    return request.GET.get("console", "") or split_domain_port(came_by)[0]


def _is_secure(request: HttpRequest) -> bool:
    return request.is_secure() or str(settings.PACKMULE_PUBLIC_URL).startswith("https:")


def _nonce_cookie(request: HttpRequest) -> tuple[str, str]:
    """Name and path. Over HTTPS no other host can set it: neighbours under one domain cannot plant theirs."""
    name = f"{settings.PACKMULE_ROLE_PREFIX}_entering_{settings.PACKMULE_PORT}"
    return (f"__Host-{name}", "/") if _is_secure(request) else (name, ENTRANCE)


def _guarded(request: HttpRequest, path: str) -> _Guard:
    # Lax and not Strict: the console's redirect back is a navigation from another site.
    return {"path": path, "httponly": True, "samesite": "Lax", "secure": _is_secure(request)}

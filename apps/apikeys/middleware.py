"""The HTTP edge: it finds out who calls, enters the walls, and leaves them whatever happens.

`acting_middleware` serves `/v1` by credential, stands in the tenant that people sign in to, and in the host's tenant
for what browsers open; `session_middleware`, behind Django's AuthenticationMiddleware, then stands in the organization
of the person who is signed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.apikeys import cors
from apps.apikeys.lookup import TenantRow, find_console, standing_outside
from apps.apikeys.resolver import actor_of_cookie, actor_of_hand_off, require_current, within
from apps.apikeys.sessions import HAND_OFF, is_environment_admin
from apps.apikeys.usage import note_session, note_use
from apps.apikeys.visits import Visit, call_of, host_of, tenant_of_host
from apps.core.actor import Actor, Edge
from apps.core.dispatch import answer, set_length
from apps.core.problem_handlers import problem_for, problem_response
from apps.core.problems import NotFound, Problem, ServiceUnavailable, Unauthenticated
from apps.tenancy.backend.base import DatabaseWrapper
from apps.tenancy.walls import NO_ORGANIZATION, enter

GetResponse = Callable[[HttpRequest], HttpResponseBase]

API_PATH = "/v1/"
HEADLESS_PATH = "/_allauth/"
#: allauth's API for pages that come from the tenant's own host: it knows people by a cookie.
COOKIES_PATH = "/_allauth/browser/"
#: Where people sign in and look after their own account. The views ask by the person, and write what no organization's
#: role may: passwords and addresses. They stand in the tenant's own role.
SIGN_IN_PATHS = ("/accounts/", "/identity/", "/.well-known/", HEADLESS_PATH)
#: Where a signature in the path is the whole credential: no session, no cookie, and no tenant to stand in.
SIGNED_PATHS = ("/storage/",)
BROWSER_PATHS = ("/admin/", "/operator/", *SIGN_IN_PATHS)
#: The session's entry with the id of the organization within which a person acts in the admin.
CHOSEN_ORGANIZATION = "organization"


def acting_middleware(get_response: GetResponse) -> GetResponse:
    """Serve each call behind the wall of its tenant; a path that needs no tenant touches none."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        request.actor = None  # type: ignore[attr-defined]
        path = request.path_info
        if path.startswith(API_PATH):
            return _serve_api(request)
        if path.startswith(SIGNED_PATHS):
            return answer(request)
        if path.startswith(HEADLESS_PATH):
            return _serve_headless(request, get_response)
        if path.startswith(BROWSER_PATHS):
            return _serve_browser(request, get_response)
        return get_response(request)

    return handle


def session_middleware(get_response: GetResponse) -> GetResponse:
    """Stand in the organization of the person who is signed in, and make them the actor."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        home: TenantRow | None = getattr(request, "tenant_row", None)
        try:
            actor = None if home is None else _signed_in(request, home)
        except Unauthenticated as ended:
            request.ended = ended  # type: ignore[attr-defined]
            return get_response(request)
        if home is None or actor is None:
            return get_response(request)
        request.actor = actor  # type: ignore[attr-defined]
        if actor.credential.kind == "session":
            note_session(home, str(request.session.session_key), actor.call)
        if request.path_info.startswith(SIGN_IN_PATHS):
            return get_response(request)
        with enter(home.ref, within(actor)):
            return get_response(request)

    return handle


@contextmanager
def call_within(request: HttpRequest, organization_id: UUID) -> Iterator[Actor]:
    """Stand in another organization of the person who is signed in, as its actor, for this one call of theirs.

    Raises what `actor_of_cookie` raises.
    """
    home: TenantRow = request.tenant_row  # type: ignore[attr-defined]
    key, call = str(request.session.session_key), call_of(request, Edge.ADMIN)
    with standing_outside():
        actor = actor_of_cookie(home, key, organization_id, call)
        with enter(home.ref, within(actor)):
            yield actor


def _signed_in(request: HttpRequest, home: TenantRow) -> Actor | None:
    """Whose session it is, None for nobody's. Raises an Unauthenticated when it is over."""
    call, key = call_of(request, Edge.ADMIN), str(request.session.session_key)
    if not is_environment_admin(request):
        return actor_of_cookie(home, key, _chosen(request), call) if request.user.is_authenticated else None
    if HAND_OFF not in request.session:
        return None
    try:
        return actor_of_hand_off(home, key, _chosen(request), call)
    except NotFound:  # the chosen organization is gone
        return actor_of_hand_off(home, key, None, call)


def drop_dead_connection() -> None:
    """Let go of a connection that the server has closed, so that a restarted database costs no call."""
    here = cast(DatabaseWrapper, connection)
    if not here.in_atomic_block and not here.is_alive():
        here.close()


def _serve_api(request: HttpRequest) -> HttpResponseBase:
    drop_dead_connection()
    visit = Visit(request)
    with standing_outside():
        try:
            visit.arrive()
            response = _answer(visit, request)
        except (Problem, Error) as refusal:
            response = problem_response(problem_for(refusal, request), request)
        visit.mark(response)
        set_length(response)
        if visit.actor is not None and visit.found is not None and visit.found.is_key:
            note_use(visit.found)
        elif visit.actor is not None and visit.found is not None and visit.found.kind == "session":
            note_session(visit.found.home, visit.found.secret, visit.actor.call)
    return response


def _answer(visit: Visit, request: HttpRequest) -> HttpResponseBase:
    if cors.is_preflight(request):
        return cors.answer_preflight(visit.origin, visit.host_tenant)
    with visit.standing():
        request.actor = visit.actor  # type: ignore[attr-defined]
        return answer(request)


def _serve_browser(request: HttpRequest, get_response: GetResponse) -> HttpResponseBase:
    drop_dead_connection()
    with standing_outside():
        try:
            tenant = _browser_tenant(request)
            require_current(tenant)
        except (Problem, Error) as refusal:
            return problem_response(problem_for(refusal, request), request)
        request.tenant, request.tenant_row = tenant.ref, tenant  # type: ignore[attr-defined]
        request.urlconf = str(settings.TENANT_TYPES[tenant.kind]["URLCONF"])
        standing = None if request.path_info.startswith(SIGN_IN_PATHS) else NO_ORGANIZATION
        with enter(tenant.ref, standing):
            response = get_response(request)
    response.headers["Packmule-Tenant"] = tenant.ref.name
    return response


def _serve_headless(request: HttpRequest, get_response: GetResponse) -> HttpResponseBase:
    """Serve allauth's API in the tenant that the publishable key or the host names, for the websites of that key."""
    drop_dead_connection()
    visit = Visit(request)
    with standing_outside():
        try:
            if cors.is_preflight(request):
                return cors.answer_preflight(cors.origin_of(request), None)
            tenant = visit.arrive_at_sign_in(cookies=request.path_info.startswith(COOKIES_PATH))
        except (Problem, Error) as refusal:
            response: HttpResponseBase = problem_response(problem_for(refusal, request), request)
        else:
            request.tenant, request.tenant_row = tenant.ref, tenant  # type: ignore[attr-defined]
            request.sign_in_origin = visit.named_origin  # type: ignore[attr-defined]
            with enter(tenant.ref):
                response = get_response(request)
            response.headers["Packmule-Tenant"] = tenant.ref.name
        visit.mark(response)
    return response


def _browser_tenant(request: HttpRequest) -> TenantRow:
    host = host_of(request)
    tenant = tenant_of_host(host) if host else find_console()
    if tenant is None:
        raise ServiceUnavailable("This installation has no console yet. Run: manage.py prepare")
    return tenant


def _chosen(request: HttpRequest) -> UUID | None:
    try:
        return UUID(str(request.session.get(CHOSEN_ORGANIZATION, "")))
    except ValueError:
        return None

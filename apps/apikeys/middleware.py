"""The HTTP edge: it finds out who calls, enters the walls, and leaves them whatever happens.

`acting_middleware` serves `/v1` by key, and stands in the host's tenant for what browsers open; `session_middleware`,
behind Django's AuthenticationMiddleware, then stands in the organization of the person who is signed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import Error, connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.accounts.models import User
from apps.apikeys import cors
from apps.apikeys.lookup import TenantRow, find_console, standing_outside
from apps.apikeys.people import resolve_session
from apps.apikeys.resolver import require_current, within
from apps.apikeys.usage import note_use
from apps.apikeys.visits import Visit, call_of, host_of, tenant_of_host
from apps.core.actor import Edge, TenantRef
from apps.core.dispatch import answer, set_length
from apps.core.problem_handlers import problem_for, problem_response
from apps.core.problems import Problem, ServiceUnavailable
from apps.tenancy.backend.base import DatabaseWrapper
from apps.tenancy.walls import NO_ORGANIZATION, enter

GetResponse = Callable[[HttpRequest], HttpResponseBase]

API_PATH = "/v1/"
BROWSER_PATHS = ("/admin/", "/operator/", "/accounts/", "/_allauth/")
#: The session's entry with the id of the organization within which a person acts in the admin.
CHOSEN_ORGANIZATION = "organization"


def acting_middleware(get_response: GetResponse) -> GetResponse:
    """Serve each call behind the wall of its tenant; a path that needs no tenant touches none."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        request.actor = None  # type: ignore[attr-defined]
        path = request.path_info
        if path.startswith(API_PATH):
            return _serve_api(request)
        if path.startswith(BROWSER_PATHS):
            return _serve_browser(request, get_response)
        return get_response(request)

    return handle


def session_middleware(get_response: GetResponse) -> GetResponse:
    """Stand in the organization of the person who is signed in, and make them the actor."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        tenant: TenantRef | None = getattr(request, "tenant", None)
        user = request.user if tenant is not None else AnonymousUser()
        if tenant is None or not isinstance(user, User):
            return get_response(request)
        actor = resolve_session(user, tenant, _chosen(request), call_of(request, Edge.ADMIN), guess=True)
        request.actor = actor  # type: ignore[attr-defined]
        with enter(tenant, within(actor)):
            return get_response(request)

    return handle


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
        if visit.actor is not None and visit.found is not None:
            note_use(visit.found)
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
        request.tenant = tenant.ref  # type: ignore[attr-defined]
        with enter(tenant.ref, NO_ORGANIZATION):
            response = get_response(request)
    response.headers["Packmule-Tenant"] = tenant.ref.name
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

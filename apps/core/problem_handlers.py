"""Every way an exception can leave this server ends here, as a problem document.

`EXCEPTION_HANDLER` of DRF, Django's handler400/403/404/500, the CSRF failure view, and `ProblemMiddleware`
for what is raised or answered outside of DRF. Nothing technical is ever shown, whatever DEBUG says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any, cast

from django.core import exceptions as django_exceptions
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from rest_framework import exceptions as drf
from rest_framework.request import Request

from apps.core import problems, strictjson
from apps.core.problems import FieldError, Problem, show

logger = logging.getLogger("packmule.problems")

_Converter = Callable[[Any], Problem]


def from_exception(exc: BaseException) -> Problem | None:
    """Return the problem that `exc` stands for; None when it is a mistake of this server."""
    if isinstance(exc, Problem):
        return exc
    for kinds, convert in _CONVERTERS:
        if isinstance(exc, kinds):
            return convert(exc)
    return None


def problem_for(exc: BaseException, request: HttpRequest | Request | None) -> Problem:
    """Return the problem to answer with; what nobody foresaw is logged and becomes a bare 500."""
    found = from_exception(exc)
    if found is None or isinstance(exc, DatabaseError):
        # A database that is away fails every call in the same place: one line each is enough to know.
        away = isinstance(exc, OperationalError | InterfaceError)
        first_line = str(exc).partition("\n")[0] if away else "a mistake of ours"
        where = _request_id(request)
        logger.error(
            "%s in request %s: %s", type(exc).__name__, where, first_line, exc_info=None if away else exc
        )
    return found or problems.InternalError()


def problem_response(problem: Problem, request: HttpRequest | Request | None = None) -> HttpResponse:
    """Return the answer for `problem`: a problem document, or a small page for a browser off the API."""
    document = problem.document(_request_id(request))
    if request is not None and _is_browser(request):
        body, content_type = _page(document).encode(), "text/html; charset=utf-8"
    else:
        body, content_type = strictjson.dumps(document), problems.CONTENT_TYPE
    response = HttpResponse(body, status=problem.status, content_type=content_type)
    for name, value in problem.headers.items():
        response[name] = value
    return response


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Be DRF's EXCEPTION_HANDLER."""
    request = context.get("request")
    return problem_response(problem_for(exc, request), request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Be Django's handler400."""
    return problem_response(from_exception(exception) or problems.MalformedRequest(), request)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Be Django's handler403."""
    return problem_response(from_exception(exception) or problems.Forbidden(), request)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:  # noqa: ARG001
    """Be Django's handler404, and the view behind the last, catch-all route."""
    detail = f"No call has the path {show(request.path, 120)}. {problems.RouteNotFound.advice}"
    return problem_response(problems.RouteNotFound(detail), request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Be Django's handler500; Django itself has logged the traceback."""
    return problem_response(problems.InternalError(), request)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Be Django's CSRF_FAILURE_VIEW."""
    return problem_response(problems.CsrfFailed(reason), request)


class ProblemMiddleware:
    """Turns what is left over into problems: exceptions of plain views, and Django's own error pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return ensure_problem(request, self.get_response(request))

    def process_exception(self, request: HttpRequest, exc: Exception) -> HttpResponse:
        return problem_response(problem_for(exc, request), request)


def ensure_problem(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Return `response`, or a problem of its status when it is a bare error under /v1 (DEBUG pages are)."""
    kind = str(response.headers.get("Content-Type", ""))
    if response.status_code < 400 or "json" in kind or not request.path_info.startswith("/v1/"):
        return response
    known = [cls for cls in problems.declared() if cls.__module__ == problems.__name__]
    kinds = {cls.status: cls for cls in reversed(known)}
    cls = kinds.get(response.status_code, problems.InternalError)
    return problem_response(cls(status=response.status_code), request)


def field_errors(detail: object, path: str = "") -> Iterator[FieldError]:
    """Flatten the nested detail of a DRF ValidationError into paths such as `members[2].email`."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            yield from field_errors(value, _join(path, key))
    elif isinstance(detail, list | tuple):
        for index, value in enumerate(detail):
            yield from field_errors(value, path if isinstance(value, str) else f"{path}[{index}]")
    else:
        yield FieldError(path, str(getattr(detail, "code", "invalid")), str(detail))


def validation_failed(detail: object, kind: type[Problem] = problems.ValidationFailed) -> Problem:
    """Return the problem for a DRF ValidationError's `detail`, with its first error said in words."""
    errors = list(field_errors(detail))
    first = next(iter(errors), None)
    if first is None:
        return kind()
    more = f" ({len(errors) - 1} more in `errors`.)" if len(errors) > 1 else ""
    named = f"{first.field}: " if first.field else ""
    return kind(f"{named}{first.detail}{more}", errors=errors)


def _join(path: str, key: object) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    if key in ("non_field_errors", "__all__"):
        return path
    shown = show(str(key))[1:-1]
    return f"{path}.{shown}" if path else shown


def _throttled(exc: drf.Throttled) -> Problem:
    return problems.RateLimited(retry_after=getattr(exc, "wait", None) or 1)


def _too_large(_: object) -> Problem:
    return problems.PayloadTooLarge(f"The body has more than the {strictjson.body_limit()} bytes taken here.")


def _django_validation(exc: django_exceptions.ValidationError) -> Problem:
    return validation_failed(drf.ValidationError(detail=_django_detail(exc)).detail)


def _django_detail(exc: django_exceptions.ValidationError) -> Any:
    return exc.message_dict if hasattr(exc, "error_dict") else exc.messages


def _unavailable(_: object) -> Problem:
    return problems.ServiceUnavailable("The database did not answer, or asked to try again.", retry_after=1)


# In order: the first kind that fits decides. DRF's own NotFound, Throttled … all are APIException.
_CONVERTERS: list[tuple[type[BaseException] | tuple[type[BaseException], ...], _Converter]] = [
    (drf.ValidationError, lambda exc: validation_failed(exc.detail)),
    (drf.ParseError, lambda exc: problems.MalformedRequest(str(exc.detail))),
    ((drf.NotAuthenticated, drf.AuthenticationFailed), lambda exc: problems.Unauthenticated(str(exc.detail))),
    ((drf.PermissionDenied, django_exceptions.PermissionDenied), lambda _: problems.Forbidden()),
    ((drf.NotFound, Http404), lambda _: problems.NotFound()),
    (drf.MethodNotAllowed, lambda _: problems.MethodNotAllowed()),
    (drf.NotAcceptable, lambda _: problems.NotAcceptable()),
    (drf.UnsupportedMediaType, lambda _: problems.UnsupportedMediaType()),
    (drf.Throttled, _throttled),
    (django_exceptions.ValidationError, _django_validation),
    (django_exceptions.RequestDataTooBig, _too_large),
    (django_exceptions.DisallowedHost, lambda _: problems.HostRefused()),
    (
        (django_exceptions.SuspiciousOperation, django_exceptions.BadRequest, MultiPartParserError),
        lambda _: problems.MalformedRequest(),
    ),
    (IntegrityError, lambda _: problems.Conflict("It collides with something that exists already.")),
    (DataError, lambda _: problems.ValidationFailed("A value does not fit into what holds it.")),
    ((OperationalError, InterfaceError), _unavailable),
]


def _request_id(request: HttpRequest | Request | None) -> str | None:
    return cast("str | None", getattr(request, "request_id", None))


def _is_browser(request: HttpRequest | Request) -> bool:
    path = str(getattr(request, "path_info", ""))
    return "text/html" in str(request.META.get("HTTP_ACCEPT", "")) and not path.startswith("/v1/")


def _page(document: Mapping[str, Any]) -> str:
    title, detail = escape(document["title"]), escape(document["detail"])
    number = escape(f"{document['status']} {document['code']} · {document['request_id'] or ''}")
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<h1>{title}</h1><p>{detail}</p><p><small>{number}</small></p></html>"
    )

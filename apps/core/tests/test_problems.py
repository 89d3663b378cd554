"""Refusals: one shape, whatever raised them."""

import json
import logging
from typing import Any

import pytest
from django.core import exceptions as django_exceptions
from django.db import DataError, IntegrityError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import RequestFactory
from rest_framework import exceptions as drf
from rest_framework.request import Request

from apps.core import problem_handlers, problems
from apps.core.problems import FieldError, Remedy


def _request(path: str = "/v1/things", **headers: Any) -> HttpRequest:
    request = RequestFactory().get(path, **headers)
    request.request_id = "req_1"  # type: ignore[attr-defined]
    return request


def _document(response: HttpResponse) -> dict[str, Any]:
    assert response["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = json.loads(response.content)
    assert document["status"] == response.status_code
    return document


def test_a_problem_has_the_promised_members() -> None:
    remedy = Remedy("manage.py keys rotate key_1", "POST", "/v1/keys/key_1/rotate", {"overlap_seconds": 60})
    problem = problems.Conflict(
        "The key is shared.",
        remedy=remedy,
        errors=[FieldError("name", "taken", "“a” is taken.")],
        extra={"gate": "scope", "status": 999},
    )
    assert _document(problem_handlers.problem_response(problem, _request())) == {
        "type": "/docs/problems.md#conflict",
        "title": "The present state forbids this",
        "status": 409,
        "code": "conflict",
        "detail": "The key is shared.",
        "request_id": "req_1",
        "retryable": False,
        "docs": "/docs/problems.md#conflict",
        "remedy": {
            "command": "manage.py keys rotate key_1",
            "api": {"method": "POST", "path": "/v1/keys/key_1/rotate", "body": {"overlap_seconds": 60}},
        },
        "errors": [{"field": "name", "code": "taken", "detail": "“a” is taken."}],
        "gate": "scope",
    }


def test_a_remedy_without_a_call_says_so() -> None:
    assert Remedy(command="manage.py up").document() == {"command": "manage.py up", "api": None}


def test_headers_travel_with_the_problem() -> None:
    limited = problem_handlers.problem_response(problems.RateLimited(retry_after=0.2))
    assert (limited["Retry-After"], _document(limited)["retryable"]) == ("1", True)
    refused = problem_handlers.problem_response(problems.Unauthenticated(code="wrong_tenant"))
    assert refused["WWW-Authenticate"] == 'Bearer realm="packmule", error="wrong_tenant"'
    assert (
        problem_handlers.problem_response(problems.MethodNotAllowed("PUT", {"POST", "GET"}))["Allow"]
        == "GET, POST"
    )


def test_a_code_means_the_same_wherever_it_is_declared_and_is_explained() -> None:
    said: dict[str, tuple[int, str]] = {}
    for cls in problems.declared():
        assert said.setdefault(cls.code, (cls.status, cls.title)) == (cls.status, cls.title)
    for cls in problems.catalogue().values():
        assert cls.__doc__, f"{cls.__name__} has no docstring for docs/problems.md"
        assert 400 <= cls.status < 600
        assert cls.advice


@pytest.mark.parametrize(
    ("exception", "status", "code"),
    [
        (drf.ParseError("broken"), 400, "malformed_request"),
        (drf.NotAuthenticated(), 401, "unauthenticated"),
        (drf.AuthenticationFailed(), 401, "unauthenticated"),
        (drf.PermissionDenied(), 403, "forbidden"),
        (django_exceptions.PermissionDenied(), 403, "forbidden"),
        (Http404(), 404, "not_found"),
        (drf.NotFound(), 404, "not_found"),
        (drf.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (drf.NotAcceptable(), 406, "not_acceptable"),
        (drf.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
        (drf.Throttled(7), 429, "rate_limited"),
        (django_exceptions.ValidationError({"name": ["bad"]}), 422, "validation_failed"),
        (django_exceptions.ValidationError("bad"), 422, "validation_failed"),
        (django_exceptions.RequestDataTooBig(), 413, "payload_too_large"),
        (django_exceptions.TooManyFieldsSent(), 400, "malformed_request"),
        (django_exceptions.DisallowedHost("evil"), 400, "host_refused"),
        (django_exceptions.SuspiciousOperation("x"), 400, "malformed_request"),
        (django_exceptions.BadRequest("x"), 400, "malformed_request"),
        (IntegrityError('duplicate key "secret_index"'), 409, "conflict"),
        (DataError("value too long for secret_column"), 422, "validation_failed"),
        (OperationalError("could not connect to secret.host"), 503, "service_unavailable"),
        (problems.CursorInvalid(), 400, "cursor_invalid"),
    ],
)
@pytest.mark.usefixtures("_quiet")
def test_each_exception_has_its_problem(exception: Exception, status: int, code: str) -> None:
    response = problem_handlers.exception_handler(exception, {"request": Request(_request())})
    document = _document(response)
    assert (document["status"], document["code"], document["request_id"]) == (status, code, "req_1")
    assert "secret" not in response.content.decode()


@pytest.fixture
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "packmule.problems")


def test_an_unforeseen_exception_is_logged_and_not_shown(
    caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.DEBUG = True
    response = problem_handlers.exception_handler(RuntimeError("the secret"), {"request": _request()})
    assert _document(response)["code"] == "internal_error"
    assert b"the secret" not in response.content
    (record,) = caplog.records
    assert "req_1" in record.getMessage()
    assert record.exc_info
    assert "the secret" in str(record.exc_info[1])


def test_nested_errors_become_paths() -> None:
    detail: Any = {
        "name": ["required"],
        "members": [{}, {"email": ["bad"]}],
        "tags": {2: ["long"]},
        "non_field_errors": ["odd"],
    }
    found = [
        (error.field, error.detail)
        for error in problem_handlers.field_errors(drf.ValidationError(detail).detail)
    ]
    assert found == [("name", "required"), ("members[1].email", "bad"), ("tags[2]", "long"), ("", "odd")]


def test_the_first_error_is_said_in_the_detail() -> None:
    problem = problem_handlers.validation_failed(
        drf.ValidationError({"a": ["one"], "b": ["two", "three"]}).detail
    )
    assert problem.detail == "a: one (2 more in `errors`.)"
    assert problem_handlers.validation_failed({}).errors == ()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "“plain”"),
        ("a\nb\u202ec\0", "“a\\u000ab\\u202ec\\u0000”"),
        ("x" * 100, "“" + "x" * 60 + "…”"),
        (3, "3"),
        (None, "null"),
        ({"a": [1]}, '{"a": [1]}'),
    ],
)
def test_a_shown_value_is_printable_and_short(value: object, shown: str) -> None:
    assert problems.show(value) == shown


def test_djangos_own_error_views_answer_problems() -> None:
    request = _request("/v1/nothing")
    assert _document(problem_handlers.page_not_found(request, Http404()))["code"] == "route_not_found"
    assert "/v1/nothing" in _document(problem_handlers.page_not_found(request))["detail"]
    too_big = problem_handlers.bad_request(request, django_exceptions.RequestDataTooBig())
    assert _document(too_big)["code"] == "payload_too_large"
    assert _document(problem_handlers.bad_request(request, ValueError()))["code"] == "malformed_request"
    assert _document(problem_handlers.permission_denied(request, ValueError()))["code"] == "forbidden"
    assert _document(problem_handlers.server_error(request))["code"] == "internal_error"
    assert _document(problem_handlers.csrf_failure(request, "no cookie"))["detail"] == "no cookie"


def test_a_browser_off_the_api_gets_a_page() -> None:
    page = problem_handlers.page_not_found(_request("/<b>x", HTTP_ACCEPT="text/html"))
    assert page["Content-Type"].startswith("text/html")
    assert b"There is no such call" in page.content
    assert b"<b>" not in page.content
    api = problem_handlers.page_not_found(_request("/v1/x", HTTP_ACCEPT="text/html"))
    assert _document(api)["code"] == "route_not_found"


def test_the_middleware_turns_bare_errors_under_v1_into_problems() -> None:
    def answer(status: int, kind: str, path: str = "/v1/x") -> Any:
        inner = problem_handlers.ProblemMiddleware(
            lambda _: HttpResponse(b"<h1>DEBUG</h1>", status=status, content_type=kind)
        )
        return inner(_request(path))

    assert _document(answer(404, "text/html"))["code"] == "not_found"
    assert _document(answer(500, "text/html"))["code"] == "internal_error"
    assert _document(answer(418, "text/html"))["status"] == 418
    assert answer(200, "text/html").content == b"<h1>DEBUG</h1>"
    assert answer(404, "text/html", "/admin/").content == b"<h1>DEBUG</h1>"
    assert answer(409, "application/problem+json").content == b"<h1>DEBUG</h1>"


def test_the_middleware_answers_for_a_view_that_raised() -> None:
    middleware = problem_handlers.ProblemMiddleware(lambda _: HttpResponse())
    assert _document(middleware.process_exception(_request(), problems.NotFound()))["code"] == "not_found"

"""The outermost middleware: every call gets an id, every answer carries it."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.ids import encode, uuid7
from apps.core.problem_handlers import problem_for, problem_response

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def request_middleware(get_response: GetResponse) -> GetResponse:
    """Name the request, and let nothing leave the server but an answer."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        request.request_id = encode("req", uuid7())  # type: ignore[attr-defined]
        try:
            response = get_response(request)
        except Exception as failure:  # noqa: BLE001 - the last line: whatever it is, the caller gets a problem
            response = problem_response(problem_for(failure, request), request)
        response.headers["Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response

    return handle

"""The API's edge: a URL with its operations, `endpoint(GET=list_agents, POST=create_agent)`.

The view parses, makes one call and renders. URL arguments, then the body or the query parameters, become the
operation's keyword arguments; the result is rendered by the operation's output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.views import APIView

from apps.core import etags, idempotency
from apps.core.actor import Actor
from apps.core.operations import Operation
from apps.core.pagination import paginate
from apps.core.parameters import ListParameters, Parameters
from apps.core.problem_handlers import exception_handler
from apps.core.problems import MethodNotAllowed, NotAcceptable, Unauthenticated, show
from apps.core.serializers import Output, StrictSerializer
from apps.core.strictjson import MEDIA_TYPE, accepts_json, dumps, read_other, read_request

AnyOperation = Operation[..., Any]
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status, a document (None: nothing) and headers."""

    status: int
    document: Any = None
    headers: Mapping[str, str] | None = None

    def response(self) -> HttpResponseBase:
        """The answer as Django sends it."""
        body = b"" if self.document is None else dumps(self.document)
        made = HttpResponse(body, status=self.status, content_type=MEDIA_TYPE, headers=self.headers)
        if self.document is None:
            del made["Content-Type"]
        return made


@dataclass(frozen=True, slots=True)
class StreamedAnswer:
    """What goes back bit by bit. The walls that stood during the call are gone by then: chunks stand in their own."""

    status: int
    chunks: Iterator[bytes]
    media_type: str

    def response(self) -> HttpResponseBase:
        """The answer as Django sends it."""
        return StreamingHttpResponse(self.chunks, status=self.status, content_type=self.media_type)


class OperationView(APIView):
    """One URL. `operations` says by method what it does, `statuses` with which status it answers when all went well."""

    operations: ClassVar[Mapping[str, AnyOperation]] = {}
    statuses: ClassVar[Mapping[str, int]] = {}

    def dispatch(self, request: HttpRequest, *_args: Any, **url: Any) -> HttpResponseBase:
        """Handle the request as it is: what DRF would wrap it for (credentials, limits, parsers) stands elsewhere."""
        try:
            self._refuse_other_media(request)
            return self._handler(str(request.method))(request, **url)
        except Exception as failure:  # noqa: BLE001 - whatever it is, the caller gets a problem
            return exception_handler(failure, {"request": request})

    def _handler(self, method: str) -> Callable[..., HttpResponseBase]:
        known = method.lower() in self.http_method_names
        handler: Callable[..., HttpResponseBase] = self.http_method_not_allowed
        return getattr(self, method.lower(), handler) if known else handler

    def http_method_not_allowed(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> Any:
        """Refuse with the methods that are taken here."""
        raise MethodNotAllowed(str(request.method), self.operations)

    # OPTIONS has no meaning of its own here: CORS is answered before any view.
    options = http_method_not_allowed

    def handle(self, request: HttpRequest, **url: Any) -> HttpResponseBase:
        """Parse, call, render."""
        method = "GET" if request.method == "HEAD" else str(request.method)
        operation = self.operations[method]
        actor = acting(request)
        # Before the body is read, so that who may not call this cannot keep a thread waiting for one.
        operation.require(actor, url)
        arguments = url | read_arguments(operation, request, method)
        if method == "POST" and (key := request.headers.get("Idempotency-Key")) is not None:
            operation.require(actor, arguments)
            asked = idempotency.Asked.of(request, key, arguments, operation)
            with _made_ready(operation, actor, arguments, asked) as ready:
                return idempotency.answer_once(
                    actor, asked, lambda: cast(HttpResponse, self._answer(ready, actor, arguments, method))
                )
        return self._answer(operation, actor, arguments, method)

    def _refuse_other_media(self, request: HttpRequest) -> None:
        accept = request.META.get("HTTP_ACCEPT", "*/*")
        operation = self.operations.get("GET" if request.method == "HEAD" else str(request.method))
        # Where a redirect leads to may be of any kind: a browser asks for a picture, and follows.
        of_other_kind = operation is not None and (operation.redirects or operation.streams)
        if not of_other_kind and not accepts_json(accept):
            raise NotAcceptable(f"Accept says {show(accept)}; answers here are {MEDIA_TYPE}.")

    def _answer(
        self, operation: AnyOperation, actor: Actor, arguments: dict[str, Any], method: str
    ) -> HttpResponseBase:
        return perform(operation, actor, arguments, self.statuses[method]).response()


def _made_ready(
    operation: AnyOperation, actor: Actor, arguments: dict[str, Any], asked: idempotency.Asked
) -> AbstractContextManager[AnyOperation]:
    """The operation, prepared outside of the transaction that keeps its answer, unless the answer is there already."""
    if operation.prepare is None or idempotency.is_answered(actor, asked):
        return nullcontext(operation)
    return operation.made_ready(actor, arguments)


def acting(request: HttpRequest) -> Actor:
    """The actor that the middleware found. Raises Unauthenticated when the call came without a credential."""
    actor = cast("Actor | None", getattr(request, "actor", None))
    if actor is None:
        raise Unauthenticated(
            "This call needs a key, and came without one. Send it as: Authorization: Bearer pmk_…",
            code="credential_missing",
        )
    return actor


def read_arguments(operation: AnyOperation, request: HttpRequest, method: str) -> dict[str, Any]:
    """What the body and the query say, validated. Raises a Problem that names each field that was refused."""
    if operation.takes:
        parameters = cast(type[Parameters], operation.input or Parameters).read_query(request.GET)
        arguments = {**parameters, "body": read_other(request, operation.takes)}
    elif method in _WITH_BODY:
        Parameters.read_query(request.GET)
        arguments = _read_body(operation, request, partial=method == "PATCH")
    else:
        default = ListParameters if operation.lists else Parameters
        arguments = cast(type[Parameters], operation.input or default).read_query(request.GET)
    if operation.versioned:
        arguments["expected_version"] = etags.expected_version(request.headers.get("If-Match"))
    return arguments


def _read_body(operation: AnyOperation, request: HttpRequest, *, partial: bool) -> dict[str, Any]:
    serializer = cast("type[StrictSerializer] | None", operation.input)
    if serializer is None:
        return StrictSerializer.read(read_request(request, needed=False))
    needed = serializer.has_required() and not partial
    return serializer.read(read_request(request, needed=needed), partial=partial)


def perform(
    operation: AnyOperation, actor: Actor, arguments: dict[str, Any], status: int
) -> Answer | StreamedAnswer:
    """Call the operation and render its result. Commands use this too, so that both give the same bytes."""
    output = cast("type[Output] | None", operation.output)
    if operation.lists and output is not None:
        return Answer(status, _page(operation, output, actor, arguments))
    result = operation(actor, **arguments)
    if operation.streams:
        return StreamedAnswer(status, result.chunks(), operation.streams)
    if output is None:
        return Answer(204)
    return Answer(status, output.render(result), _headers(operation, result))


def _headers(operation: AnyOperation, result: Any) -> dict[str, str]:
    version = getattr(result, "version", None)
    headers = {"ETag": etags.etag(version)} if isinstance(version, int) else {}
    return {**headers, "Location": result.url} if operation.redirects else headers


def _page(
    operation: AnyOperation, output: type[Output], actor: Actor, arguments: dict[str, Any]
) -> dict[str, Any]:
    limit, cursor = arguments.pop("limit"), arguments.pop("cursor")
    organization = actor.organization.id if actor.organization else None
    scope = f"{operation.name}|{actor.tenant.id}|{organization}|{sorted(arguments.items(), key=str)}"
    found = operation(actor, **arguments)
    cut = partial(paginate, found) if isinstance(found, QuerySet) else found.page
    page = cut(limit=limit, cursor=cursor, scope=scope)
    return {"data": output.render_many(page.data), "next_cursor": page.next_cursor, **page.extra}


def endpoint(*, status: int | None = None, **operations: AnyOperation) -> Callable[..., HttpResponseBase]:
    """The view of a URL: an operation for each method. POST answers 201 unless `status` says otherwise."""
    statuses = {method: status or _status(method, operation) for method, operation in operations.items()}
    members: dict[str, Any] = {"operations": operations, "statuses": statuses}
    for method in operations:
        members[method.lower()] = OperationView.handle
    name = "".join(part.capitalize() for part in next(iter(operations.values())).name.split("."))
    made = cast(type[OperationView], type(f"{name}View", (OperationView,), members))
    return cast(Callable[..., HttpResponseBase], made.as_view())


def _status(method: str, operation: AnyOperation) -> int:
    """With which status an operation answers when all went well."""
    if operation.redirects:
        return 302
    return 201 if method == "POST" else 200

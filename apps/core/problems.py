"""Refusals, one shape for all of them: RFC 9457 problem documents.

Which status says what:
* 400: the request itself cannot be understood (JSON syntax, parameters, headers, a cursor);
* 422: the body was understood and one of its fields is refused, or a key was reused with another body;
* 401 who are you, 403 you may not, 404 there is none (that you may see), 409 the state forbids it,
  412 somebody was faster, 429 too often, 503 try again.

Every code is a subclass of `Problem`: its docstring and `advice` become its entry in docs/problems.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

CONTENT_TYPE = "application/problem+json"
PROBLEMS_PAGE = "/docs/problems.md"


@dataclass(frozen=True, slots=True)
class Remedy:
    """What gets further: a command line, an API call, or both."""

    command: str | None = None
    method: str | None = None
    path: str | None = None
    body: Mapping[str, Any] | None = None

    def document(self) -> dict[str, Any]:
        """Return the `remedy` member of a problem document."""
        call = {"method": self.method, "path": self.path, "body": self.body} if self.path else None
        return {"command": self.command, "api": call}


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field; `field` is a path such as `members[2].email`, "" for the whole body."""

    field: str
    code: str
    detail: str


class Problem(Exception):  # noqa: N818 - it is a refusal, and most are no error of ours
    """Something was refused. Raise a subclass; keyword arguments override what the class says.

    `retry_after` (seconds) becomes the Retry-After header; `extra` holds further members of the document.
    """

    status: int = 500
    code: str = "problem"
    title: str = "Something was refused"
    retryable: bool = False
    advice: str = ""

    def __init__(
        self,
        detail: str = "",
        *,
        status: int | None = None,
        code: str | None = None,
        title: str | None = None,
        remedy: Remedy | None = None,
        errors: Iterable[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        docs: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.status = self.status if status is None else status
        self.code = code or self.code
        self.title = title or self.title
        self.retryable = self.retryable if retryable is None else retryable
        self.detail = detail or self._default_detail()
        self.remedy, self.errors, self.docs = remedy, tuple(errors), docs
        self.headers = {**(headers or {}), **_retry_header(retry_after)}
        self.extra = dict(extra or {})
        super().__init__(self.detail)

    def _default_detail(self) -> str:
        return f"{self.title}. {self.advice}".strip()

    def document(self, request_id: str | None = None) -> dict[str, Any]:
        """Return the problem document (RFC 9457 members first; `extra` cannot replace them)."""
        page = f"{PROBLEMS_PAGE}#{self.code}"
        members: dict[str, Any] = {
            "type": page,
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": request_id,
            "retryable": self.retryable,
            "docs": self.docs or page,
        }
        if self.remedy:
            members["remedy"] = self.remedy.document()
        if self.errors:
            members["errors"] = [asdict(error) for error in self.errors]
        return {**members, **{name: value for name, value in self.extra.items() if name not in members}}


def _retry_header(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": str(max(1, math.ceil(seconds)))}


class MalformedRequest(Problem):
    """The request could not be understood: its JSON, a header or a part of its URL is malformed."""

    status, code, title = 400, "malformed_request", "The request could not be understood"
    advice = "Correct what `detail` names and send it again."


class ParametersInvalid(MalformedRequest):
    """A query parameter is unknown, was given twice, or has a value that it does not take."""

    code, title = "parameters_invalid", "A query parameter was refused"
    advice = "`errors` names each parameter; unknown ones are refused so that a typing error cannot hide."


class CursorInvalid(MalformedRequest):
    """The cursor was not made by this list with these filters, or was changed on the way."""

    code, title = "cursor_invalid", "The cursor does not belong to this list"
    advice = "Start again without a cursor, and pass `next_cursor` on unchanged with the same filters."


class HostRefused(MalformedRequest):
    """The Host header names no host of this installation."""

    code, title = "host_refused", "Unknown host"
    advice = "Use the API's own address, or verify the domain first."


class Unauthenticated(Problem):
    """No credential came with the call, or it is malformed, unknown, expired or revoked."""

    status, code, title = 401, "unauthenticated", "A valid credential is needed"
    advice = "Send `Authorization: Bearer <key>` with a key that is alive."

    def __init__(self, detail: str = "", **options: Any) -> None:
        super().__init__(detail, **options)
        self.headers.setdefault("WWW-Authenticate", f'Bearer realm="packmule", error="{self.code}"')


class CredentialMissing(Unauthenticated):
    """The call came without any credential. A command takes PACKMULE_KEY, or the sign-in of `manage.py login`."""

    code, title = "credential_missing", "No credential was sent"


class Forbidden(Problem):
    """The caller is known and may not do this."""

    status, code, title = 403, "forbidden", "Not allowed"
    advice = "Ask `POST /v1/policy/explain` which gate refuses, and use a credential that passes it."


class CsrfFailed(Forbidden):
    """A form of the admin came without its token, or from another site."""

    code, title = "csrf_failed", "The form's token is missing or does not fit"
    advice = "Reload the page and send the form again."


class NotFound(Problem):
    """There is no such thing, or none that the caller may see; the answer is the same for both."""

    status, code, title = 404, "not_found", "Not found"
    advice = "List what there is, and check that the credential belongs to the right tenant."


class RouteNotFound(NotFound):
    """No call has this path. A malformed id, or one of another kind, matches no path either."""

    code, title = "route_not_found", "There is no such call"
    advice = "See /llms.txt or /openapi.json for the calls there are."


class MethodNotAllowed(Problem):
    """The path exists and does not take this method; the Allow header lists those that it takes."""

    status, code, title = 405, "method_not_allowed", "The path does not take this method"
    advice = "Use one of the methods in the Allow header."

    def __init__(self, method: str = "", allowed: Iterable[str] = (), **options: Any) -> None:
        allow = ", ".join(sorted(allowed))
        detail = f"{show(method)} is not taken here; this path takes {allow or 'nothing'}." if method else ""
        super().__init__(detail, headers={"Allow": allow}, **options)


class NotAcceptable(Problem):
    """The Accept header asks for a form that is not offered."""

    status, code, title = 406, "not_acceptable", "That form is not offered"
    advice = "Accept application/json."


class Conflict(Problem):
    """The state of things forbids it: a name is taken, or something else has to happen first."""

    status, code, title = 409, "conflict", "The present state forbids this"
    advice = "Read the thing again and decide on what is there now."


class PreconditionFailed(Problem):
    """It changed since it was read: If-Match names another version than the current one."""

    status, code, title = 412, "version_mismatch", "It changed since you read it"
    advice = "Read it again, apply your change to the new version, and send its ETag in If-Match."


class PayloadTooLarge(Problem):
    """The body is larger than this installation takes."""

    status, code, title = 413, "payload_too_large", "The body is too large"
    advice = "Send less in one call; files go through /v1/files."


class UnsupportedMediaType(Problem):
    """The body is not JSON, by its Content-Type."""

    status, code, title = 415, "unsupported_media_type", "Only JSON is read here"
    advice = "Send JSON with `Content-Type: application/json`."


class ValidationFailed(Problem):
    """The body is well-formed JSON; the fields in `errors` are unknown, missing or have refused values."""

    status, code, title = 422, "validation_failed", "Some fields were refused"
    advice = "`errors` names each field with what is wrong with it."


class RateLimited(Problem):
    """More calls than the limit allows; RateLimit headers say which, Retry-After when to come back."""

    status, code, title, retryable = 429, "rate_limited", "Too many calls", True
    advice = "Wait for the seconds in Retry-After."


class InternalError(Problem):
    """A mistake of this server. It was logged under the request id; no detail is shown."""

    status, code, title = 500, "internal_error", "The server made a mistake"
    advice = "Nothing of this call was kept. Report the request id to the operator."


class ServiceUnavailable(Problem):
    """Something this call needs is not there right now, the database for example. Nothing was kept."""

    status, code, title, retryable = 503, "service_unavailable", "Not available right now", True
    advice = "Try again after the seconds in Retry-After; with the same Idempotency-Key where it was a POST."


def missing(noun: str, value: object) -> NotFound:
    """Return the 404 for a `noun` ("organization") that `value` does not name here."""
    return NotFound(f"There is no {noun} {show(value)} here, or none that this credential may see.")


def declared() -> list[type[Problem]]:
    """Return every class that declares a code, by status and code. Two rooms may share a code with its title."""
    classes = [cls for cls in _descendants(Problem) if "code" in vars(cls)]
    return sorted(classes, key=lambda cls: (cls.status, cls.code, cls.__module__))


def catalogue() -> dict[str, type[Problem]]:
    """Return every code with a class that declares it, by status and code."""
    return {cls.code: cls for cls in declared()}


def _descendants(base: type[Problem]) -> list[type[Problem]]:
    children = base.__subclasses__()
    return [*children, *(found for child in children for found in _descendants(child))]


def show(value: object, limit: int = 60) -> str:
    """Return `value` as JSON-like text that is printable and no longer than about `limit` characters."""
    text = value if isinstance(value, str) else _compact(value)
    text = text if len(text) <= limit else text[:limit] + "…"
    printable = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    return f"“{printable}”" if isinstance(value, str) else printable


def _compact(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return str(value)

"""The parts of the OpenAPI document that every call shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.core import problems

Document = dict[str, Any]

SECURITY_SCHEMES: Document = {
    "key": {"type": "http", "scheme": "bearer", "description": "A secret key: `pmk_…`."},
    "session": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Session-Token",
        "description": "A person's session, together with the tenant's host or a publishable key.",
    },
    "publishable": {
        "type": "apiKey",
        "in": "header",
        "name": "Packmule-Key",
        "description": "A publishable key; it names the tenant.",
    },
}


def security(*, publishable: bool, open: bool) -> list[dict[str, list[str]]]:  # noqa: A002 - as operations say it
    """Return the credentials that a call takes, any one of them; an open one takes none too."""
    taken = ["key", "session", *(["publishable"] if publishable else [])]
    any_of: list[dict[str, list[str]]] = [{name: []} for name in taken]
    return [*any_of, {}] if open else any_of


def _header(name: str, description: str, **schema: Any) -> Document:
    schema = {"type": "string", **schema}
    return {"in": "header", "name": name, "required": False, "description": description, "schema": schema}


HEADERS: dict[str, Document] = {
    name: _header(name, description, **schema)
    for name, description, schema in (
        ("Packmule-Environment", "Act in an environment of the organization, with a console key.", {}),
        ("Packmule-Organization", "Act inside this organization of the tenant.", {"pattern": "^org_"}),
        (
            "Packmule-On-Behalf-Of",
            "Act for this user or service account, or by this delegation.",
            {"pattern": "^(usr|svc|dlg)_"},
        ),
        ("Packmule-Expect-Tenant", "Refuse (409 tenant_mismatch) unless this is the tenant acted on.", {}),
        (
            "Idempotency-Key",
            "Repeat safely: the same key gives the same answer for a day.",
            {"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        ),
        ("If-Match", 'The version that was read, such as `"v3"`; another current one is 412.', {}),
    )
}
COMMON_HEADERS = (
    "Packmule-Environment",
    "Packmule-Organization",
    "Packmule-On-Behalf-Of",
    "Packmule-Expect-Tenant",
)

_ANSWERED: Document = {
    "Request-Id": {"description": "The id that the audit trail carries.", "schema": {"type": "string"}},
    "Packmule-Tenant": {
        "description": "The tenant acted on: `console` or `app/environment`.",
        "schema": {"type": "string"},
    },
}


def answer_headers(*, replayable: bool, versioned: bool, redirects: bool = False) -> Document:
    """Return the headers of an answer that went well."""
    headers = dict(_ANSWERED)
    if replayable:
        headers["Idempotency-Replayed"] = {
            "description": "`true` when this is the stored answer to the same Idempotency-Key.",
            "schema": {"type": "string", "enum": ["true"]},
        }
    if versioned:
        headers["ETag"] = {"description": "The version, for If-Match.", "schema": {"type": "string"}}
    if redirects:
        headers["Location"] = {"description": "Where it is.", "schema": {"type": "string", "format": "uri"}}
    return headers


def _text(description: str = "") -> Document:
    return {"type": "string", **({"description": description} if description else {})}


PROBLEM: Document = {
    "type": "object",
    "description": "A refusal (RFC 9457). /docs/problems.md explains every code.",
    "required": ["type", "title", "status", "code", "detail", "request_id", "retryable", "docs"],
    "properties": {
        "type": _text("Where the code is explained."),
        "title": _text(),
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": _text("What to decide on; stable."),
        "detail": _text("What was wrong with which value, and what to do next."),
        "request_id": {"type": ["string", "null"]},
        "retryable": {"type": "boolean", "description": "Whether the same call may succeed later."},
        "docs": _text(),
        "remedy": {
            "type": "object",
            "required": ["command", "api"],
            "properties": {
                "command": {"type": ["string", "null"]},
                "api": {
                    "type": ["object", "null"],
                    "properties": {
                        "method": _text(),
                        "path": _text(),
                        "body": {"type": ["object", "null"]},
                    },
                },
            },
        },
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {
                    "field": _text("A path such as `members[2].email`; empty for the whole body."),
                    "code": _text(),
                    "detail": _text(),
                },
            },
        },
    },
}

PROBLEM_ANSWER: Document = {
    "description": "Refused.",
    "headers": _ANSWERED,
    "content": {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}

APPROVAL_NEEDED: Document = {
    "description": "A person has to approve it; the same call again, once approved, goes through.",
    "headers": _ANSWERED,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["approval"],
                "properties": {
                    "approval": {
                        "type": "object",
                        "required": ["id", "status", "expires_at"],
                        "properties": {
                            "id": _text(),
                            "status": {"type": "string", "enum": ["pending"]},
                            "expires_at": {"type": "string", "format": "date-time"},
                        },
                    }
                },
            }
        }
    },
}


def statuses(*, with_body: bool, versioned: bool, redirects: bool) -> Sequence[str]:
    """Return the statuses with which a call may be refused, sorted."""
    common = {"400", "401", "403", "404", "406", "409", "429", "500", "503"}
    more = ({"413", "415", "422"} if with_body else set()) | ({"412"} if versioned else set())
    # What a redirect leads to may have to be made first, of something that will not do.
    return sorted(common | more | ({"422"} if redirects else set()))


def page_of(one: Document) -> Document:
    """Return the schema of a page of a list whose rows are `one`."""
    return {
        "type": "object",
        "required": ["data", "next_cursor"],
        "properties": {
            "data": {"type": "array", "items": one},
            "next_cursor": {"type": ["string", "null"], "description": "null on the last page."},
            "notice": {
                "type": "object",
                "description": "What is worth knowing about how the answer came about; left out mostly.",
                "required": ["code", "detail"],
                "properties": {
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                    "fields": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    }


def family(name: str) -> Document:
    """Return the parameter that stands for a family of them, `filter[field]=value`."""
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    return {
        "in": "query",
        "name": name,
        "required": False,
        "style": "deepObject",
        "explode": True,
        "schema": schema,
    }

"""The OpenAPI 3.1 document, through drf-spectacular, from the operations and their serializers.

operationId is the operation's name with underscores; each call says its scope and risk (`x-packmule-…`), every
header it takes, and every status it may answer with.
"""

# drf-spectacular is typed in part only.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from threading import Lock
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, append_meta
from drf_spectacular.settings import patched_settings
from rest_framework import serializers

from apps.core import fields, ids, schema_parts, strictjson
from apps.core.endpoints import AnyOperation, OperationView
from apps.core.operations import Risk
from apps.core.parameters import ListParameters, Parameters
from apps.core.serializers import Output, StrictSerializer

Document = dict[str, Any]
#: drf-spectacular keeps its settings and extensions in classes, where two threads that build at once meet.
_building = Lock()
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class OperationSchema(AutoSchema):
    """DRF's DEFAULT_SCHEMA_CLASS: describes the views that `core.endpoints.endpoint` makes, and no others."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> Document | None:
        self.registry, self.path, self.path_regex = registry, path, path_regex
        self.path_prefix, self.method = path_prefix, method.upper()
        operations = getattr(self.view, "operations", {})
        return self._document(operations[self.method]) if self.method in operations else None

    def _document(self, operation: AnyOperation) -> Document:
        body = self._body(operation)
        return {
            "operationId": operation.name.replace(".", "_").replace("-", "_"),
            "summary": operation.summary,
            "description": operation.description,
            "tags": [operation.room],
            "parameters": self._parameters(operation),
            **({"requestBody": body} if body else {}),
            "security": schema_parts.security(publishable=operation.publishable, open=operation.open),
            "responses": self._responses(operation),
            "x-packmule-operation": operation.name,
            "x-packmule-scope": str(operation.scope),
            "x-packmule-risk": str(operation.risk),
        }

    def _parameters(self, operation: AnyOperation) -> list[Document]:
        variables = re.findall(r"{(\w+)}", self.path)
        found = [*self._resolve_path_parameters(variables), *self._query(operation)]
        headers = list(schema_parts.COMMON_HEADERS)
        headers += ["Idempotency-Key"] if self.method == "POST" else []
        headers += ["If-Match"] if operation.versioned else []
        return found + [
            self._shared(ResolvedComponent.PARAMETER, name, schema_parts.HEADERS[name]) for name in headers
        ]

    def _query(self, operation: AnyOperation) -> list[Document]:
        if self.method in _WITH_BODY and not operation.takes:
            return []
        declared = operation.input or (ListParameters if operation.lists else Parameters)
        serializer = cast("type[Parameters]", declared)()
        plain = [self._query_parameter(name, field) for name, field in serializer.fields.items()]
        return plain + [schema_parts.family(name) for name in serializer.families]

    def _query_parameter(self, name: str, field: Any) -> Document:
        schema = self._map_serializer_field(field, "request")
        self._insert_field_validators(field, schema)
        said = {"description": schema.pop("description")} if "description" in schema else {}
        style = {"style": "form", "explode": False} if isinstance(field, fields.ListField) else {}
        return {"in": "query", "name": name, "required": field.required, **said, **style, "schema": schema}

    def _body(self, operation: AnyOperation) -> Document | None:
        if operation.takes:
            return {"required": True, "content": {operation.takes: {"schema": {"type": "string"}}}}
        if self.method not in _WITH_BODY or operation.input is None:
            return None
        serializer = cast("type[StrictSerializer]", operation.input)(partial=self.method == "PATCH")
        needed = any(field.required for field in serializer.fields.values())
        schema = self.resolve_serializer(serializer, "request").ref
        return {
            "required": needed and self.method != "PATCH",
            "content": {strictjson.MEDIA_TYPE: {"schema": schema}},
        }

    def _responses(self, operation: AnyOperation) -> Document:
        answers = {str(self._status(operation)): self._answer(operation)}
        if operation.risk is not Risk.READ:
            answers["202"] = self._shared(
                ResolvedComponent.RESPONSE, "ApprovalNeeded", schema_parts.APPROVAL_NEEDED
            )
        problem = self._shared(ResolvedComponent.RESPONSE, "Problem", schema_parts.PROBLEM_ANSWER)
        self._shared(ResolvedComponent.SCHEMA, "Problem", schema_parts.PROBLEM)
        statuses = schema_parts.statuses(
            with_body=self.method in _WITH_BODY, versioned=operation.versioned, redirects=operation.redirects
        )
        return {**answers, **dict.fromkeys(statuses, problem)}

    def _status(self, operation: AnyOperation) -> int:
        answers = operation.output or operation.streams
        return cast("OperationView", self.view).statuses[self.method] if answers else 204

    def _answer(self, operation: AnyOperation) -> Document:
        headers = schema_parts.answer_headers(
            replayable=self.method == "POST", versioned=operation.versioned, redirects=operation.redirects
        )
        answer: Document = {"description": operation.summary, "headers": headers}
        if operation.streams:
            return {**answer, "content": {operation.streams: {"schema": {"type": "string"}}}}
        if operation.output is None:
            return answer
        one = self.resolve_serializer(cast("type[Output]", operation.output)(), "response").ref
        schema = schema_parts.page_of(one) if operation.lists else one
        return {**answer, "content": {strictjson.MEDIA_TYPE: {"schema": schema}}}

    def _shared(self, kind: str, name: str, schema: Document) -> Document:
        """Register a shared component and return the reference to it."""
        component = ResolvedComponent(name=name, type=kind, schema=schema, object=name)
        self.registry.register_on_missing(component)
        return component.ref

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """Answers are named after the thing, without `Output`."""
        return str(super().get_serializer_name(serializer, direction)).removesuffix("Output")

    def _map_serializer(self, serializer: Any, direction: Any, bypass_extensions: bool = False) -> Document:
        schema = cast(Document, super()._map_serializer(serializer, direction, bypass_extensions))
        if isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
        if isinstance(serializer, Output):
            _drop_limits(schema)
        return schema

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Document:
        own = _own_schema(field)
        if own is None:
            return cast(Document, super()._map_serializer_field(field, direction, bypass_extensions))
        return append_meta(own, self._get_serializer_field_meta(field, direction))


def _drop_limits(schema: Document) -> None:
    """Take the bounds of input fields out of an answer's schema: what is stored is told whole."""
    for part in schema.get("properties", {}).values():
        for bound in ("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"):
            part.pop(bound, None)


def _own_schema(field: Any) -> Document | None:
    """Return the schema of a field whose form spectacular does not know; None for the others."""
    if isinstance(field, fields.IdField):
        prefixes = "|".join(getattr(field, "prefixes", (field.prefix,)))
        wanted = f"({prefixes})" if "|" in prefixes else prefixes
        return {"type": "string", "pattern": f"^{ids.pattern(wanted)}$"}
    if isinstance(field, fields.TimestampField):
        return {"type": "string", "format": "date-time"}
    if isinstance(field, serializers.ChoiceField):
        return {"type": "string", "enum": list(field.choices)}
    if isinstance(field, serializers.CharField):
        return _text_schema(field)
    return None


def _text_schema(field: serializers.CharField) -> Document:
    schema: Document = {"type": "string"}
    if not field.allow_blank and not field.read_only and not isinstance(field.root, Output):
        schema["minLength"] = 1
    if isinstance(field, fields.SlugField):
        schema["pattern"] = fields.SLUG_PATTERN
    if isinstance(field, fields.EmailField):
        schema["format"] = "email"
    return schema


class Generator(SchemaGenerator):
    """Spectacular's DEFAULT_GENERATOR_CLASS: adds what belongs to the document as a whole."""

    def parse(self, input_request: Any, public: bool) -> Document:
        paths = cast(Document, super().parse(input_request, public))
        _rename_twins(paths)
        return paths

    def get_schema(self, request: Any = None, public: bool = False) -> Document:
        # Its hook would move every enum into a component of its own and warn where two fields share a name.
        with patched_settings({"POSTPROCESSING_HOOKS": []}):
            document = cast(Document, super().get_schema(request=request, public=public))
        document["components"]["securitySchemes"] = schema_parts.SECURITY_SCHEMES
        document["servers"] = [{"url": "/"}]
        document["tags"] = [{"name": room} for room in _rooms(document)]
        return document


def _calls(paths: Document) -> list[tuple[str, Document]]:
    return [(path, call) for path, methods in paths.items() for call in methods.values()]


def _rooms(document: Document) -> list[str]:
    return sorted({tag for _, call in _calls(document["paths"]) for tag in call["tags"]})


def _rename_twins(paths: Document) -> None:
    """Give an operation that has several URLs an operationId at each: the shortest path keeps the plain one."""
    taken: set[str] = set()
    for path, call in sorted(_calls(paths), key=lambda item: (len(item[0]), item[0])):
        if call["operationId"] in taken:
            call["operationId"] += "_in_" + path.strip("/").split("/")[1].replace("-", "_")
        taken.add(call["operationId"])


def build_document(urlconf: str | None = None) -> Document:
    """Return the OpenAPI document of every operation that has a URL."""
    with _building:
        return Generator(urlconf=urlconf).get_schema(request=None, public=True)


@cache
def _rendered() -> tuple[bytes, str]:
    body = strictjson.dumps(build_document())
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def openapi_view(request: HttpRequest) -> HttpResponseBase:
    """Answer GET /openapi.json, with an ETag."""
    body, tag = _rendered()
    return cached_answer(request, body, tag, strictjson.MEDIA_TYPE)


def cached_answer(request: HttpRequest, body: bytes, tag: str, content_type: str) -> HttpResponseBase:
    """Return `body`, or 304 when the client has the version `tag` already."""
    headers: Mapping[str, str] = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers=headers)
    return HttpResponse(body, content_type=content_type, headers=headers)

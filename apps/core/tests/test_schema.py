"""The OpenAPI document, of a sample room and of the platform."""

from typing import Any

import pytest
from django.core.management import call_command
from django.test import RequestFactory
from openapi_spec_validator import OpenAPIV31SpecValidator

from apps.core import schema
from apps.core.routes import route_of, routes

SAMPLE = "apps.core.tests.sample"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return schema.build_document(SAMPLE)


def _call(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    call: dict[str, Any] = document["paths"][path][method]
    return call


def _parameters(document: dict[str, Any], call: dict[str, Any]) -> dict[str, dict[str, Any]]:
    shared = document["components"]["parameters"]
    found = [shared[p["$ref"].rpartition("/")[2]] if "$ref" in p else p for p in call["parameters"]]
    return {parameter["name"]: parameter for parameter in found}


def test_the_document_is_valid_openapi_31(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


@pytest.mark.sweep
def test_spectacular_itself_finds_nothing_to_warn_about(capsys: pytest.CaptureFixture[str]) -> None:
    for urlconf in (SAMPLE, "config.urls"):
        call_command(
            "spectacular",
            urlconf=urlconf,
            generator_class="apps.core.schema.Generator",
            validate=True,
            fail_on_warn=True,
        )
    assert "warning" not in capsys.readouterr().err.lower()


@pytest.mark.sweep
def test_the_platforms_document_is_valid() -> None:
    OpenAPIV31SpecValidator(schema.build_document()).validate()


def test_a_call_carries_its_name_scope_risk_and_words(document: dict[str, Any]) -> None:
    call = _call(document, "post", "/v1/widgets")
    assert call["operationId"] == "widgets_create"
    assert call["summary"] == "Do widgets.create to a widget."
    assert call["description"].endswith("And say so.")
    assert (call["tags"], document["tags"]) == (["widgets"], [{"name": "widgets"}])
    assert (call["x-packmule-scope"], call["x-packmule-risk"]) == ("widgets:write", "write")


def test_every_operation_id_is_there_once(document: dict[str, Any]) -> None:
    found = [call["operationId"] for _, call in schema._calls(document["paths"])]
    assert len(set(found)) == len(found) == 8
    assert (
        _call(document, "post", "/v1/shelves/{shelf}/widgets")["operationId"] == "widgets_create_in_shelves"
    )


def test_bodies_refuse_unknown_fields_and_answers_may_grow(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    body = schemas["WidgetInput"]
    assert body["additionalProperties"] is False
    assert body["required"] == ["name"]
    assert body["properties"]["name"] == {
        "type": "string",
        "description": "What people call it.",
        "maxLength": 120,
        "minLength": 1,
    }
    assert body["properties"]["organization"]["type"] == ["string", "null"]
    assert body["properties"]["kind"] == {"type": "string", "enum": ["round", "square"], "default": "round"}
    assert body["properties"]["expires_at"]["format"] == "date-time"
    assert "additionalProperties" not in schemas["Widget"]
    assert sorted(schemas["Widget"]["required"]) == ["created_at", "id", "kind", "name", "parts", "size"]
    assert "required" not in schemas["PatchedWidgetInput"]


def test_ids_in_the_path_have_their_pattern(document: dict[str, Any]) -> None:
    parameter = _parameters(document, _call(document, "get", "/v1/widgets/{widget}"))["widget"]
    assert parameter["in"] == "path"
    assert parameter["schema"]["pattern"].startswith("^job_[0-7]")


def test_headers_are_named_where_they_are_taken(document: dict[str, Any]) -> None:
    posted = _parameters(document, _call(document, "post", "/v1/widgets"))
    assert {"Idempotency-Key", "Packmule-Environment", "Packmule-Organization"} <= set(posted)
    assert "If-Match" not in posted
    assert "If-Match" in _parameters(document, _call(document, "patch", "/v1/widgets/{widget}"))


def test_lists_take_a_limit_and_a_cursor_and_answer_a_page(document: dict[str, Any]) -> None:
    call = _call(document, "get", "/v1/widgets")
    limit = _parameters(document, call)["limit"]["schema"]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 200, 50)
    page = call["responses"]["200"]["content"]["application/json"]["schema"]
    assert page["properties"]["data"]["items"] == {"$ref": "#/components/schemas/Widget"}
    assert page["properties"]["next_cursor"]["type"] == ["string", "null"]


def test_answers_have_their_status_and_refusals_are_problems(document: dict[str, Any]) -> None:
    created = _call(document, "post", "/v1/widgets")["responses"]
    assert {"201", "202", "409", "413", "415", "422", "429", "500"} <= set(created)
    assert "412" not in created
    assert created["422"] == {"$ref": "#/components/responses/Problem"}
    deleted = _call(document, "delete", "/v1/widgets/{widget}")["responses"]
    assert "content" not in deleted["204"]
    assert {"202", "412"} <= set(deleted)
    shown = _call(document, "get", "/v1/widgets/{widget}")
    assert "202" not in shown["responses"]
    assert {"publishable": []} in shown["security"]
    assert "200" in _call(document, "post", "/v1/widgets/{widget}/cancel")["responses"]


def test_the_document_is_served_with_an_etag() -> None:
    first = schema.openapi_view(RequestFactory().get("/openapi.json"))
    assert (first.status_code, first["Content-Type"]) == (200, "application/json")
    again = schema.openapi_view(RequestFactory().get("/openapi.json", HTTP_IF_NONE_MATCH=first["ETag"]))
    assert again.status_code == 304


def test_routes_are_read_back_from_the_urls() -> None:
    found = route_of("widgets.create", SAMPLE)
    assert found is not None
    assert (found.method, found.path, found.status) == ("POST", "/v1/widgets", 201)
    assert len(routes(SAMPLE)) == 8
    assert route_of("widgets.none", SAMPLE) is None
    search = route_of("widgets.search", SAMPLE)
    assert search is not None
    assert search.fill({"shelf": "top"}) == "/v1/shelves/top/widgets"

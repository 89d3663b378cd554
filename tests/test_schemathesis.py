"""Every route fuzzed against the OpenAPI document, through the whole stack: no 5xx, and no answer outside of it."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from apps.core.schema import build_document
from apps.storage.stores import room
from tests.client import whole
from tests.oauth import give
from tests.openapi import check_answer
from tests.world import World

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]


@cache
def _handler() -> WSGIHandler:
    return WSGIHandler()


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Django without the signals that would close the connection, and with it the test's transaction."""
    response = _handler().get_response(WSGIRequest(environ))
    start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
    return [whole(response).content]


@schemathesis.serializer("application/x-ndjson")
def lines(_context: Any, value: Any) -> bytes:
    """What was made up for a body of lines, as it is."""
    return str(value).encode()


schema = schemathesis.openapi.from_dict(build_document())
schema.app = application

pytestmark = pytest.mark.schema


@pytest.fixture(params=["builder", "environment", "person", "nobody"])
def headers(request: pytest.FixtureRequest, world: World) -> dict[str, str]:
    """The credential of a builder's agent, of a whole environment, of a person's program, or none."""
    shown = {
        "builder": world.builders.agent_key,
        "environment": world.acorn.root_key,
        "person": give(world.console, ["*"], user=world.builders.person),
    }.get(request.param)
    return {"Host": "127.0.0.1", **({"Authorization": f"Bearer {shown}"} if shown else {})}


@schema.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_answer_is_one_that_the_document_promises(
    case: Any, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file of made-up size has no room on any disk, which is refused with a status that is no failure of the server.
    monkeypatch.setattr(room, "require", lambda _store, _size: None)
    if "Authorization" in headers:
        # Made-up places would end every call at the door; "nobody" tries those.
        for name in [name for name in case.headers or {} if name.startswith("Packmule-")]:
            del case.headers[name]
    response = case.call(headers=headers)
    case.validate_response(response, checks=CHECKS, headers=headers)
    kinds = {name.title(): values[0] for name, values in response.headers.items()}
    check_answer(case.method, case.formatted_path, response.status_code, kinds, response.content)

"""Holds answers against the OpenAPI document: a test that sees an answer outside of it fails.

Stricter than the document in one way: an answer may not have fields that its schema does not name, so that nothing
is answered which is not documented.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from apps.core.problem_codes import codes
from apps.core.problems import CONTENT_TYPE as PROBLEM_TYPE
from apps.core.schema import build_document


def check_answer(method: str, path: str, status: int, headers: Mapping[str, str], content: bytes) -> None:
    """Raise AssertionError when the answer to `method path` is not one that the document promises."""
    where = f"{method} {path} answered {status}"
    assert headers.get("Request-Id"), f"{where} without a Request-Id"
    if headers.get("Content-Type") == PROBLEM_TYPE:
        _check_problem(where, status, content)
    call = _find(method, path.partition("?")[0])
    if call is None:
        assert status in (404, 405) or status == 401, f"{where}, which is no call of the document"
        return
    answers = call["responses"]
    assert str(status) in answers, f"{where}, and the document knows {sorted(answers)}"
    _check_body(where, _resolved(answers[str(status)]), headers, content)


def _check_problem(where: str, status: int, content: bytes) -> None:
    problem = orjson.loads(content)
    assert problem["status"] == status, f"{where} with a problem of status {problem['status']}"
    assert problem["code"] in codes(), (
        f"{where} with the code {problem['code']}, which docs/problems.md does not explain"
    )


def _check_body(where: str, answer: dict[str, Any], headers: Mapping[str, str], content: bytes) -> None:
    offered = answer.get("content")
    if not offered:
        assert not content, f"{where} with a body where none is promised: {content[:200]!r}"
        return
    kind = str(headers.get("Content-Type")).partition(";")[0]
    assert kind in offered, f"{where} as {kind}, and the document knows {sorted(offered)}"
    if kind != "application/json":
        return
    validator = _validator(orjson.dumps(offered[kind]["schema"], option=orjson.OPT_SORT_KEYS))
    errors = list(validator.iter_errors(orjson.loads(content)))
    assert not errors, f"{where} outside of its schema: " + "; ".join(
        f"{error.json_path}: {error.message}" for error in errors[:5]
    )


@cache
def _validator(schema: bytes) -> Draft202012Validator:
    return Draft202012Validator({**orjson.loads(schema), "components": _document()["components"]})


@cache
def _document() -> dict[str, Any]:
    document = build_document()
    for name, schema in document["components"]["schemas"].items():
        if name != "Problem" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


@cache
def _templates() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    paths = _document()["paths"]
    ordered = sorted(paths, key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), paths[path]) for path in ordered]


def _find(method: str, path: str) -> dict[str, Any] | None:
    wanted = "get" if method == "HEAD" else method.lower()
    for pattern, calls in _templates():
        if pattern.fullmatch(path):
            # A concrete path comes before one with variables (OpenAPI 3.1, Paths Object), whatever its methods are.
            found: dict[str, Any] | None = calls.get(wanted)
            return found
    return None


def _resolved(answer: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in answer:
        return answer
    found: dict[str, Any] = _document()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return found

"""The API as a client sees it: JSON in, JSON out, one key, and every answer held against the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson
from django.http import HttpResponse
from django.test import Client

from tests.openapi import check_answer


class Answer:
    """One answer of the API."""

    def __init__(self, response: HttpResponse) -> None:
        self.response = response
        self.status = response.status_code
        self.headers = response.headers

    @property
    def body(self) -> Any:
        """The JSON document; None when there is no body, or one of another kind."""
        kind = self.headers.get("Content-Type", "").partition(";")[0]
        is_json = kind in ("application/json", "application/problem+json")
        return orjson.loads(self.response.content) if is_json and self.response.content else None

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    @property
    def code(self) -> str:
        """The problem's code, or '' when the call went well."""
        return str(self.body.get("code", "")) if self.status >= 400 and self.body else ""

    def __repr__(self) -> str:
        return f"<{self.status} {self.response.content[:600]!r}>"


def whole(response: Any) -> HttpResponse:
    """An answer that came bit by bit as one that came at once."""
    if not response.streaming:
        return cast(HttpResponse, response)
    return HttpResponse(
        b"".join(response.streaming_content), status=response.status_code, headers=dict(response.items())
    )


class Api:
    """A client with one credential. `using(key)` is the same with another one, `sending(...)` with headers."""

    def __init__(
        self, key: str | None = None, host: str = "127.0.0.1", headers: dict[str, str] | None = None
    ) -> None:
        self.key, self.host, self.headers = key, host, dict(headers or {})

    def using(self, key: str | None) -> Api:
        """The same client with another key."""
        return Api(key, self.host, self.headers)

    def on(self, host: str) -> Api:
        """The same client, calling another host."""
        return Api(self.key, host, self.headers)

    def sending(self, **headers: str) -> Api:
        """The same client with more headers; `packmule_environment` is sent as Packmule-Environment."""
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        return Api(self.key, self.host, {**self.headers, **named})

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one call. `raw` is sent as it is, `body` as JSON; header names may be written with underscores."""
        client = Client(raise_request_exception=False)
        content = raw if raw is not None else (b"" if body is None else orjson.dumps(body))
        sent = {
            **self.headers,
            **{name.replace("_", "-").title(): value for name, value in (headers or {}).items()},
        }
        if self.key is not None:
            sent.setdefault("Authorization", f"Bearer {self.key}")
        sent["Host"] = self.host
        kind = sent.pop("Content-Type", "application/json")
        response = client.generic(
            method, path, content, content_type=kind, headers=sent, SERVER_NAME=self.host
        )
        answer = Answer(whole(response))
        if path.startswith("/v1/") and method != "OPTIONS":
            check_answer(method, path, answer.status, answer.headers, answer.response.content)
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return self.call("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        """POST."""
        return self.call("POST", path, {} if body is None else body, headers=headers)

    def patch(self, path: str, body: Any, **headers: str) -> Answer:
        """PATCH."""
        return self.call("PATCH", path, body, headers=headers)

    def delete(self, path: str, **headers: str) -> Answer:
        """DELETE."""
        return self.call("DELETE", path, headers=headers)

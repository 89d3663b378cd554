"""Packmule over HTTP: JSON in and out, refusals as exceptions, and a call is repeated until there is an answer."""

from __future__ import annotations

import copy
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

#: Seconds for which a call is repeated while nobody answers, or the answer says that trying again may help.
PATIENCE = 60.0


class Refused(Exception):  # noqa: N818 - what happened, as every name here
    """What Packmule answered instead. `code` is for programs, `detail` for people, `remedy` what gets further."""

    def __init__(self, status: int, problem: Mapping[str, Any], *, wait: float = 0.0) -> None:
        self.status = status
        self.code = str(problem.get("code", f"http_{status}"))
        self.detail = str(problem.get("detail") or problem.get("title") or f"Packmule answered {status}.")
        self.remedy = problem.get("remedy")
        self.retryable = bool(problem.get("retryable", status >= 500))
        self.wait = wait
        super().__init__(f"{self.code}: {self.detail}")


class Api:
    """Calls with one set of credentials; threads may share it. Raises Refused, and httpx.TransportError at the end
    of its patience."""

    def __init__(self, url: str, headers: Mapping[str, str], *, patience: float = PATIENCE) -> None:
        self.url, self.headers, self.patience = url, dict(headers), patience
        self._client = httpx.Client(base_url=url, timeout=httpx.Timeout(30, connect=5))

    def acting(self, **headers: str) -> Api:
        """The same client with more headers: acting("Packmule-Organization"=...) and the like, _ for -."""
        made = copy.copy(self)
        made.headers = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        return made

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()

    def get(self, path: str, **params: Any) -> Any:
        """What is there. `filter` takes a mapping: get(path, filter={"menu": "rec_…"})."""
        wanted = params.pop("filter", {})
        params.update({f"filter[{field}]": value for field, value in wanted.items()})
        return self._json("GET", path, params=params)

    def every(self, path: str, **params: Any) -> Iterator[Any]:
        """Every row of a list, page by page."""
        cursor = None
        while True:
            page = self.get(path, **params, **({"cursor": cursor} if cursor else {}))
            yield from page["data"]
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def post(self, path: str, body: Any = None, *, once: str | None = None) -> Any:
        """Do something. It is done once however often it is sent, also by another process that knows `once`."""
        headers = {"Idempotency-Key": once or str(uuid.uuid4())}
        return self._json("POST", path, json={} if body is None else body, headers=headers)

    def put(self, path: str, body: Any) -> Any:
        """Replace what is there."""
        return self._json("PUT", path, json=body)

    def patch(self, path: str, body: Any, *, version: int | None = None) -> Any:
        """Change what is there; with a `version`, that one alone: what changed meanwhile is Refused with 412."""
        headers = {} if version is None else {"If-Match": f'"v{version}"'}
        return self._json("PATCH", path, json=body, headers=headers)

    def delete(self, path: str) -> None:
        """End what is there."""
        self._answer("DELETE", path)

    def upload(self, bucket: str, name: str, content_type: str, data: bytes) -> str:
        """Bring bytes into a bucket, straight to the store; the id of the file."""
        announced = {"bucket": bucket, "name": name, "content_type": content_type, "size": len(data)}
        file = self.post("/v1/files", announced)
        way = file["upload"]
        self._send(way["method"], way["url"], content=data, headers=way["headers"])
        self.post(f"/v1/files/{file['id']}/complete")
        return str(file["id"])

    def download(self, file: str) -> bytes:
        """The bytes of a file, straight from the store."""
        link = self.get(f"/v1/files/{file}/link", seconds=300)
        return self._send(link["method"], link["url"], headers=link["headers"]).content

    def picture(self, file: str, preset: str) -> str:
        """A signed URL of what `preset` makes of a picture; it is made at the first request."""
        return str(self.get(f"/v1/files/{file}/derivatives/{preset}/link")["url"])

    def _json(self, method: str, path: str, **more: Any) -> Any:
        answer = self._answer(method, path, **more)
        return answer.json() if answer.content else None

    def _answer(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        return self._send(method, path, headers=headers, **more)

    def _send(self, method: str, url: str, **more: Any) -> httpx.Response:
        """Ask until there is an answer that counts. What is sent to a signed URL carries no key of ours."""
        until = time.monotonic() + self.patience
        for pause in _pauses():
            try:
                return _checked(self._client.request(method, url, **more))
            except (httpx.TransportError, Refused) as failure:
                wait = max(pause, getattr(failure, "wait", 0.0))
                if not getattr(failure, "retryable", True) or time.monotonic() + wait > until:
                    raise
            time.sleep(wait)
        raise AssertionError("pauses never end")


def _pauses() -> Iterator[float]:
    pause = 0.1
    while True:
        yield pause
        pause = min(pause * 2, 3.0)


def _checked(answer: httpx.Response) -> httpx.Response:
    """The answer, unless it is a refusal."""
    if answer.status_code < 400:
        return answer
    is_json = "json" in answer.headers.get("Content-Type", "")
    problem = answer.json() if is_json else {}
    after = answer.headers.get("Retry-After", "")
    raise Refused(answer.status_code, problem, wait=float(after) if after.isdigit() else 0.0)

"""A front end of a product, as its tests write one: allauth's API with a session token, and the mails that it sends."""

from __future__ import annotations

import re
from typing import Any

import orjson
from django.core import mail
from django.test import Client, TestCase

from tests.world import Space

PASSWORD = "a sentence that nobody guesses"  # noqa: S105
API_HOST = "127.0.0.1"


class Answer:
    """One answer of allauth's API."""

    def __init__(self, response: Any) -> None:
        self.response, self.status, self.headers = response, response.status_code, response.headers
        self.body: Any = orjson.loads(response.content) if response.content[:1] in (b"{", b"[") else None

    @property
    def pending(self) -> str:
        """The step that has to be taken next, '' for none."""
        flows = (self.body.get("data") or {}).get("flows", [])
        return next((flow["id"] for flow in flows if flow.get("is_pending")), "")

    @property
    def codes(self) -> list[str]:
        """The codes of what was wrong."""
        return [error["code"] for error in self.body.get("errors", [])]

    def __repr__(self) -> str:
        return f"<{self.status} {self.response.content[:400]!r}>"


class FrontEnd:
    """One person's program, on the tenant's own host or, `by_key`, on the host that all tenants share."""

    def __init__(self, space: Space, *, by_key: bool = False, token: str = "", **headers: str) -> None:
        self.space, self.by_key, self.token = space, by_key, token
        self.extra = headers
        self.tokens: list[str] = []

    def headers(self) -> dict[str, str]:
        """What every call of it sends."""
        sent = {"Host": API_HOST if self.by_key else self.space.host, **self.extra}
        if self.by_key:
            sent["Packmule-Key"] = self.space.publishable_key
        if self.token:
            sent["X-Session-Token"] = self.token
        return sent

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send one call and keep the session token that comes back."""
        client = Client(raise_request_exception=False)
        content = b"" if body is None else orjson.dumps(body)
        with TestCase.captureOnCommitCallbacks(execute=True):
            response = client.generic(
                method,
                f"/_allauth/app/v1/{path}",
                content,
                content_type="application/json",
                headers=self.headers() | {name.replace("_", "-"): value for name, value in headers.items()},
            )
        answer = Answer(response)
        token = ((answer.body or {}).get("meta") or {}).get("session_token")
        if token:
            self.token = token
            self.tokens.append(token)
        return answer

    def post(self, path: str, **body: Any) -> Answer:
        """POST."""
        return self.call("POST", path, body)

    def sign_up(self, email: str, password: str = PASSWORD) -> Answer:
        """Sign up, and confirm the address with the code of the mail."""
        asked = self.post("auth/signup", email=email, password=password)
        assert asked.pending == "verify_email", asked
        return self.post("auth/email/verify", key=code_for(email))

    def sign_in(self, email: str, password: str = PASSWORD) -> Answer:
        """Sign in by password."""
        return self.post("auth/login", email=email, password=password)

    def by_code(self, email: str) -> Answer:
        """Sign in by a code from a mail."""
        self.post("auth/code/request", email=email)
        return self.post("auth/code/confirm", code=code_for(email))


def last_mail(email: str) -> Any:
    """The newest mail to `email`."""
    return next(found for found in reversed(mail.outbox) if found.to == [email])


def code_for(email: str) -> str:
    """The code in the newest mail to `email`."""
    found = re.search(r"\b([A-Z0-9]{3,4}-[A-Z0-9]{3,4})\b", last_mail(email).body)
    assert found is not None, last_mail(email).body
    return found[1]


def link_for(email: str) -> str:
    """The link in the newest mail to `email`."""
    found = re.search(r"https?://\S+", last_mail(email).body)
    assert found is not None, last_mail(email).body
    return found[0]
